/**
 * The header line of a diagnostics region: what it is, by which version it was written, and how large its parts are.
 *
 * ```text
 *  word 0…3     magic, version, fingerprint (memory/internal/header.ts)
 *  word 4…7     shape: up to four sizes, by the table's own words
 * ```
 *
 * **Invariants**
 *
 * 1. Zeroed memory is an empty table once its header is written: `format` touches the first line only.
 * 2. The magic goes last.
 *
 * @internal
 */
import * as Header from "../../memory/internal/header.ts"
import { LINE_WORDS, roundUpToLine } from "../../memory/internal/line.ts"

/** What tells one kind of region from another. */
export interface Format {
  readonly magic: number
  readonly version: number
  /** Of a text that says what a row is made of. */
  readonly fingerprint: Header.Fingerprint
}

/** Where the sizes begin. */
export const SHAPE_WORD = Header.AFTER_HEADER_WORD
export const SHAPE_WORDS = 4

export type RegionProblem = "foreign" | "olderVersion" | "newerVersion" | "otherRows" | "otherShape" | "tooSmall"

/** What is wrong with a region. */
export interface Problem {
  readonly reason: RegionProblem
  readonly wanted: string
  readonly found: string
}

export const problem = (reason: RegionProblem, wanted: string | number, found: string | number): Problem => ({
  reason,
  wanted: String(wanted),
  found: String(found)
})

/** Whole lines of that many words, in words. */
export const inLines = (words: number): number => roundUpToLine(words * 4) / 4

/** Writes the header into zeroed memory that is large enough. */
export const format = (memory: SharedArrayBuffer, kind: Format, shape: ReadonlyArray<number>): void => {
  const words = new Int32Array(memory, 0, LINE_WORDS)
  Header.writeHeader(words, kind.version, kind.fingerprint)
  shape.forEach((size, i) => {
    words[SHAPE_WORD + i] = size
  })
  Header.sealHeader(words, kind.magic)
}

const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, "0")

/** The sizes in a region that somebody else formatted, or what differs; changes nothing. */
export const read = (memory: SharedArrayBuffer, kind: Format): Int32Array | Problem => {
  if (memory.byteLength < LINE_WORDS * 4) {
    return problem("tooSmall", `at least ${LINE_WORDS * 4} bytes`, `${memory.byteLength} bytes`)
  }
  const words = new Int32Array(memory, 0, LINE_WORDS)
  const magic = Header.magicOf(words)
  if (magic !== kind.magic) return problem("foreign", `magic ${hex(kind.magic)}`, `magic ${hex(magic)}`)
  const version = words[Header.VERSION_WORD]!
  if (version !== kind.version) {
    return problem(version > kind.version ? "newerVersion" : "olderVersion", kind.version, version)
  }
  const { high, low } = Header.fingerprintIn(words)
  const { fingerprint } = kind
  if (high !== fingerprint.high || low !== fingerprint.low) {
    return problem(
      "otherRows",
      `rows with fingerprint ${hex(fingerprint.high)}${hex(fingerprint.low)}`,
      `${hex(high)}${hex(low)}`
    )
  }
  return words.slice(SHAPE_WORD, SHAPE_WORD + SHAPE_WORDS)
}

/** A layout that was read, if the memory has room for it. */
export const fitting = <L extends { readonly totalBytes: number }>(memory: SharedArrayBuffer, layout: L): L | Problem =>
  memory.byteLength < layout.totalBytes
    ? problem("tooSmall", `${layout.totalBytes} bytes`, `${memory.byteLength} bytes`)
    : layout
