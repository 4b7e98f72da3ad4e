/**
 * Where the events of a flight recorder live. Arithmetic only.
 *
 * **Units**: a _word_ is an `Int32` (4 bytes), a _line_ is 32 words (128 bytes). `ENTRY_…` count words from the first one of an entry,
 * `PAYLOAD_…` from that of its payload.
 *
 * ```text
 *  line 0     header: magic, version, fingerprint, capacity
 *  line 1     next ticket, torn entries that were given back
 *  line 2…    entries, a line each
 * ```
 *
 * **Invariants**
 *
 * 1. Zeroed memory is an empty recorder.
 * 2. The capacity is a power of two of at most 2^16: tickets go round at 2^31 without a break.
 *
 * @internal
 */
import { fingerprintOf } from "../../memory/internal/header.ts"
import { isPowerOfTwo, LINE_WORDS } from "../../memory/internal/line.ts"
import * as Region from "./region.ts"

export const TICKET_WORD = 1 * LINE_WORDS
export const TORN_WORD = TICKET_WORD + 1
export const ENTRIES_WORD = 2 * LINE_WORDS

export const ENTRY_WORDS = LINE_WORDS
export const ENTRY_OWNER = 0
/** Ticket × 2 + 1 of the event that is whole, or 0. */
export const ENTRY_STAMP = 1
export const ENTRY_PAYLOAD = 2
/** Milliseconds since 1970. */
export const PAYLOAD_TIME = 0
export const PAYLOAD_ORDINAL = 2
export const PAYLOAD_GENERATION = 3
export const PAYLOAD_ID = 4
/** Length of what happened, and 16 bits further that of the text. */
export const PAYLOAD_LENGTHS = 6
export const PAYLOAD_WHAT = 7
export const WHAT_WORDS = 6
export const PAYLOAD_TEXT = PAYLOAD_WHAT + WHAT_WORDS
export const PAYLOAD_WORDS = ENTRY_WORDS - ENTRY_PAYLOAD
export const TEXT_WORDS = PAYLOAD_WORDS - PAYLOAD_TEXT

export const MAX_CAPACITY = 2 ** 16

export const FORMAT: Region.Format = {
  // "SLVF"
  magic: 0x46564c53,
  version: 1,
  fingerprint: fingerprintOf("owner stamp time:2 ordinal generation id:2 lengths what:6 text:17")
}

export interface RecorderLayout {
  readonly capacity: number
  readonly totalBytes: number
}

export const make = (capacity: number): RecorderLayout => ({
  capacity,
  totalBytes: (ENTRIES_WORD + capacity * ENTRY_WORDS) * 4
})

export const entryWord = (entry: number): number => ENTRIES_WORD + entry * ENTRY_WORDS

/** Writes the header into zeroed memory; tickets begin at `start` (0, or near the end of 31 bits in tests). */
export const format = (memory: SharedArrayBuffer, layout: RecorderLayout, start = 0): void => {
  new Int32Array(memory)[TICKET_WORD] = start
  Region.format(memory, FORMAT, [layout.capacity])
}

/** Reads the layout back from a region somebody else formatted; changes nothing. */
export const read = (memory: SharedArrayBuffer): RecorderLayout | Region.Problem => {
  const shape = Region.read(memory, FORMAT)
  if (!(shape instanceof Int32Array)) return shape
  const capacity = shape[0]!
  if (!isPowerOfTwo(capacity, MAX_CAPACITY)) {
    return Region.problem("otherShape", `a power of two of at most ${MAX_CAPACITY}`, capacity)
  }
  return Region.fitting(memory, make(capacity))
}
