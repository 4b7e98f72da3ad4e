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

/** Fills the table, then empties a tenth of it at random. */
export const fill = <H>(table: Table<H>, capacity: number): Array<H> => {
  const next = random(12345)
  const live: Array<H> = []
  for (let id = 1; id <= capacity; id++) {
    const handle = table.register(id)
    check(handle !== undefined, "an empty table takes all")
    live.push(handle)
  }
  for (let i = Math.floor(capacity / 10); i > 0; i--) {
    const at = Math.floor(next() * live.length)
    check(table.unregister(live[at]!), "what was registered is released")
    live[at] = live.at(-1)!
    live.pop()
  }
  return live
}

/** Pairs per second: a random strand leaves, another one comes. */
export const pairsPerSecond = <H>(
  table: Table<H>,
  capacity: number,
  pairs: number,
  elapsed: () => () => number
): number => {
  const next = random(999)
  const live = fill(table, capacity)
  let id = capacity + 1
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
