/**
 * Who holds something in shared memory: one life of one thread, in one word.
 *
 * ```text
 *  bits 18…31   ordinal + 1
 *  bits 0…17    generation, modulo 2^18
 * ```
 *
 * The word is put in place by the compare-and-exchange that takes the thing, so there is no moment at which something is taken and it
 * cannot be told by whom. 0 is nobody.
 *
 * @internal
 */

/** The greatest ordinal a worker can have. */
export const MAX_ORDINAL = 16_381

/** The ordinal of the main program, which no worker has. */
export const MAIN_ORDINAL = 16_382

/** The greatest generation. */
export const MAX_GENERATION = 0x7fffffff

const GENERATION_BITS = 18

export const NOBODY = 0

export const isOrdinal = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= MAIN_ORDINAL

export const isGeneration = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= MAX_GENERATION

export const ownerOf = (ordinal: number, generation: number): number =>
  ((ordinal + 1) << GENERATION_BITS) | (generation & ((1 << GENERATION_BITS) - 1))

export const ordinalOf = (owner: number): number => (owner >>> GENERATION_BITS) - 1
