/**
 * Where everything in a space's control file lives. Arithmetic, and plain loads and stores; what orders them is said in
 * docs/mapped-memory.md.
 *
 * **Units**: a _word_ is one `Int32`; a _line_ is 32 words (128 bytes). Names that end in `WORD` or `Word` index an `Int32Array` over
 * the file.
 *
 * **Layout** (64 KiB: one page of WebAssembly memory)
 *
 * ```text
 *  line             word 0    1        2      3            4        5 6        7 8
 *  0  header        magic     version  bytes  participants regions  space id   boot id                   the maker, once
 *  1  serials       next life next region                                                                under the mutex
 *  2  owner         life                                                                                 under the mutex
 *  4 … (2 each)     state     life     pid    start (2)    owners   opened (2)                           under the mutex
 *                   recovers (2), at 8                                                                  its participant
 *                   doorbell  asleep                                                                     ringers, its watcher
 *  134 … (2 each)   state     serial   bytes (2)           maker    name length  name (8)  nameless      under the mutex
 *                   bells: up to 32 words, each the index of a bell plus one                             whoever sleeps or rings
 * ```
 *
 * A participant's state is 0 FREE, 1 LIVE, 2 DEAD; a region's 0 FREE, 1 MAKING, 2 OPEN, 3 REMOVED. `opened` has a bit for each
 * region that the participant has open, or had open when it died and nobody has recovered since; `recovers` one for each region that
 * the participant recovers from the deaths of others.
 *
 * **Locks** are bytes of the control file that need not exist: 0 the mutex, 1 the owner, 2 + i participant i. Each is held by an open
 * file, and the kernel gives it back when the last descriptor of that is closed.
 *
 * **Invariants**
 *
 * 1. The magic is stored last, a row's state is stored last: who sees it sees the rest.
 * 2. Lives and serials are never used twice in one space.
 *
 * @internal
 */
import { WASM_PAGE_BYTES } from "./pages.ts"

/** Words in a line. */
export const LINE_WORDS = 32

/** `"SLVM"` read as one little-endian word. */
export const MAGIC = 0x4d564c53

/** Raised whenever an older reader would misread a file. */
export const VERSION = 3

/** Of the control file. */
export const BYTES = WASM_PAGE_BYTES

export const MOST_PARTICIPANTS = 64
/** Behind the rows of participants: an owner's, when the dead have taken all others (D9). */
export const SPARE_ROWS = 1
export const REGIONS = 64
/** Bells of one region. */
export const BELLS = LINE_WORDS
/** Bytes of a region's name. */
export const MOST_NAME_BYTES = 32

export const MAGIC_WORD = 0
export const VERSION_WORD = 1
export const BYTES_WORD = 2
export const PARTICIPANTS_WORD = 3
export const REGIONS_WORD = 4
export const SPACE_ID_WORD = 5
export const BOOT_ID_WORD = 7
export const NEXT_LIFE_WORD = LINE_WORDS
export const NEXT_SERIAL_WORD = LINE_WORDS + 1
export const OWNER_LIFE_WORD = 2 * LINE_WORDS

const FIRST_ROW_WORD = 4 * LINE_WORDS
const ROW_WORDS = 2 * LINE_WORDS

/** Words of a participant's row. */
export const STATE = 0
export const LIFE = 1
export const PID = 2
export const START = 3
export const OWNERS = 5
export const OPENED = 6
export const RECOVERS = 8
export const DOORBELL = LINE_WORDS
export const ASLEEP = LINE_WORDS + 1

/** States of a participant's row. */
export const FREE = 0
export const LIVE = 1
export const DEAD = 2

/** Words of a region's row; its first one is its state too. */
export const SERIAL = 1
export const REGION_BYTES = 2
export const MAKER = 4
export const NAME_LENGTH = 5
export const NAME = 6
/** 1: its maker gave it no name, and its serial stands there. */
export const NAMELESS = 14
export const FIRST_BELL = LINE_WORDS

/** States of a region's row. */
export const MAKING = 1
export const OPEN = 2
export const REMOVED = 3

/** Bytes that are locked. */
export const MUTEX_BYTE = 0
export const OWNER_BYTE = 1
export const lockByteOf = (participant: number): number => 2 + participant

/** First word of a participant's row. */
export const participantWord = (participant: number): number => FIRST_ROW_WORD + participant * ROW_WORDS

/** First word of a region's row; rows of regions follow those of the most participants there can be. */
export const regionWord = (region: number): number => participantWord(MOST_PARTICIPANTS + SPARE_ROWS + region)

/** Whether a participant has a region open, or is to be recovered from it. */
export const hasOpened = (words: Int32Array, participant: number, region: number): boolean =>
  (Atomics.load(words, openedWord(participant, region)) & (1 << (region & 31))) !== 0

export const setOpened = (words: Int32Array, participant: number, region: number): void => {
  // Seen by ringers of this region, and by whoever proves this participant's death.
  Atomics.or(words, openedWord(participant, region), 1 << (region & 31))
}

export const clearOpened = (words: Int32Array, participant: number, region: number): void => {
  Atomics.and(words, openedWord(participant, region), ~(1 << (region & 31)))
}

/** Whether there is no region left of a participant. */
export const hasNothingOpen = (words: Int32Array, participant: number): boolean => {
  const word = participantWord(participant) + OPENED
  return Atomics.load(words, word) === 0 && Atomics.load(words, word + 1) === 0
}

const openedWord = (participant: number, region: number): number =>
  participantWord(participant) + OPENED + (region >> 5)

const recoversWord = (participant: number, region: number): number =>
  participantWord(participant) + RECOVERS + (region >> 5)

/** Whether a participant recovers a region from the deaths of others. */
export const recovers = (words: Int32Array, participant: number, region: number): boolean =>
  (Atomics.load(words, recoversWord(participant, region)) & (1 << (region & 31))) !== 0

/** Read by whoever leaves, or settles what the dead had. */
export const setRecovers = (words: Int32Array, participant: number, region: number, does: boolean): void => {
  const bit = 1 << (region & 31)
  if (does) Atomics.or(words, recoversWord(participant, region), bit)
  else Atomics.and(words, recoversWord(participant, region), ~bit)
}

/** Stores a whole number of up to 53 bits in two words. */
export const writeWide = (words: Int32Array, word: number, value: number): void => {
  words[word] = value | 0
  words[word + 1] = Math.floor(value / 2 ** 32)
}

export const readWide = (words: Int32Array, word: number): number =>
  (words[word + 1] ?? 0) * 2 ** 32 + ((words[word] ?? 0) >>> 0)

/** Names are of ASCII characters, four to a word, the first one lowest. */
export const writeName = (words: Int32Array, row: number, name: string): void => {
  for (let i = 0; i < MOST_NAME_BYTES / 4; i++) {
    let word = 0
    for (let j = 0; j < 4; j++) word |= (name.charCodeAt(i * 4 + j) || 0) << (j * 8)
    words[row + NAME + i] = word
  }
  words[row + NAME_LENGTH] = name.length
}

export const readName = (words: Int32Array, row: number): string => {
  const length = Math.min(Math.max(0, words[row + NAME_LENGTH] ?? 0), MOST_NAME_BYTES)
  return Array.from({ length }, (_, i) =>
    String.fromCharCode(((words[row + NAME + (i >> 2)] ?? 0) >>> ((i & 3) * 8)) & 255)
  ).join("")
}

/**
 * Adds a bell to a region's list, so that every watcher looks at it: `false` if the list is full. Bells are never taken off it
 * while the region lives.
 */
export const listBell = (words: Int32Array, region: number, bellWord: number): boolean => {
  const first = regionWord(region) + FIRST_BELL
  for (let i = 0; i < BELLS; i++) {
    const found = Atomics.load(words, first + i)
    if (found === bellWord + 1) return true
    // Seen by every watcher's next look.
    if (found === 0) {
      const before = Atomics.compareExchange(words, first + i, 0, bellWord + 1)
      if (before === 0 || before === bellWord + 1) return true
    }
  }
  return false
}
