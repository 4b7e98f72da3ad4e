/**
 * The two ways a task's fiber starts.
 *
 * `runForkWith` gives a fiber its context without a frame on its stack, but always starts it at once; what starts in the
 * caller's next dispatch waits in front of its body.
 *
 * **Invariant**: `entry.fiber` is set before the first step of the body, so that a body which aborts itself, at once,
 * finds a fiber to interrupt.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { Entry } from "./entry.ts"

/** Runs up to the first asynchronous step before it returns. */
export const forkNow = (entry: Entry, body: Effect.Effect<any, any>): Fiber.Fiber<any, any> => {
  const fiber = Effect.runForkWith(entry.context!)(
    Effect.withFiber((own) => {
      entry.fiber = own
      return body
    })
  )
  // A scheduler may preempt even before the first step.
  entry.fiber = fiber
  return fiber
}

/** Starts in the caller's next dispatch, as Effect's own forks do. */
export const forkNext = (
  entry: Entry,
  body: Effect.Effect<any, any>,
  caller: Fiber.Fiber<unknown, unknown>
): Fiber.Fiber<any, any> => {
  const dispatcher = caller.currentDispatcher
  const fiber = Effect.runForkWith(entry.context!)(
    Effect.callback<any, any>((resume) => dispatcher.scheduleTask(() => resume(body), 0))
  )
  entry.fiber = fiber
  return fiber
}
