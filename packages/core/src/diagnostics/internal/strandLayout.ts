/**
 * Where everything in a table of strands lives. Arithmetic only.
 *
 * **Units**: a _word_ is an `Int32` (4 bytes), a _line_ is 32 words (128 bytes). Names ending in `_WORD` or `Word` index an
 * `Int32Array` over the region; `ROW_…` count from the first word of a row, `PAYLOAD_…` from that of its payload, `SEAT_…` from that of a
 * seat.
 *
 * ```text
 *  line 0              header: magic, version, fingerprint, capacity, seats
 *  line 1              peak
 *  line 2…             seats, a line for each ordinal that ever attached
 *  then                slots, two words each: owner, state
 *  then                rows, a line for each slot
 * ```
 *
 * The slots stand apart from their rows so that a search for a free one, and a release, touch little memory.
 *
 * **Invariants**
 *
 * 1. Zeroed memory is an empty table: owner 0 is nobody, and the state 0 is "never active".
 * 2. The header is written once. A seat is written by the thread that has it, a row by the owner of its slot.
 *
 * The protocol with its numbered invariants is docs/diagnostics.md.
 *
 * @internal
 */
import { fingerprintOf } from "../../memory/internal/header.ts"
import { LINE_WORDS } from "../../memory/internal/line.ts"
import * as Region from "./region.ts"
import { WIDE_WORDS } from "./wide.ts"

// Seats
export const SEAT_WORDS = LINE_WORDS
/** Ordinal + 1, or 0: nobody has it yet. */
export const SEAT_ORDINAL = 0
export const SEAT_SPAWNED = 1
export const SEAT_COMPLETED = SEAT_SPAWNED + WIDE_WORDS
export const SEAT_OVERFLOW = SEAT_COMPLETED + WIDE_WORDS
/** How many of its strands are active. */
export const SEAT_ACTIVE = SEAT_OVERFLOW + WIDE_WORDS
/** How many may be before the peak is looked at again. */
export const SEAT_ALLOWED = SEAT_ACTIVE + 1
/** Whose strands are counted in the two: the life that attached last. */
export const SEAT_OWNER = SEAT_ALLOWED + 1

// Slots
export const SLOT_WORDS = 2
export const SLOT_OWNER = 0
/** Generation × 2, + 1 while the row is active. */
export const SLOT_STATE = 1

// Rows
export const ROW_WORDS = LINE_WORDS
export const ROW_MARK = 0
/** Milliseconds of the monotonic clock, as all times in a row. */
export const ROW_BEAT = 1
/** From here on a row is written while its slot is claimed, and never again. */
export const ROW_PAYLOAD = ROW_BEAT + WIDE_WORDS
export const PAYLOAD_ID = 0
/** 0: none. */
export const PAYLOAD_PARENT = 2
export const PAYLOAD_GENERATION = 4
export const PAYLOAD_START = 5
/** Length of the name, and 16 bits further that of the kind; see text.ts. */
export const PAYLOAD_LENGTHS = 7
export const PAYLOAD_KIND = 8
export const KIND_WORDS = 6
export const PAYLOAD_NAME = PAYLOAD_KIND + KIND_WORDS
export const NAME_WORDS = 14
export const PAYLOAD_WORDS = PAYLOAD_NAME + NAME_WORDS

/** What a strand does, as far as a watchdog wants to know. */
export const RUNNING = 0
export const PARKED = 1
export const BUSY = 2

export const PEAK_WORD = 1 * LINE_WORDS
export const SEATS_WORD = 2 * LINE_WORDS

export const MAX_CAPACITY = 2 ** 20
export const MAX_SEATS = 2 ** 14

export const FORMAT: Region.Format = {
  // "SLVS"
  magic: 0x53564c53,
  version: 1,
  fingerprint: fingerprintOf("owner state; mark beat:3 id:2 parent:2 generation start:2 lengths kind:6 name:14")
}

export interface StrandLayout {
  readonly capacity: number
  readonly seats: number
  readonly slotsWord: number
  readonly rowsWord: number
  readonly totalBytes: number
}

export const isCapacity = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= MAX_CAPACITY

export const isSeats = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= MAX_SEATS

/** Works out the offsets. Both sizes have been checked. */
export const make = (capacity: number, seats: number): StrandLayout => {
  const slotsWord = SEATS_WORD + seats * SEAT_WORDS
  const rowsWord = slotsWord + Region.inLines(capacity * SLOT_WORDS)
  return { capacity, seats, slotsWord, rowsWord, totalBytes: (rowsWord + capacity * ROW_WORDS) * 4 }
}

export const slotWord = (layout: StrandLayout, slot: number): number => layout.slotsWord + slot * SLOT_WORDS

export const rowWord = (layout: StrandLayout, slot: number): number => layout.rowsWord + slot * ROW_WORDS

export const seatWord = (seat: number): number => SEATS_WORD + seat * SEAT_WORDS

export const format = (memory: SharedArrayBuffer, layout: StrandLayout): void =>
  Region.format(memory, FORMAT, [layout.capacity, layout.seats])

/** Reads the layout back from a region somebody else formatted; changes nothing. */
export const read = (memory: SharedArrayBuffer): StrandLayout | Region.Problem => {
  const shape = Region.read(memory, FORMAT)
  if (!(shape instanceof Int32Array)) return shape
  const [capacity, seats] = shape
  if (!isCapacity(capacity) || !isSeats(seats)) {
    return Region.problem(
      "otherShape",
      `1 to ${MAX_CAPACITY} slots and 1 to ${MAX_SEATS} seats`,
      `${capacity} slots and ${seats} seats`
    )
  }
  return Region.fitting(memory, make(capacity, seats))
}
