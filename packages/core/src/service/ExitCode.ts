/**
 * The exit code of a service: a total function of why it stopped and of what happened on the way.
 *
 * First match wins; the table with all its rows stands in docs/shutdown.md.
 *
 * 1. forced by a second or third signal _n_: 128 + _n_
 * 2. the start or `run` failed, or the reason is `TaskFailed` or `Fatal`: 1, or the error's own code
 * 3. late (a missed deadline, or anything left behind): 124, as `timeout(1)` uses it
 * 4. a fault of a hook or a finalizer: 1
 * 5. else 0; with `signalExitCode`, 128 + _n_ after a signal
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Runtime from "effect/Runtime"
import * as ShutdownReason from "../shutdown/ShutdownReason.ts"

/**
 * What the code depends on, and nothing else.
 *
 * @category models
 * @since 0.1.0
 */
export interface Situation {
  /** Why the service stopped; `undefined` if preStart never let it begin. */
  readonly reason: ShutdownReason.ShutdownReason | undefined
  /** The second or third signal. */
  readonly forcedBy: string | undefined
  /** Why preStart, build, onStart or run failed. */
  readonly failure: Cause.Cause<unknown> | undefined
  /** The tasks' deadline was exceeded, or a task, worker, hook or finalizer was left behind. */
  readonly late: boolean
  /** onStop, flush or postStop failed, or a finalizer died. */
  readonly fault: boolean
  /** Show a clean stop after a signal as 128 + n. */
  readonly signalExitCode: boolean
}

/** The code for something that did not end in time. */
const LATE = 124

const numbers: Record<string, number> = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGTERM: 15 }

/**
 * 128 plus the number of a signal, as a shell shows it.
 *
 * @category operations
 * @since 0.1.0
 */
export const ofSignal = (signal: string): number => 128 + (numbers[signal] ?? 0)

/**
 * The exit code of a situation, from 0 to 255.
 *
 * @category operations
 * @since 0.1.0
 */
export const of = (situation: Situation): number => {
  const { reason } = situation
  if (situation.forcedBy !== undefined) return ofSignal(situation.forcedBy)
  const cause = situation.failure ?? (reason === undefined ? undefined : ShutdownReason.cause(reason))
  if (cause !== undefined) return ownCode(cause) ?? 1
  if (situation.late) return LATE
  if (situation.fault) return 1
  return reason?._tag === "Signal" && situation.signalExitCode ? ofSignal(reason.signal) : 0
}

const ownCode = (cause: Cause.Cause<unknown>): number | undefined => {
  const error = Cause.squash(cause)
  if (typeof error !== "object" || error === null || !(Runtime.errorExitCode in error)) return undefined
  const code = error[Runtime.errorExitCode]
  return typeof code === "number" && Number.isInteger(code) && code >= 0 && code <= 255 ? code : undefined
}
