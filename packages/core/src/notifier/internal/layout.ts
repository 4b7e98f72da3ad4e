/**
 * Where everything in a notifier's memory lives. Arithmetic only.
 *
 * **Units**: a _word_ is an `Int32` (4 bytes), a _line_ is 32 words (128 bytes). Names ending in `_WORD` or `Word` index an
 * `Int32Array` over the region. The table stands in docs/notifier.md.
 *
 * **Invariants**
 *
 * 1. The capacity is a power of two, at least 2 × `maxTokens`, at least 2, at most 2^29.
 * 2. Two writer roles never share a line.
 * 3. Zeroed memory is no notifier: `format` writes the empties of lap 0, and the magic last.
 *
 * @internal
 */
import { LINE_WORDS, roundUpToLine } from "../../memory/internal/line.ts"

/** `"SLVN"` as one little-endian word. */
export const MAGIC = 0x4e564c53

export const VERSION = 1

/** The line that says what the region is. */
export const HEADER_WORDS = LINE_WORDS
export const MAGIC_WORD = 0
export const VERSION_WORD = 1
export const MAX_TOKENS_WORD = 2
export const CAPACITY_WORD = 3
export const TAIL_WORD = 1 * LINE_WORDS
export const HEAD_WORD = 2 * LINE_WORDS
/** Bit 0: the poller may be asleep. */
export const PARKED_WORD = 3 * LINE_WORDS
/** Bumped to wake the poller; see memory/internal/bell.ts. */
export const BELL_WORD = PARKED_WORD + 1
/** The seat: odd while somebody polls, and another number for each poller. */
export const POLLER_WORD = 4 * LINE_WORDS
const FLAGS_WORD = 5 * LINE_WORDS

/** So that the capacity stays below the 30 bits of a serial. */
export const MAX_TOKENS = 2 ** 28

/** Bits of the tail word below the serial. */
export const RESCAN_BIT = 1
export const CLOSED_BIT = 2
export const SERIAL_SHIFT = 2
/** One place in the queue, in the unit of the tail word. */
export const STEP = 1 << SERIAL_SHIFT

export interface Layout {
  readonly maxTokens: number
  /** Cells of the queue. */
  readonly capacity: number
  readonly flagsWord: number
  readonly cellsWord: number
  readonly totalBytes: number
}

/** What is wrong with a region. The public module turns each into a typed error. */
export type LayoutProblem = "RegionTooSmall" | "NotANotifier" | "OtherVersion" | "OtherShape"

export const isMaxTokens = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= MAX_TOKENS

/** Works out the offsets. `maxTokens` has been checked. */
export const make = (maxTokens: number): Layout => {
  const capacity = 2 ** Math.max(1, Math.ceil(Math.log2(2 * maxTokens)))
  const cellsWord = FLAGS_WORD + lines(maxTokens)
  return {
    maxTokens,
    capacity,
    flagsWord: FLAGS_WORD,
    cellsWord,
    totalBytes: (cellsWord + lines(capacity)) * 4
  }
}

const lines = (words: number): number => roundUpToLine(words * 4) / 4

/** The mark of an empty cell that waits for the place `serialWord` (a serial × 4, and bits) of its lap. */
export const emptyFor = (serialWord: number, capacityShift: number): number =>
  -1 - (serialWord >>> (SERIAL_SHIFT + capacityShift))

/** The serial in a word, without the bits below it. */
export const serialIn = (word: number): number => word & -STEP

/**
 * Writes a notifier into zeroed memory, with its queue beginning at `startSerial` (0, or near the wrap in tests). The magic
 * goes last, so that a reader who sees it sees the rest.
 */
export const format = (memory: SharedArrayBuffer, layout: Layout, startSerial = 0): LayoutProblem | undefined => {
  if (memory.byteLength < layout.totalBytes) return "RegionTooSmall"
  const words = new Int32Array(memory, 0, layout.totalBytes / 4)
  const shift = shiftOf(layout)
  const start = startSerial << SERIAL_SHIFT
  words[VERSION_WORD] = VERSION
  words[MAX_TOKENS_WORD] = layout.maxTokens
  words[CAPACITY_WORD] = layout.capacity
  words[TAIL_WORD] = start
  words[HEAD_WORD] = start
  for (let i = 0; i < layout.capacity; i++) {
    const place = (start + i * STEP) | 0
    words[layout.cellsWord + ((place >>> SERIAL_SHIFT) & (layout.capacity - 1))] = emptyFor(place, shift)
  }
  Atomics.store(words, MAGIC_WORD, MAGIC)
  return undefined
}

/** The power of two in the capacity. */
export const shiftOf = (layout: Layout): number => Math.log2(layout.capacity)

/** Reads the layout back from a region somebody else formatted; changes nothing. */
export const read = (memory: SharedArrayBuffer): Layout | LayoutProblem => {
  if (memory.byteLength < FLAGS_WORD * 4) return "RegionTooSmall"
  const words = new Int32Array(memory, 0, LINE_WORDS)
  if (Atomics.load(words, MAGIC_WORD) !== MAGIC) return "NotANotifier"
  if (words[VERSION_WORD] !== VERSION) return "OtherVersion"
  const maxTokens = words[MAX_TOKENS_WORD]
  if (!isMaxTokens(maxTokens)) return "OtherShape"
  const layout = make(maxTokens)
  if (words[CAPACITY_WORD] !== layout.capacity) return "OtherShape"
  return memory.byteLength < layout.totalBytes ? "RegionTooSmall" : layout
}
