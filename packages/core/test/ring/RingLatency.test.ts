/**
 * What a ring counts and measures, where it was asked to, and that it does neither where it was not.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Consumer from "@selvedge/core/ring/Consumer"
import * as Lease from "@selvedge/core/ring/Lease"
import * as Processing from "@selvedge/core/ring/Processing"
import * as Producer from "@selvedge/core/ring/Producer"
import * as Ring from "@selvedge/core/ring/Ring"
import * as RingLatency from "@selvedge/core/ring/RingLatency"
import * as RingSnapshot from "@selvedge/core/ring/RingSnapshot"
import * as Record from "@selvedge/core/memory/Record"
import { layerThread } from "@selvedge/core/memory/SharedMemory"
import * as Waking from "@selvedge/core/memory/Waking"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/testing/TestClock"

const Value = Record.struct({ n: Record.f64 })
type Value = Record.Type<typeof Value>

const local = Layer.merge(layerThread, Waking.layerLocal)

const MILLI = 1_000_000

const values = (n: number): ReadonlyArray<Value> => Array.from({ length: n }, (_, i) => ({ n: i }))

const latencyOf = <A>(ring: Ring.Ring<A>, id: string) =>
  Effect.map(
    RingLatency.latencies(ring),
    (all) => Option.getOrThrow(all).find((one) => one.id === id) ?? assert.fail(`nobody is ${id}`)
  )

/** A monotonic clock that counts how often it is read. */
const countingClock = Effect.map(Clock.Clock, (clock) => {
  const reads = { count: 0 }
  const counting: Clock.Clock = {
    currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe(),
    currentTimeMillis: clock.currentTimeMillis,
    currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe(),
    currentTimeNanos: clock.currentTimeNanos,
    monotonicTimeNanosUnsafe: () => {
      reads.count++
      return clock.monotonicTimeNanosUnsafe()
    },
    monotonicTimeNanos: clock.monotonicTimeNanos,
    sleep: (duration) => clock.sleep(duration)
  }
  return { counting, reads }
})

describe("latency", () => {
  for (const producers of ["single", "multi"] as const) {
    it.effect(`publish to take is measured for every record, by every way of taking (${producers}) [R13]`, () =>
      Effect.gen(function* () {
        const ring = yield* Ring.make({
          record: Value,
          capacity: 8,
          producers,
          latency: true,
          startPosition: 2 ** 32 - 5
        })
        const producer = yield* Producer.make(ring)
        const consumer = yield* Consumer.make(ring, { id: "a" })
        yield* Producer.publishAll(producer, values(2))
        yield* TestClock.adjust("3 millis")
        yield* Producer.publishAll(producer, values(2))
        yield* TestClock.adjust("5 millis")
        yield* Consumer.takeBatch(consumer, 3)
        let seen = yield* latencyOf(ring, "a")
        assert.deepStrictEqual([seen.publishToTake.count, seen.publishToTake.max], [3, 8 * MILLI])
        assert.isTrue(seen.publishToTake.p50 >= 8 * MILLI)
        yield* Effect.scoped(Lease.make(consumer, { limit: 9 }))
        yield* Producer.publishAll(producer, values(3))
        yield* TestClock.adjust("20 millis")
        consumer.processUnsafe(() => undefined, 2)
        yield* Processing.processAvailable(consumer, () => Effect.void, { limit: 1 })
        seen = yield* latencyOf(ring, "a")
        assert.deepStrictEqual([seen.publishToTake.count, seen.publishToTake.max], [7, 20 * MILLI])
        assert.deepStrictEqual([seen.handler.count, seen.handler.max], [3, 0])
      }).pipe(Effect.provide(local))
    )
  }

  it.effect("a handler's time is measured, each attempt of it and also when it fails [R13]", () =>
    Effect.gen(function* () {
      const ring = yield* Ring.make({ record: Value, capacity: 8, latency: true })
      const producer = yield* Producer.make(ring)
      const consumer = yield* Consumer.make(ring, { id: "a" })
      yield* Producer.publishAll(producer, values(2))
      let attempts = 0
      const flaky = ({ n }: Value) =>
        Effect.andThen(
          Effect.sleep("4 millis"),
          Effect.suspend(() => (n === 1 && ++attempts === 1 ? Effect.fail("once") : Effect.void))
        )
      const handling = yield* Effect.forkChild(
        Processing.processAvailable(consumer, flaky, { limit: 9, onFailure: { retry: Schedule.recurs(1) } })
      )
      yield* TestClock.adjust("1 second")
      assert.isDefined(handling.pollUnsafe())
      const { handler } = yield* latencyOf(ring, "a")
      assert.deepStrictEqual(handler, { count: 3, p50: 4 * MILLI, p99: 4 * MILLI, max: 4 * MILLI })
      yield* Producer.publishAll(producer, values(1))
      assert.throws(() =>
        consumer.processUnsafe(() => {
          throw new Error("no")
        }, 1)
      )
      assert.strictEqual((yield* latencyOf(ring, "a")).handler.count, 4)
    }).pipe(Effect.provide(local))
  )

  it.effect("tombstones and records that were overwritten are not measured; another handle reads the same [R13]", () =>
    Effect.gen(function* () {
      const ring = yield* Ring.make({ record: Value, capacity: 4, latency: true })
      const producer = yield* Producer.make(ring)
      const consumer = yield* Consumer.make(ring, { id: "drops", whenSlow: "dropOldest" })
      yield* Effect.exit(
        Producer.publishWith(producer, 1, () => {
          throw new Error("no")
        })
      )
      yield* Producer.publishAll(producer, values(2))
      yield* Consumer.takeBatch(consumer, 9)
      assert.strictEqual((yield* latencyOf(ring, "drops")).publishToTake.count, 2)
      for (let lap = 0; lap < 3; lap++) yield* Producer.publishAll(producer, values(4))
      yield* Consumer.takeBatch(consumer, 9)
      assert.strictEqual(consumer.gaps, 8)
      const other = yield* Ring.attach(yield* Ring.handle(ring), { record: Value })
      assert.strictEqual((yield* latencyOf(other, "drops")).publishToTake.count, 6)
    }).pipe(Effect.provide(local))
  )

  it.effect("a new consumer of a seat begins with empty histograms, the heir of a vacant one goes on [R13]", () =>
    Effect.gen(function* () {
      const ring = yield* Ring.make({ record: Value, capacity: 4, latency: true, maxConsumers: 1 })
      const producer = yield* Producer.make(ring)
      const worker = yield* Ring.attach(yield* Ring.handle(ring), { record: Value })
      const first = yield* Consumer.make(worker, { id: "a", counters: true })
      yield* Producer.publishAll(producer, values(2))
      yield* Consumer.takeBatch(first, 9)
      yield* Ring.recover(ring, worker.owner)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const heir = yield* Consumer.make(ring, { id: "a", counters: true })
          yield* Producer.publishAll(producer, values(1))
          yield* Consumer.take(heir)
          assert.strictEqual((yield* latencyOf(ring, "a")).publishToTake.count, 3)
          assert.strictEqual((yield* RingSnapshot.snapshot(ring)).seats[0]?.consumed, 3)
        })
      )
      yield* Consumer.make(ring, { id: "b", counters: true })
      assert.strictEqual((yield* latencyOf(ring, "b")).publishToTake.count, 0)
      assert.strictEqual((yield* RingSnapshot.snapshot(ring)).seats[0]?.consumed, 0)
    }).pipe(Effect.provide(local))
  )

  it.effect("a ring that was not asked reads no clock, takes no memory, and says that it has nothing [R13]", () =>
    Effect.gen(function* () {
      const { counting, reads } = yield* countingClock
      const run = (latency: boolean) =>
        Effect.gen(function* () {
          const ring = yield* Ring.make({ record: Value, capacity: 4, latency })
          const producer = yield* Producer.make(ring)
          const consumer = yield* Consumer.make(ring, { id: "a" })
          yield* Producer.publishAll(producer, values(3))
          yield* Consumer.take(consumer)
          consumer.processUnsafe(() => undefined, 1)
          yield* Processing.processAvailable(consumer, () => Effect.void, { limit: 1 })
          return { measured: yield* RingLatency.latencies(ring), bytes: ring.byteSize }
        }).pipe(Effect.scoped, Effect.provideService(Clock.Clock, counting))
      const off = yield* run(false)
      assert.deepStrictEqual([reads.count, Option.isNone(off.measured)], [0, true])
      const on = yield* run(true)
      assert.isAbove(reads.count, 0)
      assert.strictEqual(on.bytes - off.bytes, 128 + 8 * 2 * 2560)
    }).pipe(Effect.provide(local))
  )
})

describe("counters", () => {
  it.effect(
    "published, consumed, gaps, empty polls, full waits, greatest lag and unobserved are counted where asked [R13]",
    () =>
      Effect.gen(function* () {
        const run = (counters: boolean) =>
          Effect.gen(function* () {
            const ring = yield* Ring.make({ record: Value, capacity: 4 })
            const producer = yield* Producer.make(ring, { counters })
            for (let i = 0; i < 6; i++) yield* Producer.publish(producer, { n: i })
            const consumer = yield* Consumer.make(ring, { id: "a", counters })
            const drops = yield* Consumer.make(ring, { id: "drops", whenSlow: "dropOldest", counters })
            assert.isTrue(Option.isNone(yield* Consumer.tryTake(consumer)))
            yield* Producer.publishAll(producer, values(4))
            assert.strictEqual(yield* Producer.tryPublish(producer, values(1)), 1)
            yield* Consumer.takeBatch(consumer, 3)
            yield* Producer.publishAll(producer, values(2))
            yield* Consumer.takeBatch(drops, 9)
            const seen = yield* RingSnapshot.snapshot(ring)
            const [a, b] = seen.seats
            return [
              seen.published,
              seen.fullWaits,
              seen.unobserved,
              [a?.consumed, a?.gaps, a?.emptyPolls, a?.greatestLag],
              [b?.consumed, b?.gaps, b?.emptyPolls, b?.greatestLag]
            ]
          }).pipe(Effect.scoped)
        assert.deepStrictEqual(yield* run(true), [12, 1, 6, [3, 0, 1, 4], [4, 2, 0, 4]])
        assert.deepStrictEqual(yield* run(false), [0, 0, 6, [0, 0, 0, 0], [0, 0, 0, 0]])
      }).pipe(Effect.provide(local))
  )

  it.effect("positions of producers, consumers and what is claimed are told, in 53 bits [R13] [R8]", () =>
    Effect.gen(function* () {
      const start = 3 * 2 ** 40 + 2 ** 31 - 2
      const ring = yield* Ring.make({ record: Value, capacity: 4, startPosition: start })
      const producer = yield* Producer.make(ring)
      const consumer = yield* Consumer.make(ring, { id: "a", commit: "manual" })
      yield* Producer.publishAll(producer, values(3))
      assert.strictEqual(producer.lastPosition, start)
      yield* Consumer.takeBatch(consumer, 2)
      assert.deepStrictEqual([consumer.position, consumer.committedAt], [start + 2, start])
      yield* Consumer.commit(consumer, start + 1)
      const seen = yield* RingSnapshot.snapshot(ring)
      assert.deepStrictEqual([seen.claimed, seen.seats[0]?.position, seen.seats[0]?.lag], [start + 3, start + 1, 2])
    }).pipe(Effect.provide(local))
  )
})
