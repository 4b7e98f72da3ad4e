/**
 * Producers, consumers and leases used in ways they were not made for: nothing is overwritten that somebody reads, and nothing is
 * lost in silence.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Consumer from "@selvedge/core/ring/Consumer"
import * as Lease from "@selvedge/core/ring/Lease"
import * as Processing from "@selvedge/core/ring/Processing"
import * as Producer from "@selvedge/core/ring/Producer"
import * as RingSnapshot from "@selvedge/core/ring/RingSnapshot"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Layout from "../../src/ring/internal/layout.ts"
import { fork, local, numbers, publishRange, ringOf, type Value, values } from "./support.ts"

/** A value of a scope of its own, and what closes that. */
const scoped = <A, E, R>(self: Effect.Effect<A, E, R | Scope.Scope>) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const value = yield* Scope.provide(scope)(self)
    return { value, close: Scope.close(scope, Exit.void) }
  })

const bury = (producer: Producer.Producer<Value>, n: number) =>
  Effect.exit(
    Producer.publishWith(producer, n, () => {
      throw new Error("no")
    })
  )

describe("after the scope is closed", () => {
  it.effect("a consumer takes and commits nothing, and leaves the next one on its seat alone [R4] [R7]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf({ maxConsumers: 1 })
      const producer = yield* Producer.make(ring)
      const { close, value: gone } = yield* scoped(Consumer.make(ring, { id: "a", commit: "manual" }))
      yield* publishRange(producer, 0, 3)
      yield* Consumer.takeBatch(gone, 2)
      yield* close
      const next = yield* Consumer.make(ring, { id: "b" })
      yield* publishRange(producer, 3, 7)
      const error = yield* Effect.flip(Consumer.take(gone))
      assert.include(error.message, "the scope of this consumer is closed")
      assert.strictEqual((yield* Effect.flip(Consumer.commit(gone, 2)))._tag, "RingClosed")
      gone.commitUnsafe(2)
      assert.strictEqual(
        gone.processUnsafe(() => assert.fail("it was handed a record"), 9),
        -1
      )
      const handling = Processing.processAvailable(gone, () => Effect.void, { limit: 1 })
      assert.strictEqual((yield* Effect.flip(handling))._tag, "RingClosed")
      assert.strictEqual((yield* Effect.flip(Effect.scoped(Lease.make(gone, { limit: 1 }))))._tag, "RingClosed")
      assert.strictEqual((yield* Effect.flip(Stream.runCollect(Processing.stream(gone))))._tag, "RingClosed")
      assert.strictEqual((yield* RingSnapshot.snapshot(ring)).seats[0]?.position, 3)
      assert.deepStrictEqual(numbers(yield* Consumer.takeBatch(next, 9)), [3, 4, 5, 6])
    }).pipe(Effect.provide(local))
  )

  it.effect("a take and a publish that wait are freed with a typed error that says so [R2] [R4]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf({ producers: "multi" })
      const consumer = yield* scoped(Consumer.make(ring, { id: "a" }))
      const taking = yield* fork(Effect.flip(Consumer.take(consumer.value)))
      yield* consumer.close
      assert.include((yield* Fiber.join(taking)).message, "the scope of this consumer")
      yield* Consumer.make(ring, { id: "b" })
      const producer = yield* scoped(Producer.make(ring))
      yield* publishRange(producer.value, 0, 4)
      const publishing = yield* fork(Effect.flip(Producer.publish(producer.value, { n: 9 })))
      yield* producer.close
      assert.include((yield* Fiber.join(publishing)).message, "the scope of this producer is closed: nothing was done")
      assert.strictEqual(yield* Effect.map(RingSnapshot.snapshot(ring), ({ claimed }) => claimed), 4)
    }).pipe(Effect.provide(local))
  )

  it.effect("a producer publishes nothing, though the ring has room and another has its line [R2]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf()
      const gone = yield* scoped(Producer.make(ring))
      yield* gone.close
      const next = yield* Producer.make(ring)
      const consumer = yield* Consumer.make(ring, { id: "a" })
      yield* Producer.publish(next, { n: 1 })
      assert.strictEqual((yield* Effect.flip(Producer.publish(gone.value, { n: 9 })))._tag, "RingClosed")
      yield* Producer.publish(next, { n: 2 })
      assert.deepStrictEqual(numbers(yield* Consumer.takeBatch(consumer, 9)), [1, 2])
    }).pipe(Effect.provide(local))
  )

  it.effect("a lease ends with the scope of its consumer: its getters throw, its own release does nothing [R5]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf()
      const producer = yield* Producer.make(ring)
      const consumer = yield* scoped(Consumer.make(ring, { id: "a" }))
      yield* publishRange(producer, 0, 2)
      const lease = yield* scoped(Lease.make(consumer.value, { limit: 2 }))
      const record = lease.value.at(0)
      assert.strictEqual(record.n, 0)
      yield* consumer.close
      assert.throws(() => record.n, /used after its release/)
      yield* lease.close
      assert.strictEqual((yield* RingSnapshot.snapshot(ring)).seats.length, 0)
    }).pipe(Effect.provide(local))
  )
})

describe("committing and putting back", () => {
  it.effect("what was committed is never taken again, whatever is put back [R6] [R11]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf()
      const producer = yield* Producer.make(ring)
      const consumer = yield* Consumer.make(ring, { id: "a", commit: "manual" })
      yield* publishRange(producer, 0, 4)
      const reached = yield* Deferred.make<void>()
      const streaming = yield* fork(
        Stream.runForEach(Processing.stream(consumer), ({ n }) =>
          n === 2
            ? Effect.andThen(Deferred.succeed(reached, undefined), Effect.never)
            : Consumer.commit(consumer, n + 1)
        )
      )
      yield* Deferred.await(reached)
      yield* Fiber.interrupt(streaming)
      // The slots of 0 and 1 are the producer's again.
      yield* publishRange(producer, 4, 6)
      const failing = ({ n }: Value, { position }: Processing.About): Effect.Effect<void, unknown> =>
        n === 4 ? Effect.fail("bad") : Consumer.commit(consumer, position + 1)
      const failed = yield* Effect.flip(Processing.processAvailable(consumer, failing, { limit: 9 }))
      assert.strictEqual(failed._tag === "HandlerFailed" && failed.position, 4)
      assert.deepStrictEqual(numbers(yield* Consumer.takeBatch(consumer, 9)), [4, 5])
    }).pipe(Effect.provide(local))
  )

  it.effect("what is leased cannot be committed before its release [R5] [R6]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf()
      const producer = yield* Producer.make(ring)
      const consumer = yield* Consumer.make(ring, { id: "a", commit: "manual" })
      yield* publishRange(producer, 0, 4)
      yield* Consumer.take(consumer)
      const lease = yield* scoped(Lease.make(consumer, { limit: 2 }))
      assert.include((yield* Effect.flip(Consumer.commit(consumer, 3))).message, "from 0 to 1, found 3")
      yield* Consumer.commit(consumer, 1)
      yield* Producer.publish(producer, { n: 4 })
      assert.strictEqual(lease.value.at(0).n, 1)
      yield* lease.close
      yield* Consumer.commit(consumer, 3)
    }).pipe(Effect.provide(local))
  )

  it.effect("a fiber that is interrupted puts back nothing that another one took [R11]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf()
      const producer = yield* Producer.make(ring)
      const consumer = yield* Consumer.make(ring, { id: "a" })
      const first = yield* fork(Consumer.take(consumer))
      const second = yield* fork(Consumer.take(consumer))
      yield* Producer.publish(producer, { n: 0 })
      yield* Effect.yieldNow
      const done = first.pollUnsafe() === undefined ? second : first
      yield* Fiber.interrupt(done === first ? second : first)
      assert.strictEqual((yield* Fiber.join(done)).n, 0)
      assert.isTrue(Option.isNone(yield* Consumer.tryTake(consumer)))
    }).pipe(Effect.provide(local))
  )

  it.effect("a ring full of tombstones stops nobody, also if the consumer commits by hand [R2] [R6]", () =>
    Effect.gen(function* () {
      for (const producers of ["single", "multi"] as const) {
        const ring = yield* ringOf({ producers })
        const producer = yield* Producer.make(ring)
        const consumer = yield* Consumer.make(ring, { id: "a", commit: "manual" })
        yield* bury(producer, 4)
        const taking = yield* fork(Consumer.take(consumer))
        assert.strictEqual(yield* Producer.tryPublish(producer, values(0, 1)), 0)
        assert.strictEqual((yield* Fiber.join(taking)).n, 0)
        yield* bury(producer, 3)
        assert.isTrue(Option.isNone(yield* Consumer.tryTake(consumer)))
        // A commit takes the tombstones after it along.
        yield* Consumer.commit(consumer, 5)
        assert.strictEqual(yield* Producer.tryPublish(producer, values(0, 4)), 0)
      }
    }).pipe(Effect.provide(local))
  )

  it.effect("tombstones are counted beyond 2^32, and are looked for by consumers that come then [R2] [R13]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf({ maxConsumers: 1 })
      const { words } = ring.core
      const producer = yield* Producer.make(ring)
      yield* bury(producer, 1)
      // As after 2^32 - 1 of them.
      for (const word of [Layout.TOMBSTONES_WORD, Layout.UNOBSERVED_WORD, Layout.GIVEN_UP_WORD]) {
        words[word] = -1
        words[word + 1] = 1
      }
      assert.strictEqual((yield* RingSnapshot.snapshot(ring)).unobserved, 2 ** 32 - 1)
      const consumer = yield* Consumer.make(ring, { id: "a" })
      yield* bury(producer, 1)
      assert.isTrue(Option.isNone(yield* Consumer.tryTake(consumer)))
      const { givenUp, tombstones } = yield* RingSnapshot.snapshot(ring)
      assert.deepStrictEqual([tombstones, givenUp], [2 ** 32, 2 ** 32 - 1])
    }).pipe(Effect.provide(local))
  )

  it.effect("the synchronous calls refuse limits and positions that cannot be, and move nothing [R4] [R6]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf({ startPosition: 100 })
      const producer = yield* Producer.make(ring)
      const consumer = yield* Consumer.make(ring, { id: "a", commit: "manual" })
      yield* publishRange(producer, 0, 3)
      consumer.takeUnsafe(1)
      for (const limit of [Number.NaN, -1, 0, 1.5]) {
        assert.throws(() => consumer.takeUnsafe(limit), `limit: wanted a whole number above 0, found ${limit}`)
        assert.throws(() => consumer.processUnsafe(() => undefined, limit), `found ${limit}`)
      }
      for (const position of [Number.NaN, 99, 100.5, 102, 2 ** 60]) {
        assert.throws(
          () => consumer.commitUnsafe(position),
          `position: wanted a position from 100 to 101, found ${position}`
        )
      }
      assert.deepStrictEqual([consumer.committedAt, consumer.position], [100, 101])
      consumer.commitUnsafe(101)
      assert.strictEqual(consumer.committedAt, 101)
    }).pipe(Effect.provide(local))
  )

  it.effect("a consumer that reads history and commits by hand may commit where it reads [R6] [R8]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf()
      const producer = yield* Producer.make(ring)
      yield* publishRange(producer, 0, 3)
      const consumer = yield* Consumer.make(ring, { id: "a", from: "earliest", commit: "manual" })
      for (let n = 0; n < 3; n++) {
        yield* Consumer.take(consumer)
        yield* Consumer.commit(consumer, n + 1)
      }
      assert.strictEqual(consumer.committedAt, 3)
      assert.strictEqual((yield* Effect.flip(Consumer.commit(consumer, 4)))._tag, "InvalidArgument")
    }).pipe(Effect.provide(local))
  )
})

describe("handlers and writers that do too much", () => {
  it.effect("a handler that takes does not give up the records it is handed in place [R4]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf()
      const producer = yield* Producer.make(ring)
      const consumer = yield* Consumer.make(ring, { id: "a" })
      yield* publishRange(producer, 0, 4)
      const seen: Array<number> = []
      consumer.processUnsafe((record) => {
        consumer.takeUnsafe(1)
        producer.publishUnsafe(1, (slot) => {
          slot.n = 99
        })
        seen.push(record.n)
      }, 4)
      assert.deepStrictEqual(seen, [0, 1, 2, 3])
    }).pipe(Effect.provide(local))
  )

  it.effect(
    "a writer that publishes with its own producer is a defect; its batch is buried, the ring goes on [R2]",
    () =>
      Effect.gen(function* () {
        for (const producers of ["single", "multi"] as const) {
          const ring = yield* ringOf({ producers })
          const producer = yield* Producer.make(ring)
          const consumer = yield* Consumer.make(ring, { id: "a" })
          const exit = yield* Effect.exit(
            Producer.publishWith(producer, 2, (slot, i) => {
              slot.n = i
              producer.publishUnsafe(1, () => undefined)
            })
          )
          assert.include(Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "", "NestedPublish")
          yield* Producer.publish(producer, { n: 7 })
          assert.strictEqual((yield* Consumer.take(consumer)).n, 7)
        }
      }).pipe(Effect.provide(local))
  )

  it.effect(
    "with two producers whose writers throw, each error goes to its caller and the others' records arrive [R2] [R3]",
    () =>
      Effect.gen(function* () {
        const ring = yield* ringOf({ producers: "multi" })
        const [p, q] = [yield* Producer.make(ring), yield* Producer.make(ring)]
        const consumer = yield* Consumer.make(ring, { id: "a" })
        // q fails in the middle of p's batch, which is written and published around it.
        const exit = yield* Effect.exit(
          Producer.publishWith(p, 2, (slot, i) => {
            slot.n = i
            if (i === 1) assert.throws(() => q.publishUnsafe(1, () => Effect.runSync(Effect.die("q"))))
          })
        )
        assert.isTrue(Exit.isSuccess(exit))
        assert.deepStrictEqual(numbers(yield* Consumer.takeBatch(consumer, 9)), [0, 1])
        yield* Producer.publish(q, { n: 2 })
        assert.strictEqual((yield* Consumer.take(consumer)).n, 2)
        assert.strictEqual((yield* RingSnapshot.snapshot(ring)).tombstones, 1)
      }).pipe(Effect.provide(local))
  )

  it.effect("a fiber interrupted between two records leaves those it has not handled [R6] [R11]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf()
      const producer = yield* Producer.make(ring)
      const consumer = yield* Consumer.make(ring, { id: "a" })
      yield* publishRange(producer, 0, 3)
      // The first record is skipped, and whoever logs that interrupts the fiber.
      const interrupting = Logger.layer([Logger.make(({ fiber }) => fiber.interruptUnsafe())])
      const handling = Processing.processAvailable(consumer, ({ n }) => (n === 0 ? Effect.fail("bad") : Effect.void), {
        limit: 9,
        onFailure: "skip"
      })
      const exit = yield* Fiber.await(yield* fork(Effect.provide(handling, interrupting)))
      assert.isTrue(Exit.isFailure(exit))
      assert.deepStrictEqual(numbers(yield* Consumer.takeBatch(consumer, 9)), [1, 2])
    }).pipe(Effect.provide(local))
  )

  it.effect("the last record before tombstones is the end of its batch [R4]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf({ producers: "multi" })
      const producer = yield* Producer.make(ring)
      const consumer = yield* Consumer.make(ring, { id: "a" })
      yield* publishRange(producer, 0, 2)
      yield* bury(producer, 2)
      const ends: Array<readonly [number, boolean]> = []
      assert.strictEqual(
        consumer.processUnsafe(({ n }, _, end) => ends.push([n, end]), 9),
        4
      )
      assert.deepStrictEqual(ends, [
        [0, false],
        [1, true]
      ])
    }).pipe(Effect.provide(local))
  )

  it.effect("a batch of a size that cannot be is refused with wanted and found [R2]", () =>
    Effect.gen(function* () {
      const producer = yield* Producer.make(yield* ringOf())
      for (const n of [5, -1, 0.5, Number.NaN, Infinity]) {
        const error = yield* Effect.flip(Producer.publishWith(producer, n, () => assert.fail("it wrote")))
        assert.strictEqual(error._tag, "BatchTooLarge")
        assert.include(error.message, `found ${n}`)
      }
    }).pipe(Effect.provide(local))
  )
})
