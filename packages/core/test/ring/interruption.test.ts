/**
 * Fibers that are interrupted wherever they wait: what they say happened is what happened.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Consumer from "@selvedge/core/ring/Consumer"
import * as Lease from "@selvedge/core/ring/Lease"
import * as Processing from "@selvedge/core/ring/Processing"
import * as Producer from "@selvedge/core/ring/Producer"
import * as RingSnapshot from "@selvedge/core/ring/RingSnapshot"
import { layerThread } from "@selvedge/core/memory/SharedMemory"
import * as Seed from "@selvedge/testing/faults/Seed"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { fork, local, ringOf } from "./support.ts"

/** Runs an effect, and interrupts it after so many turns unless it has ended. */
const interruptedAfter = <A, E, R>(self: Effect.Effect<A, E, R>, turns: number) =>
  Effect.gen(function* () {
    const fiber = yield* fork(self)
    for (let i = 0; i < turns; i++) yield* Effect.yieldNow
    yield* Fiber.interrupt(fiber)
    return yield* Fiber.await(fiber)
  })

/** Publishes and takes at random, each interrupted after a few turns; numbers have to arrive once and in order. */
const randomInterruptions = Effect.fnUntraced(function* (producers: "single" | "multi", seed: number) {
  const below = Seed.integers(seed)
  const ring = yield* ringOf({ producers, capacity: 2 })
  const producer = yield* Producer.make(ring)
  const consumer = yield* Consumer.make(ring, { id: "a" })
  let published = 0
  let next = 0
  const seen = (n: number): void => {
    assert.strictEqual(n, next)
    next = n + 1
  }
  const takes = [
    Effect.map(Consumer.take(consumer), ({ n }) => [n]),
    Effect.map(Consumer.takeBatch(consumer, 2), (batch) => batch.map(({ n }) => n)),
    Effect.scoped(
      Effect.map(Lease.make(consumer, { limit: 2 }), (lease) =>
        Array.from({ length: lease.size }, (_, i) => lease.at(i).n)
      )
    )
  ] as const
  for (let i = 0; i < 400; i++) {
    if (below(2) === 0) {
      const exit = yield* interruptedAfter(Producer.publish(producer, { n: published }), below(7))
      if (Exit.isSuccess(exit)) published++
      assert.strictEqual((yield* RingSnapshot.snapshot(ring)).claimed, published)
      continue
    }
    const exit = yield* interruptedAfter(takes[below(3)] ?? takes[0], below(7))
    if (Exit.isSuccess(exit)) for (const n of exit.value) seen(n)
    else {
      const handling = Processing.processAvailable(consumer, ({ n }) => Effect.sync(() => seen(n)), { limit: 1 })
      yield* interruptedAfter(handling, below(3))
    }
  }
  while (next < published) seen((yield* Consumer.take(consumer)).n)
  assert.isAbove(published, 50)
})

describe("random interruptions", () => {
  for (const producers of ["single", "multi"] as const) {
    it.effect(`lose and double nothing in virtual time (${producers}) [R2] [R4] [R5] [R11]`, () =>
      Effect.forEach([1, 2, 3, 4], (seed) => Effect.scoped(randomInterruptions(producers, seed)), {
        discard: true
      }).pipe(Effect.provide(local))
    )

    it.live(`lose and double nothing where fibers wait by waitAsync (${producers}) [R2] [R4] [R5] [R10] [R11]`, () =>
      Effect.forEach([5, 6], (seed) => Effect.scoped(randomInterruptions(producers, seed)), { discard: true }).pipe(
        Effect.provide(layerThread)
      )
    )
  }
})
