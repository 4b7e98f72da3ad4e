/**
 * Something that did not end in time, as a row: plain data that can be logged, written as JSON and sent to a parent.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * A task that was still running when its deadline came.
 *
 * **Details**
 *
 * - `interrupted`: it ended once it was interrupted, within the last words.
 * - `detached`: not even interruption ended it; it was left behind.
 *
 * @category models
 * @since 0.1.0
 */
export const Straggler = Schema.Struct({
  id: Schema.Int,
  name: Schema.String,
  kind: Schema.String,
  /** Since its spawn, in milliseconds, when the deadline came. */
  ageMillis: Schema.Finite,
  state: Schema.Literals(["interrupted", "detached"])
})

/**
 * @category models
 * @since 0.1.0
 */
export type Straggler = typeof Straggler.Type
