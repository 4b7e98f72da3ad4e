/**
 * Counters of producers and consumers, in their own lines: written by one thread, read by any.
 *
 * @internal
 */
import type { RingCore } from "./core.ts"
import * as Layout from "./layout.ts"

/** Adds to a counter that only this thread writes. Nothing is ordered by it. */
export const add = (core: RingCore, word: number, n: number): void => {
  Atomics.store(core.words, word, (Atomics.load(core.words, word) + n) | 0)
}

/** Raises a counter that only this thread writes. */
export const raise = (core: RingCore, word: number, n: number): void => {
  if (n > Atomics.load(core.words, word)) Atomics.store(core.words, word, n)
}

/** Reads a counter; 32 bits, so it starts again after 2^32. */
export const read = (core: RingCore, word: number): number => Atomics.load(core.words, word) >>> 0

export const sumOfProducers = (core: RingCore, field: number): number => {
  let sum = 0
  for (let i = 0; i < core.layout.maxProducers; i++) sum += read(core, Layout.producerWord(i) + field)
  return sum
}

/** A thread tells that it sleeps in its seat, so that no watchdog takes it for one that is stuck. */
export const markParked = (core: RingCore, seat: number, asleep: boolean): void => {
  Atomics.store(core.words, seat + Layout.SEAT_PARKED, asleep ? 1 : 0)
}
