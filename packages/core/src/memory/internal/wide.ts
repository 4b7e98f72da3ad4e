/**
 * A number of 53 bits that only grows, in three words: one thread writes it, any thread reads it, nobody waits.
 *
 * ```text
 *  word 0       1     2
 *  high (A)     low   high (B)      value = high × 2^32 + low
 * ```
 *
 * A writer stores A, low, B when the high half changes, and only low otherwise. A reader loads B, low, A.
 *
 * **Invariants**
 *
 * 1. A reader that finds A = B has a value that was written: the low half is of the time of that high half.
 * 2. One that finds A ≠ B has met a writer between two values, or one that died there, and answers A × 2^32, which lies between
 *    them. So what it answers is never less than before the read, nor more than after the write.
 *
 * Source: Lamport, "Concurrent Reading and Writing" (1977): digits written in one direction and read in the other.
 *
 * @internal
 */

/** Words of one number. */
export const WIDE_WORDS = 3

const TURN = 2 ** 32

/** Adds to a number that only this thread writes. */
export const add = (words: Int32Array, at: number, n: number): void => {
  const low = (Atomics.load(words, at + 1) >>> 0) + n
  // Seen by readers only; it orders nothing else.
  if (low < TURN) Atomics.store(words, at + 1, low)
  else carry(words, at, Atomics.load(words, at) + Math.floor(low / TURN), low % TURN)
}

/** Raises a number that only this thread writes. */
export const raise = (words: Int32Array, at: number, value: number): void => {
  const high = Atomics.load(words, at)
  const low = Atomics.load(words, at + 1) >>> 0
  if (value <= high * TURN + low) return
  const nextHigh = Math.floor(value / TURN)
  if (nextHigh === high) Atomics.store(words, at + 1, value % TURN)
  else carry(words, at, nextHigh, value % TURN)
}

/** Invariant 1: in this order; a reader loads in the other. */
const carry = (words: Int32Array, at: number, high: number, low: number): void => {
  Atomics.store(words, at, high)
  Atomics.store(words, at + 1, low)
  Atomics.store(words, at + 2, high)
}

/** The number, from any thread. */
export const read = (words: Int32Array, at: number): number => {
  const before = Atomics.load(words, at + 2)
  const low = Atomics.load(words, at + 1) >>> 0
  const after = Atomics.load(words, at)
  // Invariant 2.
  return after * TURN + (before === after ? low : 0)
}
