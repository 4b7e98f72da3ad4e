/**
 * Waiting for what somebody else wrote: hooks and recoveries.
 *
 * **Invariants**
 *
 * 1. Nobody waits longer than the given time, also not for an effect that cannot be interrupted.
 *
 * @internal
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Option from "effect/Option"

/** How long a hook's decision, a recovery and workers that were killed are waited for. */
export const PATIENCE_MILLIS = 1000

/** What an effect gives within its time; then it is interrupted, and whether it heeds that is its own affair. */
export const within = <A, E>(effect: Effect.Effect<A, E>, time: Duration.Input): Effect.Effect<Option.Option<A>, E> =>
  Effect.flatMap(Effect.forkDetach(effect, { startImmediately: true }), (fiber) =>
    Effect.ensuring(
      Effect.timeoutOption(Fiber.join(fiber), time),
      Effect.sync(() => fiber.interruptUnsafe())
    )
  )
