/**
 * The last events, in a ring that many threads overwrite. The protocol with its numbered invariants is docs/diagnostics.md; this
 * file is its only implementation, and the models explore this file.
 *
 * ```text
 *   ticket ──▶ owner 0 → own ──▶ stamp → 0 ──▶ payload ──▶ stamp → ticket ──▶ owner → 0
 *                 └ somebody is in there, or died there: the next ticket
 * ```
 *
 * Plain synchronous code: no Effect, no time, nothing throws.
 *
 * @internal
 */
import * as Layout from "./recorderLayout.ts"
import { ENTRY_OWNER, ENTRY_PAYLOAD, ENTRY_STAMP } from "./recorderLayout.ts"
import { NOBODY } from "./owner.ts"

/** Entries that are tried before an event is given up: so many would have to be written this moment, or be left by the dead. */
const TRIES = 8

/** The answer of `begin` when no entry could be had. */
export const NO_ENTRY = -1

const TICKETS = 0x7fffffff

/** One thread's side of the recorder. */
export interface Recorder {
  readonly words: Int32Array
  readonly layout: Layout.RecorderLayout
  readonly own: number
  /** Of the entry that was begun. */
  ticket: number
}

export const attach = (memory: SharedArrayBuffer, layout: Layout.RecorderLayout, own: number): Recorder => ({
  words: new Int32Array(memory, 0, layout.totalBytes / 4),
  layout,
  own,
  ticket: 0
})

/** First word of the payload of an entry that is this thread's until `finish`; `NO_ENTRY` if none could be had. */
export const begin = (recorder: Recorder): number => {
  const { layout, own, words } = recorder
  for (let i = 0; i < TRIES; i++) {
    const ticket = Atomics.add(words, Layout.TICKET_WORD, 1) & TICKETS
    const entry = Layout.entryWord(ticket & (layout.capacity - 1))
    // Keeps other writers out (F1): one that fell asleep here a lap ago still is in there.
    if (Atomics.compareExchange(words, entry + ENTRY_OWNER, NOBODY, own) !== NOBODY) continue
    // Hides the old event before its payload is written over; seen by the second load of the stamp in `copyEntry` (F2). An
    // exchange, because a mere store does not hold back what is written after it.
    Atomics.exchange(words, entry + ENTRY_STAMP, 0)
    recorder.ticket = ticket
    return entry + ENTRY_PAYLOAD
  }
  return NO_ENTRY
}

/** Shows the event whose payload has been written. */
export const finish = ({ layout, ticket, words }: Recorder): void => {
  const entry = Layout.entryWord(ticket & (layout.capacity - 1))
  // Publishes the payload; seen by the first load of the stamp in `copyEntry`.
  Atomics.store(words, entry + ENTRY_STAMP, (ticket << 1) | 1)
  Atomics.store(words, entry + ENTRY_OWNER, NOBODY)
}

/** Answers of `copyEntry`. */
export const EMPTY = -1
/** Somebody is writing it, or died writing it. */
export const TORN = -2

const LOOKS = 4

/** Copies the payload of an entry to `out` and gives its ticket; or `EMPTY`, or `TORN`. */
export const copyEntry = (words: Int32Array, entry: number, out: Int32Array): number => {
  const at = Layout.entryWord(entry)
  for (let look = 0; look < LOOKS; look++) {
    const before = Atomics.load(words, at + ENTRY_STAMP)
    if (before === 0) return Atomics.load(words, at + ENTRY_OWNER) === NOBODY ? EMPTY : TORN
    // By atomic loads, which keep their order; the plain stores of a writer lie between its two of the stamp (F2).
    for (let i = 0; i < out.length; i++) out[i] = Atomics.load(words, at + ENTRY_PAYLOAD + i)
    if (Atomics.load(words, at + ENTRY_STAMP) === before) return before >>> 1
  }
  return TORN
}

/** The next ticket that will be handed out. Read after the entries, so that all of theirs are older. */
export const nextTicket = (words: Int32Array): number => Atomics.load(words, Layout.TICKET_WORD) & TICKETS

/** How long before `next` a ticket was handed out, in tickets. */
export const age = (next: number, ticket: number): number => (next - ticket) & TICKETS

/** Gives back the entries of an owner that is dead, for certain. What it had not finished is counted as torn. */
export const reclaim = (words: Int32Array, layout: Layout.RecorderLayout, dead: number): number => {
  let torn = 0
  for (let entry = 0; entry < layout.capacity; entry++) {
    const at = Layout.entryWord(entry)
    if (Atomics.load(words, at + ENTRY_OWNER) !== dead) continue
    const isTorn = Atomics.load(words, at + ENTRY_STAMP) === 0
    // By compare-and-exchange, because two may reclaim at once: one of them counts.
    if (Atomics.compareExchange(words, at + ENTRY_OWNER, dead, NOBODY) === dead && isTorn) torn++
  }
  if (torn > 0) Atomics.add(words, Layout.TORN_WORD, torn)
  return torn
}
