/**
 * What a container had to do about its workers, as plain data: the latest of it, and how often there was each.
 *
 * Each incident has been logged when it happened. This is the memory of it, for a status, a dump and the report of a shutdown: who
 * crashed, blocked, leaked, never became ready, and what was done about it. Its size is bounded, however often something
 * happens.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * What happened.
 *
 * | is                 | when                                                                       |
 * | ------------------ | -------------------------------------------------------------------------- |
 * | `crashed`          | a life ended without success, and not because its supervisor ended it        |
 * | `startup timeout`  | it was not ready in time                                                    |
 * | `health timeout`   | its loop gave no sign of life in time                                       |
 * | `progress timeout` | its program made no progress in time                                        |
 * | `invalid message`  | it said what no schema allows                                               |
 * | `grace over`       | it did not end within its grace and was killed                              |
 * | `recycled`         | it was to be replaced because it had used, lived or done enough            |
 * | `gave up`          | there were too many restarts, and it was the last of them                   |
 * | `left behind`      | it was killed and is still there                                            |
 *
 * @category models
 * @since 0.1.0
 */
export const What = Schema.Literals([
  "crashed",
  "startup timeout",
  "health timeout",
  "progress timeout",
  "invalid message",
  "grace over",
  "recycled",
  "gave up",
  "left behind"
])

/**
 * @category models
 * @since 0.1.0
 */
export type What = typeof What.Type

/**
 * @category models
 * @since 0.1.0
 */
export const Incident = Schema.Struct({
  /** Milliseconds since 1970. */
  at: Schema.Finite,
  /** `parser 2 [thread 2]`. */
  worker: Schema.String,
  /** Which of its lives; 0 before the first. */
  life: Schema.Int,
  what: What,
  /** What was found, and what was done about it. One line. */
  detail: Schema.String
})

/**
 * @category models
 * @since 0.1.0
 */
export type Incident = typeof Incident.Type

/**
 * How many of the latest are kept.
 *
 * @category models
 * @since 0.1.0
 */
export const LATEST = 32

/**
 * @category models
 * @since 0.1.0
 */
export interface Incidents {
  /** Oldest first, at most `LATEST`. */
  readonly latest: ReadonlyArray<Incident>
  /** How often there was each, from the beginning; what never happened is not there. */
  readonly totals: Readonly<Partial<Record<What, number>>>
}
