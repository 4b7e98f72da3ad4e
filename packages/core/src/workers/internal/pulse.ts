/**
 * The words of a pulse: a line of shared memory in which a worker says that it lives, without a message.
 *
 * ```text
 *  word 0       1        2           3           4 … 31
 *  life         beats    progress    memory      (unused: the line is the worker's alone)
 * ```
 *
 * The worker's thread is the only writer while it lives, the supervisor reads whenever it likes, and nobody waits for anybody. A line
 * may be renewed for another life when nothing of the life before it is left.
 *
 * **Invariants** (in docs/workers.md also H2 to H5)
 *
 * 1. A pulse belongs to one life at a time. The life's number is written once, from 0, by the life that was given it; a life that
 *    finds another one there writes nothing, and a supervisor that finds another one than it gave reads nothing.
 * 2. `beats` and `progress` are counts modulo 2^32. They are compared for being different, never for being more.
 * 3. The memory is stored before the beat that tells of it, and loaded after it: who has seen a beat sees what was measured
 *    for that beat, or for a later one.
 * 4. The memory is in KiB, at most 2^32 - 1, in one word, so that no reader sees a half of it; 0: not measured.
 *
 * @internal
 */

/** Two cache lines, because x86 fetches them in pairs: no other writer slows this one down. */
export const BYTES = 128

const LIFE = 0
const BEATS = 1
const PROGRESS = 2
const MEMORY = 3

const KIB = 1024
const MOST_KIB = 2 ** 32 - 1

/** One line of that memory. */
export const wordsOf = (memory: SharedArrayBuffer, line = 0): Uint32Array =>
  new Uint32Array(memory, line * BYTES, BYTES / 4)

/** As if nobody had ever had it. Only where nothing is left of the life that had it (H2). */
export const renew = (words: Uint32Array): void => {
  Atomics.store(words, BEATS, 0)
  Atomics.store(words, PROGRESS, 0)
  Atomics.store(words, MEMORY, 0)
  // Seen by the life that adopts it, whose process is made after this (H4).
  Atomics.store(words, LIFE, 0)
}

/** Makes it this life's; `false` if it is another's (invariant 1). Doing it again changes nothing. */
export const adopt = (words: Uint32Array, life: number): boolean => {
  const before = Atomics.compareExchange(words, LIFE, 0, life)
  return before === 0 || before === life >>> 0
}

export const isOf = (words: Uint32Array, life: number): boolean => Atomics.load(words, LIFE) === life >>> 0

/** The loop turns; with what was measured, if anything was. */
export const beat = (words: Uint32Array, memoryBytes: number | undefined): void => {
  // Invariant 3.
  if (memoryBytes !== undefined) Atomics.store(words, MEMORY, Math.min(MOST_KIB, Math.max(1, memoryBytes / KIB)))
  Atomics.add(words, BEATS, 1)
}

/** The program gets on. */
export const progress = (words: Uint32Array): void => void Atomics.add(words, PROGRESS, 1)

export const beatsOf = (words: Uint32Array): number => Atomics.load(words, BEATS)

export const progressOf = (words: Uint32Array): number => Atomics.load(words, PROGRESS)

export const memoryOf = (words: Uint32Array): number | undefined => {
  const kib = Atomics.load(words, MEMORY)
  return kib === 0 ? undefined : kib * KIB
}
