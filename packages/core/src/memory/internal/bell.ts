/**
 * Sleeping until somebody rings, on two words of shared memory.
 *
 * A _bell_ is a word that is bumped to wake sleepers; a bit of a _state_ word says that somebody may be asleep. A ringer
 * that sees the bit clear pays one load. The bit is cleared by the ringer and set again by a sleeper that is still hungry,
 * so a sleeper that died leaves nothing behind.
 *
 * ```text
 *  sleeper                         ringer
 *  1 seen = load bell              1 make the thing true (publish, commit, close)
 *  2 set the bit                   2 load state: bit clear? done
 *  3 look again: is it true now?   3 clear the bit
 *  4 wait while bell = seen        4 bump the bell, notify all
 * ```
 *
 * **Invariants**
 *
 * 1. A sleeper reads the bell before it sets its bit, and looks again after.
 * 2. A ringer makes the thing true before it loads the state. With 1, one of the two sees the other (Dekker).
 * 3. Whoever clears a bit bumps the bell afterwards; so a sleeper whose bit was cleared finds the bell moved.
 * 4. A ringer that dies between 3 and 4 is made good by whoever proves its death: recovery rings every bell.
 *
 * `Atomics.notify` reaches the threads of this process. Where memory is seen by other processes too, a platform _reaches_
 * further: it is told of every sleeper before step 2 and of every ring after step 4. Both are off the way of whoever finds
 * nobody asleep.
 *
 * @internal
 */

/** What a platform does about sleepers in other processes. */
export interface Reach {
  /** A thread of this process may go to sleep on that bell; it has not set its bit yet. */
  readonly sleeps: (words: Int32Array, bellWord: number) => void
  /** That bell was rung by this thread. */
  readonly rang: (words: Int32Array, bellWord: number) => void
}

let beyond: Reach | undefined

/** From now on, for this thread. */
export const reachBeyond = (reach: Reach | undefined): void => {
  beyond = reach
}

/** Steps 1 and 2 of a sleeper; answers what it has to give to `sleep`. */
export const prepare = (words: Int32Array, stateWord: number, bit: number, bellWord: number): number => {
  if (beyond !== undefined) beyond.sleeps(words, bellWord)
  const seen = Atomics.load(words, bellWord)
  // Pairs with the load of the state in every ringer (invariant 2).
  Atomics.or(words, stateWord, bit)
  return seen
}

/** Steps 3 and 4 of a ringer. */
export const ring = (words: Int32Array, stateWord: number, bit: number, bellWord: number): void => {
  Atomics.and(words, stateWord, ~bit)
  // Seen by `Atomics.wait` of every sleeper whose bit this may have cleared (invariant 3).
  Atomics.add(words, bellWord, 1)
  Atomics.notify(words, bellWord)
  if (beyond !== undefined) beyond.rang(words, bellWord)
}

/** Step 4 of a sleeper, blocking its thread. `false` only if the time was over. */
export const sleep = (words: Int32Array, bellWord: number, seen: number, millis: number): boolean =>
  Atomics.wait(words, bellWord, seen, millis) !== "timed-out"

/** Step 4 of a sleeper whose thread runs fibers: a promise, or `undefined` if the bell has moved already. */
export const sleepAsync = (words: Int32Array, bellWord: number, seen: number): Promise<unknown> | undefined => {
  // Never with a timeout: V8 keeps what it needs for one until it fires, even when the wait has long ended.
  const waiting = Atomics.waitAsync(words, bellWord, seen)
  return waiting.async ? waiting.value : undefined
}

/** Whether the bell still stands where it was seen. */
export const isSilent = (words: Int32Array, bellWord: number, seen: number): boolean =>
  Atomics.load(words, bellWord) === seen

/** Tells the processor, and the model checker, that this is a loop that waits. */
export const pause = (): void => {
  if (hasPause) Atomics.pause()
}

const hasPause = "pause" in Atomics
