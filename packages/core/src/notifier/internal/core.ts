/**
 * What the shared and the local notifier have in common.
 *
 * @internal
 */

/** What a notify did. */
export const QUEUED = 0
export const CONFLATED = 1
export const CLOSED = 2
export type Notified = typeof QUEUED | typeof CONFLATED | typeof CLOSED

/** Where producers notify. Tokens have been checked. */
export interface NotifierCore {
  readonly maxTokens: number
  notify(token: number): Notified
  /** `true` for the call that closed. */
  close(): boolean
  isClosed(): boolean
  /** After the death of a producer or a poller, or at any time: nothing that is flagged stays unseen. */
  recover(): void
  /** Wakes a poller that sleeps, so that it looks again. */
  wake(): void
  /** Odd while somebody polls. */
  seat(): number
  /** `undefined` if the seat is taken by another than the one said to be dead. */
  attachPoller(dead?: number): PollerCore | undefined
}

/** Where the one poller takes tokens. */
export interface PollerCore {
  /** Fills `out` with at most `limit` tokens, oldest first. `1 <= limit <= out.length`. */
  poll(out: Int32Array, limit: number): number
  /** A hint, cheaper than a poll: that one would find nothing. It may be behind other threads, for a few calls in a row. */
  seemsEmpty(): boolean
  /** Nothing to poll, and not closed. */
  isIdle(): boolean
  /** Closed, and everything handed out. */
  hasEnded(): boolean
  detach(): void
}
