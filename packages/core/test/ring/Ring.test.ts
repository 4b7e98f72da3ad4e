/**
 * Making rings and attaching to them, and what is refused.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Consumer from "@selvedge/core/ring/Consumer"
import * as Lease from "@selvedge/core/ring/Lease"
import * as Processing from "@selvedge/core/ring/Processing"
import * as Producer from "@selvedge/core/ring/Producer"
import * as Ring from "@selvedge/core/ring/Ring"
import * as Record from "@selvedge/core/memory/Record"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { Value, local, ringOf } from "./support.ts"

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
        [{ startPosition: 0.5 }, "startPosition", "0.5"],
        [{ producers: "many" as "multi" }, "producers", "many"]
      ]
      for (const [options, field, found] of cases) {
        const error = yield* Effect.flip(ringOf(options))
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
        Effect.flip(Effect.scoped(Ring.attach({ ...handle, memory }, { record })))
      const before = Uint8Array.from(new Uint8Array(handle.memory))
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
      assert.strictEqual((yield* attach(broken((words) => (words[8] = 4)))).differs, "shape")
      // Slots of 16 bytes in a ring of half the capacity: the same size, the same fingerprint.
      const half = broken((words) => {
        words[4] = 2
        words[5] = 16
      })
      assert.strictEqual((yield* attach(half)).differs, "schema")
      const other = yield* attach(handle.memory, Record.struct({ other: Record.f64 }))
      assert.strictEqual(other.differs, "schema")
      assert.include(other.message, '"other":f64@0')
      for (const nothing of [undefined, null, 7, {}, { memory: new ArrayBuffer(4096), owner: 1 }]) {
        const error = yield* Effect.flip(
          Effect.scoped(Ring.attach(nothing as unknown as Ring.Handle, { record: Value }))
        )
        assert.strictEqual(error.differs, "magic")
      }
      for (const owner of [0, -1, 0.5, Number.NaN, 2 ** 31]) {
        const error = yield* Effect.flip(Effect.scoped(Ring.attach({ ...handle, owner }, { record: Value })))
        assert.include(error.message, `found ${owner}`)
      }
      assert.deepStrictEqual(Uint8Array.from(new Uint8Array(handle.memory)), before)
      const attached = yield* Ring.attach(handle, { record: Value })
      assert.strictEqual(attached.byteSize, handle.memory.byteLength)
      assert.strictEqual(yield* Ring.byteSize({ record: Value, capacity: 4 }), handle.memory.byteLength)
    }).pipe(Effect.provide(local))
  )

  it.effect("ids are checked and alone, seats and producers are counted [R1] [R4] [R7]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf({ maxConsumers: 2 })
      const join = (id: string) => Consumer.make(ring, { id })
      assert.strictEqual((yield* Effect.flip(join(""))).reason, "InvalidId")
      assert.strictEqual((yield* Effect.flip(join("é".repeat(57)))).reason, "InvalidId")
      yield* join("a")
      assert.strictEqual((yield* Effect.flip(join("a"))).reason, "DuplicateId")
      yield* join("b")
      assert.strictEqual((yield* Effect.flip(join("c"))).reason, "NoSeat")
      yield* Producer.make(ring)
      assert.strictEqual((yield* Effect.flip(Producer.make(ring))).reason, "NoProducerLine")
    }).pipe(Effect.provide(local))
  )

  it.effect("a region that is longer than its ring, by any number of bytes, is attached to [R1]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf()
      const { memory, owner } = yield* Ring.handle(ring)
      const longer = new SharedArrayBuffer(memory.byteLength + 13)
      new Uint8Array(longer).set(new Uint8Array(memory))
      const attached = yield* Ring.attach({ memory: longer, owner }, { record: Value })
      const producer = yield* Producer.make(attached)
      const consumer = yield* Consumer.make(attached, { id: "a" })
      yield* Producer.publish(producer, { n: 5 })
      assert.strictEqual((yield* Consumer.take(consumer)).n, 5)
    }).pipe(Effect.provide(local))
  )

  it.effect(
    "a record too large, and a ring too large for a region, are refused before anything is allocated [R1] [R14]",
    () =>
      Effect.gen(function* () {
        const Large = Record.struct(
          Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`part${i}`, Record.bytes(65_000)]))
        )
        const record = yield* Effect.flip(Ring.make({ record: Large, capacity: 2 }))
        assert.include(record.message, "record: wanted at most 1048576 bytes, found 1105")
        const region = yield* Effect.flip(ringOf({ capacity: 2 ** 28 }))
        assert.include(region.message, "a region of at most 2147483520 bytes, found 3221")
        for (const capacity of [Number.NaN, -4, 2.5, Infinity, "8" as unknown as number]) {
          const error = yield* Effect.flip(ringOf({ capacity }))
          assert.include(error.message, `capacity: wanted a power of two from 1 to 268435456, found ${capacity}`)
        }
      }).pipe(Effect.provide(local))
  )

  it.effect("a consumer asked for in a way that cannot be is refused, naming wanted and found [R4] [R7] [R8]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf()
      const wrong: ReadonlyArray<readonly [Omit<Consumer.Options, "id">, string]> = [
        [{ generation: 0 }, "a generation from 1 to 2147483647, found 0"],
        [{ generation: 1.5 }, "found 1.5"],
        [{ generation: 2 ** 31 }, "found 2147483648"],
        [{ from: -1 }, "a position from 0 to 2^53 - 1, found -1"],
        [{ from: Number.NaN }, "found NaN"],
        [{ from: 1 }, "a position up to 0, found 1"],
        [{ from: "begin" as "earliest" }, "from: one of latest, earliest, found begin"],
        [{ whenSlow: "wait" as "block" }, "whenSlow: one of block, dropOldest, detach, found wait"],
        [{ commit: "never" as "manual" }, "commit: one of auto, manual, found never"]
      ]
      for (const [options, message] of wrong) {
        const error = yield* Effect.flip(Consumer.make(ring, { id: "a", ...options }))
        assert.strictEqual(error.reason, "InvalidOption")
        assert.include(error.message, message)
      }
      const nothing = yield* Effect.flip(Consumer.make(ring, { id: undefined as unknown as string }))
      assert.strictEqual(nothing.reason, "InvalidId")
      const consumer = yield* Consumer.make(ring, { id: "a" })
      for (const limit of [0, -1, 1.5, Number.NaN]) {
        const lease = yield* Effect.flip(Effect.scoped(Lease.make(consumer, { limit })))
        assert.include(lease.message, `limit: wanted a whole number above 0, found ${limit}`)
        const handling = yield* Effect.flip(Processing.processAvailable(consumer, () => Effect.void, { limit }))
        assert.include(handling.message, `found ${limit}`)
        const taking = yield* Effect.exit(Consumer.takeBatch(consumer, limit))
        assert.include(Exit.isFailure(taking) ? Cause.pretty(taking.cause) : "", `found ${limit}`)
      }
      const { owner: living } = yield* Ring.handle(ring)
      // Cut to 32 bits the last one is somebody who lives.
      for (const nobody of [ring.owner, 0, 2 ** 31, 2 ** 32 + living]) {
        const dead = yield* Effect.flip(Ring.recover(ring, nobody))
        assert.include(dead.message, `the owner of another thread's handle, found ${nobody}`)
      }
    }).pipe(Effect.provide(local))
  )
})
