/**
 * What users of rings rely on: nobody is overtaken, laps and turns lose nothing, and a ring that is closed is drained.
 *
 * Source: the behaviours the LMAX Disruptor's and disruptor-mp's tests and bug reports are about; the tests are our own.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Consumer from "@selvedge/core/ring/Consumer"
import * as Processing from "@selvedge/core/ring/Processing"
import * as Producer from "@selvedge/core/ring/Producer"
import * as Ring from "@selvedge/core/ring/Ring"
import * as RingSnapshot from "@selvedge/core/ring/RingSnapshot"
import * as Seed from "@selvedge/testing/faults/Seed"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { fork, local, numbers, publishRange, ringOf, values } from "./support.ts"

/** Checks a long random life of a ring against arithmetic: who has taken what, and so how much room there is. */
const randomLife = Effect.fnUntraced(function* (producers: "single" | "multi", seed: number) {
  const below = Seed.integers(seed)
  const capacity = 8
  const ring = yield* ringOf({ producers, capacity, startPosition: 2 ** 32 - 1000, maxConsumers: 4 })
  const producer = yield* Producer.make(ring)
  const joined: Array<{
    readonly consumer: Consumer.Consumer<{ n: number }>
    readonly scope: Scope.Closeable
    /** The next number to take, and the first that is not committed. */
    next: number
    committed: number
    readonly manual: boolean
  }> = []
  let published = 0
  let ids = 0
  const steps = [
    // Publish a batch if there is room for it: told exactly how many slots are missing.
    Effect.gen(function* () {
      const n = below(capacity + 1)
      const least = Math.min(published, ...joined.map(({ committed }) => committed))
      const missing = Math.max(0, n - (capacity - (published - least)))
      assert.strictEqual(yield* Producer.tryPublish(producer, values(published, published + n)), missing)
      if (missing === 0) published += n
    }),
    Effect.gen(function* () {
      if (joined.length === 4) return
      const scope = yield* Scope.make()
      const manual = below(2) === 0
      const options = { id: `c${ids++}`, commit: manual ? "manual" : "auto" } as const
      const consumer = yield* Scope.provide(scope)(Consumer.make(ring, options))
      joined.push({ consumer, scope, next: published, committed: published, manual })
    }),
    Effect.gen(function* () {
      const [one] = joined.splice(below(joined.length), 1)
      if (one !== undefined) yield* Scope.close(one.scope, Exit.void)
    }),
    Effect.gen(function* () {
      const one = joined[below(joined.length)]
      if (one === undefined) return
      const limit = 1 + below(capacity + 2)
      const wanted = Math.min(limit, published - one.next)
      if (wanted === 0) return assert.isTrue(Option.isNone(yield* Consumer.tryTake(one.consumer)))
      const taken = yield* Consumer.takeBatch(one.consumer, limit)
      assert.deepStrictEqual(numbers(taken), numbers(values(one.next, one.next + wanted)))
      one.next += wanted
      if (!one.manual) one.committed = one.next
    }),
    Effect.gen(function* () {
      const one = joined[below(joined.length)]
      if (one === undefined || !one.manual) return
      one.committed += below(one.next - one.committed + 1)
      yield* Consumer.commit(one.consumer, 2 ** 32 - 1000 + one.committed)
    })
  ]
  for (let i = 0; i < 4000; i++) yield* steps[[0, 0, 0, 1, 2, 3, 3, 3, 3, 4, 4][below(11)] ?? 0] ?? Effect.void
  assert.isAbove(published, 1000)
})

describe("room", () => {
  for (const producers of ["single", "multi"] as const) {
    it.effect(
      `a random life of 4000 steps agrees with arithmetic: no consumer is overtaken or blocks after it left (${producers}) [R2] [R4] [R6] [R7]`,
      () =>
        Effect.forEach([1, 2, 3, 4, 5], (seed) => Effect.scoped(randomLife(producers, seed)), { discard: true }).pipe(
          Effect.provide(local)
        )
    )

    for (const records of [65_535, 65_536, 65_537]) {
      it.effect(
        `${records} records over 512 slots arrive in order, by their checksum, over the end of 32 bits (${producers}) [R2] [R4]`,
        () =>
          Effect.gen(function* () {
            const ring = yield* ringOf({ producers, capacity: 512, startPosition: 2 ** 32 - 40_000 })
            const producer = yield* Producer.make(ring)
            const consumers = [yield* Consumer.make(ring, { id: "a" }), yield* Consumer.make(ring, { id: "b" })]
            const next = [0, 0]
            const sums = [0, 0]
            const takeSome = (i: number, limit: number): number =>
              consumers[i]?.processUnsafe(({ n }) => {
                if (n !== next[i]) assert.fail(`consumer ${i}: wanted ${next[i]}, found ${n}`)
                next[i] = n + 1
                sums[i] = ((sums[i] ?? 0) * 31 + n) | 0
              }, limit) ?? 0
            let sum = 0
            for (let first = 0, size = 1; first < records; size = (size % 512) + 1) {
              const n = Math.min(size, records - first)
              const answer = producer.publishUnsafe(n, (slot, i) => {
                slot.n = first + i
              })
              if (answer === 0) {
                for (let i = 0; i < n; i++) sum = (sum * 31 + first + i) | 0
                first += n
              } else {
                takeSome(0, 512)
                takeSome(1, 100)
              }
            }
            while (takeSome(0, 512) + takeSome(1, 512) > 0) continue
            assert.deepStrictEqual(
              [next, sums],
              [
                [records, records],
                [sum, sum]
              ]
            )
            assert.strictEqual((yield* RingSnapshot.snapshot(ring)).claimed, 2 ** 32 - 40_000 + records)
          }).pipe(Effect.provide(local))
      )
    }

    it.effect(
      `a full ring has no room until its slowest consumer moved, then exactly as much (${producers}) [R2] [R7]`,
      () =>
        Effect.gen(function* () {
          const ring = yield* ringOf({ producers, capacity: 8 })
          const producer = yield* Producer.make(ring)
          const fast = yield* Consumer.make(ring, { id: "fast" })
          const slow = yield* Consumer.make(ring, { id: "slow" })
          assert.strictEqual(yield* Producer.tryPublish(producer, values(0, 8)), 0)
          assert.lengthOf(yield* Consumer.takeBatch(fast, 8), 8)
          assert.strictEqual(yield* Producer.tryPublish(producer, values(8, 9)), 1)
          for (let n = 0; n < 3; n++) yield* Consumer.take(slow)
          assert.strictEqual(yield* Producer.tryPublish(producer, values(8, 12)), 1)
          assert.strictEqual(yield* Producer.tryPublish(producer, values(8, 11)), 0)
          assert.deepStrictEqual(numbers(yield* Consumer.takeBatch(slow, 99)), [3, 4, 5, 6, 7, 8, 9, 10])
          assert.deepStrictEqual(numbers(yield* Consumer.takeBatch(fast, 99)), [8, 9, 10])
        }).pipe(Effect.provide(local))
    )

    it.effect(
      `a consumer that joins or leaves inside a batch of a producer sees whole records from its place on (${producers}) [R7] [R8]`,
      () =>
        Effect.gen(function* () {
          const ring = yield* ringOf({ producers, capacity: 8 })
          const producer = yield* Producer.make(ring)
          const first = yield* Consumer.make(ring, { id: "first" })
          const place = yield* Deferred.make<Consumer.Consumer<{ n: number }>>()
          const scope = yield* Effect.scope
          yield* Producer.publishWith(producer, 4, (slot, i) => {
            slot.n = i
            // Claimed and not published: it begins after the batch.
            if (i === 1) {
              const late = Effect.runSync(
                Scope.provide(scope)(Effect.provide(Consumer.make(ring, { id: "late" }), local))
              )
              Effect.runSync(Deferred.succeed(place, late))
            }
          })
          const late = yield* Deferred.await(place)
          assert.strictEqual(late.position, 4)
          const part = yield* Effect.scoped(
            Effect.flatMap(Consumer.make(ring, { id: "part", from: 2 }), (consumer) => Consumer.takeBatch(consumer, 1))
          )
          assert.deepStrictEqual(numbers(part), [2])
          const resumed = yield* Consumer.make(ring, { id: "part", from: 3 })
          assert.deepStrictEqual(numbers(yield* Consumer.takeBatch(resumed, 9)), [3])
          assert.deepStrictEqual(numbers(yield* Consumer.takeBatch(first, 9)), [0, 1, 2, 3])
          assert.isTrue(Option.isNone(yield* Consumer.tryTake(late)))
        }).pipe(Effect.provide(local))
    )
  }

  it.effect("a ring of one slot hands over one record at a time [R1] [R2]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf({ capacity: 1 })
      const producer = yield* Producer.make(ring)
      const consumer = yield* Consumer.make(ring, { id: "a" })
      const feeding = yield* fork(publishRange(producer, 0, 100))
      for (let n = 0; n < 100; n++) assert.strictEqual((yield* Consumer.take(consumer)).n, n)
      yield* Fiber.join(feeding)
    }).pipe(Effect.provide(local))
  )
})

describe("looking", () => {
  it.effect("a consumer that looks is told: nothing yet, some, everything taken of a closed ring [R4] [R12]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf()
      const producer = yield* Producer.make(ring)
      const consumer = yield* Consumer.make(ring, { id: "a" })
      const ignore = () => undefined
      assert.strictEqual(consumer.processUnsafe(ignore, 9), 0)
      yield* publishRange(producer, 0, 3)
      assert.strictEqual(consumer.processUnsafe(ignore, 2), 2)
      yield* Ring.close(ring)
      assert.strictEqual(consumer.processUnsafe(ignore, 2), 1)
      assert.strictEqual(consumer.processUnsafe(ignore, 2), -1)
      assert.strictEqual(consumer.takeUnsafe(1), -1)
      assert.strictEqual((yield* Effect.flip(Consumer.tryTake(consumer)))._tag, "RingClosed")
    }).pipe(Effect.provide(local))
  )

  it.effect("a limit cuts what is there into batches, and each tells its last record [R4]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf({ capacity: 8 })
      const producer = yield* Producer.make(ring)
      const consumer = yield* Consumer.make(ring, { id: "a" })
      yield* Producer.publishAll(producer, values(0, 5))
      const batches: Array<Array<number>> = [[]]
      while (
        consumer.processUnsafe(({ n }, _, isLast) => {
          batches.at(-1)?.push(n)
          if (isLast) batches.push([])
        }, 2) > 0
      )
        continue
      assert.deepStrictEqual(batches, [[0, 1], [2, 3], [4], []])
    }).pipe(Effect.provide(local))
  )
})

describe("the end", () => {
  it.effect("a consumer that had not begun when the ring was closed still takes all of it [R12]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf()
      const producer = yield* Producer.make(ring)
      const consumer = yield* Consumer.make(ring, { id: "a" })
      yield* publishRange(producer, 0, 4)
      yield* Ring.close(ring)
      assert.deepStrictEqual(numbers(yield* Consumer.takeBatch(consumer, 9)), [0, 1, 2, 3])
      assert.strictEqual((yield* Effect.flip(Consumer.take(consumer)))._tag, "RingClosed")
    }).pipe(Effect.provide(local))
  )

  it.effect("a handler that runs while the ring is closed ends its batch, and then it is the end [R12] [R6]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf()
      const producer = yield* Producer.make(ring)
      const consumer = yield* Consumer.make(ring, { id: "a" })
      yield* publishRange(producer, 0, 3)
      const seen: Array<number> = []
      const handler = ({ n }: { n: number }) =>
        Effect.delay(
          Effect.sync(() => void seen.push(n)),
          "1 second"
        )
      const handling = yield* fork(Processing.processAvailable(consumer, handler, { limit: 9 }))
      yield* TestClock.adjust("1500 millis")
      yield* Ring.close(ring)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* Fiber.join(handling), 3)
      assert.deepStrictEqual(seen, [0, 1, 2])
      const end = yield* Effect.flip(Processing.processAvailable(consumer, handler, { limit: 9 }))
      assert.strictEqual(end._tag, "RingClosed")
    }).pipe(Effect.provide(local))
  )

  it.effect(
    "every producer that is blocked is freed by the close with a typed error, and published nothing [R12]",
    () =>
      Effect.gen(function* () {
        const ring = yield* ringOf({ producers: "multi" })
        const consumer = yield* Consumer.make(ring, { id: "a" })
        const all = yield* Effect.forEach([0, 1, 2], () => Producer.make(ring))
        yield* Producer.publishAll(all[0] ?? assert.fail("no producer"), values(0, 4))
        const blocked = yield* Effect.forEach(all, (one) => fork(Effect.flip(Producer.publish(one, { n: 9 }))))
        yield* Ring.close(ring)
        for (const one of blocked) assert.strictEqual((yield* Fiber.join(one))._tag, "RingClosed")
        assert.deepStrictEqual(numbers(yield* Consumer.takeBatch(consumer, 9)), [0, 1, 2, 3])
        assert.strictEqual((yield* Effect.flip(Consumer.take(consumer)))._tag, "RingClosed")
      }).pipe(Effect.provide(local))
  )

  it.effect(
    "a ring closed twice, before it began or while nobody is there, is closed once and takes nobody's record [R12]",
    () =>
      Effect.gen(function* () {
        const ring = yield* ringOf()
        assert.deepStrictEqual([yield* Ring.close(ring), yield* Ring.close(ring)], [true, false])
        const producer = yield* Producer.make(ring)
        const consumer = yield* Consumer.make(ring, { id: "late" })
        assert.strictEqual((yield* Effect.flip(Producer.publish(producer, { n: 1 })))._tag, "RingClosed")
        assert.strictEqual((yield* Effect.flip(Consumer.take(consumer)))._tag, "RingClosed")
        assert.isTrue(yield* Ring.isClosed(ring))
      }).pipe(Effect.provide(local))
  )
})
