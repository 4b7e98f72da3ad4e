/**
 * Counters of producers and consumers, in their own lines: written by one thread, read by any. And those of the ring, written by many.
 *
 * @internal
 */
import * as CommonWide from "../../memory/internal/commonWide.ts"
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

/** Reads a counter of one word, which is raised by one thread. */
export const readWord = (core: RingCore, word: number): number => Atomics.load(core.words, word)

/** Adds to a 53-bit counter that many threads write. */
export const addCommon = (core: RingCore, word: number, n: number): void => CommonWide.add(core.words, word, n)

/** Reads such a counter, from any thread. */
export const readCommon = (core: RingCore, word: number): number => CommonWide.read(core.words, word)

/** Counts records that are to become tombstones, and says that there are some: before they can be seen. */
export const addTombstones = (core: RingCore, n: number): void => {
  // A word of its own: that of the tally will be 0 again.
  Atomics.store(core.words, Layout.MARKED_WORD, 1)
  addCommon(core, Layout.TOMBSTONES_WORD, n)
}

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
