/**
 * Committing, handlers and leases.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Consumer from "@selvedge/core/ring/Consumer"
import * as Lease from "@selvedge/core/ring/Lease"
import * as Processing from "@selvedge/core/ring/Processing"
import * as Producer from "@selvedge/core/ring/Producer"
import * as RingSnapshot from "@selvedge/core/ring/RingSnapshot"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { local, numbers, publishRange, ringOf, type Value } from "./support.ts"

describe("committing", () => {
  it.effect("the gate follows the commit, not the take [R6]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf({ capacity: 2 })
      const producer = yield* Producer.make(ring)
      const consumer = yield* Consumer.make(ring, { id: "a", commit: "manual" })
      yield* publishRange(producer, 0, 2)
      yield* Consumer.takeBatch(consumer, 2)
      assert.strictEqual(yield* Producer.tryPublish(producer, [{ n: 2 }]), 1)
      assert.include((yield* Effect.flip(Consumer.commit(consumer, 3))).message, "a position from 0 to 2, found 3")
      yield* Consumer.commit(consumer, 1)
      assert.strictEqual(yield* Producer.tryPublish(producer, [{ n: 2 }]), 0)
      assert.include((yield* Effect.flip(Consumer.commit(consumer, 0))).message, "found 0")
    }).pipe(Effect.provide(local))
  )

  it.effect("a handler that fails stops at its record, with position and cause [R6]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf()
      const producer = yield* Producer.make(ring)
      const consumer = yield* Consumer.make(ring, { id: "a" })
      yield* publishRange(producer, 0, 4)
      const seen: Array<readonly [number, number, boolean]> = []
      let broken = true
      const handler = ({ n }: Value, { endOfBatch, position }: Processing.About) =>
        Effect.suspend(() => {
          seen.push([n, position, endOfBatch])
          return n === 2 && broken ? Effect.fail("bad") : Effect.void
        })
      const failed = yield* Effect.flip(Processing.processAvailable(consumer, handler, { limit: 9 }))
      assert.strictEqual(failed._tag === "HandlerFailed" && failed.position, 2)
      assert.strictEqual((yield* RingSnapshot.snapshot(ring)).seats[0]?.position, 2)
      broken = false
      assert.strictEqual(yield* Processing.processAvailable(consumer, handler, { limit: 9 }), 2)
      assert.deepStrictEqual(seen.slice(-2), [
        [2, 2, false],
        [3, 3, true]
      ])
      assert.strictEqual(yield* Processing.processAvailable(consumer, handler, { limit: 9 }), 0)
    }).pipe(Effect.provide(local))
  )

  it.effect("a handler is retried by its schedule, or its record skipped [R6]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf()
      const producer = yield* Producer.make(ring)
      const consumer = yield* Consumer.make(ring, { id: "a" })
      yield* publishRange(producer, 0, 3)
      let attempts = 0
      const flaky = ({ n }: Value) =>
        Effect.suspend(() => (n === 1 && ++attempts < 3 ? Effect.fail("again") : Effect.void))
      const retried = Processing.processAvailable(consumer, flaky, {
        limit: 9,
        onFailure: { retry: Schedule.recurs(2) }
      })
      assert.strictEqual(yield* retried, 3)
      assert.strictEqual(attempts, 3)
      yield* publishRange(producer, 3, 6)
      const seen: Array<number> = []
      const odd = ({ n }: Value) =>
        Effect.suspend(() => (n % 2 === 1 ? Effect.fail("odd") : Effect.sync(() => void seen.push(n))))
      assert.strictEqual(yield* Processing.processAvailable(consumer, odd, { limit: 9, onFailure: "skip" }), 3)
      assert.deepStrictEqual(seen, [4])
    }).pipe(Effect.provide(local))
  )

  it.effect("a synchronous handler that throws leaves the consumer at its record [R4] [R6]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf()
      const producer = yield* Producer.make(ring)
      const consumer = yield* Consumer.make(ring, { id: "a" })
      yield* publishRange(producer, 0, 3)
      assert.throws(() =>
        consumer.processUnsafe(({ n }) => {
          if (n === 1) throw new Error("no")
        }, 9)
      )
      const ends: Array<readonly [number, boolean]> = []
      assert.strictEqual(
        consumer.processUnsafe(({ n }, _, end) => ends.push([n, end]), 9),
        2
      )
      assert.deepStrictEqual(ends, [
        [1, false],
        [2, true]
      ])
    }).pipe(Effect.provide(local))
  )
})

describe("leases", () => {
  it.effect("a lease keeps its slots until its scope closes, and then its getters throw [R5]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf({ capacity: 2 })
      const producer = yield* Producer.make(ring)
      const consumer = yield* Consumer.make(ring, { id: "a" })
      yield* publishRange(producer, 0, 2)
      const scope = yield* Scope.make()
      const lease = yield* Scope.provide(scope)(Lease.make(consumer, { limit: 9 }))
      assert.strictEqual(yield* Producer.tryPublish(producer, [{ n: 7 }]), 1)
      const record = lease.at(1)
      assert.strictEqual(record.n, 1)
      const second = yield* Effect.flip(Effect.scoped(Lease.make(consumer, { limit: 1 })))
      assert.strictEqual(second._tag, "LeaseRefused")
      yield* Scope.close(scope, Exit.void)
      assert.throws(() => record.n, /used after its release/)
      assert.strictEqual(yield* Producer.tryPublish(producer, [{ n: 7 }]), 0)
      yield* Effect.scoped(Lease.make(consumer, { limit: 9 }))
      assert.throws(() => record.n, /used after its release/)
    }).pipe(Effect.provide(local))
  )

  it.effect("a lease that fails is taken again, or committed, as declared [R5]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf()
      const producer = yield* Producer.make(ring)
      const consumer = yield* Consumer.make(ring, { id: "a" })
      yield* publishRange(producer, 0, 2)
      const failing = (onFailure: "commit" | "retry") =>
        Effect.exit(
          Effect.scoped(
            Effect.flatMap(Lease.make(consumer, { limit: 1, onFailure }), (lease) => Effect.fail(lease.at(0).n))
          )
        )
      assert.deepStrictEqual(yield* failing("retry"), Exit.fail(0))
      assert.deepStrictEqual(yield* failing("commit"), Exit.fail(0))
      assert.strictEqual((yield* Consumer.take(consumer)).n, 1)
    }).pipe(Effect.provide(local))
  )

  it.effect("a consumer that reads history may lease when it has come to its seat, not before [R5] [R8]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf()
      const producer = yield* Producer.make(ring)
      yield* publishRange(producer, 0, 2)
      const consumer = yield* Consumer.make(ring, { id: "a", from: "earliest" })
      yield* publishRange(producer, 2, 4)
      const leased = Effect.scoped(
        Effect.map(Lease.make(consumer, { limit: 9 }), (lease) => [lease.at(0).n, lease.size])
      )
      assert.strictEqual((yield* Effect.flip(leased))._tag, "LeaseRefused")
      assert.deepStrictEqual(numbers(yield* Consumer.takeBatch(consumer, 9)), [0, 1])
      assert.deepStrictEqual(yield* leased, [2, 2])
    }).pipe(Effect.provide(local))
  )
})
