import { assert, describe, it } from "@effect/vitest"
import * as OrdinalPool from "@selvedge/core/workers/OrdinalPool"
import * as Seed from "@selvedge/testing/faults/Seed"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"

describe("OrdinalPool", () => {
  it("gives the lowest released ordinal first, else the next [W1]", () => {
    const pool = OrdinalPool.makeUnsafe()
    const claims = [0, 1, 2, 3].map(() => pool.acquireUnsafe()!)
    for (const at of [3, 1, 2]) claims[at]!.releaseUnsafe()
    const next = [0, 1, 2, 3].map(() => pool.acquireUnsafe()!.ordinal)
    assert.deepStrictEqual(next, [1, 2, 3, 4])
  })

  it("counts a release once, also after the ordinal has a new owner [W1]", () => {
    const pool = OrdinalPool.makeUnsafe()
    const first = pool.acquireUnsafe()!
    assert.deepStrictEqual([first.releaseUnsafe(), first.releaseUnsafe()], [true, false])
    const second = pool.acquireUnsafe()!
    assert.strictEqual(second.ordinal, 0)
    assert.isFalse(first.releaseUnsafe())
    assert.strictEqual(pool.acquireUnsafe()!.ordinal, 1)
  })

  it("never gives a generation twice, also not to the next owner [W2] [flaw W2]", () => {
    const pool = OrdinalPool.makeUnsafe()
    const seen = new Set<string>()
    for (let owner = 0; owner < 5; owner++) {
      const claim = pool.acquireUnsafe()!
      for (let life = 0; life < 3; life++) seen.add(`${claim.ordinal}.${claim.nextGenerationUnsafe()}`)
      claim.releaseUnsafe()
    }
    assert.strictEqual(seen.size, 15)
    assert.isTrue(seen.has("0.1") && seen.has("0.15"))
  })

  it.effect("says how many there are when all are taken, and gives one back with its scope [W1]", () =>
    Effect.gen(function* () {
      const pool = yield* OrdinalPool.make({ capacity: 2 })
      const scope = yield* Scope.make()
      yield* Scope.provide(pool.acquire, scope)
      yield* pool.acquire
      const error = yield* Effect.flip(pool.acquire)
      assert.strictEqual(error.message, "wanted a free ordinal, found all 2 taken")
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* pool.acquire).ordinal, 0)
    })
  )

  it.effect("refuses a capacity that cannot be [W1]", () =>
    Effect.gen(function* () {
      for (const capacity of [0, -1, 1.5, Number.NaN, 65_537]) {
        const error = yield* Effect.flip(OrdinalPool.make({ capacity }))
        assert.strictEqual(error.message, `capacity: wanted a whole number from 1 to 65536, found ${capacity}`)
      }
    })
  )

  it("agrees with the simplest pool there is, over random takes and gives [W1] [W2]", () => {
    for (let seed = 0; seed < 200; seed++) {
      const next = Seed.stream(seed)
      const pool = OrdinalPool.makeUnsafe(8)
      const taken = new Map<number, OrdinalPool.Claim>()
      const generations = new Map<number, number>()
      for (let step = 0; step < 60; step++) {
        const held = Array.from(taken.keys())
        if (next() < 0.55) {
          const claim = pool.acquireUnsafe()
          const lowest = [0, 1, 2, 3, 4, 5, 6, 7].find((ordinal) => !taken.has(ordinal))
          assert.strictEqual(claim?.ordinal, lowest, `seed ${seed}, step ${step}`)
          if (claim === undefined) continue
          taken.set(claim.ordinal, claim)
          const generation = claim.nextGenerationUnsafe()
          assert.strictEqual(generation, (generations.get(claim.ordinal) ?? 0) + 1)
          generations.set(claim.ordinal, generation)
        } else if (held.length > 0) {
          const ordinal = held[Math.floor(next() * held.length)]!
          taken.get(ordinal)!.releaseUnsafe()
          taken.delete(ordinal)
        }
        assert.strictEqual(pool.takenUnsafe(), taken.size)
      }
    }
  })
})
