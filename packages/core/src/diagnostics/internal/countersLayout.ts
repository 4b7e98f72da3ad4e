/**
 * Where everything in a table of counters lives. Arithmetic only.
 *
 * **Units**: a _word_ is an `Int32` (4 bytes), a _line_ is 32 words (128 bytes). `CELL_…` count words from the first one of a cell,
 * which is one counter.
 *
 * ```text
 *  line 0     header: magic, version, fingerprint, capacity
 *  line 1     head of the chain of counters: cell + 1, or 0
 *  line 2…    cells, a line each
 * ```
 *
 * **Invariants**
 *
 * 1. Zeroed memory is an empty table.
 * 2. A value is one aligned `BigInt64`; nothing else of a cell is written once it is in the chain.
 *
 * @internal
 */
import { fingerprintOf } from "../../memory/internal/header.ts"
import { LINE_WORDS } from "../../memory/internal/line.ts"
import * as Region from "./region.ts"

export const HEAD_WORD = 1 * LINE_WORDS
export const CELLS_WORD = 2 * LINE_WORDS

export const CELL_WORDS = LINE_WORDS
export const CELL_OWNER = 0
/** The cell that was published before this one: cell + 1, or 0. */
export const CELL_NEXT = 1
export const CELL_ID = 2
export const CELL_ORDINAL = 3
/** Length of the name, and 16 bits further that of the label. */
export const CELL_LENGTHS = 4
export const CELL_KIND = 5
export const CELL_VALUE = 6
export const CELL_NAME = 8
export const NAME_WORDS = 10
export const CELL_LABEL = CELL_NAME + NAME_WORDS
export const LABEL_WORDS = CELL_WORDS - CELL_LABEL

export const MAX_CAPACITY = 2 ** 16

export const FORMAT: Region.Format = {
  // "SLVC"
  magic: 0x43564c53,
  version: 1,
  fingerprint: fingerprintOf("owner next id ordinal lengths kind value:2 name:10 label:14")
}

export interface CountersLayout {
  readonly capacity: number
  readonly totalBytes: number
}

export const isCapacity = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= MAX_CAPACITY

export const make = (capacity: number): CountersLayout => ({
  capacity,
  totalBytes: (CELLS_WORD + capacity * CELL_WORDS) * 4
})

export const cellWord = (cell: number): number => CELLS_WORD + cell * CELL_WORDS

/** Index of a cell's value in a `BigInt64Array` over the region. */
export const valueIndex = (cell: number): number => (cellWord(cell) + CELL_VALUE) >> 1

export const format = (memory: SharedArrayBuffer, layout: CountersLayout): void =>
  Region.format(memory, FORMAT, [layout.capacity])

/** Reads the layout back from a region somebody else formatted; changes nothing. */
export const read = (memory: SharedArrayBuffer): CountersLayout | Region.Problem => {
  const shape = Region.read(memory, FORMAT)
  if (!(shape instanceof Int32Array)) return shape
  const [capacity] = shape
  if (!isCapacity(capacity)) return Region.problem("otherShape", `1 to ${MAX_CAPACITY} counters`, String(capacity))
  return Region.fitting(memory, make(capacity))
}
