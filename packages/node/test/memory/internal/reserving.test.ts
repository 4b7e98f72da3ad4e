/** Space on a disk, reserved while signals arrive. */
import { assert, describe, it } from "vitest"
import { inSteps } from "../../../src/memory/internal/native.ts"

const EINTR = 4
const ENOSPC = 28

describe("reserving space", () => {
  it("goes on where a signal has ended a step, and covers every byte once [P5]", () => {
    const done: Array<readonly [number, number]> = []
    let calls = 0
    const step = (from: number, length: number): number => {
      if (calls++ % 3 !== 2) return EINTR
      done.push([from, length])
      return 0
    }
    const bytes = 3 * 2 ** 23 + 5
    assert.strictEqual(inSteps(bytes, step, EINTR), 0)
    let end = 0
    for (const [from, length] of done) {
      assert.strictEqual(from, end)
      end += length
    }
    assert.strictEqual(end, bytes)
    assert.isAbove(done.length, 1, "a step is shorter than the time between signals")
  })

  it("answers any other error at once [P5]", () => {
    let calls = 0
    assert.strictEqual(
      inSteps(2 ** 20, () => (calls++, ENOSPC), EINTR),
      ENOSPC
    )
    assert.strictEqual(calls, 1)
  })
})
