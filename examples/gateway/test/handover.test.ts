/**
 * Two lives of one shard at the same time, over a real ring and real files, in virtual time.
 */
import { assert, describe, it } from "@effect/vitest"
import { Producer, Ring, SharedMemory, ShutdownReason, ShutdownToken, Waking } from "@selvedge/core"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { Settings } from "../Settings.ts"
import * as SnapshotFile from "../SnapshotFile.ts"
import { Table } from "../Table.ts"
import { EventRecord, shardOf } from "../worker/EventRecord.ts"
import * as Shard from "../worker/Shard.ts"
import { storeRest } from "../worker/storeRest.ts"
import { folder, withEnvironment } from "./support.ts"

const SHARDS = 2
/** Keys of either shard. */
const keys = Array.from({ length: 40 }, (_, at) => `key ${at}`)

/** A ring with a life of every shard but 0, and a hand on everything else. */
const stage = Effect.gen(function* () {
  const path = `${yield* folder}/gateway.sqlite`
  const env = { GATEWAY_DB: path, GATEWAY_WORKERS: String(SHARDS), GATEWAY_SNAPSHOT_EVERY: "1 hour" }
  const settings = yield* Settings.make.pipe(withEnvironment(env))
  const ring = yield* Ring.make({ record: EventRecord, capacity: 256, maxConsumers: SHARDS, vacantGrace: "1 hour" })
  const producer = yield* Producer.make(ring)
  let number = 0

  /** Begins a life, as a worker does. */
  const begin = Effect.fnUntraced(function* (shard: number) {
    const scope = yield* Scope.make()
    const token = yield* Scope.provide(ShutdownToken.make, scope)
    const handle = yield* Ring.handle(ring)
    const own = yield* Ring.attach(handle, { record: EventRecord }).pipe(Scope.provide(scope))
    const { summarize, work } = yield* Shard.make(own, shard).pipe(
      Effect.provideService(Settings, settings),
      Scope.provide(scope)
    )
    const fiber = yield* Effect.forkChild(Effect.provideService(work, ShutdownToken.ShutdownToken, token))
    yield* settle
    // What the container does after every life.
    const bury = Effect.andThen(Scope.close(scope, Exit.void), Ring.recover(ring, handle.owner))
    return {
      tell: ShutdownToken.request(ShutdownReason.Requested({ by: "test" })).pipe(
        Effect.provideService(ShutdownToken.ShutdownToken, token),
        Effect.andThen(settle)
      ),
      hasEnded: () => fiber.pollUnsafe() !== undefined,
      /** It ends by itself, and its end is seen. */
      end: Effect.andThen(Fiber.join(fiber), Effect.andThen(bury, settle)),
      /** Its end is seen, and nobody has had the time to look at its seat. */
      kill: Effect.andThen(Fiber.interrupt(fiber), bury),
      /** What it has counted; none if the shard is not its own. */
      counted: Effect.match(summarize(9), { onFailure: () => undefined, onSuccess: ({ events }) => events })
    }
  })

  /** Acknowledges an event of every key; how many of them are of a shard. */
  const publish = Effect.fnUntraced(function* (shard: number) {
    yield* Producer.publishWith(producer, keys.length, (slot, at) => {
      const key = keys[at]!
      slot.number = ++number
      slot.value = at
      slot.shard = shardOf(key, SHARDS)
      slot.key = key
    })
    yield* settle
    return keys.filter((key) => shardOf(key, SHARDS) === shard).length
  })
  /** What the file of a shard has. */
  const stored = (shard: number) =>
    Effect.scoped(
      Effect.map(SnapshotFile.open(settings.fileOf(shard), SHARDS), ({ restored }) =>
        restored.reduce((sum, { count }) => sum + count, 0)
      )
    )
  return { begin, publish, stored, ring, settings }
})

/** Longer than between two looks at a seat. */
const settle = TestClock.adjust("25 millis")

const surroundings = Layer.merge(SharedMemory.layerThread, Waking.layerLocal)

describe("a shard that is handed over", () => {
  it.effect("is counted by one life at a time, and its successor is there before its predecessor goes [W11]", () =>
    Effect.gen(function* () {
      const { begin, publish, stored } = yield* stage
      const before = yield* begin(0)
      const each = yield* publish(0)
      assert.isAbove(each, 0)
      assert.strictEqual(yield* before.counted, each)
      const after = yield* begin(0)
      yield* publish(0)
      assert.deepStrictEqual([yield* before.counted, yield* after.counted], [2 * each, undefined])

      yield* before.tell
      // Its end is not seen yet: nobody counts, and what is published stays in the ring.
      yield* publish(0)
      assert.isTrue(before.hasEnded())
      assert.strictEqual(yield* after.counted, undefined)
      yield* before.end
      assert.strictEqual(yield* after.counted, 3 * each)

      yield* after.tell
      yield* after.end
      assert.strictEqual(yield* stored(0), 3 * each)
    }).pipe(Effect.scoped, Effect.provide(surroundings))
  )

  it.effect(
    "goes to the life that waits when the one before is killed; what it had not stored is counted again [W2]",
    () =>
      Effect.gen(function* () {
        const { begin, publish, stored } = yield* stage
        const before = yield* begin(0)
        const after = yield* begin(0)
        const each = yield* publish(0)
        assert.strictEqual(yield* before.counted, each)
        yield* before.kill
        assert.strictEqual(yield* after.counted, undefined)
        yield* settle
        assert.strictEqual(yield* after.counted, each)
        yield* publish(0)
        yield* after.tell
        yield* after.end
        assert.strictEqual(yield* stored(0), 2 * each)
      }).pipe(Effect.scoped, Effect.provide(surroundings))
  )

  it.effect("stays where it is when the life that waits is killed or told to stop [W11]", () =>
    Effect.gen(function* () {
      const { begin, publish, stored } = yield* stage
      const before = yield* begin(0)
      const killed = yield* begin(0)
      yield* killed.kill
      const told = yield* begin(0)
      yield* told.tell
      yield* told.end
      const each = yield* publish(0)
      assert.deepStrictEqual([yield* told.counted, yield* before.counted], [undefined, each])
      yield* before.tell
      yield* before.end
      assert.strictEqual(yield* stored(0), each)
    }).pipe(Effect.scoped, Effect.provide(surroundings))
  )

  it.effect(
    "is stored by the life that waits when that is told to stop just after the one before was killed [S8]",
    () =>
      Effect.gen(function* () {
        const { begin, publish, stored } = yield* stage
        const before = yield* begin(0)
        const after = yield* begin(0)
        const each = yield* publish(0)
        yield* before.kill
        yield* after.tell
        yield* after.end
        assert.deepStrictEqual([yield* after.counted, yield* stored(0)], [each, each])
      }).pipe(Effect.scoped, Effect.provide(surroundings))
  )

  it.effect("is not counted twice where the life before was killed between its transaction and its commit [W2]", () =>
    Effect.gen(function* () {
      const { begin, publish, settings, stored } = yield* stage
      const before = yield* begin(0)
      const each = yield* publish(0)
      yield* before.kill
      // It got so far: the rows are in the file, the ring was not told.
      const table = new Table(100)
      for (const key of keys) if (shardOf(key, SHARDS) === 0) table.add({ key, value: 1 })
      yield* Effect.scoped(
        Effect.flatMap(SnapshotFile.open(settings.fileOf(0), SHARDS), (file) => file.write(table, keys.length))
      )
      const after = yield* begin(0)
      assert.strictEqual(yield* after.counted, each)
      yield* publish(0)
      yield* after.tell
      yield* after.end
      assert.strictEqual(yield* stored(0), 2 * each)
    }).pipe(Effect.scoped, Effect.provide(surroundings))
  )

  it.effect(
    "is stored by the gateway when its last life was killed on its way out, or told by number if it cannot be [S8]",
    () =>
      Effect.gen(function* () {
        const { begin, publish, ring, settings, stored } = yield* stage
        const rest = Effect.provideService(storeRest(ring), Settings, settings)
        const zero = yield* begin(0)
        const one = yield* begin(1)
        const each = yield* publish(0)
        yield* one.tell
        yield* one.end
        yield* zero.kill
        yield* rest
        assert.deepStrictEqual([yield* stored(0), yield* stored(1)], [each, keys.length - each])

        const held = yield* begin(1)
        yield* publish(0)
        const refused = yield* Effect.flip(rest)
        assert.match(refused.message, /shard 1 had 40 record\(s\) to count: .*being handed over/)
        yield* held.kill
      }).pipe(Effect.scoped, Effect.provide(surroundings))
  )

  it.effect("does not mix with another: two shards add up to what was acknowledged", () =>
    Effect.gen(function* () {
      const { begin, publish, stored } = yield* stage
      const zero = yield* begin(0)
      const one = yield* begin(1)
      const next = yield* begin(1)
      yield* publish(0)
      yield* publish(0)
      yield* one.tell
      yield* one.end
      yield* publish(0)
      for (const life of [zero, next]) {
        yield* life.tell
        yield* life.end
      }
      assert.strictEqual((yield* stored(0)) + (yield* stored(1)), 3 * keys.length)
    }).pipe(Effect.scoped, Effect.provide(surroundings))
  )
})
