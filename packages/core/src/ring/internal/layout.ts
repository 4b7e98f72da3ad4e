/**
 * Where everything in a ring's memory lives. Arithmetic only, but for `format` and `read`, which write and check the
 * header of a region nobody else uses yet.
 *
 * **Units**: a _word_ is one `Int32`; a _line_ is 32 words (128 bytes). Names that end in `WORD` or `Word` index an
 * `Int32Array` over the region, those in `Byte` index bytes.
 *
 * **Layout** (capacity `C`, at most `P` producers and `M` consumers, slots of `S` bytes)
 *
 * ```text
 *  line                word 0      1          2            3            4 …
 *  0  header           magic       version    fingerprint (2)           capacity slotBytes P M mode required start (2)
 *  1  claim            next sequence to hand out                        producers
 *  2  gate             a past minimum of what gates                     producers
 *  3  cursor           end of what is published (one producer)          the producer
 *  4  state            closed and sleeper bits                          everybody, rarely
 *  5  reader bell      bumped to wake consumers                         whoever finds a sleeper
 *  6  writer bell      bumped to wake producers                         whoever finds a sleeper
 *  7  membership       lock        next owner                           joiners
 *  8  epoch            half turns of the claim word                     producers, four times a turn
 *  9  tally            tombstones (2) unobserved (2) given up (2) marked  producers, joiners
 *  10 … 10+P           owner       intent     published (3)             full waits (3) parked           one producer each
 *  10+P …  (2 each)    cursor      touch      parked       greatest lag consumed (3) gaps (3) empty polls (3)  its consumer
 *                      state       generation owner        id length    id (28 words)                 joiners
 *  stamps              C words, rounded up to lines
 *  slots               C × S bytes, rounded up to lines
 *  times               C × 8 bytes, rounded up to lines: when the record was published          whoever publishes
 *  histograms          2 for each seat, of 20 lines: publish to take, then handler              its consumer
 * ```
 *
 * What is followed by (3) is a number of 53 bits of one writer (memory/internal/wide.ts), and by (2) in the tally one of many
 * (memory/internal/commonWide.ts). `marked` is 1 once there was a tombstone. Times and histograms (memory/internal/histogram.ts) are
 * there only in a ring that was asked to measure. A time is a `Float64` of nanoseconds on the monotonic clock, which is
 * one for all threads of a process; it is written like the record, before the publication that makes both visible.
 *
 * **Invariants**
 *
 * 1. `C` is a power of two and at most 2^28, so `sequence & (C - 1)` is the slot, the distance of two live sequences fits a
 *    signed word, and 30 bits of a sequence (stamps) and 31 (intents) tell live ones apart.
 * 2. `S` is a multiple of 8.
 * 3. One writer role per line; a time belongs to its slot.
 *
 * Source: the power-of-two mask and padded cursors are the LMAX Disruptor's; a stamp per slot is from Vyukov's bounded
 * queue; a descriptor of the bytes is Agrona's habit.
 *
 * @internal
 */
import * as Header from "../../memory/internal/header.ts"
import { HISTOGRAM_WORDS } from "../../memory/internal/histogram.ts"
import { isPowerOfTwo, LINE_BYTES, LINE_WORDS, roundUpToLine } from "../../memory/internal/line.ts"
import { COMMON_WIDE_WORDS } from "../../memory/internal/commonWide.ts"
import { WIDE_WORDS } from "../../memory/internal/wide.ts"

/** `"SLVR"` read as one little-endian word. */
export const MAGIC = 0x52564c53

/** Raised whenever an older reader would misread a region. */
export const VERSION = 2

export const MAX_CAPACITY = 2 ** 28
export const MAX_SLOT_BYTES = 2 ** 20
/** Of a region: a byte's index is a signed word in the accessors of records. */
export const MAX_BYTES = 2 ** 31 - 128
export const MAX_MEMBERS = 64
/** Bytes of a consumer's id in UTF-8. */
export const MAX_ID_BYTES = 112

const CAPACITY_WORD = Header.AFTER_HEADER_WORD
const SLOT_BYTES_WORD = CAPACITY_WORD + 1
const PRODUCERS_WORD = CAPACITY_WORD + 2
const CONSUMERS_WORD = CAPACITY_WORD + 3
const MODE_WORD = CAPACITY_WORD + 4
const REQUIRED_WORD = CAPACITY_WORD + 5
const START_WORD = CAPACITY_WORD + 6

export const CLAIM_WORD = 1 * LINE_WORDS
export const GATE_WORD = 2 * LINE_WORDS
export const CURSOR_WORD = 3 * LINE_WORDS
export const STATE_WORD = 4 * LINE_WORDS
export const READER_BELL_WORD = 5 * LINE_WORDS
export const WRITER_BELL_WORD = 6 * LINE_WORDS
export const LOCK_WORD = 7 * LINE_WORDS
export const NEXT_OWNER_WORD = LOCK_WORD + 1
export const EPOCH_WORD = 8 * LINE_WORDS
export const TOMBSTONES_WORD = 9 * LINE_WORDS
export const UNOBSERVED_WORD = TOMBSTONES_WORD + COMMON_WIDE_WORDS
export const GIVEN_UP_WORD = UNOBSERVED_WORD + COMMON_WIDE_WORDS
export const MARKED_WORD = GIVEN_UP_WORD + COMMON_WIDE_WORDS
const FIRST_PRODUCER_WORD = 10 * LINE_WORDS

/** Bits of the mode. */
const MULTI = 1
const MEASURES = 2

/** Bits of the state word. */
export const CLOSED = 1
export const READERS_ASLEEP = 2
export const WRITERS_ASLEEP = 4

/** Words of a producer's line. */
export const PRODUCER_OWNER = 0
export const PRODUCER_INTENT = 1
export const PRODUCER_PUBLISHED = 2
export const PRODUCER_FULL_WAITS = PRODUCER_PUBLISHED + WIDE_WORDS
export const PRODUCER_PARKED = PRODUCER_FULL_WAITS + WIDE_WORDS

/** Words of a seat: the first line is written by its consumer, the second by joiners. */
export const SEAT_CURSOR = 0
export const SEAT_TOUCH = 1
export const SEAT_PARKED = 2
export const SEAT_GREATEST_LAG = 3
export const SEAT_CONSUMED = 4
export const SEAT_GAPS = SEAT_CONSUMED + WIDE_WORDS
export const SEAT_EMPTY_POLLS = SEAT_GAPS + WIDE_WORDS
/** The first word after what a seat's consumer counts, which begins at `SEAT_PARKED`. */
export const SEAT_COUNTED_END = SEAT_EMPTY_POLLS + WIDE_WORDS
export const SEAT_STATE = LINE_WORDS
export const SEAT_GENERATION = LINE_WORDS + 1
export const SEAT_OWNER = LINE_WORDS + 2
export const SEAT_ID_LENGTH = LINE_WORDS + 3
export const SEAT_ID = LINE_WORDS + 4
const SEAT_WORDS = 2 * LINE_WORDS
const SEAT_HISTOGRAMS = 2

/** The shape a ring is asked to have. */
export interface RingShape {
  /** Records the ring holds; a power of two. */
  readonly capacity: number
  /** Bytes of one record; a multiple of 8. */
  readonly slotBytes: number
  /** 1 makes a ring with a published cursor; more, one whose publication is marked in the slots. */
  readonly maxProducers: number
  /** Whether publication is marked in the slots. */
  readonly multi: boolean
  readonly maxConsumers: number
  /** Producers wait while fewer gating consumers than this are seated. */
  readonly required: number
  /** First sequence, 53 bits. */
  readonly start: number
  /** Whether it has times and histograms. */
  readonly measures: boolean
  readonly fingerprint: Header.Fingerprint
}

/** A shape with its offsets worked out. */
export interface RingLayout extends RingShape {
  readonly seatsWord: number
  readonly stampsWord: number
  readonly slotsByte: number
  readonly timesByte: number
  readonly histogramsWord: number
  readonly totalBytes: number
}

/** A number of the shape that cannot be. */
export type ShapeProblem =
  | "capacity"
  | "slotBytes"
  | "maxProducers"
  | "maxConsumers"
  | "required"
  | "start"
  | "totalBytes"

/** What makes a region no ring of ours. */
export type RegionProblem = "magic" | "version" | "shape" | "size"

const within = (n: number, least: number, most: number): boolean => Number.isInteger(n) && n >= least && n <= most

/** The first number of a shape that cannot be. */
export const problemOf = (shape: RingShape): ShapeProblem | undefined => {
  if (!isPowerOfTwo(shape.capacity, MAX_CAPACITY)) return "capacity"
  if (!within(shape.slotBytes, 8, MAX_SLOT_BYTES) || shape.slotBytes % 8 !== 0) return "slotBytes"
  if (!within(shape.maxProducers, 1, shape.multi ? MAX_MEMBERS : 1)) return "maxProducers"
  if (!within(shape.maxConsumers, 1, MAX_MEMBERS)) return "maxConsumers"
  if (!within(shape.required, 0, shape.maxConsumers)) return "required"
  if (!within(shape.start, 0, 2 ** 52)) return "start"
  return make(shape).totalBytes > MAX_BYTES ? "totalBytes" : undefined
}

/** Works out the offsets of a shape without a problem. */
export const make = (shape: RingShape): RingLayout => {
  const seatsWord = FIRST_PRODUCER_WORD + shape.maxProducers * LINE_WORDS
  const stampsWord = seatsWord + shape.maxConsumers * SEAT_WORDS
  const slotsByte = roundUpToLine((stampsWord + shape.capacity) * 4)
  const timesByte = roundUpToLine(slotsByte + shape.capacity * shape.slotBytes)
  const histogramsByte = shape.measures ? roundUpToLine(timesByte + shape.capacity * 8) : timesByte
  const histogramsBytes = shape.measures ? shape.maxConsumers * SEAT_HISTOGRAMS * HISTOGRAM_WORDS * 4 : 0
  return {
    ...shape,
    seatsWord,
    stampsWord,
    slotsByte,
    timesByte,
    histogramsWord: histogramsByte >> 2,
    totalBytes: histogramsByte + histogramsBytes
  }
}

/** Makes an empty ring of zeroed memory; its magic goes last. */
export const format = (memory: SharedArrayBuffer, layout: RingLayout): void => {
  const words = new Int32Array(memory)
  Header.writeHeader(words, VERSION, layout.fingerprint)
  words[CAPACITY_WORD] = layout.capacity
  words[SLOT_BYTES_WORD] = layout.slotBytes
  words[PRODUCERS_WORD] = layout.maxProducers
  words[CONSUMERS_WORD] = layout.maxConsumers
  words[MODE_WORD] = (layout.multi ? MULTI : 0) | (layout.measures ? MEASURES : 0)
  words[REQUIRED_WORD] = layout.required
  words[START_WORD] = layout.start | 0
  words[START_WORD + 1] = Math.floor(layout.start / 2 ** 32)
  const start = layout.start | 0
  words[CLAIM_WORD] = start
  words[CURSOR_WORD] = start
  // A ring that waits for consumers begins with no room at all.
  words[GATE_WORD] = layout.required > 0 ? (start - layout.capacity) | 0 : start
  words[NEXT_OWNER_WORD] = 1
  words[EPOCH_WORD] = Math.floor(layout.start / 2 ** 31)
  // A stamp of the lap before: zero would be the stamp of sequence 0.
  for (let i = 0; i < layout.capacity; i++) {
    const sequence = (start + i) | 0
    words[stampWord(layout, sequence)] = stampOf((sequence - layout.capacity) | 0)
  }
  Header.sealHeader(words, MAGIC)
}

/** Reads the layout of a region somebody else formatted, or says what is wrong with it. */
export const read = (memory: SharedArrayBuffer): RingLayout | RegionProblem => {
  if (memory.byteLength < LINE_BYTES) return "size"
  const words = new Int32Array(memory, 0, LINE_WORDS)
  if (Header.magicOf(words) !== MAGIC) return "magic"
  if (words[Header.VERSION_WORD] !== VERSION) return "version"
  const shape: RingShape = {
    capacity: words[CAPACITY_WORD] ?? 0,
    slotBytes: words[SLOT_BYTES_WORD] ?? 0,
    maxProducers: words[PRODUCERS_WORD] ?? 0,
    multi: ((words[MODE_WORD] ?? 0) & MULTI) !== 0,
    measures: ((words[MODE_WORD] ?? 0) & MEASURES) !== 0,
    maxConsumers: words[CONSUMERS_WORD] ?? 0,
    required: words[REQUIRED_WORD] ?? 0,
    start: (words[START_WORD + 1] ?? 0) * 2 ** 32 + ((words[START_WORD] ?? 0) >>> 0),
    fingerprint: Header.fingerprintIn(words)
  }
  if (problemOf(shape) !== undefined || ((words[MODE_WORD] ?? 0) & ~(MULTI | MEASURES)) !== 0) return "shape"
  const layout = make(shape)
  return memory.byteLength < layout.totalBytes ? "size" : layout
}

/** First word of a producer's line. */
export const producerWord = (index: number): number => FIRST_PRODUCER_WORD + index * LINE_WORDS

/** First word of a consumer's seat. */
export const seatWord = (layout: RingLayout, index: number): number => layout.seatsWord + index * SEAT_WORDS

/** First word of a seat's histogram of times from publish to take; that of its handler follows. */
export const takeHistogramWord = (layout: RingLayout, seat: number): number =>
  layout.histogramsWord + ((seat - layout.seatsWord) / SEAT_WORDS) * SEAT_HISTOGRAMS * HISTOGRAM_WORDS

/** First word of a seat's histogram of how long its handler took. */
export const handlerHistogramWord = (layout: RingLayout, seat: number): number =>
  takeHistogramWord(layout, seat) + HISTOGRAM_WORDS

/** Word of the stamp of a sequence's slot. */
export const stampWord = (layout: RingLayout, sequence: number): number =>
  layout.stampsWord + (sequence & (layout.capacity - 1))

/** The stamp of a published record: 30 bits of its sequence, and a kind in the last two. */
export const stampOf = (sequence: number): number => sequence << 2

/** Kinds of stamps, to be or-ed together: a record that is to be skipped, and one that is not the first of its batch. */
export const TOMBSTONE = 1
export const INTERIOR = 2

/** Whether a stamp says that the record of this sequence is published. */
export const isStamped = (stamp: number, sequence: number): boolean => (stamp & ~3) === sequence << 2

/** How far `later` is ahead of `earlier`; negative if it is behind. The only comparison of sequences there is. */
export const distance = (earlier: number, later: number): number => (later - earlier) | 0
