/**
 * Taking: what is published, whether what was copied is whole, and how far a consumer has come.
 *
 * **Invariants** (numbers of docs/memory.md)
 *
 * - T1. A gating consumer reads slots from its cursor on; they are not reused until it commits.
 * - T2. A consumer that does not gate (drop oldest), may be detached, or reads history copies first, then does a
 *   read-modify-write on its own word, then reads the claim word: record `s` was whole if `claim - s ≤ capacity`.
 * - T3. A consumer is at the end only when it has read `closed` and then found its position at the claim word.
 *
 * @internal
 */
import type { RingCore } from "./core.ts"
import { wake } from "./claim.ts"
import * as Epoch from "./epoch.ts"
import * as Gate from "./gate.ts"
import * as Layout from "./layout.ts"

/** A consumer's side of a ring, for one thread. */
export class ConsumerCore {
  readonly core: RingCore
  /** First word of its seat. */
  readonly seat: number
  /** Next sequence to take. */
  position: number
  /** What it last stored in its seat; it gates from here on. */
  committed: number
  /** Whether what it reads may be overwritten meanwhile (T2), for ever or until `position` reaches `committed`. */
  copies: boolean
  history: boolean
  /** A sequence of late, and its 53-bit position. */
  private anchor: number
  private anchorPosition: number
  /** One producer: the cursor as last read, and whether the ring has tombstones. */
  end: number
  marked: boolean

  constructor(core: RingCore, seat: number, joined: number, from: number, copies: boolean) {
    this.core = core
    this.seat = seat
    this.position = from
    this.committed = joined
    this.copies = copies
    this.history = from !== joined
    this.anchor = joined
    this.anchorPosition = Epoch.position(core, joined)
    this.end = from
    this.marked = core.multi
  }

  /** The 53-bit position of a sequence that is less than 2^31 away from the one last asked for. */
  positionOf(sequence: number): number {
    this.anchorPosition += Layout.distance(this.anchor, sequence)
    this.anchor = sequence
    return this.anchorPosition
  }

  /** Moves the position on, however far. */
  skip(count: number): void {
    this.anchorPosition = this.positionOf(this.position) + count
    this.position = (this.position + count) | 0
    this.anchor = this.position
    // What was read of the cursor may be turns behind now.
    this.end = this.position
  }
}

/** Whether the last `poll` may only be used as a copy, to be checked by `lost`. */
export const mustCopy = (consumer: ConsumerCore): boolean => consumer.copies || consumer.history

/** Whether what is to be taken next may be overwritten meanwhile: unlike `mustCopy`, not when history has just been read to its end. */
export const mayBeOvertaken = ({ committed, copies, history, position }: ConsumerCore): boolean =>
  copies || (history && Layout.distance(position, committed) > 0)

/** How many sequences, at most `limit`, are published from the position on, tombstones included. */
export const poll = (consumer: ConsumerCore, limit: number): number => {
  if (consumer.history) return pollHistory(consumer, limit)
  return published(consumer, limit)
}

const published = (consumer: ConsumerCore, limit: number): number =>
  consumer.core.multi ? stampedRun(consumer, limit) : cursorRun(consumer, limit)

const cursorRun = (consumer: ConsumerCore, limit: number): number => {
  let ready = Layout.distance(consumer.position, consumer.end)
  if (ready < limit) {
    const { words } = consumer.core
    const end = Atomics.load(words, Layout.CURSOR_WORD)
    if (end !== consumer.end) {
      consumer.end = end
      // The mark is made before the cursor moves over the first tombstone.
      if (!consumer.marked) consumer.marked = Atomics.load(words, Layout.MARKED_WORD) !== 0
      ready = Layout.distance(consumer.position, end)
    }
  }
  return ready < limit ? Math.max(0, ready) : limit
}

const stampedRun = (consumer: ConsumerCore, limit: number): number => {
  const { mask, stampsWord, words } = consumer.core
  let n = 0
  while (n < limit) {
    const at = (consumer.position + n) | 0
    if (!Layout.isStamped(Atomics.load(words, stampsWord + (at & mask)), at)) break
    n++
  }
  return n
}

/** History ends where the consumer joined: no run crosses into what it gates. */
const pollHistory = (consumer: ConsumerCore, limit: number): number => {
  const left = Layout.distance(consumer.position, consumer.committed)
  if (left <= 0) {
    consumer.history = false
    return published(consumer, limit)
  }
  return published(consumer, Math.min(limit, left))
}

/** Whether the record of a polled sequence is to be skipped. */
export const isTombstone = (consumer: ConsumerCore, sequence: number): boolean => {
  if (!consumer.marked) return false
  const { mask, stampsWord, words } = consumer.core
  const stamp = Atomics.load(words, stampsWord + (sequence & mask))
  return (stamp & Layout.TOMBSTONE) !== 0 && Layout.isStamped(stamp, sequence)
}

/** Index of the last of the `n` polled sequences that is no tombstone, or -1. */
export const lastRecord = (consumer: ConsumerCore, n: number): number => {
  let last = n - 1
  while (last >= 0 && isTombstone(consumer, (consumer.position + last) | 0)) last--
  return last
}

/** T2: how many of the `n` sequences from the position on were overwritten, or may have been, while they were copied. */
export const lost = (consumer: ConsumerCore, n: number): number => {
  const { core, seat } = consumer
  // Keeps the copy before the load below; nobody else looks at this word.
  Atomics.add(core.words, seat + Layout.SEAT_TOUCH, 1)
  const behind = behindOf(consumer)
  return behind <= 0 ? 0 : Math.min(n, behind)
}

/**
 * How many sequences the position is behind the oldest one retained; at most 0 if it is retained itself. In 53 bits: nobody
 * waits for this consumer, so it may be any number of turns behind.
 */
const behindOf = (consumer: ConsumerCore): number =>
  Epoch.claimPosition(consumer.core) - consumer.positionOf(consumer.position) - consumer.core.capacity

/** A consumer that copies goes to the oldest sequence that is retained; answers how many it missed. */
export const skipLost = (consumer: ConsumerCore): number => {
  let behind = behindOf(consumer)
  if (consumer.history) behind = Math.min(behind, Layout.distance(consumer.position, consumer.committed))
  if (behind <= 0) return 0
  consumer.skip(behind)
  if (!consumer.history) {
    // It may be turns ahead of what was committed, which `commit` could not tell from behind.
    consumer.committed = consumer.position
    Atomics.store(consumer.core.words, consumer.seat + Layout.SEAT_CURSOR, consumer.position)
  }
  return behind
}

/** Goes back to an earlier sequence, or as near to it as what is committed allows: that may be overwritten. */
export const standAt = (consumer: ConsumerCore, sequence: number): void => {
  const isCommitted = !consumer.history && Layout.distance(consumer.committed, sequence) < 0
  consumer.position = isCommitted ? consumer.committed : sequence
}

/** Stores the cursor: what is before `sequence` may be overwritten. Answers the sleeper bits that were found and rung. */
export const commit = (consumer: ConsumerCore, sequence: number): number => {
  const { core, seat } = consumer
  // History is not gated; the seat stays where it joined until that is reached.
  if (Layout.distance(consumer.committed, sequence) <= 0) return 0
  consumer.committed = sequence
  // After the last read of the records; seen by the scan for the gate of a producer without room.
  Atomics.store(core.words, seat + Layout.SEAT_CURSOR, sequence)
  return wake(core, Layout.WRITERS_ASLEEP)
}

/** T3. */
export const isAtEnd = (consumer: ConsumerCore): boolean => {
  const { words } = consumer.core
  if ((Atomics.load(words, Layout.STATE_WORD) & Layout.CLOSED) === 0) return false
  return Atomics.load(words, Layout.CLAIM_WORD) === consumer.position
}

/** Whether a producer found this consumer in its way and went on without it. */
export const isEjected = (consumer: ConsumerCore): boolean =>
  Atomics.load(consumer.core.words, consumer.seat + Layout.SEAT_STATE) === Gate.EJECTED
