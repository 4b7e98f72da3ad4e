/**
 * A shard that cannot be stored, as on a full disk: nothing acknowledged is lost, senders are told in time, and it ends by itself.
 *
 * A folder where SQLite wants its journal is as good as a full disk, for every user and on every system.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { mkdirSync, rmdirSync } from "node:fs"
import * as Room from "../Room.ts"
import { stage, surroundings } from "./stage.ts"

/** The stage with a shard that can be kept from storing, and with senders. */
const obstructed = Effect.gen(function* () {
  const all = yield* stage
  // Its file is made now: who opens it later writes nothing.
  yield* all.stored(0)
  const journal = `${all.settings.fileOf(0)}-journal`
  const room = Room.make(all.producer, Duration.seconds(10))
  let number = 0
  /** So many events of shard 0. */
  const send = (count: number) =>
    room.publish(count, (slot) => {
      slot.number = ++number
      slot.value = 1
      slot.shard = 0
      slot.key = "a"
    })
  return {
    ...all,
    room,
    send,
    fill: Effect.sync(() => mkdirSync(journal)),
    free: Effect.sync(() => rmdirSync(journal))
  }
})

describe("a shard that cannot be stored", () => {
  it.effect("is told once, and stored within a second of when it can be, however seldom it is stored else [R6]", () =>
    Effect.gen(function* () {
      const { begin, fill, free, send, stored, texts } = yield* obstructed
      const life = yield* begin(0)
      yield* fill
      // More than half of the ring: it is to be stored now, and not in an hour.
      for (let i = 0; i < 4; i++) yield* send(40)
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* life.counted, 160)
      assert.deepStrictEqual(
        texts.map((text) => text.slice(0, 20)),
        ["counts shard 0", "cannot store shard 0"]
      )
      yield* free
      yield* TestClock.adjust("1 second")
      assert.strictEqual(texts.at(-1), "counts shard 0")
      // What is on the disk now, without the end of the life.
      yield* life.kill
      assert.strictEqual(yield* stored(0), 160)
    }).pipe(Effect.scoped, Effect.provide(surroundings))
  )

  it.effect(
    "lets senders wait for so long, then refuses them at once and says how many it took; all of these are counted [S5]",
    () =>
      Effect.gen(function* () {
        const { begin, fill, free, room, send } = yield* obstructed
        const life = yield* begin(0)
        yield* fill
        // The ring has 256 places.
        assert.deepStrictEqual(yield* send(200), { taken: 200 })
        const waiting = yield* Effect.forkChild(send(300))
        yield* TestClock.adjust("9999 millis")
        assert.deepStrictEqual([waiting.pollUnsafe(), yield* room.isFull], [undefined, false])
        yield* TestClock.adjust("1 millis")
        assert.deepStrictEqual(yield* Fiber.join(waiting), { taken: 0, refused: "no room" })
        assert.isTrue(yield* room.isFull)
        // Nobody waits any more; what there is room for is taken.
        assert.deepStrictEqual(yield* send(57), { taken: 0, refused: "no room" })
        assert.deepStrictEqual(yield* send(56), { taken: 56 })
        yield* free
        yield* TestClock.adjust("1 second")
        assert.isFalse(yield* room.isFull)
        assert.deepStrictEqual(yield* send(256), { taken: 256 })
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* life.counted, 512)
      }).pipe(Effect.scoped, Effect.provide(surroundings))
  )

  it.effect("finds out that there is room though nobody sends any more [S5]", () =>
    Effect.gen(function* () {
      const { begin, fill, free, room, send } = yield* obstructed
      yield* begin(0)
      yield* fill
      yield* send(256)
      const waiting = yield* Effect.forkChild(send(1))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Fiber.join(waiting)).taken, 0)
      assert.isTrue(yield* room.isFull)
      yield* free
      yield* TestClock.adjust("1 second")
      assert.isFalse(yield* room.isFull)
    }).pipe(Effect.scoped, Effect.provide(surroundings))
  )
})
