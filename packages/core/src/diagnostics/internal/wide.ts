/**
 * Numbers of 53 bits in 32-bit words, written by one thread and read by any.
 *
 * ```text
 *  word 0     high, written first
 *  word 1     low
 *  word 2     high again, written last
 * ```
 *
 * A reader reads from the last word to the first. If both halves agree, low belongs to them; if not, the writer is in the middle of
 * a carry, and the beginning of the new half is a value between the old and the new one.
 *
 * **Invariants**
 *
 * 1. One thread writes a number, and never a smaller one than it wrote before.
 * 2. What is read is not smaller than what was written before the read began, nor greater than what was begun when it ended. So a
 *    reader never waits, also not for a writer that died in the middle of a carry.
 *
 * Source: Lamport, "Concurrent Reading and Writing of Clocks".
 *
 * @internal
 */

/** Words of one number. */
export const WIDE_WORDS = 3

const HALF = 0x1_0000_0000

export const lowOf = (value: number): number => value | 0
/** Most are below 2^32, and a comparison is cheaper than a division. */
export const highOf = (value: number): number => (value < HALF ? 0 : Math.floor(value / HALF))
export const join = (high: number, low: number): number => high * HALF + (low >>> 0)

/** Sets a number that nobody else looks at yet. */
export const init = (words: Int32Array, at: number, value: number): void => {
  words[at] = words[at + 2] = highOf(value)
  words[at + 1] = value
}

/** Raises a number. Between carries that is one plain store: it is seen soon, and at the latest with the writer's next atomic operation. */
export const write = (words: Int32Array, at: number, value: number): void => {
  const high = highOf(value)
  if (high === words[at]) words[at + 1] = value
  else carry(words, at, high, value)
}

export const increment = (words: Int32Array, at: number): void => {
  const low = (words[at + 1]! + 1) | 0
  if (low !== 0) words[at + 1] = low
  else carry(words, at, words[at]! + 1, 0)
}

const carry = (words: Int32Array, at: number, high: number, low: number): void => {
  // Each is seen by the loads of `read`, which go the other way.
  Atomics.store(words, at, high)
  Atomics.store(words, at + 1, low | 0)
  Atomics.store(words, at + 2, high)
}

export const read = (words: Int32Array, at: number): number => {
  const last = Atomics.load(words, at + 2)
  const low = Atomics.load(words, at + 1)
  const first = Atomics.load(words, at)
  return first === last ? join(first, low) : join(first, 0)
}
