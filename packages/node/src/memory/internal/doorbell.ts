/**
 * A doorbell: a word that ringers of other processes move, and a watcher sleeps on.
 *
 * ```text
 *  watcher                                   ringer
 *  1 seen = doorbell                         1 make the thing true (move a bell)
 *  2 look at everything it watches           2 move the doorbell
 *  3 asleep = 1                              3 asleep? wake it
 *  4 sleep while doorbell = seen
 *  5 asleep = 0
 * ```
 *
 * **Invariants** (numbers of docs/mapped-memory.md)
 *
 * - W2. A ringer moves the doorbell and then reads `asleep`; a watcher reads the doorbell before it looks and says `asleep` before it
 *   compares. So it sees the thing, or the doorbell has moved when it compares, or it is woken.
 *
 * How to sleep and wake is given: the kernel's futex, or `Atomics.wait` where a model explores this.
 *
 * @internal
 */
import * as Layout from "./layout.ts"
import type { Door } from "./native.ts"

/** Wakes the watchers of participants, whose rows lie behind that address. */
export const wakerOf =
  (door: Pick<Door, "wake">, address: number) =>
  (row: number): void =>
    door.wake(address + (Layout.participantWord(row) + Layout.DOORBELL) * 4)

/** Steps 2 and 3 of a ringer. `wake` wakes whoever sleeps on a word. */
export const ring = (words: Int32Array, doorbell: number, asleep: number, wake: (word: number) => void): void => {
  // Seen by the watcher's next load of it, or by the comparison before it sleeps.
  Atomics.add(words, doorbell, 1)
  if (Atomics.load(words, asleep) !== 0) wake(doorbell)
}

/** Step 1 of a watcher; answers what it has to give to `sleep`. Then it looks. */
export const prepare = (words: Int32Array, doorbell: number): number => Atomics.load(words, doorbell)

/** Steps 3 to 5 of a watcher. `sleepOn` sleeps while a word has a value. */
export const sleep = (
  words: Int32Array,
  doorbell: number,
  asleep: number,
  seen: number,
  sleepOn: (word: number, value: number) => void
): void => {
  // Seen by ringers, after they have moved the doorbell.
  Atomics.store(words, asleep, 1)
  sleepOn(doorbell, seen)
  Atomics.store(words, asleep, 0)
}
