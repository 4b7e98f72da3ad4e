/**
 * A histogram of nanoseconds in shared memory: one thread records, any thread reads.
 *
 * **Layout** (words)
 *
 * ```text
 *  0 … 2     how many were recorded          (a wide number)
 *  3 … 5     the greatest, in nanoseconds    (a wide number)
 *  6 … 31    unused
 *  32 … 623  592 buckets: how many fell into each
 *  624 … 639 unused
 * ```
 *
 * **Buckets** are log-linear: sixteen for each power of two. Bucket `i < 16` is for the number `i`; bucket `16 (e - 4) + m`, with `m`
 * from 16 to 31, for the numbers from `m 2^(e-4)` up to but without `(m + 1) 2^(e-4)`, `e` from 4 to 39. A bucket is so at most a
 * sixteenth of its numbers wide. What takes longer than 2^40 ns (18 minutes) is in the last bucket; the greatest is exact.
 *
 * **Invariants**
 *
 * 1. Before a bucket would pass 2^31 - 1, all of them are halved, so their shape stays and older numbers weigh less. How many were
 *    recorded is kept apart, and stays exact.
 * 2. A reader sees every number recorded before it began; of those recorded meanwhile, some.
 *
 * Source: the log-linear buckets are HdrHistogram's.
 *
 * @internal
 */
import { LINE_WORDS } from "./line.ts"
import * as Wide from "./wide.ts"

const COUNT = 0
const MAX = Wide.WIDE_WORDS
const BUCKETS = LINE_WORDS

/** How many buckets there are. */
export const BUCKET_COUNT = 592

/** Words of one histogram: whole lines. */
export const HISTOGRAM_WORDS = 640

const SUB_BITS = 4
const SUB = 1 << SUB_BITS
const MOST = 2 ** 31 - 1

/** The bucket of a whole number from 0. */
export const bucketOf = (nanos: number): number => {
  if (nanos < SUB) return nanos
  const exponent = nanos < 2 ** 31 ? 31 - Math.clz32(nanos) : 53 - Math.clz32(Math.floor(nanos / 2 ** 22))
  const index = (exponent - SUB_BITS) * SUB + Math.floor(nanos / 2 ** (exponent - SUB_BITS))
  return index < BUCKET_COUNT ? index : BUCKET_COUNT - 1
}

/** The greatest number of a bucket. */
export const greatestOf = (bucket: number): number => {
  if (bucket < SUB) return bucket
  const exponent = (bucket >> SUB_BITS) - 1
  return (SUB + (bucket & (SUB - 1)) + 1) * 2 ** exponent - 1
}

/** Records `times` times the same number of nanoseconds; what is below 0 counts as 0. */
export const record = (words: Int32Array, at: number, nanos: number, times: number): void => {
  const whole = nanos > 0 ? Math.floor(nanos) : 0
  const word = at + BUCKETS + bucketOf(whole)
  if (Atomics.load(words, word) > MOST - times) halve(words, at)
  // Nothing is ordered by it.
  Atomics.store(words, word, Atomics.load(words, word) + times)
  Wide.add(words, at + COUNT, times)
  Wide.raise(words, at + MAX, whole)
}

const halve = (words: Int32Array, at: number): void => {
  for (let i = 0; i < BUCKET_COUNT; i++) {
    const word = at + BUCKETS + i
    Atomics.store(words, word, Atomics.load(words, word) >> 1)
  }
}

/** Forgets everything; for the thread that records, before it does. */
export const clear = (words: Int32Array, at: number): void => {
  for (let i = 0; i < HISTOGRAM_WORDS; i++) Atomics.store(words, at + i, 0)
}

/** What a histogram says, in nanoseconds. */
export interface Summary {
  /** How many were recorded. */
  readonly count: number
  /** Half of them took no longer; exact to a sixteenth, never too small. */
  readonly p50: number
  readonly p99: number
  /** Exact. */
  readonly max: number
}

/** Reads a histogram, from any thread. */
export const summary = (words: Int32Array, at: number): Summary => {
  const buckets = Array.from({ length: BUCKET_COUNT }, (_, i) => Atomics.load(words, at + BUCKETS + i))
  const max = Wide.read(words, at + MAX)
  const total = buckets.reduce((sum, n) => sum + n, 0)
  const quantile = (q: number): number => {
    let left = Math.max(1, Math.ceil(total * q))
    const bucket = buckets.findIndex((n) => (left -= n) <= 0)
    return bucket === -1 || bucket === BUCKET_COUNT - 1 ? max : Math.min(greatestOf(bucket), max)
  }
  return { count: Wide.read(words, at + COUNT), p50: quantile(0.5), p99: quantile(0.99), max }
}
