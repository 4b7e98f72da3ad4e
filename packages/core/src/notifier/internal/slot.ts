/**
 * The latest value of a record: a sequence lock with two copies.
 *
 * ```text
 *  word 0     sequence: version × 2 + 1 while somebody writes
 *  word 1…    copy 0, then copy 1; version v is in copy v mod 2
 * ```
 *
 * A writer makes the sequence odd, writes the copy that is not current, and makes the sequence the next even number. Readers
 * read the current copy and then look whether the writer after next may have begun: only that one writes into it.
 *
 * **Invariants**
 *
 * 1. A value that was read is one that was written whole, and no older than the last one published before the read began.
 * 2. A reader never waits for a writer, also not for a dead one: it reads again only if a whole write ended meanwhile.
 * 3. Words are moved by atomic operations only: plain copies between two atomic loads may be reordered past them.
 * 4. A dead writer leaves an odd sequence, the current copy as it was, and the other one half overwritten. Who mends it goes on to the
 *    version after next, whose copy is the current one: a reader that is still busy with the other copy then finds that too much has
 *    happened. (Back to the current version it would take the half for whole.)
 *
 * Source: sequence locks as in the Linux kernel (`seqcount_latch`).
 *
 * @internal
 */

/** Words before the copies. */
export const BEFORE_COPIES = 1

export interface Slot {
  readonly words: Int32Array
  /** Of one copy. */
  readonly payloadWords: number
}

/** Publishes the words of `from`; `false` if somebody else is writing. `base` is the slot's first word. */
export const write = ({ payloadWords, words }: Slot, base: number, from: Int32Array): boolean => {
  const sequence = Atomics.load(words, base)
  if ((sequence & 1) !== 0) return false
  // Keeps other writers out.
  if (Atomics.compareExchange(words, base, sequence, sequence + 1) !== sequence) return false
  const copy = copyOf(base, (sequence >>> 1) + 1, payloadWords)
  for (let i = 0; i < payloadWords; i++) Atomics.store(words, copy + i, from[i]!)
  // Publishes the copy; seen by the first load in `read`. Version 0 means "never written", so the wrap goes on with 2.
  Atomics.store(words, base, (sequence + 2) | 0 || 4)
  return true
}

/** Copies the latest value to `to`; `false` if there never was one. */
export const read = ({ payloadWords, words }: Slot, base: number, to: Int32Array): boolean => {
  for (;;) {
    const before = Atomics.load(words, base) & ~1
    if (before === 0) return false
    const copy = copyOf(base, before >>> 1, payloadWords)
    for (let i = 0; i < payloadWords; i++) to[i] = Atomics.load(words, copy + i)
    const after = Atomics.load(words, base)
    // The next version goes to the other copy; only the one after it, once begun, disturbs this one.
    if ((after & ~1) === before || after === ((before + 2) | 0)) return true
  }
}

const copyOf = (base: number, version: number, payloadWords: number): number =>
  base + BEFORE_COPIES + (version & 1) * payloadWords

/** The writer that made this odd is dead, for certain. `true` if there was something to mend. */
export const recover = ({ words }: Slot, base: number): boolean => {
  const sequence = Atomics.load(words, base)
  if ((sequence & 1) === 0) return false
  // A slot that was never written stays so. Past the wrap as in `write`: 4 has the copy of what would be 0.
  const mended = sequence === 1 ? 0 : (sequence + 3) | 0 || 4
  return Atomics.compareExchange(words, base, sequence, mended) === sequence
}
