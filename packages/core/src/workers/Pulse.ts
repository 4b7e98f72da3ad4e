/**
 * The pulse of one life: where a worker that shares memory with its supervisor says that its loop turns, that its program gets
 * on, and how much memory it uses.
 *
 * A sign of life is a store of the worker and a load of the supervisor, whenever that looks. Nothing is sent, so nothing waits
 * in a queue behind a loop that is blocked, on either side. A backend gives one to every life that is to be judged, and shows it to the
 * container with the life's link; where a worker cannot see its memory there is none, and the worker sends the message `Healthy` instead.
 *
 * **Invariants**
 *
 * 1. A line belongs to one life until nothing of that life is left: what a late life still writes is not taken for its successor's.
 *    Between processes, where a line has many lives, docs/workers.md says how.
 * 2. Whether it arrived is seen in it. Until then, and where it never does, messages count.
 *
 * @since 0.1.0
 */
import * as Words from "./internal/pulse.ts"

/**
 * How much memory a line takes.
 *
 * @category models
 * @since 0.1.0
 */
export const BYTES = Words.BYTES

/**
 * The pulse of one life. It can be sent to whoever sees its memory.
 *
 * @category models
 * @since 0.1.0
 */
export interface Line {
  readonly memory: SharedArrayBuffer
  /** Counted in lines. */
  readonly index: number
  /** The number of the life, from 1 to 2^32 - 1, that no other life has in this memory. */
  readonly life: number
}

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
 * A pulse in memory of its own, for one life.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (life: number): Line => ({ memory: new SharedArrayBuffer(BYTES), index: 0, life })

/**
 * Makes a line ready for a life. For backends that use lines again, which know that nothing is left of the life before.
 *
 * @category operations
 * @since 0.1.0
 */
export const renewUnsafe = ({ index, memory }: Line): void => Words.renew(Words.wordsOf(memory, index))

/**
 * Takes the pulse of a life, in its own thread or process; nothing if it is another life's.
 *
 * @category constructors
 * @since 0.1.0
 */
export const adopt = ({ index, life, memory }: Line): Writer | undefined => {
  const words = Words.wordsOf(memory, index)
  return Words.adopt(words, life)
    ? { beatUnsafe: (memoryBytes) => Words.beat(words, memoryBytes), progressUnsafe: () => Words.progress(words) }
    : undefined
}

/**
 * Reads the pulse of a life.
 *
 * @category constructors
 * @since 0.1.0
 */
export const read = ({ index, life, memory }: Line): Reader => {
  const words = Words.wordsOf(memory, index)
  return {
    isAdoptedUnsafe: () => Words.isOf(words, life),
    beatsUnsafe: () => Words.beatsOf(words),
    progressUnsafe: () => Words.progressOf(words),
    memoryBytesUnsafe: () => Words.memoryOf(words)
  }
}
