/**
 * Who takes part in the models of strands: threads that register, release and die, and readers. All of the algorithm is in the
 * shipped files.
 *
 * Every strand's start is a hundred times its id, so a row of two owners is seen at once. Tables begin just before the wrap of their
 * generations.
 */
import { ownerOf } from "../../../src/diagnostics/internal/owner.ts"
import * as Slots from "../../../src/diagnostics/internal/slotTable.ts"
import * as Layout from "../../../src/diagnostics/internal/strandLayout.ts"
import * as Table from "../../../src/diagnostics/internal/strandTable.ts"
import * as Wide from "../../../src/diagnostics/internal/wide.ts"

export interface State {
  readonly memory: SharedArrayBuffer
  readonly layout: Layout.StrandLayout
}

const LAST_GENERATION = 0x7fffffff

export const fail = (message: string): never => {
  throw new Error(message)
}

export const make = (capacity: number, seats = 2): State => {
  const layout = Layout.make(capacity, seats)
  const memory = new SharedArrayBuffer(layout.totalBytes)
  Layout.format(memory, layout)
  const words = new Int32Array(memory)
  for (let slot = 0; slot < capacity; slot++)
    words[Layout.slotWord(layout, slot) + Layout.SLOT_STATE] = LAST_GENERATION << 1
  for (let seat = 0; seat < seats; seat++) words[Layout.seatWord(seat) + Layout.SEAT_ORDINAL] = seat + 1
  return { memory, layout }
}

export const wordsOf = ({ memory }: State): Int32Array => new Int32Array(memory)

/** A thread whose ordinal is its seat. It may have so many strands that it never looks at the peak, which has a model of its own. */
export const threadOf = (state: State, ordinal: number): Slots.SlotTable => {
  const table = peakingThreadOf(state, ordinal)
  table.words[table.seat + Layout.SEAT_ALLOWED] = 1000
  return table
}

export const peakingThreadOf = ({ layout, memory }: State, ordinal: number): Slots.SlotTable =>
  Slots.attach(memory, layout, ownerOf(ordinal, 0), ordinal)

/** Slots whose rows can be seen. */
export const activeIn = (state: State): number => {
  let active = 0
  for (let slot = 0; slot < state.layout.capacity; slot++) {
    if (Slots.isActive(wordsOf(state), state.layout, slot)) active++
  }
  return active
}

/** Takes a slot and writes of a row what tells one strand from another; -1 if there is none. */
export const register = (table: Slots.SlotTable, id: number): number => {
  const slot = Slots.take(table)
  if (slot === Slots.FULL) return Slots.NONE
  const payload = Layout.rowWord(table.layout, slot) + Layout.ROW_PAYLOAD
  table.words[payload + Layout.PAYLOAD_ID] = id
  table.words[payload + Layout.PAYLOAD_START] = id * 100
  return Slots.activate(table, slot)
}

/** Registers and releases, one strand after the other; how many found a slot. */
export const lives =
  (ordinal: number, ids: ReadonlyArray<number>) =>
  (state: State): number => {
    const table = threadOf(state, ordinal)
    let registered = 0
    for (const id of ids) {
      const handle = register(table, id)
      if (handle === Slots.NONE) continue
      registered++
      if (!Slots.release(table, handle)) fail(`strand ${id} could not be released`)
    }
    return registered
  }

/** Words of a payload that the models look at. */
const LOOKED_AT = Layout.PAYLOAD_START + 1

/** A row that was seen. */
export interface Seen {
  readonly slot: number
  readonly generation: number
  readonly id: number
  readonly ordinal: number
}

/** Copies the rows that are there, each of which must be one strand's; `ordinals` says whose ids are whose. */
export const look = (
  state: State,
  times: number,
  ordinalOfId: (id: number) => number
): ReadonlyArray<ReadonlyArray<Seen>> => {
  const { layout } = state
  const words = wordsOf(state)
  const copy = new Slots.RowCopy(LOOKED_AT)
  return Array.from({ length: times }, () => {
    const seen: Array<Seen> = []
    for (let slot = 0; slot < layout.capacity; slot++) {
      if (!Slots.copyRow(words, layout, slot, copy)) continue
      const id = copy.payload[Layout.PAYLOAD_ID]!
      const start = copy.payload[Layout.PAYLOAD_START]!
      if (id === 0 || start !== id * 100) fail(`strand ${id} with the start ${start}`)
      const ordinal = ordinalOfId(id)
      if (copy.owner !== ownerOf(ordinal, 0)) fail(`strand ${id} of owner ${copy.owner}`)
      seen.push({ slot, generation: copy.generation, id, ordinal })
    }
    return seen
  })
}

/** Nothing is left: every slot free, nobody active. */
export const allFree = (state: State): void => {
  const { layout } = state
  const words = wordsOf(state)
  for (let slot = 0; slot < layout.capacity; slot++) {
    if (words[Layout.slotWord(layout, slot)] !== 0) fail(`slot ${slot} is still taken`)
    if ((words[Layout.slotWord(layout, slot) + Layout.SLOT_STATE]! & 1) !== 0) fail(`slot ${slot} is still active`)
  }
}

export const sums = (state: State): Table.Sums => Table.sums(wordsOf(state), state.layout)

export const seatSum = (state: State, field: number): number => {
  let sum = 0
  for (let seat = 0; seat < state.layout.seats; seat++) sum += Wide.read(wordsOf(state), Layout.seatWord(seat) + field)
  return sum
}
