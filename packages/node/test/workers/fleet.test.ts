/**
 * Whole services with workers, seen from outside: Ctrl-C in a terminal, the death of the parent, the first process of a container.
 */
import { assert, describe, it } from "@effect/vitest"
import { execFileSync, spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import "./support.ts"

interface Fleet {
  readonly pid: number
  /** Process ids the workers noted, in the order they began. */
  readonly workers: () => ReadonlyArray<number>
  readonly journal: () => ReadonlyArray<string>
  readonly output: () => string
  readonly ended: Promise<readonly [code: number | null, signal: string | null]>
}

const program = new URL("./fixtures/fleet.ts", import.meta.url).pathname

/** Runs a fleet in a process group of its own until it says that it is ready, and does something to it. */
const withFleet = async (
  options: {
    readonly backend: string
    readonly env?: Record<string, string>
    readonly through?: ReadonlyArray<string>
  },
  act: (fleet: Fleet) => Promise<void>
): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), "fleet-"))
  const path = join(folder, "journal")
  const node = [process.execPath, "--conditions=@selvedge/source", "--no-warnings", program, options.backend]
  const [command = "", ...args] = [...(options.through ?? []), ...node]
  const child = spawn(command, args, {
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, JOURNAL: path, ...options.env }
  })
  const ended = new Promise<readonly [number | null, string | null]>((resolve) => {
    child.once("exit", (code, signal) => resolve([code, signal]))
  })
  let output = ""
  const journal = () => readFileSync(path, "utf8").trimEnd().split("\n")
  const pid = child.pid ?? 0
  try {
    await new Promise<void>((resolve, reject) => {
      const hear = (text: Buffer) => {
        output += String(text)
        if (output.includes("ready: ")) resolve()
      }
      child.stdout.on("data", hear)
      child.stderr.on("data", hear)
      void ended.then(() => reject(new Error(`it ended before it was ready:\n${output}`)))
    })
    const workers = () =>
      journal().flatMap((line) => Array.from(line.matchAll(/^began .* pid (\d+)$/g), (found) => Number(found[1])))
    await act({ pid, workers, journal, output: () => output, ended })
  } finally {
    // The whole group: whatever a failing test left running.
    try {
      process.kill(-pid, "SIGKILL")
    } catch {
      // Nobody is left.
    }
    rmSync(folder, { recursive: true, force: true })
  }
}

/** A zombie has ended: it waits for the first process of this machine to look at it. */
const isAlive = (pid: number): boolean => {
  try {
    return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, "utf8"))
  } catch {
    return false
  }
}

/** Longer than any machine needs to end a process, and less than a test may take. */
const LIMIT_MILLIS = 200_000

/** How long it took until none of them was alive, or undefined after the limit. */
const goneAfter = async (pids: ReadonlyArray<number>): Promise<number | undefined> => {
  const began = performance.now()
  while (performance.now() - began < LIMIT_MILLIS) {
    if (!pids.some(isAlive)) return performance.now() - began
    await pause(10)
  }
  return undefined
}

const until = async (isSo: () => boolean): Promise<void> => {
  while (!isSo()) await pause(10)
}

const drainedOf = (journal: ReadonlyArray<string>, reason: string): number =>
  journal.filter((line) => line.startsWith("drained") && line.endsWith(`because ${reason}`)).length

describe.each([
  { backend: "threaded", programs: 3 },
  { backend: "forked", programs: 3 },
  { backend: "hybrid", programs: 6 }
])("a service with $backend workers", ({ backend, programs }) => {
  it("drains once when Ctrl-C reaches its whole process group, workers before itself [W10] [S8]", async () => {
    await withFleet({ backend }, async ({ ended, journal, output, pid, workers }) => {
      const pids = workers()
      process.kill(-pid, "SIGINT")
      assert.deepStrictEqual(await ended, [0, null], output())
      assert.strictEqual(drainedOf(journal(), "Requested"), programs, output())
      assert.match(output(), /workers \d/)
      assert.notInclude(output(), "forced")
      assert.isDefined(await goneAfter(pids))
    })
  })
})

describe.each([
  { backend: "forked", programs: 3 },
  { backend: "hybrid", programs: 6 }
])("workers of a $backend service", ({ backend, programs }) => {
  it("drain and are gone when their parent is killed [W12]", async () => {
    await withFleet({ backend }, async ({ journal, pid, workers }) => {
      process.kill(pid, "SIGKILL")
      const millis = await goneAfter(workers())
      assert.isDefined(millis, `still there: ${journal().join("; ")}`)
      console.log(`${backend}: gone ${Math.round(millis ?? 0)} ms after their parent`)
      const reason = backend === "forked" ? "ParentGone" : "Requested"
      assert.strictEqual(drainedOf(journal(), reason), programs, journal().join("\n"))
    })
  })
})

it("workers that block their loop are gone by their own budget when their parent is killed [W12]", async () => {
  const env = {
    BLOCK: "yes",
    SELVEDGE_SHUTDOWN_BUDGET: "2s",
    SELVEDGE_RESERVE_LAST_WORDS: "100ms",
    SELVEDGE_RESERVE_ON_STOP: "100ms",
    SELVEDGE_RESERVE_FLUSH: "100ms",
    SELVEDGE_RESERVE_CLOSE: "100ms",
    SELVEDGE_RESERVE_POST_STOP: "100ms"
  }
  await withFleet({ backend: "forked", env }, async ({ journal, pid, workers }) => {
    await until(() => journal().filter((line) => line === "blocks").length === 3)
    const pids = workers()
    process.kill(pid, "SIGKILL")
    const millis = await goneAfter(pids)
    assert.isDefined(millis, "still there")
    assert.isAbove(millis ?? 0, 1_500, "they had the budget to end by themselves")
  })
})

it("a worker that nothing can end is named in the report, and the exit code is 124 [S8] [W10]", async () => {
  // Without its guard: on a busy machine that would be quicker than the end of the report.
  const env = { BLOCK: "native", SELVEDGE_SHUTDOWN_BUDGET: "6s", SELVEDGE_GUARD: "false" }
  await withFleet({ backend: "threaded", env }, async ({ ended, journal, output, pid }) => {
    await until(() => journal().includes("blocks"))
    process.kill(pid, "SIGTERM")
    assert.deepStrictEqual(await ended, [124, null], output())
    assert.match(output(), /left behind: .*drainer 1/)
  })
})

const canUnshare = (() => {
  try {
    execFileSync("unshare", ["-pf", "--mount-proc", "true"], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
})()

it.runIf(canUnshare)(
  "as the first process of a container it drains its workers on SIGTERM and leaves none [W10] [S6]",
  async () => {
    const through = ["unshare", "-pf", "--mount-proc", "--kill-child"]
    await withFleet({ backend: "forked", through }, async ({ ended, journal, output, pid }) => {
      // The service is the only child of unshare.
      const inner = Number(execFileSync("pgrep", ["-P", String(pid)], { encoding: "utf8" }).trim())
      process.kill(inner, "SIGTERM")
      assert.deepStrictEqual(await ended, [0, null], output())
      assert.strictEqual(drainedOf(journal(), "Requested"), 3, output())
    })
  }
)
