import { assert, describe, it } from "@effect/vitest"
import { EventChannel, SharedSlot } from "@selvedge/core"
import * as Record from "@selvedge/core/memory/Record"
import * as SharedMemory from "@selvedge/core/memory/SharedMemory"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { eventsOf, noNumbers, shared } from "./support.ts"

const Quote = Record.struct({ price: Record.f64, size: Record.i32, symbol: Record.string(8) })

const words = (slots: SharedSlot.SharedSlot<Record.Type<typeof Quote>>): string =>
  Array.from(new Int32Array(SharedSlot.handle(slots).memory)).join()

describe("shared slots", () => {
  it.effect("hold nothing, then the latest value, each its own [N8]", () =>
    Effect.gen(function* () {
      const slots = yield* SharedSlot.make({ record: Quote, slots: 3 })
      assert.deepStrictEqual(yield* SharedSlot.read(slots, 1), Option.none())
      assert.isUndefined(SharedSlot.readUnsafe(slots, 1))
      for (let i = 1; i <= 5; i++) yield* SharedSlot.write(slots, 1, { price: i / 2, size: -i, symbol: `s${i}` })
      yield* SharedSlot.write(slots, 2, { price: 1, size: 2, symbol: "éé" })
      assert.deepStrictEqual(yield* SharedSlot.read(slots, 1), Option.some({ price: 2.5, size: -5, symbol: "s5" }))
      assert.deepStrictEqual(yield* SharedSlot.read(slots, 2), Option.some({ price: 1, size: 2, symbol: "éé" }))
      assert.deepStrictEqual(yield* SharedSlot.read(slots, 0), Option.none())
      assert.strictEqual(SharedSlot.readUnsafe(slots, 1)?.price, 2.5)
    }).pipe(Effect.provide(SharedMemory.layerThread))
  )

  it.effect("are joined by their posted handle with the same record [N8]", () =>
    Effect.gen(function* () {
      const slots = yield* SharedSlot.make({ record: Quote })
      const other = yield* SharedSlot.attach(structuredClone(SharedSlot.handle(slots)), Quote)
      yield* SharedSlot.write(other, 0, { price: 7, size: 1, symbol: "a" })
      assert.strictEqual(SharedSlot.readUnsafe(slots, 0)?.price, 7)
      assert.strictEqual(SharedSlot.handle(slots).memory.byteLength, SharedSlot.byteSize({ record: Quote }))
    }).pipe(Effect.provide(SharedMemory.layerThread))
  )

  it.effect("with a notifier wake who waits, with the latest value [N6] [N8]", () =>
    Effect.gen(function* () {
      const { channel, notifier } = yield* EventChannel.make({ maxTokens: 4 })
      const slots = yield* SharedSlot.make({ record: Quote, slots: 4 })
      const events = yield* eventsOf(4)
      yield* SharedSlot.put(slots, notifier, 3, { price: 1, size: 1, symbol: "x" })
      const again = yield* SharedSlot.put(slots, notifier, 3, { price: 2, size: 2, symbol: "x" })
      assert.strictEqual(again, "Conflated")
      yield* EventChannel.receive(channel, events)
      assert.strictEqual(SharedSlot.readUnsafe(slots, events.tokens[0]!)?.price, 2)
      const waiting = yield* Effect.forkChild(EventChannel.receive(channel, events), { startImmediately: true })
      yield* SharedSlot.put(slots, notifier, 1, { price: 5, size: 2, symbol: "y" })
      yield* Fiber.join(waiting)
      assert.strictEqual(SharedSlot.readUnsafe(slots, events.tokens[0]!)?.price, 5)
    }).pipe(Effect.provide(Layer.merge(shared, SharedMemory.layerThread)))
  )

  it.effect("refuse an index, a value and a number of slots that cannot be, and are not touched [N8]", () =>
    Effect.gen(function* () {
      const slots = yield* SharedSlot.make({ record: Quote, slots: 3 })
      const good = { price: 1, size: 1, symbol: "a" }
      yield* SharedSlot.write(slots, 0, good)
      const before = words(slots)
      for (const index of [...noNumbers, 3] as ReadonlyArray<number>) {
        assert.strictEqual((yield* Effect.flip(SharedSlot.write(slots, index, good)))._tag, "InvalidSlot")
        assert.strictEqual((yield* Effect.flip(SharedSlot.read(slots, index)))._tag, "InvalidSlot")
        assert.strictEqual((yield* Effect.flip(SharedSlot.recover(slots, index)))._tag, "InvalidSlot")
      }
      for (const value of [
        null,
        1,
        {},
        { price: 1, size: 1 },
        { ...good, size: 1.5 },
        { ...good, symbol: "too long for it" }
      ]) {
        const error = yield* Effect.flip(SharedSlot.write(slots, 0, value as typeof good))
        assert.strictEqual(error._tag, "RecordError", JSON.stringify(value))
      }
      assert.strictEqual(words(slots), before)
      for (const count of [...noNumbers.filter((n) => n !== undefined), 0, 2 ** 24 + 1] as Array<number>) {
        assert.strictEqual(
          (yield* Effect.flip(SharedSlot.make({ record: Quote, slots: count })))._tag,
          "InvalidCapacity"
        )
      }
    }).pipe(Effect.provide(SharedMemory.layerThread))
  )

  it.effect("refuse foreign, old, other or short memory [N8]", () =>
    Effect.gen(function* () {
      const slots = yield* SharedSlot.make({ record: Quote, slots: 3 })
      const { memory } = SharedSlot.handle(slots)
      const damaged = (bytes: number, word: number, value: number): SharedSlot.Handle => {
        const copy = new SharedArrayBuffer(bytes)
        new Int32Array(copy).set(new Int32Array(memory, 0, bytes / 4))
        if (word >= 0) new Int32Array(copy)[word] = value
        return { _tag: "SharedSlot", memory: copy }
      }
      const cases: ReadonlyArray<readonly [unknown, string]> = [
        [null, "NotANotifier"],
        [{ memory: new ArrayBuffer(4096) }, "NotANotifier"],
        [damaged(memory.byteLength, 0, 1), "NotANotifier"],
        [damaged(memory.byteLength, 1, 7), "OtherVersion"],
        [damaged(memory.byteLength, 4, 0), "OtherShape"],
        [damaged(memory.byteLength - 128, -1, 0), "RegionTooSmall"],
        [damaged(8, -1, 0), "RegionTooSmall"]
      ]
      for (const [handle, tag] of cases) {
        assert.strictEqual((yield* Effect.flip(SharedSlot.attach(handle as SharedSlot.Handle, Quote)))._tag, tag)
      }
      const Other = Record.struct({ price: Record.f64, size: Record.u32, symbol: Record.string(8) })
      const error = yield* Effect.flip(SharedSlot.attach(SharedSlot.handle(slots), Other))
      assert.strictEqual(error._tag, "OtherShape")
    }).pipe(Effect.provide(SharedMemory.layerThread))
  )

  it.effect(
    "a writer that died in the middle leaves the last value to readers, and its place after a recovery [N8] [N10]",
    () =>
      Effect.gen(function* () {
        const slots = yield* SharedSlot.make({ record: Quote })
        yield* SharedSlot.write(slots, 0, { price: 1, size: 1, symbol: "a" })
        const memory = new Int32Array(SharedSlot.handle(slots).memory)
        const sequenceWord = memory.findIndex((word, i) => i >= 32 && word === 2)
        memory[sequenceWord]! += 1
        assert.strictEqual(SharedSlot.readUnsafe(slots, 0)?.price, 1)
        const busy = yield* Effect.flip(SharedSlot.write(slots, 0, { price: 2, size: 1, symbol: "a" }))
        assert.strictEqual(busy._tag, "SlotBusy")
        assert.isTrue(yield* SharedSlot.recover(slots, 0))
        assert.isFalse(yield* SharedSlot.recover(slots, 0))
        yield* SharedSlot.write(slots, 0, { price: 3, size: 1, symbol: "a" })
        assert.strictEqual(SharedSlot.readUnsafe(slots, 0)?.price, 3)
      }).pipe(Effect.provide(SharedMemory.layerThread))
  )
})
