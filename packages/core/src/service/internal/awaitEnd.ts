/**
 * Waiting for a fiber that is not one's own.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"

/** Waits for the end of a fiber; being interrupted meanwhile leaves the fiber alone. */
export const awaitEnd = (fiber: Fiber.Fiber<unknown, unknown>): Effect.Effect<void> =>
  Effect.callback((resume) => Effect.sync(fiber.addObserver(() => resume(Effect.void))))
