/**
 * The guard, seen from outside: real processes that hang in every way a process can.
 *
 * The bound is D + 500 ms; two seconds more are allowed for a busy machine that also has to notice. What was measured is printed.
 */
import { assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import type { Ended, Options } from "./fixtures/child.ts"
import { run } from "./fixtures/child.ts"

const MILLIS = 1500
const BOUND = 2500

const guarded = async (scenario: string, options?: Options): Promise<Ended> => {
  const ended = await run("./guarded.ts", [scenario, String(MILLIS)], options)
  const how = ended.signal ?? `exit ${ended.code}`
  console.log(
    `${scenario.padEnd(18)} ${how.padEnd(10)} D ${ended.lateMillis >= 0 ? "+" : "-"} ${Math.abs(Math.round(ended.lateMillis))} ms`
  )
  return ended
}

const assertByInspector = (ended: Ended, code: number): void => {
  assert.deepStrictEqual([ended.code, ended.signal], [code, null], ended.stderr)
  assert.isAtLeast(ended.lateMillis, 100)
  assert.isBelow(ended.lateMillis, BOUND)
  assert.include(ended.stderr, `ending it with exit code ${code}`)
}

const assertBySigkill = (ended: Ended): void => {
  assert.deepStrictEqual([ended.code, ended.signal], [null, "SIGKILL"], ended.stderr)
  assert.isAtLeast(ended.lateMillis, 400)
  assert.isBelow(ended.lateMillis, BOUND)
}

describe("a main thread that does not end", () => {
  it("ends with the exit code and the report when its loop is busy for ever [S8] [S7]", async () => {
    const ended = await guarded("busy")
    assertByInspector(ended, 124)
    assert.include(ended.stderr, "phase drain, 1 task pending: stubborn")
    assertByInspector(await guarded("ownCode"), 7)
  })

  it("ends by SIGKILL inside a long native call, and says so [S8]", async () => {
    for (const scenario of ["native", "child"]) {
      const ended = await guarded(scenario)
      assertBySigkill(ended)
      assert.include(ended.stderr, "phase drain, 1 task pending: stubborn")
      assert.include(ended.stderr, "by SIGKILL now")
    }
  })

  it("ends with the exit code although the thread pool is in a long native call [S8]", async () => {
    assertByInspector(await guarded("pool"), 124)
  })

  it("ends although an exit handler hangs or throws [S8]", async () => {
    assertByInspector(await guarded("exitHangs"), 124)
    assertBySigkill(await guarded("exitHangsAtTheEnd"))
    assertByInspector(await guarded("exitThrows"), 124)
  })

  it("ends although nobody reads its stderr [S8]", async () => {
    const ended = await guarded("fullStderr", { stdio: "unread" })
    assert.deepStrictEqual([ended.code, ended.signal], [124, null])
    // The report could not be written: the guard tried until D + 250 ms and went on.
    assert.isAtLeast(ended.lateMillis, 250)
    assert.isBelow(ended.lateMillis, BOUND)
    assertBySigkill(await guarded("writesToFullStderr", { stdio: "unread" }))
  })

  it("is not given more time for reporting again and again [S8]", async () => {
    assertByInspector(await guarded("reports"), 124)
  })

  it("ends by SIGKILL where the inspector is not permitted, after a warning at the start [S8]", async () => {
    const ended = await guarded("busy", { nodeFlags: ["--permission", "--allow-fs-read=*", "--allow-worker"] })
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

describe("a healthy process", () => {
  it("is left alone when it disarms the guard, moves the deadline or closes the scope [S8]", async () => {
    for (const ended of await Promise.all(["disarmed", "later", "scope"].map((scenario) => guarded(scenario)))) {
      assert.deepStrictEqual([ended.code, ended.signal, ended.stderr], [0, null, ""])
      assert.include(ended.stdout, "alive")
    }
  })

  it("ends when its loop is empty or it says so, with an armed guard [S8]", async () => {
    const idle = await guarded("idle")
    assert.deepStrictEqual([idle.code, idle.signal, idle.stderr], [0, null, ""])
    assert.isBelow(idle.lateMillis, 0)
    const exits = await guarded("exits")
    assert.deepStrictEqual([exits.code, exits.signal, exits.stderr], [3, null, ""])
  })

  it("is ended by the earlier of two deadlines when it moves the deadline forward [S8]", async () => {
    const ended = await guarded("earlier")
    assertByInspector(ended, 124)
    assert.include(ended.stderr, "moved earlier")
    assert.notInclude(ended.stderr, "not this one")
  })

  it("gets its 100 ms after it was stopped past the deadline and continued [S8]", async () => {
    const ended = await guarded("ends", {
      onStarted: (pid) =>
        void spawn("/bin/sh", ["-c", `kill -STOP ${pid}; sleep ${MILLIS / 1000 + 0.8}; kill -CONT ${pid}`])
    })
    assert.deepStrictEqual([ended.code, ended.signal, ended.stderr], [5, null, ""])
    assert.isAbove(ended.lateMillis, 500)
  })
})

describe("a place without a guard thread", () => {
  it("gets one warning and runs on: in a worker thread [S8]", async () => {
    const ended = await guarded("worker")
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
