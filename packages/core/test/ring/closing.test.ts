/**
 * How a ring ends.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Consumer from "@selvedge/core/ring/Consumer"
import * as Producer from "@selvedge/core/ring/Producer"
import * as Ring from "@selvedge/core/ring/Ring"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { fork, local, numbers, publishRange, ringOf } from "./support.ts"

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
      assert.strictEqual((yield* Effect.flip(Producer.publish(producer, { n: 9 })))._tag, "RingClosed")
      assert.deepStrictEqual(numbers(yield* Consumer.takeBatch(consumer, 9)), [0, 1, 2, 3])
      assert.strictEqual((yield* Effect.flip(Consumer.take(consumer)))._tag, "RingClosed")
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
