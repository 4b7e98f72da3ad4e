/**
 * One thread's side of a notifier, as the poller needs it: in a file of its own, because `Notifier` makes pollers and `Poller` polls
 * notifiers.
 *
 * @internal
 */
import type * as Effect from "effect/Effect"
import type { NotifierCore } from "./core.ts"

export interface Side {
  readonly maxTokens: number
  /** @internal */
  readonly core: NotifierCore
  /** Wakes fibers of this thread, where that is not the bell's work. @internal */
  readonly rang: () => void
  /** Sleeps until it may be that `isReady`. @internal */
  readonly sleep: (isReady: () => boolean) => Effect.Effect<void>
}
