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
import * as Option from "effect/Option"
import * as Scheduler from "effect/Scheduler"
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

/** Has a fiber yield before its operation of this number, and nowhere else. */
class YieldsOnce extends Scheduler.MixedScheduler {
  private left: number
  constructor(before: number) {
    super()
    this.left = before
  }
  override shouldYield(): boolean {
    return --this.left === 0
  }
}

/**
 * Publishes and takes by fibers that yield before an operation, and interrupts them after so many turns: one has published or taken
 * if it says so, and only then.
 */
const yieldingBefore = Effect.fnUntraced(function* (before: number, turns: number) {
  const ring = yield* ringOf({ capacity: 8 })
  const producer = yield* Producer.make(ring)
  const consumer = yield* Consumer.make(ring, { id: "a" })
  const made = Effect.fnUntraced(function* <A, E>(self: Effect.Effect<A, E>) {
    const fiber = yield* Effect.provideService(fork(self), Scheduler.Scheduler, new YieldsOnce(before))
    for (let i = 0; i < turns; i++) yield* Effect.yieldNow
    yield* Fiber.interrupt(fiber)
    return yield* Fiber.await(fiber)
  })
  const published = Effect.map(RingSnapshot.snapshot(ring), ({ claimed }) => claimed)
  const seen: Array<number> = []
  for (let n = 0; n < 4; n++) {
    const exit = yield* made(Producer.publish(producer, { n }))
    assert.strictEqual(yield* published, n + (Exit.isSuccess(exit) ? 1 : 0), "a publication without its success")
    if (!Exit.isSuccess(exit)) yield* Producer.publish(producer, { n })
  }
  const one = yield* made(Consumer.take(consumer))
  if (Exit.isSuccess(one)) seen.push(one.value.n)
  const some = yield* made(Consumer.takeBatch(consumer, 1))
  if (Exit.isSuccess(some)) for (const { n } of some.value) seen.push(n)
  const now = yield* made(Consumer.tryTake(consumer))
  if (Exit.isSuccess(now) && Option.isSome(now.value)) seen.push(now.value.value.n)
  for (let more = true; more;) {
    const next = yield* Consumer.tryTake(consumer)
    more = Option.isSome(next)
    if (Option.isSome(next)) seen.push(next.value.n)
  }
  assert.deepStrictEqual(seen, [0, 1, 2, 3])
})

describe("a fiber that is made to yield", () => {
  it.effect("has what it took, and succeeds with what it published, wherever that is [R2] [R4] [R11]", () =>
    Effect.forEach(
      Array.from({ length: 60 }, (_, i) => [1 + (i % 20), Math.floor(i / 20)] as const),
      ([before, turns]) => Effect.scoped(yieldingBefore(before, turns)),
      { discard: true }
    ).pipe(Effect.provide(local))
  )
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
