/**
 * How old one life is, in time and in requests, and what is done about it.
 *
 * @internal
 */
import type { Resolved } from "../Recycle.ts"

export class Age {
  /** When it became ready, in monotonic milliseconds. */
  readyAt: number | undefined = undefined
  /** How many requests were sent to it. */
  requests = 0
  /** How long it may live, its jitter taken off; drawn once for the limits there are. */
  lifetimeMillis: number | undefined = undefined
  limits: Resolved | undefined = undefined
  /** Since when it has been seen above its limit of memory, each time. */
  outgrownAt: number | undefined = undefined
  /** It has reached a limit: somebody decides, or a replacement is on its way. */
  isDue = false
  /** How often that came to nothing, and until when it is let be. */
  tries = 0
  restUntil = 0
}
