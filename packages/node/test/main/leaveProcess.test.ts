/**
 * Ending a process, seen from outside.
 */
import { assert, describe, it } from "@effect/vitest"
import { run } from "./fixtures/child.ts"

describe("leaveProcess", () => {
  it("lets a loop that has nothing left, or only a KeepAlive, run out by itself [S7]", async () => {
    for (const what of ["nothing", "held"]) {
      const ended = await run("./leaving.ts", [what])
      assert.deepStrictEqual([ended.code, ended.signal, ended.stderr], [3, null, ""], what)
      assert.match(ended.stdout, /the loop ran out\nexit handler 3\n$/)
    }
  })

  // What goes on there takes minutes: one that waited for it would be killed before, and not end with its code.
  it("waits neither for the thread pool nor for a worker in native code, nor for a handle [S8]", async () => {
    for (const what of ["pool", "file", "worker", "handle"]) {
      const ended = await run("./leaving.ts", [what])
      assert.deepStrictEqual([ended.code, ended.signal, ended.stderr], [3, null, ""], what)
      assert.include(ended.stdout, "exit handler 3")
      assert.notInclude(ended.stdout, "ran out")
    }
  })

  it("ends with the code although an exit handler throws, and shows the error [S7]", async () => {
    for (const what of ["throws", "throwsNow"]) {
      const ended = await run("./leaving.ts", [what])
      assert.deepStrictEqual([ended.code, ended.signal], [3, null], what)
      assert.include(ended.stderr, "from an exit handler")
    }
  })

  it("leaves by Node's own exit when that has a profile to write [S7]", async () => {
    const ended = await run("./leaving.ts", ["handle"], { nodeFlags: ["--cpu-prof", "--cpu-prof-dir=/dev/null"] })
    assert.strictEqual(ended.code, 3)
    assert.include(ended.stderr, "/dev/null")
  })
})
