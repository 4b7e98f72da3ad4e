/**
 * Where shared slots live: a header line, then each slot on lines of its own. Arithmetic only.
 *
 * ```text
 *  word 0…3   header (memory/internal/header.ts)
 *  word 4     number of slots
 *  line 1…    slots, see slot.ts
 * ```
 *
 * @internal
 */
import * as Header from "../../memory/internal/header.ts"
import { LINE_WORDS, roundUpToLine } from "../../memory/internal/line.ts"
import { BEFORE_COPIES } from "./slot.ts"

/** `"SLVV"` as one little-endian word. */
const MAGIC = 0x56564c53
export const VERSION = 1
const SLOTS_WORD = Header.AFTER_HEADER_WORD
export const MAX_SLOTS = 2 ** 24

/** What a region is asked to hold. */
export interface Shape {
  readonly bytes: number
  readonly fingerprint: Header.Fingerprint
}

export const isSlots = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= MAX_SLOTS

/** From one slot to the next. */
export const strideOf = (recordBytes: number): number => roundUpToLine(BEFORE_COPIES * 4 + 2 * recordBytes) / 4

export const baseOf = (index: number, strideWords: number): number => LINE_WORDS + index * strideWords

export const totalBytes = (recordBytes: number, slots: number): number => baseOf(slots, strideOf(recordBytes)) * 4

/** Writes the header into zeroed memory, the magic last. */
export const format = (region: SharedArrayBuffer, { fingerprint }: Shape, slots: number): void => {
  const words = new Int32Array(region, 0, LINE_WORDS)
  Header.writeHeader(words, VERSION, fingerprint)
  words[SLOTS_WORD] = slots
  Header.sealHeader(words, MAGIC)
}

/** What is wrong with a region, and what was found. */
export interface Problem {
  readonly word: "NotSlots" | "OtherVersion" | "OtherRecord" | "OtherShape" | "RegionTooSmall"
  readonly found: number
  readonly wanted: number
}

const wrong = (word: Problem["word"], found = 0, wanted = 0): Problem => ({ word, found, wanted })

/** The number of slots in a region that somebody else formatted; changes nothing. */
export const read = (region: SharedArrayBuffer, { bytes, fingerprint }: Shape): number | Problem => {
  if (region.byteLength < LINE_WORDS * 4) return wrong("RegionTooSmall", region.byteLength, totalBytes(bytes, 1))
  const words = new Int32Array(region, 0, LINE_WORDS)
  if (Header.magicOf(words) !== MAGIC) return wrong("NotSlots")
  const version = words[Header.VERSION_WORD] ?? 0
  if (version !== VERSION) return wrong("OtherVersion", version, VERSION)
  const { high, low } = Header.fingerprintIn(words)
  if (low !== fingerprint.low || high !== fingerprint.high) return wrong("OtherRecord")
  const slots = words[SLOTS_WORD]
  if (!isSlots(slots)) return wrong("OtherShape", slots)
  const wanted = totalBytes(bytes, slots)
  return region.byteLength < wanted ? wrong("RegionTooSmall", region.byteLength, wanted) : slots
}
