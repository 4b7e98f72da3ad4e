/**
 * When the guard does what, in milliseconds after the deadline; `guardThread.ts` draws it.
 *
 * They travel to the thread when it is started. A test of what the guard does makes them longer in its own process, before
 * that: then no machine is too busy for a step, and the order of the steps is what is left to see.
 *
 * @internal
 */

/** @internal */
export interface Times {
  /** Until then a deadline that is moved is obeyed, and the main thread may still end by itself. */
  grace: number
  /** So long the report may take to be written. */
  voice: number
  lastLine: number
  kill: number
}

/** Those of a process that changes nothing. */
export const times: Times = { grace: 100, voice: 250, lastLine: 320, kill: 400 }
