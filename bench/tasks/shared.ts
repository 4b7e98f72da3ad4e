/**
 * What ours and the baselines of the tasks part have in common: the sizes, and
 * one way of driving and timing a batch, so that only the spawn itself differs.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { check, heapBytes, perOperation } from "../harness.ts"

/** Fibers per timed batch. */
export const BATCH = 1000

/** What a short task does. The count proves that every one of them ran. */
export const makeWork = (): { readonly work: Effect.Effect<void>; readonly done: () => number } => {
  let done = 0
  return {
    work: Effect.sync(() => {
      done++
    }),
    done: () => done
  }
}

/**
 * Nanoseconds for the whole life of one short fiber: spawned, run, ended, and
 * out of the books, of which `live` tells how many are in them.
 */
export const lifeOf = async (options: {
  readonly spawn: (work: Effect.Effect<void>, i: number) => Effect.Effect<unknown, unknown>
  readonly live: () => number
}): Promise<number> => {
  const { done, work } = makeWork()
  let batches = 0
  const batch = Effect.gen(function* () {
    for (let i = 0; i < BATCH; i++) yield* options.spawn(work, i)
    yield* afterTheOthers
    batches++
  })
  const cost = await perOperation({
    operations: BATCH,
    batch: () => Effect.runPromise(batch),
    watch: "cpu",
    warmups: 50,
    repeats: 300
  })
  check(done() === batches * BATCH, `${done()} of ${batches * BATCH} tasks ran`)
  check(options.live() === 0, `the books are empty again, found ${options.live()}`)
  return cost
}

/** A fiber that is forked after all others starts after them, and all of them end in their first step. */
export const afterTheOthers: Effect.Effect<void> = Effect.flatMap(Effect.forkDetach(Effect.void), Fiber.join)

/** Heap bytes per live fiber: `count` of them suspended, kept by what `spawn` returns or the registry itself. */
export const memoryOf = async (
  count: number,
  spawn: (effect: Effect.Effect<never>, i: number) => Effect.Effect<unknown, unknown>,
  live: () => number
): Promise<number> => {
  const kept: Array<unknown> = []
  const before = await heapBytes()
  await Effect.runPromise(
    Effect.gen(function* () {
      for (let i = 0; i < count; i++) kept.push(yield* spawn(Effect.never, i))
      yield* afterTheOthers
    })
  )
  const bytes = (await heapBytes()) - before
  check(kept.length === count && live() === count, `${live()} of ${count} fibers live`)
  return bytes / count
}
