/**
 * Slots that threads take and give back, and rows that any thread reads meanwhile. The protocol with its numbered invariants is
 * docs/diagnostics.md; this file is its only implementation, and the models explore this file.
 *
 * | state    | owner's word | row's state word   | a reader sees |
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
import { ROW_BEAT, ROW_MARK, ROW_PAYLOAD, ROW_STATE } from "./strandLayout.ts"
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

/** Views over the region, with the seat that `takeSeat` gave. */
export const attach = (
  memory: SharedArrayBuffer,
  layout: Layout.StrandLayout,
  own: number,
  seat: number
): SlotTable => ({
  words: new Int32Array(memory, 0, layout.totalBytes / 4),
  layout,
  own,
  seat: Layout.seatWord(seat),
  hints: new Int32Array(HINTS),
  hintCount: 0,
  // Threads begin at different places, so that they seldom meet.
  cursor: Math.floor((layout.capacity / layout.seats) * seat) % layout.capacity,
  wasFull: false
})

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
  const slot = search(table)
  if (slot === FULL) Wide.increment(table.words, table.seat + Layout.SEAT_OVERFLOW)
  return slot
}

const tryTake = ({ layout, own, words }: SlotTable, slot: number): boolean =>
  // Keeps others out (S1); what the last owner wrote before it left is seen from here on.
  Atomics.compareExchange(words, layout.ownersWord + slot, NOBODY, own) === NOBODY

const search = (table: SlotTable): number => {
  const { layout, words } = table
  const { capacity, ownersWord } = layout
  let { cursor } = table
  const length = table.wasFull ? Math.min(WINDOW, capacity) : capacity
  for (let looked = 0; looked < length; looked++) {
    const slot = cursor
    if (++cursor === capacity) cursor = 0
    // Plain: a hint, the compare-and-exchange decides.
    if (words[ownersWord + slot] === NOBODY && tryTake(table, slot)) {
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
export const activate = ({ layout, seat, words }: SlotTable, slot: number): number => {
  const at = Layout.rowWord(layout, slot) + ROW_STATE
  const generation = ((words[at]! >>> 1) + 1) & 0x7fffffff
  // Publishes the whole row; seen by the first load in `copyRow` (S3).
  Atomics.store(words, at, (generation << 1) | 1)
  Wide.increment(words, seat + Layout.SEAT_SPAWNED)
  const active = Atomics.add(words, Layout.ACTIVE_WORD, 1) + 1
  if (active > words[Layout.PEAK_WORD]!) raisePeak(words, active)
  return handleOf(slot, generation)
}

const raisePeak = (words: Int32Array, to: number): void => {
  let seen = Atomics.load(words, Layout.PEAK_WORD)
  while (to > seen) {
    const found = Atomics.compareExchange(words, Layout.PEAK_WORD, seen, to)
    if (found === seen) return
    seen = found
  }
}

// -----------------------------------------------------------------------------
// Owning
// -----------------------------------------------------------------------------

/** First word of the row that a handle means, or -1 if it is not, or no longer, a row of this thread. */
export const rowOf = ({ layout, own, words }: SlotTable, handle: number): number => {
  const slot = slotOf(handle)
  if (slot >= layout.capacity || words[layout.ownersWord + slot] !== own) return NONE
  const row = Layout.rowWord(layout, slot)
  // Plain, both of them: this thread wrote them, or somebody did whose row this is not.
  return words[row + ROW_STATE] === ((generationOf(handle) << 1) | 1) ? row : NONE
}

/** Gives a slot back; `false` if the handle is not, or no longer, a row of this thread. */
export const release = (table: SlotTable, handle: number): boolean => {
  const { layout, seat, words } = table
  const row = rowOf(table, handle)
  if (row === NONE) return false
  const active = words[row + ROW_STATE]!
  // Before the row goes: who adds up the totals counts a strand twice rather than not at all (T2).
  Wide.increment(words, seat + Layout.SEAT_COMPLETED)
  // Hides the row before the next owner writes into it; seen by the second load in `copyRow` (S4).
  Atomics.store(words, row + ROW_STATE, active & ~1)
  Atomics.sub(words, Layout.ACTIVE_WORD, 1)
  const slot = slotOf(handle)
  // Last: from here on somebody else may write the row. Seen by the compare-and-exchange in `tryTake` (S2).
  Atomics.store(words, layout.ownersWord + slot, NOBODY)
  if (table.hintCount < HINTS) table.hints[table.hintCount++] = slot
  return true
}

/** Frees everything of an owner that is dead, for certain. Gives the number of rows that were active. */
export const reclaim = (words: Int32Array, layout: Layout.StrandLayout, dead: number): number => {
  let freed = 0
  for (let slot = 0; slot < layout.capacity; slot++) {
    const ownerAt = layout.ownersWord + slot
    if (Atomics.load(words, ownerAt) !== dead) continue
    const stateAt = Layout.rowWord(layout, slot) + ROW_STATE
    const state = Atomics.load(words, stateAt)
    // Again, after the state: it may be the next owner's, if somebody else reclaims and was first. If it is not, no other owner has had
    // the slot since, and the exchange below fails once one has (S7).
    if (Atomics.load(words, ownerAt) !== dead) continue
    // As in `release`. By compare-and-exchange, because two may reclaim at once: one of them counts.
    if ((state & 1) === 1 && Atomics.compareExchange(words, stateAt, state, state & ~1) === state) {
      Atomics.sub(words, Layout.ACTIVE_WORD, 1)
      freed++
    }
    Atomics.compareExchange(words, ownerAt, dead, NOBODY)
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
  if (words[layout.ownersWord + slot] === NOBODY) return false
  const row = Layout.rowWord(layout, slot)
  for (let look = 0; look < LOOKS; look++) {
    const before = Atomics.load(words, row + ROW_STATE)
    if ((before & 1) === 0) return false
    to.owner = Atomics.load(words, layout.ownersWord + slot)
    to.mark = Atomics.load(words, row + ROW_MARK)
    to.beat = Wide.read(words, row + ROW_BEAT)
    // By atomic loads, which keep their order; the plain stores of whoever writes here lie between two atomic ones of its own (S3, S4).
    for (let i = 0; i < to.payload.length; i++) to.payload[i] = Atomics.load(words, row + ROW_PAYLOAD + i)
    if (Atomics.load(words, row + ROW_STATE) === before) {
      to.generation = before >>> 1
      return true
    }
  }
  return false
}

/** Whether a slot has an active row. */
export const isActive = (words: Int32Array, layout: Layout.StrandLayout, slot: number): boolean =>
  words[layout.ownersWord + slot] !== NOBODY &&
  (Atomics.load(words, Layout.rowWord(layout, slot) + ROW_STATE) & 1) === 1

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
