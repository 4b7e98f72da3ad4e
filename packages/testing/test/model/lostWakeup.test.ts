/// <reference lib="esnext.sharedmemory" />
import { assert, describe, it } from "@effect/vitest"
import { explore, exploreAsync, type Setup } from "@selvedge/testing/model"

const word = () => new Int32Array(new SharedArrayBuffer(4))

/**
 * Found by comparison with a search written apart from this package. Whether a wait sleeps hangs on a store, and whether it
 * matters before or after a notification hangs on whether it sleeps: three threads are needed to confuse the reduction.
 */
describe("a notification that comes too early", () => {
  it("is found although a third thread may keep the sleeper from sleeping [M4, M8]", () => {
    const seen = new Set<unknown>()
    const threads = (daemon: boolean) => ({
      sleeper: { daemon, run: (x: Int32Array) => Atomics.wait(x, 0, 0) },
      writer: (x: Int32Array) => {
        Atomics.load(x, 0)
        Atomics.add(x, 0, 1)
      },
      waker: (x: Int32Array) => Atomics.notify(x, 0)
    })
    const report = explore({
      setup: word,
      threads: threads(true),
      check: (_, { sleeper, waker }) => void seen.add(`${sleeper}/${waker}`)
    })
    assert.strictEqual(report._tag, "Exhausted")
    assert.deepStrictEqual([...seen].toSorted(), ["not-equal/0", "ok/1", "undefined/0"])
    assert.strictEqual(explore({ setup: word, threads: threads(false) }).failure?.kind, "deadlock")
  })

  it("is named with the cell that a waitAsync awaits, and no line of source is made up for the end of another [M4]", async () => {
    const awaits = async (x: Int32Array) => {
      const sleep = Atomics.waitAsync(x, 0, 0)
      if (sleep.async) await sleep.value
    }
    const report = await exploreAsync({
      setup: (m: Setup): Int32Array => {
        const x = word()
        m.label(x, "bell")
        return x
      },
      threads: { a: awaits, b: awaits, waker: async (x) => Atomics.notify(x, 0, 1) }
    })
    assert.strictEqual(report.failure?.kind, "deadlock")
    assert.match(report.failure?.message ?? "", /^[ab] awaits waitAsync\(bell\) and nobody is left to notify it/)
    assert.match(report.failure?.trace ?? "", /wakes from bell: ok\n/)
  })
})
