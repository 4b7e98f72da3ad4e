/**
 * Waits for the end of a thread or process, but not for ever.
 *
 * What was killed is gone within milliseconds, unless it sits in native code (a thread) or in the kernel (a process): then
 * nobody can end it, and whoever waits would hang with it.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import { after } from "./timer.ts"

const PATIENCE_MILLIS = 5_000

/** `register` calls what it is given at the end. */
export const until = (register: (wake: () => void) => void): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const giveUp = after(PATIENCE_MILLIS, () => resume(Effect.void))
    register(() => {
      giveUp()
      resume(Effect.void)
    })
  })
