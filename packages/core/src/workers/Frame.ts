/**
 * One level of "who am I": the process, thread or fiber a program runs in.
 *
 * Frames form a stack, outermost first, as in a call stack: `[process 3, thread 0]` is thread 0 inside process 3. The
 * ordinal is small and durable, the generation tells two lives of one ordinal apart; a key that must not survive a crash
 * folds in both.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * What a worker is made of.
 *
 * @category models
 * @since 0.1.0
 */
export const WorkerKind = Schema.Literals(["process", "thread", "fiber"])

/**
 * @category models
 * @since 0.1.0
 */
export type WorkerKind = typeof WorkerKind.Type

/**
 * A whole number that is not negative.
 *
 * @category models
 * @since 0.1.0
 */
export const Ordinal = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/**
 * @category models
 * @since 0.1.0
 */
export const Frame = Schema.Struct({
  kind: WorkerKind,
  /** The lowest number that was free in its container when the place was taken; kept over restarts. */
  ordinal: Ordinal,
  /** How often this ordinal has been started; 1 for the first life. */
  generation: Ordinal,
  /** The service that runs there. */
  name: Schema.String
})

/**
 * @category models
 * @since 0.1.0
 */
export type Frame = typeof Frame.Type

/**
 * `thread 0`, as it stands in lines for people.
 *
 * @category operations
 * @since 0.1.0
 */
export const describe = (frame: Frame): string => `${frame.kind} ${frame.ordinal}`

/**
 * `[process 3, thread 0]`.
 *
 * @category operations
 * @since 0.1.0
 */
export const path = (frames: ReadonlyArray<Frame>): string => `[${frames.map(describe).join(", ")}]`
