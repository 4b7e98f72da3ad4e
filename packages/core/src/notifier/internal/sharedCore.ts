/**
 * A notifier in shared memory, and its poller, in the shape they have in common with the local ones.
 *
 * @internal
 */
import { CLOSED, CONFLATED, type Notified, type NotifierCore, type PollerCore } from "./core.ts"
import * as TokenQueue from "./tokenQueue.ts"

export class SharedCore implements NotifierCore {
  readonly queue: TokenQueue.TokenQueue
  readonly maxTokens: number
  /** A close that this handle was told of: from then on it leaves the memory alone. */
  private closedHere = false

  constructor(queue: TokenQueue.TokenQueue) {
    this.queue = queue
    this.maxTokens = queue.maxTokens
  }
  notify(token: number): Notified {
    if (this.closedHere) return CLOSED
    // In two halves: the first is what compilers put in their callers' loops.
    return TokenQueue.flag(this.queue, token) ? CONFLATED : this.placed(token)
  }
  private placed(token: number): Notified {
    const said = TokenQueue.place(this.queue, token)
    if (said === CLOSED) this.closedHere = true
    return said
  }
  close(): boolean {
    this.closedHere = true
    return TokenQueue.close(this.queue)
  }
  isClosed(): boolean {
    return TokenQueue.isClosed(this.queue)
  }
  recover(): void {
    TokenQueue.recover(this.queue)
  }
  seat(): number {
    return TokenQueue.seat(this.queue)
  }
  wake(): void {
    TokenQueue.wake(this.queue)
  }
  attachPoller(dead?: number): SharedPollerCore | undefined {
    const poller = TokenQueue.attachPoller(this.queue, dead)
    return poller === undefined ? undefined : new SharedPollerCore(poller)
  }
}

/** Counts what it conflates, for its own thread: a plain number. */
export class CountingCore extends SharedCore {
  private conflated = 0

  override notify(token: number): Notified {
    const said = super.notify(token)
    if (said === CONFLATED) this.conflated++
    return said
  }

  /** How many since it was asked last. */
  takeConflated(): number {
    const { conflated } = this
    this.conflated = 0
    return conflated
  }
}

export class SharedPollerCore implements PollerCore {
  readonly poller: TokenQueue.Poller

  constructor(poller: TokenQueue.Poller) {
    this.poller = poller
  }
  poll(out: Int32Array, limit: number): number {
    return TokenQueue.poll(this.poller, out, limit)
  }
  seemsEmpty(): boolean {
    return TokenQueue.seemsEmpty(this.poller)
  }
  isIdle(): boolean {
    return TokenQueue.isIdle(this.poller)
  }
  hasEnded(): boolean {
    return TokenQueue.hasEnded(this.poller)
  }
  detach(): void {
    TokenQueue.detachPoller(this.poller)
  }
}
