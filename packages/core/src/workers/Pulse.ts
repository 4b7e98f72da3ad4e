/**
 * The pulse of one life: where a worker that shares memory with its supervisor says that its loop turns, that its program gets
 * on, and how much memory it uses.
 *
 * A sign of life is a store of the worker and a load of the supervisor, whenever that looks. Nothing is sent, so nothing waits
 * in a queue behind a loop that is blocked, on either side. A container makes one for every life that is to be judged and
 * gives it to the backend with the life; a backend whose workers do not see its memory leaves it, and its workers send the
 * message `Healthy` instead.
 *
 * **Invariants**
 *
 * 1. There is one pulse for each life, in memory that no other life is ever given: what a late life still writes is not taken
 *    for its successor's.
 * 2. Whether it arrived is seen in it. Until then, and where it never does, messages count.
 *
 * @since 0.1.0
 */
import * as Words from "./internal/pulse.ts"

/**
 * How much memory a pulse takes. It may be a region of its own or any `SharedArrayBuffer` of at least that length, zeroed.
 *
 * @category models
 * @since 0.1.0
 */
export const BYTES = Words.BYTES

/**
 * The worker's side.
 *
 * @category models
 * @since 0.1.0
 */
export interface Writer {
  /** The loop turns. Bytes, if they were measured. */
  readonly beatUnsafe: (memoryBytes?: number | undefined) => void
  /** The program gets on. */
  readonly progressUnsafe: () => void
}

/**
 * The supervisor's side: counts that differ where something was written, and the bytes of the last beat.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reader {
  /** The life that it was made for has it. */
  readonly isAdoptedUnsafe: () => boolean
  readonly beatsUnsafe: () => number
  readonly progressUnsafe: () => number
  readonly memoryBytesUnsafe: () => number | undefined
}

/**
 * Takes the pulse of a life, in its own thread or process; nothing if it is another life's.
 *
 * @category constructors
 * @since 0.1.0
 */
export const adopt = (memory: SharedArrayBuffer, generation: number): Writer | undefined => {
  const words = Words.wordsOf(memory)
  return Words.adopt(words, generation)
    ? { beatUnsafe: (memoryBytes) => Words.beat(words, memoryBytes), progressUnsafe: () => Words.progress(words) }
    : undefined
}

/**
 * Reads the pulse of a life.
 *
 * @category constructors
 * @since 0.1.0
 */
export const read = (memory: SharedArrayBuffer, generation: number): Reader => {
  const words = Words.wordsOf(memory)
  return {
    isAdoptedUnsafe: () => Words.isOf(words, generation),
    beatsUnsafe: () => Words.beatsOf(words),
    progressUnsafe: () => Words.progressOf(words),
    memoryBytesUnsafe: () => Words.memoryOf(words)
  }
}
