/**
 * Numbers that look like chance and come again with their seed.
 *
 * Source: mulberry32, a well-known 32-bit generator in the public domain.
 */

/** Gives whole numbers from 0 to below the bound it is asked with. */
export const generator = (seed: number): ((below: number) => number) => {
  let state = seed | 0
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296) * below)
  }
}
