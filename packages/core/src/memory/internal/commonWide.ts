/**
 * A number of 53 bits that any thread adds to, and any thread reads, in two words: nobody waits, and a reader is exact.
 *
 * ```text
 *  word 0     1
 *  low        half turns (2^31) that low has made       value = half turns × 2^31 + the low 31 bits of low
 * ```
 *
 * An addition is one atomic instruction; four times in a half turn it also looks at the other word.
 *
 * **Invariants**
 *
 * 1. No more than 2^28 are added at once, so that whoever passes a multiple of 2^29 sees that it does.
 * 2. Word 1 is moved after word 0, by one, by compare-and-exchange, and only if the highest bit of word 0 says that it is behind. An adder
 *    that dies in between leaves it behind for at most 2^29; one that was held up does nothing, for it looks at what is there now.
 * 3. A reader that finds word 1 the same before and after word 0 knows that it is right or behind by one, and that bit says which.
 *
 * Source: the ring's epoch (ring/internal/epoch.ts), for a number instead of a position.
 *
 * @internal
 */

/** Words of one number. */
export const COMMON_WIDE_WORDS = 2

const HALF_TURN = 2 ** 31

const MOST = 2 ** 28

/** Adds a number from 0. */
export const add = (words: Int32Array, at: number, n: number): void => {
  let left = n
  for (; left > MOST; left -= MOST) addSome(words, at, MOST)
  addSome(words, at, left)
}

const addSome = (words: Int32Array, at: number, n: number): void => {
  const before = Atomics.add(words, at, n)
  if ((before ^ (before + n)) >>> 29 !== 0) advance(words, at)
}

/** Invariant 2. */
const advance = (words: Int32Array, at: number): void => {
  const half = Atomics.load(words, at + 1)
  const low = Atomics.load(words, at)
  if (halfOf(half, low) !== half) Atomics.compareExchange(words, at + 1, half, half + 1)
}

const halfOf = (half: number, low: number): number => ((half & 1) === low >>> 31 ? half : half + 1)

/** The number, from any thread. */
export const read = (words: Int32Array, at: number): number => {
  for (;;) {
    const half = Atomics.load(words, at + 1)
    const low = Atomics.load(words, at)
    // Invariant 3.
    if (Atomics.load(words, at + 1) === half) return halfOf(half, low) * HALF_TURN + (low & 0x7fffffff)
  }
}
