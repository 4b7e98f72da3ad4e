/**
 * Rows of strands in the slots of `slotTable.ts`: what is written into a row, and what is read from it.
 *
 * Plain synchronous code; nothing but reading allocates, except that the caches keep the texts they have seen.
 *
 * @internal
 */
import * as Layout from "./strandLayout.ts"
import {
  PAYLOAD_GENERATION,
  PAYLOAD_ID,
  PAYLOAD_KIND,
  PAYLOAD_LENGTHS,
  PAYLOAD_NAME,
  PAYLOAD_PARENT,
  PAYLOAD_START,
  ROW_BEAT,
  ROW_MARK,
  ROW_PAYLOAD
} from "./strandLayout.ts"
import * as Slots from "./slotTable.ts"
import { ordinalOf } from "./owner.ts"
import * as Text from "./text.ts"
import * as Wide from "./wide.ts"

/** Names and kinds a thread keeps encoded. */
const NAMES = 256
const KINDS = 32

/** One thread's side of the table. */
export interface StrandTable {
  readonly slots: Slots.SlotTable
  readonly generation: number
  readonly names: Text.TextCache
  readonly kinds: Text.TextCache
}

export const attach = (
  memory: SharedArrayBuffer,
  layout: Layout.StrandLayout,
  own: number,
  seat: number,
  generation: number
): StrandTable => ({
  slots: Slots.attach(memory, layout, own, seat),
  generation,
  names: new Text.TextCache(Layout.NAME_WORDS, NAMES),
  kinds: new Text.TextCache(Layout.KIND_WORDS, KINDS)
})

/** Registers a strand: its handle, or `NONE` when the table is full. `parent` 0 is none; times are whole milliseconds. */
export const register = (
  table: StrandTable,
  id: number,
  parent: number,
  startMillis: number,
  name: string,
  kind: string
): number => {
  const slot = Slots.take(table.slots)
  if (slot === Slots.FULL) return Slots.NONE
  const { layout, words } = table.slots
  const row = Layout.rowWord(layout, slot)
  const payload = row + ROW_PAYLOAD
  words[row + ROW_MARK] = Layout.RUNNING
  Wide.init(words, row + ROW_BEAT, startMillis)
  words[payload + PAYLOAD_ID] = id
  words[payload + PAYLOAD_ID + 1] = Wide.highOf(id)
  words[payload + PAYLOAD_PARENT] = parent
  words[payload + PAYLOAD_PARENT + 1] = Wide.highOf(parent)
  words[payload + PAYLOAD_GENERATION] = table.generation
  words[payload + PAYLOAD_START] = startMillis
  words[payload + PAYLOAD_START + 1] = Wide.highOf(startMillis)
  const nameLength = copyText(table.names, name, words, payload + PAYLOAD_NAME)
  const kindLength = copyText(table.kinds, kind, words, payload + PAYLOAD_KIND)
  words[payload + PAYLOAD_LENGTHS] = nameLength | (kindLength << 16)
  return Slots.activate(table.slots, slot)
}

/** What lies beyond the text is whatever was there: its length tells. */
const copyText = (cache: Text.TextCache, text: string, words: Int32Array, to: number): number => {
  const from = cache.at(text)
  const length = cache.words[from]!
  const count = ((length & 0xff) + 3) >>> 2
  for (let i = 0; i < count; i++) words[to + i] = cache.words[from + 1 + i]!
  return length
}

/** The strand says that it is alive; `false` if the handle is none. */
export const heartbeat = (table: StrandTable, handle: number, millis: number): boolean => {
  const row = Slots.rowOf(table.slots, handle)
  if (row === Slots.NONE) return false
  Wide.write(table.slots.words, row + ROW_BEAT, millis)
  return true
}

/** What the strand is about to do. Not plain: the thread may sleep right after. */
export const mark = (table: StrandTable, handle: number, mark: number): boolean => {
  const row = Slots.rowOf(table.slots, handle)
  if (row === Slots.NONE) return false
  // Seen by the load in `copyRow`.
  Atomics.store(table.slots.words, row + ROW_MARK, mark)
  return true
}

/** A row as it was found. */
export interface Found {
  readonly slot: number
  readonly slotGeneration: number
  readonly id: number
  readonly name: string
  readonly nameCut: boolean
  readonly kind: string
  readonly ordinal: number
  readonly generation: number
  readonly parent: number
  readonly startMillis: number
  readonly beatMillis: number
  readonly mark: number
}

/** All active rows, by slot. */
export const rows = (words: Int32Array, layout: Layout.StrandLayout): Array<Found> => {
  const found: Array<Found> = []
  const copy = new Slots.RowCopy(Layout.PAYLOAD_WORDS)
  for (let slot = 0; slot < layout.capacity; slot++) {
    if (Slots.copyRow(words, layout, slot, copy)) found.push(decode(slot, copy))
  }
  return found
}

const decode = (slot: number, { beat, generation, mark, owner, payload }: Slots.RowCopy): Found => {
  const wide = (at: number): number => Wide.join(payload[at + 1]!, payload[at]!)
  const lengths = payload[PAYLOAD_LENGTHS]!
  return {
    slot,
    slotGeneration: generation,
    id: wide(PAYLOAD_ID),
    name: Text.decode(payload, PAYLOAD_NAME, lengths & 0xffff),
    nameCut: (lengths & Text.CUT) !== 0,
    kind: Text.decode(payload, PAYLOAD_KIND, lengths >>> 16),
    ordinal: ordinalOf(owner),
    generation: payload[PAYLOAD_GENERATION]!,
    parent: wide(PAYLOAD_PARENT),
    startMillis: wide(PAYLOAD_START),
    beatMillis: beat,
    mark
  }
}

/** Sums over all threads. */
export interface Sums {
  readonly active: number
  readonly spawned: number
  readonly completed: number
  readonly peak: number
  readonly lost: number
  readonly overflow: number
}

/**
 * Adds up. In this order (T2): a strand that begins meanwhile is not in `spawned`, one that ends is in `completed`; so `lost` never
 * counts one that is not.
 */
export const sums = (words: Int32Array, layout: Layout.StrandLayout): Sums => {
  const spawned = Slots.sumOfSeats(words, layout, Layout.SEAT_SPAWNED)
  let active = 0
  for (let slot = 0; slot < layout.capacity; slot++) if (Slots.isActive(words, layout, slot)) active++
  const completed = Slots.sumOfSeats(words, layout, Layout.SEAT_COMPLETED)
  return {
    active,
    spawned,
    completed,
    peak: Atomics.load(words, Layout.PEAK_WORD),
    lost: Math.max(0, spawned - completed - active),
    overflow: Slots.sumOfSeats(words, layout, Layout.SEAT_OVERFLOW)
  }
}
