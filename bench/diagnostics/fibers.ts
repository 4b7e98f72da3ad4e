/**
 * The life of a fiber nobody tracks, forked detached and ended in its first step, a thousand at a time.
 */
import * as Census from "@selvedge/core/inspection/Census"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { check, startWatch } from "../harness.ts"

const FIBERS = 1000
const BATCHES = 200

const batch: Effect.Effect<void> = Effect.gen(function* () {
  const fibers: Array<Fiber.Fiber<void>> = []
  for (let i = 0; i < FIBERS; i++) fibers.push(yield* Effect.forkDetach(Effect.void))
  for (const fiber of fibers) yield* Fiber.await(fiber)
})

/** Nanoseconds of processor time for each fiber. */
export const lifeOfFiber = (censused: boolean): Promise<number> => {
  const all = Effect.gen(function* () {
    for (let i = 0; i < 20; i++) yield* batch
    const elapsed = startWatch("cpu")
    for (let i = 0; i < BATCHES; i++) yield* batch
    const nanos = elapsed()
    const taker = yield* Census.Census
    check((taker !== undefined) === censused, "the census is taken only where it is asked for")
    return nanos / (FIBERS * BATCHES)
  })
  return Effect.runPromise(censused ? Census.during(all) : all)
}
