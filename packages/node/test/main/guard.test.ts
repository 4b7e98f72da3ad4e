/**
 * The guard, seen from outside: real processes that hang in every way a process can.
 *
 * How soon each step comes is a promise about a machine that has time: the shipped times are compared as numbers, and what was
 * measured is printed. Which step ends a process must not depend on the machine: each is given the time it needs on a busy one.
 */
import { assert, describe, it } from "@effect/vitest"
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { pathToFileURL } from "node:url"
import { type Times, times } from "../../src/main/internal/guardTimes.ts"
import type { Ended, Options } from "./fixtures/child.ts"
import { run } from "./fixtures/child.ts"

/** For an end that needs the main thread or a voice: the step after it is far away. */
const PATIENT: Partial<Times> = { voice: 20_000, lastLine: 40_000, kill: 60_000 }
/** For an end by SIGKILL, with time for both texts before it. */
const SPOKEN: Partial<Times> = { voice: 5000, lastLine: 5000, kill: 10_000 }
/** For a pipe that is full: nothing is written, however long that is waited for. */
const UNREAD: Partial<Times> = { kill: 60_000, lastLine: 40_000 }

const guarded = async (scenario: string, options?: Options & { readonly times?: Partial<Times> }): Promise<Ended> => {
  const ended = await run("./guarded.ts", [scenario, JSON.stringify(options?.times ?? PATIENT)], options)
  const how = ended.signal ?? `exit ${ended.code}`
  console.log(
    `${scenario.padEnd(18)} ${how.padEnd(10)} D ${ended.lateMillis >= 0 ? "+" : "-"} ${Math.abs(Math.round(ended.lateMillis))} ms`
  )
  return ended
}

const assertByInspector = (ended: Ended, code: number): void => {
  assert.deepStrictEqual([ended.code, ended.signal], [code, null], ended.stderr)
  assert.isAtLeast(ended.lateMillis, times.grace)
  assert.include(ended.stderr, `ending it with exit code ${code}`)
}

const assertBySigkill = (ended: Ended, after = times.kill): void => {
  assert.deepStrictEqual([ended.code, ended.signal], [null, "SIGKILL"], ended.stderr)
  assert.isAtLeast(ended.lateMillis, after)
}

it("the guard ends a process by half a second after its deadline, in this order [S8]", () => {
  assert.deepStrictEqual(times, { grace: 100, voice: 250, lastLine: 320, kill: 400 })
})

// Side by side: most of the time they wait for a deadline.
describe.concurrent("a main thread that does not end", () => {
  it("ends with the exit code and the report when its loop is busy for ever [S8] [S7]", async () => {
    const ended = await guarded("busy")
    assertByInspector(ended, 124)
    assert.include(ended.stderr, "phase drain, 1 task pending: stubborn")
    assertByInspector(await guarded("ownCode"), 7)
  })

  it("ends by SIGKILL inside a long native call, and says so [S8]", async () => {
    for (const ended of await Promise.all([
      guarded("native", { times: SPOKEN }),
      guarded("child", { times: SPOKEN })
    ])) {
      assertBySigkill(ended, SPOKEN.kill)
      assert.include(ended.stderr, "phase drain, 1 task pending: stubborn")
      assert.include(ended.stderr, "by SIGKILL now")
    }
    assertBySigkill(await guarded("native", { times: {} }))
  })

  it("ends with the exit code although the thread pool is in a long native call [S8]", async () => {
    assertByInspector(await guarded("pool"), 124)
  })

  it("ends although an exit handler hangs or throws [S8]", async () => {
    assertByInspector(await guarded("exitHangs"), 124)
    assertBySigkill(await guarded("exitHangsAtTheEnd", { times: { voice: 3000, lastLine: 3000, kill: 5000 } }))
    assertByInspector(await guarded("exitThrows"), 124)
  })

  it("ends although nobody reads its stderr [S8]", async () => {
    const ended = await guarded("fullStderr", { stdio: "unread", times: UNREAD })
    assert.deepStrictEqual([ended.code, ended.signal], [124, null])
    // The report could not be written: the guard tried until D + 250 ms and went on.
    assert.isAtLeast(ended.lateMillis, times.voice)
    assertBySigkill(await guarded("writesToFullStderr", { stdio: "unread", times: {} }))
  })

  it("is not given more time for reporting again and again [S8]", async () => {
    assertByInspector(await guarded("reports"), 124)
  })

  it("ends by SIGKILL where the inspector is not permitted, after a warning at the start [S8]", async () => {
    const nodeFlags = ["--permission", "--allow-fs-read=*", "--allow-worker"]
    const ended = await guarded("busy", { nodeFlags, times: {} })
    assertBySigkill(ended)
    assert.include(ended.stdout, "by SIGKILL only")
  })

  it("has a long report cut with a note [S8] [S9]", async () => {
    const ended = await guarded("longReport")
    assertByInspector(ended, 124)
    assert.include(ended.stderr, "first line")
    assert.match(ended.stderr, /x\n… \d+ more bytes of this report were cut\n/)
    assert.isBelow(ended.stderr.length, 70_000)
  })
})

describe.concurrent("a healthy process", () => {
  it("is left alone when it disarms the guard, moves the deadline or closes the scope [S8]", async () => {
    const all = ["disarmed", "later", "scope"].map((scenario) => guarded(scenario, { times: {} }))
    for (const ended of await Promise.all(all)) {
      assert.deepStrictEqual([ended.code, ended.signal, ended.stderr], [0, null, ""])
      assert.include(ended.stdout, "alive")
    }
  })

  it("ends when its loop is empty or it says so, with an armed guard [S8]", async () => {
    const idle = await guarded("idle")
    assert.deepStrictEqual([idle.code, idle.signal, idle.stderr], [0, null, ""])
    const exits = await guarded("exits")
    assert.deepStrictEqual([exits.code, exits.signal, exits.stderr], [3, null, ""])
  })

  it("is ended by the earlier of two deadlines when it moves the deadline forward [S8]", async () => {
    const ended = await guarded("earlier")
    assertByInspector(ended, 124)
    assert.include(ended.stderr, "moved earlier")
    assert.notInclude(ended.stderr, "not this one")
  })

  it("gets its grace anew after it was stopped past it and continued [S8]", async () => {
    const grace = 3000
    const stopped = async (pid: number, deadlineNanos: bigint): Promise<void> => {
      process.kill(pid, "SIGSTOP")
      await pause(Number(deadlineNanos - process.hrtime.bigint()) / 1e6 + grace + 500)
      process.kill(pid, "SIGCONT")
    }
    const ended = await guarded("ends", {
      times: { ...PATIENT, grace },
      onStarted: (pid, deadlineNanos) => void stopped(pid, deadlineNanos)
    })
    assert.deepStrictEqual([ended.code, ended.signal, ended.stderr], [5, null, ""])
    assert.isAbove(ended.lateMillis, grace)
  })
})

describe("a place without a guard thread", () => {
  it("gets one warning and runs on: in a worker thread [S8]", async () => {
    const ended = await guarded("worker", { times: {} })
    assert.deepStrictEqual([ended.code, ended.stderr], [0, ""])
    assert.strictEqual(ended.stdout.match(/warning: no guard thread/g)?.length, 1)
  })

  it("gets one warning and runs on: where the thread starts and fails [S8]", async () => {
    const folder = mkdtempSync(join(tmpdir(), "selvedge-"))
    const here = (path: string) => new URL(path, import.meta.url).pathname
    cpSync(here("../../src/main"), join(folder, "main"), { recursive: true })
    symlinkSync(here("../../../../node_modules"), join(folder, "node_modules"))
    writeFileSync(join(folder, "main/internal/guardThread.ts"), `throw new Error("broken thread")`)
    cpSync(here("./fixtures/unguarded.ts"), join(folder, "unguarded.ts"))
    const ended = await run(pathToFileURL(join(folder, "unguarded.ts")).href, [])
    rmSync(folder, { recursive: true })
    assert.deepStrictEqual([ended.code, ended.stderr], [0, ""])
    assert.match(ended.stdout, /^warning: no guard thread: .*\(broken thread\)\nalive\n$/)
  })

  it("gets one warning and runs on: where workers are not permitted [S8]", async () => {
    const ended = await guarded("warned", { nodeFlags: ["--permission", "--allow-fs-read=*"] })
    assert.strictEqual(ended.code, 0)
    assert.strictEqual(ended.stdout.match(/warning: no guard thread/g)?.length, 1)
    assert.include(ended.stdout, "alive")
  })
})
