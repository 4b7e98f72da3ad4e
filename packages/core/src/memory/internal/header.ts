/**
 * The first words of every region: what it is, which version, and what its records look like.
 *
 * ```text
 *  word 0    1        2              3
 *  magic     version  fingerprint (64 bits)
 * ```
 *
 * **Invariants**
 *
 * 1. The magic is stored last, so whoever sees it sees a region that is whole.
 * 2. Nobody writes these words again.
 *
 * @internal
 */

export const MAGIC_WORD = 0
export const VERSION_WORD = 1
export const FINGERPRINT_WORD = 2

/** The first word after the header. */
export const AFTER_HEADER_WORD = 4

/** Two 32-bit halves of a schema's fingerprint. */
export interface Fingerprint {
  readonly low: number
  readonly high: number
}

/**
 * A fingerprint of a text.
 *
 * Source: FNV-1a (Fowler, Noll, Vo), run twice from two offsets.
 */
export const fingerprintOf = (text: string): Fingerprint => {
  let low = 0x811c9dc5
  let high = 0x01234567
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    low = Math.imul(low ^ code, 0x01000193)
    high = Math.imul(high ^ (code + i), 0x01000193)
  }
  return { low: low | 0, high: high | 0 }
}

/** Writes everything but the magic. */
export const writeHeader = (words: Int32Array, version: number, fingerprint: Fingerprint): void => {
  words[VERSION_WORD] = version
  words[FINGERPRINT_WORD] = fingerprint.low
  words[FINGERPRINT_WORD + 1] = fingerprint.high
}

/** Invariant 1: makes visible all that was written before; seen by the load in `magicOf`. */
export const sealHeader = (words: Int32Array, magic: number): void => {
  Atomics.store(words, MAGIC_WORD, magic)
}

/** The magic of a region; what it covers may be read plainly afterwards. */
export const magicOf = (words: Int32Array): number => Atomics.load(words, MAGIC_WORD)

export const fingerprintIn = (words: Int32Array): Fingerprint => ({
  low: words[FINGERPRINT_WORD] ?? 0,
  high: words[FINGERPRINT_WORD + 1] ?? 0
})
