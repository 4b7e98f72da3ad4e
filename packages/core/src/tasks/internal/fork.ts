/**
 * The two ways a task's fiber starts.
 *
 * `runForkWith` gives a fiber its context without a frame on its stack, but always starts it at once; what starts in the
 * caller's next dispatch waits in front of its body.
 *
 * **Invariant**: `entry.fiber` is set before the first step of the body, so that a body which aborts itself, at once,
 * finds a fiber to interrupt.
 *
 * Immediate starts nest on the engine's stack: a task that starts a task that starts a task … would overflow it, somewhere
 * in the middle of the registry's books. Past a depth they start in the next dispatch instead.
 *
 * @internal
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { Entry } from "./entry.ts"

/** How many immediate starts may be under way inside one another. */
const DEEPEST = 64
let depth = 0

/** Runs up to the first asynchronous step before it returns. */
export const forkNow = (
  entry: Entry,
  context: Context.Context<never>,
  body: Effect.Effect<any, any>,
  caller: Fiber.Fiber<unknown, unknown>
): Fiber.Fiber<any, any> => {
  if (depth >= DEEPEST) return forkNext(entry, context, body, caller)
  depth++
  try {
    const fiber = Effect.runForkWith(context)(
      Effect.withFiber((own) => {
        entry.fiber = own
        return body
      })
    )
    // A scheduler may preempt even before the first step.
    entry.fiber = fiber
    return fiber
  } finally {
    depth--
  }
}

/** Starts in the caller's next dispatch, as Effect's own forks do. */
export const forkNext = (
  entry: Entry,
  context: Context.Context<never>,
  body: Effect.Effect<any, any>,
  caller: Fiber.Fiber<unknown, unknown>
): Fiber.Fiber<any, any> => {
  const dispatcher = caller.currentDispatcher
  const fiber = Effect.runForkWith(context)(
    Effect.callback<any, any>((resume) => dispatcher.scheduleTask(() => resume(body), 0))
  )
  entry.fiber = fiber
  return fiber
}
