/**
 * Rings through their public modules, in one thread and virtual time.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Consumer from "@selvedge/core/ring/Consumer"
import * as Lease from "@selvedge/core/ring/Lease"
import * as Processing from "@selvedge/core/ring/Processing"
import * as Producer from "@selvedge/core/ring/Producer"
import * as Readiness from "@selvedge/core/ring/Readiness"
import * as Ring from "@selvedge/core/ring/Ring"
import * as RingSnapshot from "@selvedge/core/ring/RingSnapshot"
import * as Record from "@selvedge/core/memory/Record"
import { layerThread } from "@selvedge/core/memory/SharedMemory"
import * as WaitStrategy from "@selvedge/core/memory/WaitStrategy"
import * as Waking from "@selvedge/core/memory/Waking"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"

const Value = Record.struct({ n: Record.f64 })
type Value = Record.Type<typeof Value>

const local = Layer.merge(layerThread, Waking.layerLocal)

const ringOf = (options: Partial<Ring.Options<Value>> = {}) => Ring.make({ record: Value, capacity: 4, ...options })

const numbers = (batch: ReadonlyArray<Value>): ReadonlyArray<number> => batch.map(({ n }) => n)

const publishRange = (producer: Producer.Producer<Value>, from: number, to: number) =>
  Effect.forEach(
    Array.from({ length: to - from }, (_, i) => ({ n: from + i })),
    (value) => Producer.publish(producer, value),
    { discard: true }
  )

const errorOf = <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.flip(self)

const fork = <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.forkChild(self, { startImmediately: true })

describe("making and attaching", () => {
  it.effect("a shape that cannot be is refused, naming wanted and found [R1]", () =>
    Effect.gen(function* () {
      const cases: ReadonlyArray<readonly [Partial<Ring.Options<Value>>, string, string]> = [
        [{ capacity: 3 }, "capacity", "3"],
        [{ capacity: 0 }, "capacity", "0"],
        [{ capacity: 2 ** 29 }, "capacity", String(2 ** 29)],
        [{ maxProducers: 2 }, "maxProducers", "2"],
        [{ producers: "multi", maxProducers: 65 }, "maxProducers", "65"],
        [{ maxConsumers: 0 }, "maxConsumers", "0"],
        [{ maxConsumers: 1, requiredConsumers: 2 }, "requiredConsumers", "2"],
        [{ startPosition: -1 }, "startPosition", "-1"],
        [{ startPosition: 0.5 }, "startPosition", "0.5"]
      ]
      for (const [options, field, found] of cases) {
        const error = yield* errorOf(ringOf(options))
        assert.strictEqual(error._tag, "InvalidRing")
        assert.include(error.message, `${field}: wanted`)
        assert.include(error.message, `found ${found}`)
      }
    }).pipe(Effect.provide(local))
  )

  it.effect("attaching to what is not that ring names what differs and changes nothing [R1]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf()
      const handle = yield* Ring.handle(ring)
      const attach = (memory: SharedArrayBuffer, record: Record.Record<object> = Value) =>
        errorOf(Effect.scoped(Ring.attach({ ...handle, memory }, { record })))
      const broken = (change: (words: Int32Array) => void) => {
        const copy = new SharedArrayBuffer(handle.memory.byteLength)
        new Uint8Array(copy).set(new Uint8Array(handle.memory))
        change(new Int32Array(copy))
        return copy
      }
      const short = new SharedArrayBuffer(handle.memory.byteLength - 128)
      new Uint8Array(short).set(new Uint8Array(handle.memory, 0, short.byteLength))
      assert.strictEqual((yield* attach(new SharedArrayBuffer(4096))).differs, "magic")
      assert.strictEqual((yield* attach(new SharedArrayBuffer(8))).differs, "size")
      assert.strictEqual((yield* attach(short)).differs, "size")
      assert.strictEqual((yield* attach(broken((words) => (words[1] = 99)))).differs, "version")
      assert.strictEqual((yield* attach(broken((words) => (words[4] = 3)))).differs, "shape")
      const other = yield* attach(handle.memory, Record.struct({ other: Record.f64 }))
      assert.strictEqual(other.differs, "schema")
      assert.include(other.message, '"other":f64@0')
      const attached = yield* Ring.attach(handle, { record: Value })
      assert.strictEqual(attached.byteSize, handle.memory.byteLength)
      assert.strictEqual(yield* Ring.byteSize({ record: Value, capacity: 4 }), handle.memory.byteLength)
    }).pipe(Effect.provide(local))
  )

  it.effect("ids are checked and alone, seats and producers are counted [R1] [R4] [R7]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf({ maxConsumers: 2 })
      const join = (id: string) => Consumer.make(ring, { id })
      assert.strictEqual((yield* errorOf(join(""))).reason, "InvalidId")
      assert.strictEqual((yield* errorOf(join("é".repeat(57)))).reason, "InvalidId")
      yield* join("a")
      assert.strictEqual((yield* errorOf(join("a"))).reason, "DuplicateId")
      yield* join("b")
      assert.strictEqual((yield* errorOf(join("c"))).reason, "NoSeat")
      yield* Producer.make(ring)
      assert.strictEqual((yield* errorOf(Producer.make(ring))).reason, "NoProducerLine")
    }).pipe(Effect.provide(local))
  )
})

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
        const large = yield* errorOf(
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
        const wrong = yield* errorOf(Producer.publish(producer, { n: "2" as unknown as number }))
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

describe("committing", () => {
  it.effect("the gate follows the commit, not the take [R6]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf({ capacity: 2 })
      const producer = yield* Producer.make(ring)
      const consumer = yield* Consumer.make(ring, { id: "a", commit: "manual" })
      yield* publishRange(producer, 0, 2)
      yield* Consumer.takeBatch(consumer, 2)
      assert.strictEqual(yield* Producer.tryPublish(producer, [{ n: 2 }]), 1)
      assert.include((yield* errorOf(Consumer.commit(consumer, 3))).message, "a position from 0 to 2, found 3")
      yield* Consumer.commit(consumer, 1)
      assert.strictEqual(yield* Producer.tryPublish(producer, [{ n: 2 }]), 0)
      assert.include((yield* errorOf(Consumer.commit(consumer, 0))).message, "found 0")
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
      const failed = yield* errorOf(Processing.processAvailable(consumer, handler, { limit: 9 }))
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
      const second = yield* errorOf(Effect.scoped(Lease.make(consumer, { limit: 1 })))
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
})

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
        assert.strictEqual((yield* errorOf(Consumer.make(ring, { id: "a", generation: 9 }))).reason, "DuplicateId")
        yield* Ring.recover(ring, worker.owner)
        assert.strictEqual((yield* errorOf(Consumer.make(ring, { id: "a", generation: 3 }))).reason, "StaleGeneration")
        const heir = yield* Consumer.make(ring, { id: "a", generation: 4, from: 0 })
        assert.isTrue(heir.tookOver)
        assert.strictEqual(heir.gapAtJoin, 1)
        // The second record was taken and not committed when its consumer died.
        assert.deepStrictEqual(numbers(yield* Consumer.takeBatch(heir, 9)), [1, 2])
        yield* TestClock.adjust("6 seconds")
        assert.strictEqual((yield* RingSnapshot.snapshot(ring)).seats[0]?.state, "Attached")
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
      const detached = yield* errorOf(Consumer.take(yields))
      assert.strictEqual(detached._tag, "Detached")
      assert.deepStrictEqual(numbers(yield* Consumer.takeBatch(drops, 9)), [6, 7, 8, 9])
      assert.strictEqual(drops.gaps, 6)
      assert.strictEqual((yield* RingSnapshot.snapshot(ring)).seats[0]?.gaps, 6)
      assert.strictEqual((yield* errorOf(Effect.scoped(Lease.make(drops, { limit: 1 }))))._tag, "LeaseRefused")
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
        (yield* errorOf(Consumer.make(ring, { id: "ahead", from: start + 7 }))).message.includes(`${start + 6}`),
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
})

describe("closing", () => {
  it.effect("consumers drain what was published, then end; producers are freed with a typed error [R12]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf()
      const producer = yield* Producer.make(ring)
      const consumer = yield* Consumer.make(ring, { id: "a" })
      yield* publishRange(producer, 0, 4)
      const blocked = yield* fork(Effect.flip(Producer.publish(producer, { n: 9 })))
      assert.isTrue(yield* Ring.close(ring))
      assert.isFalse(yield* Ring.close(ring))
      assert.strictEqual((yield* Fiber.join(blocked))._tag, "RingClosed")
      assert.strictEqual((yield* errorOf(Producer.publish(producer, { n: 9 })))._tag, "RingClosed")
      assert.deepStrictEqual(numbers(yield* Consumer.takeBatch(consumer, 9)), [0, 1, 2, 3])
      assert.strictEqual((yield* errorOf(Consumer.take(consumer)))._tag, "RingClosed")
    }).pipe(Effect.provide(local))
  )

  it.effect("a waiting consumer ends when the ring's scope closes [R12] [R1]", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const ring = yield* Scope.provide(scope)(ringOf())
      const consumer = yield* Consumer.make(ring, { id: "a" })
      const waiting = yield* fork(Effect.flip(Consumer.take(consumer)))
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* Fiber.join(waiting))._tag, "RingClosed")
    }).pipe(Effect.provide(local))
  )
})

describe("readiness", () => {
  it.effect("producers wait for consumers by number and by name, with a timeout [R9]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf()
      const named = yield* fork(Readiness.awaitConsumers(ring, { ids: ["a", "b"] }))
      const late = yield* fork(Effect.flip(Readiness.awaitConsumers(ring, { count: 3 }, { timeout: 100 })))
      yield* Consumer.make(ring, { id: "a" })
      assert.isUndefined(named.pollUnsafe())
      yield* Consumer.make(ring, { id: "b" })
      yield* Fiber.join(named)
      yield* TestClock.adjust(100)
      assert.include((yield* Fiber.join(late)).message, "no 3 consumer(s) within 100 ms")
    }).pipe(Effect.provide(local))
  )

  it.effect("a required consumer that stalls is told once and ends the watch; one that caught up never is [R9]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf()
      const producer = yield* Producer.make(ring)
      const consumer = yield* Consumer.make(ring, { id: "a" })
      const told: Array<string> = []
      const watching = yield* fork(
        Effect.flip(
          Readiness.watch(ring, {
            ids: ["a"],
            progress: "1 second",
            grace: "2 seconds",
            onStall: (stall) => Effect.sync(() => void told.push(stall.verdict))
          })
        )
      )
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(told, [])
      yield* publishRange(producer, 0, 2)
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(told, ["no progress"])
      yield* Consumer.take(consumer)
      yield* TestClock.adjust("500 millis")
      yield* TestClock.adjust("5 seconds")
      const stall = yield* Fiber.join(watching)
      assert.deepStrictEqual([stall.verdict, stall.lag], ["no progress", 1])
      assert.deepStrictEqual(told, ["no progress", "no progress"])
    }).pipe(Effect.provide(local))
  )

  it.effect("a required consumer that never comes is a stall of its own [R9]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf()
      const watching = yield* fork(
        Effect.flip(Readiness.watch(ring, { ids: ["x"], startup: 100, grace: 100, onStall: () => Effect.void }))
      )
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(watching)).verdict, "never attached")
    }).pipe(Effect.provide(local))
  )
})

describe("streams", () => {
  it.effect("a stream and a sink carry every record with back-pressure [R11]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf()
      const producer = yield* Producer.make(ring)
      const consumer = yield* Consumer.make(ring, { id: "a" })
      const values = Array.from({ length: 100 }, (_, n) => ({ n }))
      const feeding = yield* fork(
        Effect.andThen(Stream.run(Stream.fromIterable(values), Processing.sink(producer)), Ring.close(ring))
      )
      const got = yield* Stream.runCollect(Processing.stream(consumer, { limit: 3 }))
      yield* Fiber.join(feeding)
      assert.deepStrictEqual(numbers(got), numbers(values))
    }).pipe(Effect.provide(local))
  )

  it.effect("an interrupted stream puts back what it pulled last [R11]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf()
      const producer = yield* Producer.make(ring)
      const consumer = yield* Consumer.make(ring, { id: "a" })
      yield* publishRange(producer, 0, 3)
      const reached = yield* Deferred.make<void>()
      const stuck = Stream.runForEach(Processing.stream(consumer), ({ n }) =>
        n === 1 ? Effect.andThen(Deferred.succeed(reached, undefined), Effect.never) : Effect.void
      )
      const fiber = yield* fork(stuck)
      yield* Deferred.await(reached)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(numbers(yield* Consumer.takeBatch(consumer, 9)), [0, 1, 2])
    }).pipe(Effect.provide(local))
  )
})
