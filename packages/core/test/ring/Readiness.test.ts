/**
 * Waiting for consumers, and watching those that are required.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Consumer from "@selvedge/core/ring/Consumer"
import * as Producer from "@selvedge/core/ring/Producer"
import * as Readiness from "@selvedge/core/ring/Readiness"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { fork, local, publishRange, ringOf } from "./support.ts"

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
