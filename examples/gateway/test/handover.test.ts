/**
 * Two lives of one shard at the same time, over a real ring and real files, in virtual time.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Scheduler from "effect/Scheduler"
import { Settings } from "../Settings.ts"
import * as SnapshotFile from "../SnapshotFile.ts"
import { Table } from "../Table.ts"
import { shardOf } from "../worker/EventRecord.ts"
import { storeRest } from "../worker/storeRest.ts"
import { keys, settle, SHARDS, stage, stageOf, surroundings } from "./stage.ts"

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

  for (const ends of ["is killed", "is told to stop"] as const) {
    it.effect(`loses nothing and doubles nothing when a life of it ${ends}, wherever its fibers yield [W2] [W11]`, () =>
      Effect.gen(function* () {
        const { begin, publish } = yield* stageOf("50 millis")
        // From here on the ring keeps what nobody counts.
        yield* (yield* begin(0)).kill
        let published = 0
        for (let ops = 3; ops <= 24; ops++) {
          const life = yield* begin(0).pipe(Effect.provideService(Scheduler.MaxOpsBeforeYield, ops))
          for (let i = 0; i < 5; i++) published += yield* publish(0)
          yield* ends === "is killed" ? life.kill : Effect.andThen(life.tell, life.end)
          const next = yield* begin(0)
          assert.strictEqual(yield* next.counted, published, `with ${ops} steps between two turns`)
          yield* next.kill
        }
      }).pipe(Effect.scoped, Effect.provide(surroundings))
    )
  }
})
