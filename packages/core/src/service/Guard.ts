/**
 * The last resort against a blocked event loop: somebody outside it who knows the deadline.
 *
 * `Main` tells the guard, at every step of a shutdown, when the process must be gone, with which exit code, and what
 * the report says so far. A guard that can act while the main thread cannot (a thread of its own, see
 * `@selvedge/node`) ends the process when that time has passed. The default does nothing.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"

/**
 * @category models
 * @since 0.1.0
 */
export interface GuardState {
  /** When the budget ends, in nanoseconds of the monotonic clock. */
  readonly deadlineNanos: bigint
  /** The exit code of a process that has to be ended now. */
  readonly exitCode: number
  /** What is known so far, as text for stderr. */
  readonly report: string
}

/**
 * @category models
 * @since 0.1.0
 */
export interface GuardShape {
  /** Arms the guard, or moves an armed one. Synchronous and cheap; called at every phase. */
  readonly update: (state: GuardState) => void
}

/**
 * @category services
 * @since 0.1.0
 */
export const Guard: Context.Reference<GuardShape> = Context.Reference<GuardShape>("@selvedge/core/Guard", {
  defaultValue: () => ({ update: () => {} })
})
