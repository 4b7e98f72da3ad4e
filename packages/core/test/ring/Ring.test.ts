/**
 * Making rings and attaching to them, and what is refused.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Consumer from "@selvedge/core/ring/Consumer"
import * as Producer from "@selvedge/core/ring/Producer"
import * as Ring from "@selvedge/core/ring/Ring"
import * as Record from "@selvedge/core/memory/Record"
import * as Effect from "effect/Effect"
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
        [{ startPosition: 0.5 }, "startPosition", "0.5"]
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
})
