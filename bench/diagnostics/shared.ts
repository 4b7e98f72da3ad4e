/**
 * What both sides of a case have in common: the filling of a table, and the order in which its slots change hands.
 */
import { check } from "../harness.ts"

/** What registers and unregisters; a handle below 0 is none. */
export interface Table<H> {
  readonly register: (id: number) => H | undefined
  readonly unregister: (handle: H) => boolean
}

/** A small generator, so that both sides meet the same places. */
export const random = (seed: number): (() => number) => {
  let state = seed
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}

/** Registers strands up to nine tenths of the table. */
export const fill = <H>(table: Table<H>, capacity: number): Array<H> =>
  Array.from({ length: Math.floor(capacity * 0.9) }, (_, i) => {
    const handle = table.register(i + 1)
    check(handle !== undefined, "an empty table takes all")
    return handle
  })

/** Pairs per second: a random one of the strands that live leaves, another one comes. */
export const pairsPerSecond = <H>(
  table: Table<H>,
  live: Array<H>,
  pairs: number,
  elapsed: () => () => number
): number => {
  const next = random(999)
  let id = live.length + 1
  const batch = (count: number): void => {
    for (let i = 0; i < count; i++) {
      const at = Math.floor(next() * live.length)
      check(table.unregister(live[at]!), "what was registered is released")
      const handle = table.register(id++)
      check(handle !== undefined, "a table that is not full has a slot")
      live[at] = handle
    }
  }
  batch(Math.ceil(pairs / 5))
  const watch = elapsed()
  batch(pairs)
  return pairs / (watch() / 1e9)
}
