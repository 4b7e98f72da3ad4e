/**
 * Where a queue of tokens stands, for who only looks.
 *
 * @internal
 */
import { HEAD_WORD, TAIL_WORD } from "./layout.ts"
import type { TokenQueue } from "./tokenQueue.ts"

/** Serials are 30 bits above the two of the tail word. */
const SERIALS = 0x3fffffff

/** Serial of the next place that is popped. */
export const head = ({ words }: TokenQueue): number => (Atomics.load(words, HEAD_WORD) >>> 2) & SERIALS

/** Places from one serial to a later one. */
export const between = (from: number, to: number): number => (to - from) & SERIALS

/** Places that wait to be popped. The head is read first, so that there are never fewer than none. */
export const queued = (queue: TokenQueue): number => {
  const from = head(queue)
  return between(from, (Atomics.load(queue.words, TAIL_WORD) >>> 2) & SERIALS)
}
