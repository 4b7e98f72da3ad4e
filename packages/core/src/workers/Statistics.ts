/**
 * How many workers a container has started, started again and lost.
 *
 * Totals never fall; the rates say how it goes now. `failures` counts lives that ended without success, `restarts` the starts
 * of lives after the first of their place.
 *
 * @since 0.1.0
 */
import { Rate } from "./internal/rate.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Statistics {
  readonly spawns: number
  readonly restarts: number
  readonly failures: number
  /** Workers that were replaced, or whose next life was begun, because they had reached a limit. */
  readonly recycles: number
  /** Messages and answers that no schema allows. */
  readonly invalid: number
  /** Within the last 60 seconds. */
  readonly perMinute: {
    readonly spawns: number
    readonly restarts: number
    readonly failures: number
    readonly recycles: number
  }
}

const events = ["spawns", "restarts", "failures", "recycles"] as const

/**
 * The counters behind it; the caller brings monotonic milliseconds.
 *
 * @category models
 * @since 0.1.0
 */
export class Counts {
  private readonly totals = { spawns: 0, restarts: 0, failures: 0, recycles: 0 }
  private readonly rates = {
    spawns: new Rate(),
    restarts: new Rate(),
    failures: new Rate(),
    recycles: new Rate()
  }
  invalid = 0

  add(event: (typeof events)[number], nowMillis: number): void {
    this.totals[event] += 1
    this.rates[event].add(nowMillis)
  }

  read(nowMillis: number): Statistics {
    const { failures, recycles, restarts, spawns } = this.rates
    return {
      ...this.totals,
      invalid: this.invalid,
      perMinute: {
        spawns: spawns.perMinute(nowMillis),
        restarts: restarts.perMinute(nowMillis),
        failures: failures.perMinute(nowMillis),
        recycles: recycles.perMinute(nowMillis)
      }
    }
  }
}
