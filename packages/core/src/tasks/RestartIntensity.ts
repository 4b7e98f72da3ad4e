/**
 * How many restarts within a period are still bearable: a sliding window over monotonic time.
 *
 * Pure: the caller brings the time.
 *
 * Source: OTP's supervisor (intensity and period).
 *
 * @since 0.1.0
 */

/**
 * At most `max` restarts within `periodMillis`; one more is too many.
 *
 * @category models
 * @since 0.1.0
 */
export interface Intensity {
  readonly max: number
  readonly periodMillis: number
}

/**
 * The restarts that still count, oldest first, in monotonic milliseconds.
 *
 * @category models
 * @since 0.1.0
 */
export type Window = ReadonlyArray<number>

/**
 * Adds a restart at `nowMillis`: the new window, or `undefined` if it is one too many. A restart that lies exactly one
 * period back no longer counts.
 *
 * @category operations
 * @since 0.1.0
 */
export const add = (window: Window, nowMillis: number, intensity: Intensity): Window | undefined => {
  const recent = window.filter((at) => nowMillis - at < intensity.periodMillis)
  return recent.length >= intensity.max ? undefined : [...recent, nowMillis]
}
