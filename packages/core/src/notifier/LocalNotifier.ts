/**
 * Notifiers for one thread: the same interface without atomics and without shared memory.
 *
 * For tests, and for programs whose producers and poller turn out to live in the same thread. Waiting fibers are woken
 * directly, so everything works in virtual time.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { LocalCore } from "./internal/localQueue.ts"
import { type Notifier, Notifiers } from "./Notifier.ts"

const make = (maxTokens: number): Notifier => {
  const core = new LocalCore(maxTokens)
  return {
    maxTokens,
    core,
    rang: () => undefined,
    sleep: (isReady) =>
      Effect.callback<void>((resume) => {
        if (isReady()) return resume(Effect.void)
        return Effect.sync(core.onWake(() => resume(Effect.void)))
      })
  }
}

/**
 * **Gotchas**: `Notifier.handle` fails with `LocalOnly`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Notifiers> = Layer.succeed(Notifiers, {
  allocate: (maxTokens) => Effect.sync(() => make(maxTokens))
})
