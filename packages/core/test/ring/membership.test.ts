/**
 * Seats: who gates, who dies, who begins where.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Consumer from "@selvedge/core/ring/Consumer"
import * as Lease from "@selvedge/core/ring/Lease"
import * as Producer from "@selvedge/core/ring/Producer"
import * as Ring from "@selvedge/core/ring/Ring"
import * as RingSnapshot from "@selvedge/core/ring/RingSnapshot"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/testing/TestClock"
import { vi } from "vitest"
import * as Gate from "../../src/ring/internal/gate.ts"
import * as Layout from "../../src/ring/internal/layout.ts"
import { Value, fork, local, numbers, publishRange, ringOf, values } from "./support.ts"

/** Until the scope closes, a loop that looks at shared memory for ever is a failure and not a test that never ends. */
const boundLoads = (most: number) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const { load } = Atomics
      let loads = 0
      return vi.spyOn(Atomics, "load").mockImplementation((words, index) => {
        if (++loads > most) throw new Error(`more than ${most} loads`)
        return load(words, index)
      })
    }),
    (spy) => Effect.sync(() => spy.mockRestore())
  )

describe("membership", () => {
  it.effect("with nobody seated producers overwrite and count; a required consumer makes them wait [R7]", () =>
    Effect.gen(function* () {
      const free = yield* ringOf()
      yield* publishRange(yield* Producer.make(free), 0, 12)
      assert.strictEqual((yield* RingSnapshot.snapshot(free)).unobserved, 8)
      const strict = yield* ringOf({ requiredConsumers: 1 })
      const producer = yield* Producer.make(strict)
      const waiting = yield* fork(publishRange(producer, 0, 2))
      assert.isUndefined(waiting.pollUnsafe())
      const consumer = yield* Consumer.make(strict, { id: "a" })
      yield* Fiber.join(waiting)
      assert.deepStrictEqual(numbers(yield* Consumer.takeBatch(consumer, 9)), [0, 1])
    }).pipe(Effect.provide(local))
  )

  it.effect(
    "a dead consumer's seat gates for its grace and is then given up; the gap is counted [R7] [flaw R7: dead consumer]",
    () =>
      Effect.gen(function* () {
        const ring = yield* ringOf({ capacity: 2, vacantGrace: "5 seconds" })
        const producer = yield* Producer.make(ring)
        const worker = yield* Ring.attach(yield* Ring.handle(ring), { record: Value })
        yield* Consumer.make(worker, { id: "dead" })
        yield* publishRange(producer, 0, 2)
        const blocked = yield* fork(Producer.publish(producer, { n: 2 }))
        const done = yield* Ring.recover(ring, worker.owner)
        assert.deepStrictEqual(done, { filled: 0, pending: 0, vacated: ["dead"], dismissed: 0 })
        yield* TestClock.adjust("4900 millis")
        assert.isUndefined(blocked.pollUnsafe())
        yield* TestClock.adjust("200 millis")
        yield* Fiber.join(blocked)
        assert.strictEqual((yield* RingSnapshot.snapshot(ring)).givenUp, 2)
      }).pipe(Effect.provide(local))
  )

  it.effect(
    "the same id takes a vacant seat over with a greater generation, at its cursor [R7] [flaw R7: shared cursor]",
    () =>
      Effect.gen(function* () {
        const ring = yield* ringOf({ vacantGrace: "5 seconds" })
        const producer = yield* Producer.make(ring)
        const worker = yield* Ring.attach(yield* Ring.handle(ring), { record: Value })
        const first = yield* Consumer.make(worker, { id: "a", generation: 3, commit: "manual" })
        yield* publishRange(producer, 0, 3)
        yield* Consumer.takeBatch(first, 2)
        yield* Consumer.commit(first, 1)
        assert.strictEqual((yield* Effect.flip(Consumer.make(ring, { id: "a", generation: 9 }))).reason, "DuplicateId")
        yield* Ring.recover(ring, worker.owner)
        assert.strictEqual(
          (yield* Effect.flip(Consumer.make(ring, { id: "a", generation: 3 }))).reason,
          "StaleGeneration"
        )
        const heir = yield* Consumer.make(ring, { id: "a", generation: 4, from: 0 })
        assert.isTrue(heir.tookOver)
        assert.strictEqual(heir.gapAtJoin, 1)
        // The second record was taken and not committed when its consumer died.
        assert.deepStrictEqual(numbers(yield* Consumer.takeBatch(heir, 9)), [1, 2])
        yield* TestClock.adjust("6 seconds")
        assert.strictEqual((yield* RingSnapshot.snapshot(ring)).seats[0]?.state, "Attached")
      }).pipe(Effect.provide(local))
  )

  it.effect(
    "an intent that a dead producer stored more than a lap late is no room, until it is recovered [R2] [R3] [P3]",
    () =>
      Effect.gen(function* () {
        const ring = yield* ringOf({ producers: "multi" })
        const producer = yield* Producer.make(ring)
        const worker = yield* Ring.attach(yield* Ring.handle(ring), { record: Value })
        const { core } = yield* Producer.make(worker)
        yield* publishRange(producer, 0, 8)
        // It read the claim word before the second record was published, slept, stored its intent, and died.
        Atomics.store(core.core.words, core.line + Layout.PRODUCER_INTENT, Gate.intentOf(1))
        yield* boundLoads(10_000)
        assert.strictEqual(yield* Producer.tryPublish(producer, values(8, 10)), 2)
        const waiting = yield* fork(publishRange(producer, 8, 9))
        assert.isUndefined(waiting.pollUnsafe())
        assert.strictEqual((yield* Ring.recover(ring, worker.owner)).filled, 0)
        yield* Fiber.join(waiting)
        const reader = yield* Consumer.make(ring, { id: "reader", from: "earliest" })
        assert.deepStrictEqual(numbers(yield* Consumer.takeBatch(reader, 9)), [5, 6, 7, 8])
      }).pipe(Effect.provide(local))
  )

  it.effect("a slow consumer is detached, or drops the oldest, as it agreed [R7]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf()
      const producer = yield* Producer.make(ring)
      const drops = yield* Consumer.make(ring, { id: "drops", whenSlow: "dropOldest", counters: true })
      const yields = yield* Consumer.make(ring, { id: "yields", whenSlow: "detach" })
      yield* publishRange(producer, 0, 4)
      assert.strictEqual((yield* Consumer.take(yields)).n, 0)
      yield* publishRange(producer, 4, 10)
      const detached = yield* Effect.flip(Consumer.take(yields))
      assert.strictEqual(detached._tag, "Detached")
      assert.deepStrictEqual(numbers(yield* Consumer.takeBatch(drops, 9)), [6, 7, 8, 9])
      assert.strictEqual(drops.gaps, 6)
      assert.strictEqual((yield* RingSnapshot.snapshot(ring)).seats[0]?.gaps, 6)
      assert.strictEqual((yield* Effect.flip(Effect.scoped(Lease.make(drops, { limit: 1 }))))._tag, "LeaseRefused")
    }).pipe(Effect.provide(local))
  )

  it.effect("a consumer starts at the latest, the earliest retained, or a position, and is told the gap [R8]", () =>
    Effect.gen(function* () {
      const start = 2 ** 40 + 7
      const ring = yield* ringOf({ startPosition: start })
      const producer = yield* Producer.make(ring)
      yield* publishRange(producer, 0, 6)
      const latest = yield* Consumer.make(ring, { id: "latest" })
      const earliest = yield* Consumer.make(ring, { id: "earliest", from: "earliest" })
      const stored = yield* Consumer.make(ring, { id: "stored", from: start + 5 })
      const old = yield* Consumer.make(ring, { id: "old", from: start })
      assert.strictEqual(
        (yield* Effect.flip(Consumer.make(ring, { id: "ahead", from: start + 7 }))).message.includes(`${start + 6}`),
        true
      )
      yield* Producer.publish(producer, { n: 6 })
      assert.deepStrictEqual([latest.position, earliest.position], [start + 6, start + 2])
      assert.deepStrictEqual(numbers(yield* Consumer.takeBatch(latest, 9)), [6])
      const seen: Array<number> = []
      while (earliest.position < start + 7) seen.push((yield* Consumer.take(earliest)).n)
      // Record 2 was overwritten by record 6: history is not gated.
      assert.deepStrictEqual(seen, [3, 4, 5, 6])
      assert.strictEqual(earliest.gaps, 1)
      assert.strictEqual((yield* Consumer.take(stored)).n, 5)
      assert.strictEqual(old.gapAtJoin, 2)
    }).pipe(Effect.provide(local))
  )

  it.effect(
    "a drop-oldest consumer that slept for turns of the sequence is told the whole gap, in its place [R7] [R8]",
    () =>
      Effect.gen(function* () {
        for (const passed of [2 ** 31 + 8, 2 ** 32, 3 * 2 ** 32 + 2, 2 ** 40 + 2 ** 31 - 2]) {
          const ring = yield* ringOf()
          const producer = yield* Producer.make(ring)
          const consumer = yield* Consumer.make(ring, { id: "a", whenSlow: "dropOldest" })
          yield* publishRange(producer, 0, 2)
          assert.deepStrictEqual(numbers(yield* Consumer.takeBatch(consumer, 9)), [0, 1])
          // What so many records would leave in the ring's words: nobody can publish them in a test.
          const words = new Int32Array((yield* Ring.handle(ring)).memory)
          words[Layout.CLAIM_WORD] = words[Layout.CURSOR_WORD] = (passed + 2) | 0
          words[Layout.EPOCH_WORD] = Math.floor((passed + 2) / 2 ** 31)
          assert.lengthOf(yield* Consumer.takeBatch(consumer, 9), 4)
          assert.deepStrictEqual(
            [consumer.position, consumer.committedAt, consumer.gaps],
            [passed + 2, passed + 2, passed - 4]
          )
          assert.isTrue(Option.isNone(yield* Consumer.tryTake(consumer)))
        }
      }).pipe(Effect.provide(local))
  )
})
