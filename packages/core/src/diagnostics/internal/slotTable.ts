/**
 * Slots that threads take and give back, and rows that any thread reads meanwhile. The protocol with its numbered invariants is
 * docs/diagnostics.md; this file is its only implementation, and the models explore this file.
 *
 * | state    | owner's word | state word         | a reader sees |
 * | -------- | ------------ | ------------------ | ------------- |
 * | free     | 0            | generation × 2     | nothing       |
 * | claiming | the owner    | generation × 2     | nothing       |
 * | active   | the owner    | generation × 2 + 1 | the row       |
 *
 * ```text
 *   free ──take──▶ claiming ──activate──▶ active ──release──▶ (claiming) ──▶ free
 *     ▲─────────────────┴─────reclaim─────────┘
 * ```
 *
 * Plain synchronous code: no Effect, no time, no allocation after `attach`, nothing throws. JavaScript's atomics are sequentially
 * consistent. Comments at a store say what it publishes and which load sees it, as if they were not.
 *
 * @internal
 */
import * as Layout from "./strandLayout.ts"
import {
  PEAK_WORD,
  ROW_BEAT,
  ROW_MARK,
  ROW_PAYLOAD,
  SEAT_ACTIVE,
  SEAT_ALLOWED,
  SEAT_OWNER,
  SLOT_STATE,
  SLOT_WORDS
} from "./strandLayout.ts"
import { NOBODY } from "./owner.ts"
import * as Wide from "./wide.ts"

/** The answer of `take` when every slot is taken. */
export const FULL = -1

/** The answer of `activate` and `register` when there is no row. */
export const NONE = -1

/** Slots a thread remembers that it gave back. */
const HINTS = 64

/** What one `register` may look through in a table that was full before, so that a full one stays cheap. */
const WINDOW = 1024

/** Handles: the slot's number in the low 20 bits, the generation above. */
const SLOTS = Layout.MAX_CAPACITY

export const handleOf = (slot: number, generation: number): number => generation * SLOTS + slot
export const slotOf = (handle: number): number => handle & (SLOTS - 1)
export const generationOf = (handle: number): number => Math.floor(handle / SLOTS)

/** One thread's side of the slots. */
export interface SlotTable {
  readonly words: Int32Array
  readonly layout: Layout.StrandLayout
  /** Who this thread is. */
  readonly own: number
  /** First word of its seat. */
  readonly seat: number
  /** The slots it gave back last: most likely free, and in its cache. */
  readonly hints: Int32Array
  hintCount: number
  /** Where the next search begins. */
  cursor: number
  /** The last search went round and found nothing. */
  wasFull: boolean
}

/** First word of a slot's owner. */
const ownerAt = ({ layout }: SlotTable, slot: number): number => layout.slotsWord + slot * SLOT_WORDS

/** Views over the region, with the seat that `takeSeat` gave. An earlier life's strands are no longer counted for the peak. */
export const attach = (
  memory: SharedArrayBuffer,
  layout: Layout.StrandLayout,
  own: number,
  seat: number
): SlotTable => {
  const words = new Int32Array(memory, 0, layout.totalBytes / 4)
  const at = Layout.seatWord(seat)
  countFromZero(words, at)
  Atomics.store(words, at + SEAT_OWNER, own)
  return {
    words,
    layout,
    own,
    seat: at,
    hints: new Int32Array(HINTS),
    hintCount: 0,
    // Threads begin at different places, so that they seldom meet.
    cursor: Math.floor((layout.capacity / layout.seats) * seat) % layout.capacity,
    wasFull: false
  }
}

const countFromZero = (words: Int32Array, seat: number): void => {
  words[seat + SEAT_ACTIVE] = 0
  words[seat + SEAT_ALLOWED] = 0
}

/** The seat of an ordinal: the one it had in an earlier life, or a new one; -1 if all seats belong to others. */
export const takeSeat = (words: Int32Array, seats: number, ordinal: number): number => {
  for (let seat = 0; seat < seats; seat++) {
    const at = Layout.seatWord(seat) + Layout.SEAT_ORDINAL
    const found = Atomics.load(words, at)
    if (found === ordinal + 1) return seat
    if (found !== 0) continue
    const before = Atomics.compareExchange(words, at, 0, ordinal + 1)
    if (before === 0 || before === ordinal + 1) return seat
  }
  return -1
}

// -----------------------------------------------------------------------------
// Taking
// -----------------------------------------------------------------------------

/** Takes a slot, or answers `FULL` and counts it. What is taken is the caller's to fill and to `activate`. */
export const take = (table: SlotTable): number => {
  while (table.hintCount > 0) {
    const slot = table.hints[--table.hintCount]!
    if (tryTake(table, slot)) return slot
  }
  const slot = table.wasFull && isFull(table) ? FULL : search(table)
  if (slot === FULL) Wide.increment(table.words, table.seat + Layout.SEAT_OVERFLOW)
  return slot
}

const tryTake = (table: SlotTable, slot: number): boolean =>
  // Keeps others out (S1); what the last owner wrote before it left is seen from here on.
  Atomics.compareExchange(table.words, ownerAt(table, slot), NOBODY, table.own) === NOBODY

/**
 * Whether all threads together have as many strands as there are slots. A strand is counted after its slot was taken and no longer before it is
 * given back, so there are never more of them than slots taken: a full table is told at the price of a look at each seat.
 */
const isFull = ({ layout, words }: SlotTable): boolean => {
  let active = 0
  for (let seat = 0; seat < layout.seats; seat++) {
    const at = Layout.seatWord(seat)
    if (words[at + Layout.SEAT_ORDINAL] === 0) break
    active += words[at + SEAT_ACTIVE]!
  }
  return active >= layout.capacity
}

const search = (table: SlotTable): number => {
  const { layout, words } = table
  const { capacity, slotsWord } = layout
  let { cursor } = table
  const length = table.wasFull ? Math.min(WINDOW, capacity) : capacity
  for (let looked = 0; looked < length; looked++) {
    const slot = cursor
    if (++cursor === capacity) cursor = 0
    // Plain: a hint, the compare-and-exchange decides.
    if (words[slotsWord + slot * SLOT_WORDS] === NOBODY && tryTake(table, slot)) {
      table.cursor = cursor
      table.wasFull = false
      return slot
    }
  }
  table.cursor = cursor
  table.wasFull = true
  return FULL
}

/** Shows the row of a slot that was taken and filled. Gives its handle. */
export const activate = (table: SlotTable, slot: number): number => {
  const { seat, words } = table
  const at = ownerAt(table, slot) + SLOT_STATE
  const generation = ((words[at]! >>> 1) + 1) & 0x7fffffff
  const active = (words[seat + SEAT_ACTIVE] = words[seat + SEAT_ACTIVE]! + 1)
  if (active > words[seat + SEAT_ALLOWED]!) lookAtPeak(table, active)
  // Publishes the whole row; seen by the first load in `copyRow` (S3).
  Atomics.store(words, at, (generation << 1) | 1)
  Wide.increment(words, seat + Layout.SEAT_SPAWNED)
  return handleOf(slot, generation)
}

/**
 * Raises the peak to what is active in all threads, and divides what is left below it: as long as nobody has more strands than it is
 * allowed, all of them together do not exceed the peak (T3).
 */
const lookAtPeak = ({ layout, seat, words }: SlotTable, own: number): void => {
  let sum = own
  let allowed = own
  let threads = 1
  for (let i = 0; i < layout.seats; i++) {
    const other = Layout.seatWord(i)
    if (words[other + Layout.SEAT_ORDINAL] === 0) break
    if (other === seat) continue
    threads++
    sum += words[other + SEAT_ACTIVE]!
    allowed += words[other + SEAT_ALLOWED]!
  }
  // A slot that changes hands meanwhile may be counted for both.
  const active = Math.min(sum, layout.capacity)
  let peak = Atomics.load(words, PEAK_WORD)
  while (active > peak) {
    const found = Atomics.compareExchange(words, PEAK_WORD, peak, active)
    peak = found === peak ? active : found
  }
  words[seat + SEAT_ALLOWED] = own + Math.max(0, Math.floor((peak - allowed) / threads))
}

// -----------------------------------------------------------------------------
// Owning
// -----------------------------------------------------------------------------

/** First word of the row that a handle means, or `NONE` if it is not, or no longer, a row of this thread. */
export const rowOf = (table: SlotTable, handle: number): number =>
  isOwn(table, handle) ? Layout.rowWord(table.layout, slotOf(handle)) : NONE

const isOwn = (table: SlotTable, handle: number): boolean => {
  const { layout, own, words } = table
  const slot = slotOf(handle)
  if (slot >= layout.capacity) return false
  const at = ownerAt(table, slot)
  // Plain, both of them: this thread wrote them, or somebody did whose row this is not.
  return words[at] === own && words[at + SLOT_STATE] === ((generationOf(handle) << 1) | 1)
}

/** Gives a slot back; `false` if the handle is not, or no longer, a row of this thread. */
export const release = (table: SlotTable, handle: number): boolean => {
  if (!isOwn(table, handle)) return false
  const { seat, words } = table
  const slot = slotOf(handle)
  const at = ownerAt(table, slot)
  // Before the row goes: who adds up the totals counts a strand twice rather than not at all (T2).
  Wide.increment(words, seat + Layout.SEAT_COMPLETED)
  words[seat + SEAT_ACTIVE] = words[seat + SEAT_ACTIVE]! - 1
  // Hides the row before the next owner writes into it; seen by the second load in `copyRow` (S4).
  Atomics.store(words, at + SLOT_STATE, words[at + SLOT_STATE]! & ~1)
  // Last: from here on somebody else may write the row. Seen by the compare-and-exchange in `tryTake` (S2).
  Atomics.store(words, at, NOBODY)
  if (table.hintCount < HINTS) table.hints[table.hintCount++] = slot
  return true
}

/** Frees everything of an owner that is dead, for certain. Gives the number of rows that were active. */
export const reclaim = (words: Int32Array, layout: Layout.StrandLayout, dead: number): number => {
  let freed = 0
  // First: what is freed below may be taken at once, and is not to be counted twice in the peak.
  for (let seat = 0; seat < layout.seats; seat++) {
    const at = Layout.seatWord(seat)
    if (Atomics.load(words, at + SEAT_OWNER) === dead) countFromZero(words, at)
  }
  for (let slot = 0; slot < layout.capacity; slot++) {
    const at = Layout.slotWord(layout, slot)
    if (Atomics.load(words, at) !== dead) continue
    const state = Atomics.load(words, at + SLOT_STATE)
    // Again, after the state: it may be the next owner's, if somebody else reclaims and was first. If it is not, no other owner has had
    // the slot since, and the exchange below fails once one has (S7).
    if (Atomics.load(words, at) !== dead) continue
    // As in `release`. By compare-and-exchange, because two may reclaim at once: one of them counts.
    if ((state & 1) === 1 && Atomics.compareExchange(words, at + SLOT_STATE, state, state & ~1) === state) freed++
    Atomics.compareExchange(words, at, dead, NOBODY)
  }
  return freed
}

// -----------------------------------------------------------------------------
// Reading
// -----------------------------------------------------------------------------

/** How often a slot that changes hands is looked at again; then it is left out, being nobody's for long. */
const LOOKS = 4

/** Where a row is copied to; only this thread sees it. */
export class RowCopy {
  readonly payload: Int32Array
  generation = 0
  owner = 0
  mark = 0
  beat = 0

  /** Words of the payload: `PAYLOAD_WORDS`, fewer in models. */
  constructor(payloadWords: number) {
    this.payload = new Int32Array(payloadWords)
  }
}

/** Copies the row of a slot, if it is active. */
export const copyRow = (words: Int32Array, layout: Layout.StrandLayout, slot: number, to: RowCopy): boolean => {
  // Plain: most slots are free, and one that was taken this moment need not be seen.
  const at = Layout.slotWord(layout, slot)
  if (words[at] === NOBODY) return false
  const row = Layout.rowWord(layout, slot)
  for (let look = 0; look < LOOKS; look++) {
    const before = Atomics.load(words, at + SLOT_STATE)
    if ((before & 1) === 0) return false
    to.owner = Atomics.load(words, at)
    to.mark = Atomics.load(words, row + ROW_MARK)
    to.beat = Wide.read(words, row + ROW_BEAT)
    // By atomic loads, which keep their order; the plain stores of whoever writes here lie between two atomic ones of its own (S3, S4).
    for (let i = 0; i < to.payload.length; i++) to.payload[i] = Atomics.load(words, row + ROW_PAYLOAD + i)
    if (Atomics.load(words, at + SLOT_STATE) === before) {
      to.generation = before >>> 1
      return true
    }
  }
  return false
}

/** Whether a slot has an active row. */
export const isActive = (words: Int32Array, layout: Layout.StrandLayout, slot: number): boolean => {
  const at = Layout.slotWord(layout, slot)
  return words[at] !== NOBODY && (Atomics.load(words, at + SLOT_STATE) & 1) === 1
}

/** Adds up one number of all seats. */
export const sumOfSeats = (words: Int32Array, layout: Layout.StrandLayout, field: number): number => {
  let sum = 0
  for (let seat = 0; seat < layout.seats; seat++) {
    const at = Layout.seatWord(seat)
    // Seats are taken from the first on and never given back.
    if (Atomics.load(words, at + Layout.SEAT_ORDINAL) === 0) break
    sum += Wide.read(words, at + field)
  }
  return sum
}
