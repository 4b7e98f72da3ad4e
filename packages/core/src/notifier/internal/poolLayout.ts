/**
 * Where the words of a token pool live: a header line, then a word for each token, see generations.ts. Arithmetic only.
 *
 * ```text
 *  word 0…3   header (memory/internal/header.ts)
 *  word 4     number of tokens
 *  line 1…    words
 * ```
 *
 * @internal
 */
import * as Header from "../../memory/internal/header.ts"
import { LINE_BYTES, LINE_WORDS } from "../../memory/internal/line.ts"

/** `"SLVP"` as one little-endian word. */
const MAGIC = 0x50564c53
export const VERSION = 1
const TOKENS_WORD = Header.AFTER_HEADER_WORD
const WORDS = Header.fingerprintOf("generation:31 mark:1")

export const totalBytes = (tokens: number): number => LINE_BYTES + 4 * tokens

const wordsOf = (region: SharedArrayBuffer, tokens: number): Int32Array => new Int32Array(region, LINE_BYTES, tokens)

/** Makes a pool of zeroed memory, the magic last; answers its words. */
export const format = (region: SharedArrayBuffer, tokens: number): Int32Array => {
  const header = new Int32Array(region, 0, LINE_WORDS)
  Header.writeHeader(header, VERSION, WORDS)
  header[TOKENS_WORD] = tokens
  Header.sealHeader(header, MAGIC)
  return wordsOf(region, tokens)
}

/** What is wrong with a region, and what was found. */
export interface Problem {
  readonly word: "NotAPool" | "OtherVersion" | "OtherShape" | "RegionTooSmall"
  readonly found: number
}

/** The words of a pool of so many tokens that somebody else made; changes nothing. */
export const read = (region: SharedArrayBuffer, tokens: number): Int32Array | Problem => {
  if (region.byteLength < LINE_BYTES) return { word: "RegionTooSmall", found: region.byteLength }
  const header = new Int32Array(region, 0, LINE_WORDS)
  if (Header.magicOf(header) !== MAGIC) return { word: "NotAPool", found: 0 }
  const version = header[Header.VERSION_WORD] ?? 0
  if (version !== VERSION) return { word: "OtherVersion", found: version }
  const found = header[TOKENS_WORD] ?? 0
  if (found !== tokens) return { word: "OtherShape", found }
  return region.byteLength < totalBytes(tokens)
    ? { word: "RegionTooSmall", found: region.byteLength }
    : wordsOf(region, tokens)
}
