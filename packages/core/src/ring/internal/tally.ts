/**
 * Counters of producers and consumers, in their own lines: written by one thread, read by any.
 *
 * @internal
 */
import * as Wide from "../../memory/internal/wide.ts"
import type { RingCore } from "./core.ts"
import * as Layout from "./layout.ts"

/** Adds to a 53-bit counter that only this thread writes. */
export const add = (core: RingCore, word: number, n: number): void => Wide.add(core.words, word, n)

/** Reads a 53-bit counter, from any thread. */
export const read = (core: RingCore, word: number): number => Wide.read(core.words, word)

/** Raises a counter of one word that only this thread writes. Nothing is ordered by it. */
export const raise = (core: RingCore, word: number, n: number): void => {
  if (n > Atomics.load(core.words, word)) Atomics.store(core.words, word, n)
}

/** Reads a counter of one word; many threads add to it, and it starts again after 2^32. */
export const readWord = (core: RingCore, word: number): number => Atomics.load(core.words, word) >>> 0

/** Every producer's counter of that name together. */
export const sumOfProducers = (core: RingCore, field: number): number => {
  let sum = 0
  for (let i = 0; i < core.layout.maxProducers; i++) sum += read(core, Layout.producerWord(i) + field)
  return sum
}

/** A thread tells in a word of its own that it sleeps, so that no watchdog takes it for one that is stuck. */
export const markParked = (core: RingCore, word: number, asleep: boolean): void => {
  Atomics.store(core.words, word, asleep ? 1 : 0)
}

/** Whether the thread of that word sleeps. */
export const isParked = (core: RingCore, word: number): boolean => Atomics.load(core.words, word) === 1
