/**
 * A word for each token of a pool: generation × 2 + 1 while it is marked.
 *
 * Only who has the current generation can mark, so what a former owner says late marks nothing, however late: the
 * generation and the mark are changed in one step.
 *
 * **Invariants**
 *
 * 1. A mark is handed out at most once, and only for the generation that made it.
 * 2. A mark that was there already is written again, not only read: what its producer wrote before is then visible to who
 *    takes the mark (invariant 2 of docs/notifier.md).
 *
 * @internal
 */

/** The greatest generation; then they begin again at 0. */
export const MAX_GENERATION = 0x7fffffff

export const next = (generation: number): number => (generation + 1) & MAX_GENERATION

/** `false` if the generation is not the current one. */
export const mark = (words: Int32Array, token: number, generation: number): boolean => {
  const clear = (generation << 1) | 0
  for (;;) {
    // Publishes what the producer wrote; seen by the `and` in `take`.
    const found = Atomics.compareExchange(words, token, clear, clear | 1)
    if (found === clear) return true
    if (found !== (clear | 1)) return false
    if (Atomics.compareExchange(words, token, found, found) === found) return true
  }
}

/** Takes the mark away; `false` if there was none. */
export const take = (words: Int32Array, token: number): boolean => (Atomics.and(words, token, ~1) & 1) !== 0

export const isMarked = (words: Int32Array, token: number): boolean => (Atomics.load(words, token) & 1) !== 0

/** The token has no owner any more: marks of `generation`, made or to come, mean nothing. */
export const retire = (words: Int32Array, token: number, generation: number): void => {
  Atomics.store(words, token, next(generation) << 1)
}
