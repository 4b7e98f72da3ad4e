/**
 * Claiming and publishing.
 *
 * One producer: the claim word is moved by exchange, the records are written, the cursor is stored. Many producers: an
 * intent names the start, the claim word is moved by compare-and-exchange, the records are written, their stamps are stored
 * with the first one last, the intent is cleared.
 *
 * **Invariants** (numbers of docs/memory.md)
 *
 * - C1. Room is checked before anything is claimed: who waits for room owns nothing.
 * - C2. The claim word moves by a read-modify-write before the first byte is written, so a reader that copied and then finds
 *   the claim word less than a lap ahead has copied what was published.
 * - C3. A producer looks at `closed` after its claim; if it is set, the records become tombstones.
 * - C4. A batch's first stamp is stored last, the others carry INTERIOR: a batch becomes visible at once, and a stamp
 *   without INTERIOR is the start of a claim.
 * - C5. An intent is stored before the claim word moves and cleared after the first stamp.
 * - C6. The epoch is brought up to date while the claim still gates.
 * - C7. A look for room is repeated only if the claim word has moved, so somebody else's claim is behind each turn. A gate more
 *   than a lap behind a claim word that stands still is an intent stored late: no room, and whoever clears an intent rings.
 *
 * @internal
 */
import * as Bell from "../../memory/internal/bell.ts"
import type { RingCore } from "./core.ts"
import * as Epoch from "./epoch.ts"
import * as Gate from "./gate.ts"
import * as Layout from "./layout.ts"
import * as Tally from "./tally.ts"

/** What a claim answers: it has the records; the ring is closed; or (a positive number) so many slots are missing. */
export const CLAIMED = 0
export const REFUSED_CLOSED = -1

/** A producer's side of a ring, for one thread. */
export class ProducerCore {
  readonly core: RingCore
  /** First word of its line. */
  readonly line: number
  /** First sequence of the last claim. */
  sequence: number
  /** One producer: the next sequence to claim, and the gate as last computed. */
  next: number
  gate: number
  /** One producer: stamps are written because the ring has tombstones. */
  marking: boolean
  closed = false

  constructor(core: RingCore, index: number) {
    this.core = core
    this.line = Layout.producerWord(index)
    this.next = Atomics.load(core.words, Layout.CLAIM_WORD)
    this.sequence = this.next
    this.gate = (this.next - core.capacity) | 0
    this.marking = core.multi || Atomics.load(core.words, Layout.MARKED_WORD) !== 0
  }
}

/** Claims `n` records (`1 ≤ n ≤ capacity`), at `producer.sequence`. */
export const tryClaim = (producer: ProducerCore, n: number): number => {
  if (producer.closed) return REFUSED_CLOSED
  return producer.core.multi ? claimShared(producer, n) : claimAlone(producer, n)
}

const claimAlone = (producer: ProducerCore, n: number): number => {
  const { core } = producer
  const start = producer.next
  if (roomAt(core, producer.gate, start) < n) {
    producer.gate = freshGate(core, start, n)
    const room = roomAt(core, producer.gate, start)
    if (room < n) return noRoom(producer, n, room)
  }
  producer.sequence = start
  producer.next = (start + n) | 0
  // C2, C3: seen by a copying reader, and by a consumer that has read closed and asks whether this is the end.
  Atomics.exchange(core.words, Layout.CLAIM_WORD, producer.next)
  return afterClaim(producer, n)
}

const claimShared = (producer: ProducerCore, n: number): number => {
  const { core, line } = producer
  const { words } = core
  let intended = false
  for (;;) {
    const start = Atomics.load(words, Layout.CLAIM_WORD)
    if (roomAt(core, Atomics.load(words, Layout.GATE_WORD), start) < n) {
      // An intent of an earlier turn of this loop would gate its own producer.
      if (intended) withdraw(producer)
      intended = false
      const room = roomAt(core, freshGate(core, start, n), start)
      if (room < 0 && hasMoved(core, start)) continue
      if (room < n) return noRoom(producer, n, room)
    }
    // C5. Seen by every scan for the gate that starts after the claim word has moved.
    Atomics.store(words, line + Layout.PRODUCER_INTENT, Gate.intentOf(start))
    intended = true
    if (Atomics.compareExchange(words, Layout.CLAIM_WORD, start, (start + n) | 0) === start) {
      producer.sequence = start
      return afterClaim(producer, n)
    }
  }
}

/** Slots free at a claim word, or -1 if the gate is not within the lap before it: read of another time, or an intent stored late. */
const roomAt = (core: RingCore, gate: number, start: number): number => {
  const ahead = Layout.distance(gate, start)
  return ahead < 0 || ahead > core.capacity ? -1 : core.capacity - ahead
}

/** C7. Whether a gate outside the lap may be one of another time. */
const hasMoved = (core: RingCore, start: number): boolean => Atomics.load(core.words, Layout.CLAIM_WORD) !== start

/** The gate anew; consumers that yield are detached if they are what is in the way. */
const freshGate = (core: RingCore, start: number, n: number): number => {
  let gate = Gate.refresh(core)
  while (core.capacity - Layout.distance(gate, start) < n && Gate.eject(core, gate)) gate = Gate.refresh(core)
  return gate
}

const noRoom = (producer: ProducerCore, n: number, room: number): number => {
  producer.closed = (Atomics.load(producer.core.words, Layout.STATE_WORD) & Layout.CLOSED) !== 0
  return producer.closed ? REFUSED_CLOSED : n - Math.max(0, room)
}

/** Whether a claim of `n` would have an answer now. Claims nothing, but detaches consumers that yield, as a claim would. */
export const hasAnswer = (producer: ProducerCore, n: number): boolean => {
  const { core } = producer
  if ((Atomics.load(core.words, Layout.STATE_WORD) & Layout.CLOSED) !== 0) return true
  for (;;) {
    const start = Atomics.load(core.words, Layout.CLAIM_WORD)
    const room = roomAt(core, freshGate(core, start, n), start)
    if (room >= 0 || !hasMoved(core, start)) return room >= n
  }
}

/** C3, C6. */
const afterClaim = (producer: ProducerCore, n: number): number => {
  const { core, sequence } = producer
  Epoch.passed(core, sequence, (sequence + n) | 0)
  if ((Atomics.load(core.words, Layout.STATE_WORD) & Layout.CLOSED) === 0) return CLAIMED
  producer.closed = true
  bury(producer, n)
  return REFUSED_CLOSED
}

const clearIntent = (producer: ProducerCore): void => {
  // Seen by every scan for the gate: the claim that began there is published, or never was.
  Atomics.store(producer.core.words, producer.line + Layout.PRODUCER_INTENT, 0)
}

/** C7. Clears an intent that came to nothing; others may have gone to sleep because of it. */
const withdraw = (producer: ProducerCore): void => {
  clearIntent(producer)
  wake(producer.core, Layout.WRITERS_ASLEEP)
}

/** Publishes the last claim; answers the sleeper bits that were found and rung. */
export const publish = (producer: ProducerCore, n: number): number => finish(producer, n, 0)

/** Publishes the last claim as records to be skipped. */
export const bury = (producer: ProducerCore, n: number): number => {
  producer.marking = true
  // Before the cursor: a consumer that sees the records knows that it has to look at their stamps.
  Tally.addTombstones(producer.core, n)
  return finish(producer, n, Layout.TOMBSTONE)
}

const finish = (producer: ProducerCore, n: number, kind: number): number => {
  const { core, sequence } = producer
  const { words } = core
  if (producer.marking) stamp(core, sequence, n, kind)
  if (core.multi) clearIntent(producer)
  // The store that makes the batch visible, written records and stamps with it; seen by the load in `published`.
  else Atomics.store(words, Layout.CURSOR_WORD, producer.next)
  return wake(core, Layout.READERS_ASLEEP | Layout.WRITERS_ASLEEP)
}

/** C4. With many producers the last store makes the batch visible; seen by the load of the stamp in `published`. */
export const stamp = (core: RingCore, sequence: number, n: number, kind: number): void => {
  const { mask, stampsWord, words } = core
  for (let i = n - 1; i > 0; i--) {
    const at = (sequence + i) | 0
    Atomics.store(words, stampsWord + (at & mask), Layout.stampOf(at) | Layout.INTERIOR | kind)
  }
  Atomics.store(words, stampsWord + (sequence & mask), Layout.stampOf(sequence) | kind)
}

/** Rings those of `bits` that are set; answers them. */
export const wake = (core: RingCore, bits: number): number => {
  const { words } = core
  const asleep = Atomics.load(words, Layout.STATE_WORD) & bits
  if (asleep !== 0) ringThem(words, asleep)
  return asleep
}

const ringThem = (words: Int32Array, bits: number): void => {
  if ((bits & Layout.READERS_ASLEEP) !== 0) {
    Bell.ring(words, Layout.STATE_WORD, Layout.READERS_ASLEEP, Layout.READER_BELL_WORD)
  }
  if ((bits & Layout.WRITERS_ASLEEP) !== 0) {
    Bell.ring(words, Layout.STATE_WORD, Layout.WRITERS_ASLEEP, Layout.WRITER_BELL_WORD)
  }
}

/** Rings both bells whether or not anybody is known to sleep: after a death, and when a ring closes. */
export const wakeAll = (core: RingCore): void => ringThem(core.words, Layout.READERS_ASLEEP | Layout.WRITERS_ASLEEP)

/** Closes the ring. `true` only for the call that did. */
export const close = (core: RingCore): boolean => {
  // Seen by the load after every claim (C3), by producers without room, and by consumers with nothing to take.
  const before = Atomics.or(core.words, Layout.STATE_WORD, Layout.CLOSED)
  wakeAll(core)
  return (before & Layout.CLOSED) === 0
}
