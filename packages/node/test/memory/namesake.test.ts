/** A process id says nothing about who is alive: the next process may have it. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import { freshDirectory } from "./fixtures/space.ts"

interface Found {
  readonly before: ReadonlyArray<{ readonly isAlive: boolean; readonly startTicks: number }>
  readonly after: Found["before"]
  readonly seats: ReadonlyArray<string>
}

/** A namespace of process ids of one's own, whose next id can be chosen; some systems forbid it. */
const alone = ["unshare", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"]
const canChoose =
  spawnSync(alone[0]!, [...alone.slice(1), "sh", "-c", "echo 300 > /proc/sys/kernel/ns_last_pid"]).status === 0

describe("a process id that another participant has now", () => {
  it.live.runIf(canChoose)(
    "keeps nobody alive: the dead one is recovered, and its namesake is left in peace [P3]",
    () =>
      Effect.map(freshDirectory, (directory) => {
        const program = new URL("./fixtures/namesake.ts", import.meta.url).pathname
        const flags = ["--conditions=@selvedge/source", "--no-warnings", program, directory]
        const [command = "", ...args] = [...alone, process.execPath, ...flags]
        const ran = spawnSync(command, args, { encoding: "utf8", timeout: 50_000, killSignal: "SIGKILL" })
        assert.strictEqual(ran.status, 0, `${ran.signal ?? ""} ${ran.stderr}`)
        const { after, before, seats } = JSON.parse(ran.stdout) as Found
        assert.deepStrictEqual(before.map(({ isAlive }) => isAlive).toSorted(), [false, true])
        assert.deepStrictEqual(
          after,
          before.filter(({ isAlive }) => isAlive)
        )
        assert.deepStrictEqual(seats, ["Vacant"])
      }).pipe(Effect.scoped)
  )
})
