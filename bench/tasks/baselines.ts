/**
 * The same jobs done with what Effect offers: bare detached fibers, `FiberSet`
 * and `FiberMap`, each used as its documentation advises.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberMap from "effect/FiberMap"
import * as FiberSet from "effect/FiberSet"
import * as Scope from "effect/Scope"
import { check, startWatch } from "../harness.ts"
import { afterTheOthers, lifeOf, memoryOf } from "./shared.ts"

interface Start {
  readonly startImmediately: boolean
}

/** Makes something scoped that lives as long as the process. */
const forEver = <A>(make: Effect.Effect<A, never, Scope.Scope>): Promise<A> =>
  Effect.runPromise(Effect.flatMap(Scope.make(), (scope) => Scope.provide(make, scope)))

export const forkDetach = (start: Start): Promise<number> =>
  lifeOf({ spawn: (work) => Effect.forkDetach(work, start), live: () => 0 })

export const fiberSet = async (start: Start): Promise<number> => {
  const set = await forEver(FiberSet.make())
  return lifeOf({ spawn: (work) => FiberSet.run(set, work, start), live: () => Effect.runSync(FiberSet.size(set)) })
}

export const fiberMap = async (start: Start): Promise<number> => {
  const map = await forEver(FiberMap.make<number>())
  return lifeOf({
    spawn: (work, i) => FiberMap.run(map, i, work, start),
    live: () => Effect.runSync(FiberMap.size(map))
  })
}

export const memory = (count: number): Promise<number> => {
  const fibers: Array<Fiber.Fiber<never>> = []
  return memoryOf(
    count,
    (effect) =>
      Effect.map(Effect.forkDetach(effect), (fiber) => {
        fibers.push(fiber)
        return fiber
      }),
    () => fibers.filter((fiber) => fiber.pollUnsafe() === undefined).length
  )
}

/** Milliseconds to interrupt `count` suspended fibers and to see the end of each. */
export const interruptAll = (count: number): Promise<number> =>
  Effect.runPromise(
    Effect.gen(function* () {
      const fibers: Array<Fiber.Fiber<never>> = []
      for (let i = 0; i < count; i++) fibers.push(yield* Effect.forkDetach(Effect.never))
      yield* afterTheOthers
      globalThis.gc?.()
      const elapsed = startWatch("cpu")
      yield* Fiber.interruptAll(fibers)
      const exits = yield* Fiber.awaitAll(fibers)
      const millis = elapsed() / 1e6
      check(exits.length === count && exits.every(Exit.hasInterrupts), "every fiber is interrupted")
      return millis
    })
  )
