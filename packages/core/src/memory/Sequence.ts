/**
 * A position in a stream of records, as shared memory holds it: a 32-bit serial number.
 *
 * Sequences wrap, so `<` lies about them; `distance` is the only comparison. It is right while two sequences are less than
 * 2^31 apart, which everything alive in a ring is. What is stored outside of memory, or shown, is a 53-bit _position_.
 *
 * @since 0.1.0
 */

/**
 * How far `later` is ahead of `earlier`, in records; negative if it is behind.
 *
 * **Example** (Over the end of 32 bits)
 *
 * ```ts
 * import { Sequence } from "@selvedge/core"
 *
 * console.log(Sequence.distance(-1, 2)) // 3
 * ```
 *
 * @category operations
 * @since 0.1.0
 */
export const distance = (earlier: number, later: number): number => (later - earlier) | 0

/**
 * The sequence `count` records on.
 *
 * @category operations
 * @since 0.1.0
 */
export const advance = (sequence: number, count: number): number => (sequence + count) | 0
