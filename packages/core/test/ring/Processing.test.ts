/**
 * Streams and sinks.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Consumer from "@selvedge/core/ring/Consumer"
import * as Processing from "@selvedge/core/ring/Processing"
import * as Producer from "@selvedge/core/ring/Producer"
import * as Ring from "@selvedge/core/ring/Ring"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { fork, local, numbers, publishRange, ringOf } from "./support.ts"

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
