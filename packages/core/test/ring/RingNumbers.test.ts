/**
 * Records that are numbers of one kind, moved as runs.
 */
import { assert, describe, it, vi } from "@effect/vitest"
import * as Record from "@selvedge/core/memory/Record"
import * as WaitStrategy from "@selvedge/core/memory/WaitStrategy"
import * as Consumer from "@selvedge/core/ring/Consumer"
import * as Producer from "@selvedge/core/ring/Producer"
import * as Ring from "@selvedge/core/ring/Ring"
import * as RingNumbers from "@selvedge/core/ring/RingNumbers"
import * as RingSnapshot from "@selvedge/core/ring/RingSnapshot"
import * as Seed from "@selvedge/testing/faults/Seed"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { fork, local } from "./support.ts"

const Pair = Record.struct({ a: Record.f64, b: Record.f64 })

const pairs = (from: number, to: number): Float64Array =>
  Float64Array.from({ length: (to - from) * 2 }, (_, i) => (i % 2 === 0 ? 1 : -1) * (from + (i >> 1)))

const pairRing = (options: Partial<Ring.Options<Record.Type<typeof Pair>>> = {}) =>
  Ring.make({ record: Pair, capacity: 32, ...options })

const invalid = (argument: string, run: () => unknown): void => {
  try {
    run()
  } catch (error) {
    assert.strictEqual((error as { _tag?: string })._tag, "InvalidArgument")
    assert.strictEqual((error as { argument?: string }).argument, argument)
    return
  }
  assert.fail(`${argument}: was accepted`)
}

describe("runs of numbers", () => {
  for (const producers of ["single", "multi"] as const) {
    it.effect(`are the records one by one would be, over the end of the slots (${producers}) [R2] [R4] [R14]`, () =>
      Effect.gen(function* () {
        const below = Seed.integers(7)
        const ring = yield* pairRing({ producers, startPosition: 2 ** 32 - 100 })
        const producer = yield* Producer.make(ring)
        const consumer = yield* Consumer.make(ring, { id: "a" })
        let published = 0
        let taken = 0
        while (taken < 1000) {
          const to = published + below(20)
          const missing = RingNumbers.publishUnsafe(producer, pairs(published, to))
          assert.strictEqual(missing, Math.max(0, to - taken - 32))
          if (missing === 0) published = to
          if (below(4) === 0 && published - taken < 32) {
            yield* Producer.publish(producer, { a: published, b: -published })
            published++
          }
          // One number more than there is room for a record in.
          const into = new Float64Array((1 + below(24)) * 2 + 1)
          const n = RingNumbers.takeUnsafe(consumer, into)
          assert.strictEqual(n, Math.min(into.length >> 1, published - taken))
          assert.deepStrictEqual(into.subarray(0, n * 2), pairs(taken, taken + n))
          taken += n
          if (taken < published && below(4) === 0) {
            assert.deepStrictEqual(yield* Consumer.take(consumer), { a: taken, b: -taken })
            taken++
          }
          assert.strictEqual((yield* RingSnapshot.snapshot(ring)).seats[0]?.position, consumer.position)
        }
      }).pipe(Effect.scoped, Effect.provide(local))
    )
  }

  it.effect("pass tombstones, and count what was overwritten [R2] [R7]", () =>
    Effect.gen(function* () {
      const ring = yield* pairRing({ capacity: 8 })
      const producer = yield* Producer.make(ring, { counters: true })
      const reader = yield* Consumer.make(ring, { id: "reader", whenSlow: "dropOldest" })
      const into = new Float64Array(64)
      RingNumbers.publishUnsafe(producer, pairs(0, 20).subarray(0, 16))
      RingNumbers.publishUnsafe(producer, pairs(8, 12))
      assert.strictEqual(RingNumbers.takeUnsafe(reader, into), 8)
      assert.deepStrictEqual(into.subarray(0, 16), pairs(4, 12))
      assert.strictEqual(reader.gaps, 4)
      // The producer goes on while a run is copied, if it is copied as a run.
      const slow = new Float64Array(64)
      const set = (from: Float64Array, at: number): void => {
        RingNumbers.publishUnsafe(producer, pairs(20, 28))
        Float64Array.prototype.set.call(slow, from, at)
      }
      Object.defineProperty(slow, "set", { value: set })
      RingNumbers.publishUnsafe(producer, pairs(12, 20))
      assert.strictEqual(RingNumbers.takeUnsafe(reader, slow), 8)
      assert.deepStrictEqual(Array.from(slow.subarray(0, 16)), Array.from(pairs(12, 20)))
      const gating = yield* Consumer.make(ring, { id: "gating" })
      RingNumbers.publishUnsafe(producer, pairs(12, 14))
      assert.isTrue(Exit.isFailure(yield* Effect.exit(Producer.publishAll(producer, [{ a: 1, b: "no" as never }]))))
      RingNumbers.publishUnsafe(producer, pairs(14, 16))
      assert.strictEqual(RingNumbers.takeUnsafe(gating, into), 4)
      assert.deepStrictEqual(into.subarray(0, 8), pairs(12, 16))
      assert.strictEqual(RingNumbers.takeUnsafe(gating, into), 0)
      assert.strictEqual((yield* RingSnapshot.snapshot(ring)).published, 24)
    }).pipe(Effect.scoped, Effect.provide(local))
  )

  it.effect("wait for room, and for records, and end with the ring [R2] [R4] [R11] [R12]", () =>
    Effect.gen(function* () {
      const ring = yield* pairRing({ capacity: 4, latency: true })
      const producer = yield* Producer.make(ring)
      const consumer = yield* Consumer.make(ring, { id: "a" })
      const into = new Float64Array(6)
      const taking = yield* fork(RingNumbers.take(consumer, into))
      yield* RingNumbers.publish(producer, pairs(0, 4))
      assert.strictEqual(yield* Fiber.join(taking), 3)
      assert.deepStrictEqual(into, pairs(0, 3))
      const publishing = yield* fork(RingNumbers.publish(producer, pairs(4, 8)))
      assert.isUndefined(publishing.pollUnsafe())
      assert.strictEqual(yield* RingNumbers.take(consumer, into), 1)
      yield* Fiber.join(publishing)
      const tooLong = yield* Effect.flip(RingNumbers.publish(producer, pairs(0, 5)))
      assert.strictEqual(tooLong._tag, "BatchTooLarge")
      yield* Ring.close(ring)
      assert.strictEqual((yield* Effect.flip(RingNumbers.publish(producer, pairs(8, 9))))._tag, "RingClosed")
      assert.strictEqual(yield* RingNumbers.take(consumer, into), 3)
      assert.strictEqual(yield* RingNumbers.take(consumer, into), 1)
      assert.strictEqual((yield* Effect.flip(RingNumbers.take(consumer, into)))._tag, "RingClosed")
    }).pipe(Effect.scoped, Effect.provide(local))
  )

  it.effect("are published by a thread of their own, which blocks, and by no other [R2] [R10] [R12]", () =>
    Effect.gen(function* () {
      const fibers = yield* Producer.make(yield* pairRing())
      assert.throws(() => RingNumbers.publishBlockingUnsafe(fibers, pairs(0, 1), WaitStrategy.spin), /role "dedicated"/)
      assert.strictEqual((yield* RingSnapshot.snapshot(fibers.ring)).claimed, 0)
      const ring = yield* pairRing({ capacity: 4, role: "dedicated" })
      const producer = yield* Producer.make(ring)
      const consumer = yield* Consumer.make(ring, { id: "a" })
      const into = new Float64Array(8)
      // What is to be waited for happens between two looks.
      const between = vi.spyOn(Atomics, "pause").mockImplementation(() => {
        // If it waits for nothing, it is to end.
        if (RingNumbers.takeUnsafe(consumer, into) === 0) Effect.runSync(Ring.close(ring))
      })
      yield* Effect.addFinalizer(() => Effect.sync(() => between.mockRestore()))
      for (let n = 0; n < 20; n += 2) {
        assert.isTrue(RingNumbers.publishBlockingUnsafe(producer, pairs(n, n + 2), WaitStrategy.spin))
      }
      assert.isAbove(between.mock.calls.length, 3)
      yield* Ring.close(ring)
      assert.isFalse(RingNumbers.publishBlockingUnsafe(producer, pairs(0, 1), WaitStrategy.spin))
    }).pipe(Effect.scoped, Effect.provide(local))
  )

  it.effect("that do not fit are refused before anything changes [R2] [R14]", () =>
    Effect.gen(function* () {
      const ring = yield* pairRing()
      const producer = yield* Producer.make(ring)
      const consumer = yield* Consumer.make(ring, { id: "a" })
      invalid("values", () => RingNumbers.publishUnsafe(producer, new Float32Array(4)))
      invalid("values", () => RingNumbers.publishUnsafe(producer, [1, 2] as never))
      invalid("values", () => RingNumbers.publishUnsafe(producer, new Float64Array(3)))
      invalid("values", () => RingNumbers.publishUnsafe(producer, undefined as never))
      invalid("into", () => RingNumbers.takeUnsafe(consumer, new Int32Array(4)))
      invalid("into", () => RingNumbers.takeUnsafe(consumer, new Float64Array(1)))
      assert.strictEqual(RingNumbers.publishUnsafe(producer, new Float64Array()), 0)
      // Four bytes after the last number; numbers of two kinds; no numbers.
      for (const fields of [
        { a: Record.i32, b: Record.i32, c: Record.i32 },
        { a: Record.f64, b: Record.i32, c: Record.i32 },
        { a: Record.string(6) }
      ]) {
        const record = Record.struct(fields as never)
        assert.strictEqual(record.width, 0)
        const other = yield* Producer.make(yield* Ring.make({ record, capacity: 4 }))
        invalid("values", () => RingNumbers.publishUnsafe(other, new Int32Array(6)))
      }
      assert.strictEqual(Record.struct({ a: Record.i32, b: Record.i32 }).width, 2)
      assert.strictEqual((yield* RingSnapshot.snapshot(ring)).claimed, 0)
    }).pipe(Effect.scoped, Effect.provide(local))
  )
})
