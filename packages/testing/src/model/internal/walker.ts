/**
 * What decides who goes next. One walker serves one exploration; the engine asks
 * it at every step, and after every execution whether there is another one.
 *
 * @internal
 */
import type { Cell } from "./memory.ts"

/** No thread may go on: this execution is covered by another one. */
export const PRUNE = -1
/** The execution did not follow the path it took before. */
export const DIVERGED = -2

/** What the step just executed touched. */
export interface Touched {
  cell: Cell | undefined
  list: Cell | undefined
  flags: number
  /** The notification that ended a wait, or -1. */
  notifiedAt: number
  /** Whether that wait could have ended without it. */
  couldTimeOut: boolean
}

export interface Walker {
  /** What the report calls it. */
  readonly name: string
  /** Whether the end of the search means that everything has been seen. */
  readonly exhaustive: boolean
  begin(): void
  /** One of the threads in `enabled`, or `PRUNE`, or `DIVERGED`. */
  pick(step: number, enabled: number, current: number, barrier: boolean): number
  /** One of `0…n-1`. */
  choose(step: number, n: number): number
  /** The step has been executed. */
  executed(step: number, thread: number, touched: Touched): void
  /** `follower` may only start now that `ended` has ended. */
  follows(follower: number, ended: number): void
  /** Called after an execution: prepares the next one, or says there is none. */
  next(steps: number): boolean
}

export const lowest = (mask: number): number => 31 - Math.clz32(mask & -mask)

export const popCount = (mask: number): number => {
  let n = 0
  for (let m = mask; m !== 0; m &= m - 1) n++
  return n
}
