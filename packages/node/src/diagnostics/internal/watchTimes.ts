/**
 * How long the watchdog's thread waits for the thread it asks, in milliseconds.
 *
 * They travel to the thread when it is started. A test of what is told makes them longer in its own process, before that: on a busy
 * machine a thread that could answer does not answer soon.
 *
 * @internal
 */

/** @internal */
export interface Times {
  /** One that does not answer by then may be in native code. */
  ask: number
  /** A hook that does not come back by then is stopped. */
  hook: number
}

/** Those of a process that changes nothing. */
export const times: Times = { ask: 250, hook: 500 }
