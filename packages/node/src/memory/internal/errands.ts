/**
 * Errands: a thread that makes no native calls has doorbells rung for it, by the ringer of its process.
 *
 * koffi keeps memory for every thread that has loaded it until the process ends, so threads that come and go must not load it. What
 * such a thread cannot do by itself is to wake a watcher that sleeps in the kernel.
 *
 * ```text
 *  any thread of the process                 ringer
 *  1 set the bit of the participant          1 seen = bell
 *  2 move the bell                           2 take all bits; wake those participants
 *  3 notify the bell                         3 sleep while bell = seen
 * ```
 *
 * **Layout** (words of memory of this process alone; each item in a line of its own)
 *
 * ```text
 *  0   bell             whoever asks
 *  32  bits (3)         set by whoever asks, taken by the ringer
 *  64  over             the thread that started the ringer
 * ```
 *
 * **Invariants** (numbers of docs/mapped-memory.md)
 *
 * - W7. A bit that is set before the ringer reads the bell is taken in that turn, and one that is set later is followed by a bell that
 *   moves: the ringer does not fall asleep, or is notified.
 *
 * @internal
 */
import * as Layout from "./layout.ts"

const BELL = 0
const BITS = Layout.LINE_WORDS
const OVER = 2 * Layout.LINE_WORDS
const BIT_WORDS = Math.ceil((Layout.MOST_PARTICIPANTS + Layout.SPARE_ROWS) / 32)

export const BYTES = 3 * Layout.LINE_WORDS * 4

/** Has a participant's watcher woken. */
export const ask = (words: Int32Array, row: number): void => {
  // Seen by the ringer's exchange, after it has seen the bell moved or before it has read it.
  Atomics.or(words, BITS + (row >> 5), 1 << (row & 31))
  move(words)
}

/** Tells the ringer to end. */
export const end = (words: Int32Array): void => {
  Atomics.store(words, OVER, 1)
  move(words)
}

const move = (words: Int32Array): void => {
  Atomics.add(words, BELL, 1)
  Atomics.notify(words, BELL)
}

/** One turn of the ringer; `false`: it is to end. `wake` wakes a participant's watcher. */
export const turn = (words: Int32Array, wake: (row: number) => void): boolean => {
  const seen = Atomics.load(words, BELL)
  for (let word = 0; word < BIT_WORDS; word++) {
    for (let bits = Atomics.exchange(words, BITS + word, 0); bits !== 0; bits &= bits - 1) {
      wake(word * 32 + (31 - Math.clz32(bits & -bits)))
    }
  }
  if (Atomics.load(words, OVER) !== 0) return false
  Atomics.wait(words, BELL, seen)
  return true
}
