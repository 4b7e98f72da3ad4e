/**
 * Publishing and taking, in one thread and virtual time.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Consumer from "@selvedge/core/ring/Consumer"
import * as Producer from "@selvedge/core/ring/Producer"
import * as RingSnapshot from "@selvedge/core/ring/RingSnapshot"
import { layerThread } from "@selvedge/core/memory/SharedMemory"
import * as WaitStrategy from "@selvedge/core/memory/WaitStrategy"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/testing/TestClock"
import { fork, local, numbers, publishRange, ringOf } from "./support.ts"

describe("publishing and taking", () => {
  for (const producers of ["single", "multi"] as const) {
    it.effect(`every consumer sees every record in order, over many laps (${producers}) [R2] [R4]`, () =>
      Effect.gen(function* () {
        const ring = yield* ringOf({ producers, startPosition: 2 ** 32 - 3 })
        const producer = yield* Producer.make(ring)
        const a = yield* Consumer.make(ring, { id: "a" })
        const b = yield* Consumer.make(ring, { id: "b" })
        for (let lap = 0; lap < 50; lap += 1) {
          yield* publishRange(producer, lap * 3, lap * 3 + 3)
          assert.deepStrictEqual(numbers(yield* Consumer.takeBatch(a, 8)), [lap * 3, lap * 3 + 1, lap * 3 + 2])
          for (let i = 0; i < 3; i++) assert.strictEqual((yield* Consumer.take(b)).n, lap * 3 + i)
        }
        assert.strictEqual(a.position, 2 ** 32 - 3 + 150)
      }).pipe(Effect.provide(local))
    )

    it.effect(`a full ring answers how many slots are missing and takes nothing (${producers}) [R2]`, () =>
      Effect.gen(function* () {
        const ring = yield* ringOf({ producers })
        const producer = yield* Producer.make(ring)
        const consumer = yield* Consumer.make(ring, { id: "a" })
        const three = [{ n: 0 }, { n: 1 }, { n: 2 }]
        assert.strictEqual(yield* Producer.tryPublish(producer, three), 0)
        assert.strictEqual(yield* Producer.tryPublish(producer, three), 2)
        assert.strictEqual(yield* Producer.tryPublish(producer, []), 0)
        assert.strictEqual((yield* RingSnapshot.snapshot(ring)).claimed, 3)
        const large = yield* Effect.flip(
          Producer.publishAll(
            producer,
            Array.from({ length: 5 }, (_, n) => ({ n }))
          )
        )
        assert.include(large.message, "capacity, 4, found 5")
        assert.deepStrictEqual(numbers(yield* Consumer.takeBatch(consumer, 9)), [0, 1, 2])
      }).pipe(Effect.provide(local))
    )

    it.effect(`a writer that throws leaves tombstones, and its error goes to the caller (${producers}) [R2]`, () =>
      Effect.gen(function* () {
        const ring = yield* ringOf({ producers })
        const producer = yield* Producer.make(ring)
        const consumer = yield* Consumer.make(ring, { id: "a" })
        yield* Producer.publish(producer, { n: 1 })
        const wrong = yield* Effect.flip(Producer.publish(producer, { n: "2" as unknown as number }))
        assert.strictEqual(wrong._tag, "RecordError")
        const thrown = yield* Effect.exit(
          Producer.publishWith(producer, 1, () => {
            throw new Error("oops")
          })
        )
        assert.isTrue(Exit.isFailure(thrown) && thrown.cause.reasons.some(Cause.isDieReason))
        yield* Producer.publish(producer, { n: 4 })
        assert.deepStrictEqual(numbers(yield* Consumer.takeBatch(consumer, 9)), [1, 4])
        assert.strictEqual((yield* RingSnapshot.snapshot(ring)).tombstones, 2)
      }).pipe(Effect.provide(local))
    )

    it.effect(
      `a blocked publish goes on when there is room, and times out in virtual time (${producers}) [R2] [R10]`,
      () =>
        Effect.gen(function* () {
          const ring = yield* ringOf({ producers })
          const producer = yield* Producer.make(ring)
          const consumer = yield* Consumer.make(ring, { id: "a", commit: "manual" })
          yield* publishRange(producer, 0, 4)
          const timed = yield* fork(Effect.flip(Producer.publish(producer, { n: 9 }, { timeout: "1 second" })))
          yield* TestClock.adjust("1 second")
          assert.include((yield* Fiber.join(timed)).message, "no room for 1 record(s) within 1000 ms")
          const blocked = yield* fork(Producer.publish(producer, { n: 4 }))
          assert.isUndefined(blocked.pollUnsafe())
          yield* Consumer.take(consumer)
          assert.isUndefined(blocked.pollUnsafe())
          yield* Consumer.commit(consumer, 1)
          yield* Fiber.join(blocked)
          assert.deepStrictEqual(numbers(yield* Consumer.takeBatch(consumer, 9)), [1, 2, 3, 4])
        }).pipe(Effect.provide(local))
    )
  }

  it.effect("sixteen round trips happen inside one virtual timeout [R10]", () =>
    Effect.gen(function* () {
      const ping = yield* ringOf({ capacity: 1 })
      const pong = yield* ringOf({ capacity: 1 })
      const [there, back] = [yield* Producer.make(ping), yield* Producer.make(pong)]
      const [far, near] = [yield* Consumer.make(ping, { id: "far" }), yield* Consumer.make(pong, { id: "near" })]
      yield* fork(
        Effect.forever(Effect.flatMap(Consumer.take(far), (value) => Producer.publish(back, { n: value.n + 1 })))
      )
      const trips = Effect.gen(function* () {
        let n = 0
        for (let i = 0; i < 16; i++) {
          yield* Producer.publish(there, { n })
          n = (yield* Consumer.take(near)).n
        }
        return n
      })
      const fiber = yield* fork(Effect.timeout(trips, 10))
      yield* TestClock.adjust(9)
      assert.strictEqual(yield* Fiber.join(fiber), 16)
    }).pipe(Effect.provide(local))
  )

  it.effect("an interrupted take loses nothing, nor does an interrupted publish publish [R11] [R2]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf()
      const producer = yield* Producer.make(ring)
      const consumer = yield* Consumer.make(ring, { id: "a" })
      const taking = yield* fork(Consumer.take(consumer))
      yield* Fiber.interrupt(taking)
      yield* publishRange(producer, 0, 4)
      const publishing = yield* fork(Producer.publish(producer, { n: 99 }))
      yield* Fiber.interrupt(publishing)
      assert.deepStrictEqual(numbers(yield* Consumer.takeBatch(consumer, 9)), [0, 1, 2, 3])
      assert.isTrue(Option.isNone(yield* Consumer.tryTake(consumer)))
    }).pipe(Effect.provide(local))
  )

  it.effect("waiting with waitAsync in virtual time is a defect that names the local form [R10]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf()
      const consumer = yield* Consumer.make(ring, { id: "a" })
      const exit = yield* Effect.exit(Consumer.take(consumer))
      assert.include(Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "", "Waking.layerLocal")
    }).pipe(Effect.provide(layerThread))
  )

  it.effect("a blocking call on a thread that runs fibers is refused [R10]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf()
      const consumer = yield* Consumer.make(ring, { id: "a" })
      const producer = yield* Producer.make(ring)
      const wait = Consumer.waitWith(WaitStrategy.park)
      assert.throws(() => Consumer.awaitBlockingUnsafe(consumer, wait), /wanted a ring attached with role "dedicated"/)
      assert.throws(() => producer.publishBlockingUnsafe(1, () => undefined, WaitStrategy.park), /role "dedicated"/)
    }).pipe(Effect.provide(local))
  )
})
