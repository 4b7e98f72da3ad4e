import { assert, describe, it } from "@effect/vitest"
import { KEPT, Numbering } from "../../../src/workers/internal/numbering.ts"

describe("the numbers of workers in the tables of a process", () => {
  it("stay a worker's own over its lives, and two that live have different ones, also of two containers [D5] [W2]", () => {
    const numbers = new Numbering()
    const first = numbers.take("parser 0", 0, 1)
    const same = numbers.take("parser 0", 0, 1)
    assert.deepStrictEqual(
      [first, same],
      [
        { ordinal: 0, generation: 1 },
        { ordinal: 1, generation: 1 }
      ]
    )
    numbers.give(first)
    assert.deepStrictEqual(numbers.take("other", 0, 1).ordinal, 2)
    assert.deepStrictEqual(numbers.take("parser 0", 0, 2), { ordinal: 0, generation: 2 })
  })

  it("are given away when their workers have been dead for longest, and never twice in one generation [D5]", () => {
    const numbers = new Numbering()
    const seen = new Set<string>()
    for (let i = 0; i < 5 * KEPT; i++) {
      const { generation, ordinal } = numbers.take(`worker ${i}`, 0, 1)
      assert.isBelow(ordinal, KEPT)
      assert.isFalse(seen.has(`${ordinal} ${generation}`))
      seen.add(`${ordinal} ${generation}`)
      numbers.give({ generation, ordinal })
    }
    assert.strictEqual(numbers.size, KEPT)
  })

  it("are as many as workers live, beyond those that are kept [D5]", () => {
    const numbers = new Numbering()
    const living = Array.from({ length: KEPT + 10 }, (_, i) => numbers.take(`worker ${i}`, i, 1).ordinal)
    assert.strictEqual(new Set(living).size, KEPT + 10)
  })

  it("are not taken from the living by an end that is told twice [D5]", () => {
    const numbers = new Numbering()
    const first = numbers.take("a", 0, 1)
    numbers.give(first)
    numbers.take("a", 0, 2)
    numbers.give(first)
    assert.strictEqual(numbers.take("a", 0, 1).ordinal, 1)
  })
})
