/**
 * Sizes in shared memory. Arithmetic only.
 *
 * A _word_ is one `Int32` (4 bytes). A _line_ is 32 words (128 bytes): two cache lines, because x86 fetches them in pairs.
 * Two threads that write into one line slow each other down, so every writer has lines of its own.
 *
 * @internal
 */

/** Words in a line. */
export const LINE_WORDS = 32

/** Bytes in a line. */
export const LINE_BYTES = LINE_WORDS * 4

/** The next multiple of a line. */
export const roundUpToLine = (bytes: number): number => Math.ceil(bytes / LINE_BYTES) * LINE_BYTES

/** Whether a number is a power of two from 1 to `max`. */
export const isPowerOfTwo = (n: number, max: number): boolean =>
  Number.isInteger(n) && n >= 1 && n <= max && (n & (n - 1)) === 0
