/**
 * Which mapped region a piece of memory is, known to this thread: for those who are handed nothing but the memory.
 *
 * @internal
 */
import type { Control } from "./control.ts"

/** A region as another thread of this process has it. */
export interface Shared {
  readonly memory: SharedArrayBuffer
  readonly control: SharedArrayBuffer
  readonly errands: SharedArrayBuffer
  readonly participants: number
  readonly row: number
  readonly region: number
}

export interface Whereabouts {
  readonly control: Control
  /** The participant that has it open. */
  readonly row: number
  readonly region: number
  /** It, as another thread of this process has it. */
  readonly share: () => Shared
  /** Has deaths looked for now. */
  readonly lookSoon: () => void
}

const known = new WeakMap<SharedArrayBuffer, Whereabouts>()

/** It is open here from now on. */
export const note = (memory: SharedArrayBuffer, whereabouts: Whereabouts): void => {
  known.set(memory, whereabouts)
}

/** No more. */
export const forget = (memory: SharedArrayBuffer): void => {
  known.delete(memory)
}

export const of = (memory: SharedArrayBuffer): Whereabouts | undefined => known.get(memory)
