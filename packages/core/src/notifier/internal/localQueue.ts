/**
 * The notifier's queue for one thread: the same behaviour without atomics.
 *
 * A flag for each token and a circular list of the flagged ones, oldest first. A token is in the list exactly while its flag
 * is set, so the list never needs more places than there are tokens, and a recovery has nothing to do.
 *
 * @internal
 */
import { CLOSED, CONFLATED, type Notified, type NotifierCore, type PollerCore, QUEUED } from "./core.ts"

export class LocalCore implements NotifierCore {
  readonly maxTokens: number
  private readonly flags: Uint8Array
  private readonly list: Int32Array
  private first = 0
  private size = 0
  private closed = false
  private seatNumber = 0
  private readonly sleepers = new Set<() => void>()

  constructor(maxTokens: number) {
    this.maxTokens = maxTokens
    this.flags = new Uint8Array(maxTokens)
    this.list = new Int32Array(maxTokens)
  }

  notify(token: number): Notified {
    if (this.closed) return CLOSED
    if (this.flags[token] === 1) return CONFLATED
    this.flags[token] = 1
    let end = this.first + this.size
    if (end >= this.maxTokens) end -= this.maxTokens
    this.list[end] = token
    this.size++
    this.wake()
    return QUEUED
  }

  poll(out: Int32Array, limit: number): number {
    const count = Math.min(limit, this.size)
    for (let i = 0; i < count; i++) {
      const token = this.list[this.first]!
      this.first = this.first + 1 === this.maxTokens ? 0 : this.first + 1
      this.flags[token] = 0
      out[i] = token
    }
    this.size -= count
    return count
  }

  get isEmpty(): boolean {
    return this.size === 0
  }

  isClosed(): boolean {
    return this.closed
  }

  close(): boolean {
    const first = !this.closed
    this.closed = true
    this.wake()
    return first
  }

  recover(): void {
    this.wake()
  }

  seat(): number {
    return this.seatNumber
  }

  attachPoller(dead?: number): LocalPollerCore | undefined {
    const taken = (this.seatNumber & 1) === 1
    if (taken && this.seatNumber !== dead) return undefined
    this.seatNumber += taken ? 2 : 1
    return new LocalPollerCore(this, this.seatNumber)
  }

  leave(seat: number): void {
    if (this.seatNumber === seat) this.seatNumber++
  }

  /** Runs `wake` once, at the next notification or close; the answer takes it away. */
  onWake(wake: () => void): () => void {
    this.sleepers.add(wake)
    return () => this.sleepers.delete(wake)
  }

  wake(): void {
    if (this.sleepers.size === 0) return
    const woken = Array.from(this.sleepers)
    this.sleepers.clear()
    for (const one of woken) one()
  }
}

export class LocalPollerCore implements PollerCore {
  readonly core: LocalCore
  readonly seat: number

  constructor(core: LocalCore, seat: number) {
    this.core = core
    this.seat = seat
  }
  poll(out: Int32Array, limit: number): number {
    return this.core.poll(out, limit)
  }
  seemsEmpty(): boolean {
    return this.core.isEmpty
  }
  isIdle(): boolean {
    return this.core.isEmpty && !this.core.isClosed()
  }
  hasEnded(): boolean {
    return this.core.isEmpty && this.core.isClosed()
  }
  detach(): void {
    this.core.leave(this.seat)
  }
}
