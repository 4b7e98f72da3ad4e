/**
 * A mailbox in shared memory: one thread posts values, another takes the newest.
 *
 * Only the newest value counts, so a full mailbox is simply written over. What
 * must not happen is that the newest value is never seen: then a thermostat goes
 * on with yesterday's target, a worker with an old configuration.
 *
 * There are two forms of `take`. They differ in the order of two lines. Every
 * ordinary test passes with both.
 */

const FULL = 0
const VALUE = 1

/** Bytes of a mailbox. */
export const MAILBOX_BYTES = 8

/** Put a value in, over whatever was there. */
export const post = (memory: SharedArrayBuffer, value: number): void => {
  const words = new Int32Array(memory)
  Atomics.store(words, VALUE, value)
  Atomics.store(words, FULL, 1)
}

/** Take the newest value, or nothing: read it, then mark the mailbox empty. */
export const takeHasty = (memory: SharedArrayBuffer): number | undefined => {
  const words = new Int32Array(memory)
  if (Atomics.load(words, FULL) === 0) return undefined
  const value = Atomics.load(words, VALUE)
  Atomics.store(words, FULL, 0)
  return value
}

/** Take the newest value, or nothing: mark the mailbox empty, then read. */
export const takeCareful = (memory: SharedArrayBuffer): number | undefined => {
  const words = new Int32Array(memory)
  if (Atomics.exchange(words, FULL, 0) === 0) return undefined
  return Atomics.load(words, VALUE)
}
