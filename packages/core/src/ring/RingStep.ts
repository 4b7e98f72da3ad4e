/**
 * A step that a fiber takes at once: what it does, and whoever waits for its result having it, are not to be parted by an interruption.
 *
 * A fiber is interrupted, or made to yield, between two operations only. A value that a `sync` answers is handed to what comes after it within the
 * same operation; one that a `suspend` wraps, or a finalizer lets pass, is an operation of its own, before which the value may be
 * lost. So the step answers its value, and throws what is to be done in its place if there is none.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { RecordError } from "../memory/Record.ts"
import { BatchTooLarge } from "./RingError.ts"

/** Thrown by a step that has no value. @internal */
export class Instead {
  readonly effect: Effect.Effect<unknown, unknown>
  constructor(effect: Effect.Effect<unknown, unknown>) {
    this.effect = effect
  }
}

/** One function for all steps: nothing is made for it when they succeed. */
const onThrow = (cause: Cause.Cause<never>): Effect.Effect<never> => {
  const thrown = Cause.squash(cause)
  if (thrown instanceof Instead) return thrown.effect as Effect.Effect<never>
  return (isRefusal(thrown) ? Effect.fail(thrown) : Effect.failCause(cause)) as Effect.Effect<never>
}

/** What a caller can act on, though it is thrown where no effect could fail. */
const isRefusal = (thrown: unknown): boolean => thrown instanceof BatchTooLarge || thrown instanceof RecordError

/** Runs `step`; see above. `A` and `E` have to be those of the effects it may throw, and `E` covers `BatchTooLarge` and `RecordError`. @internal */
export const atOnce = <A, E>(step: () => A): Effect.Effect<A, E> => Effect.catchCause(Effect.sync(step), onThrow)
