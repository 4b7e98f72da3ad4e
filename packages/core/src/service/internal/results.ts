/**
 * What a life came to: its exit code, its error, its report, and the dump of the moment.
 *
 * Reads the course of a life and changes nothing.
 *
 * @internal
 */
import type * as Cause from "effect/Cause"
import * as Failure from "../../internal/failure.ts"
import { label, quote } from "../../internal/quote.ts"
import * as ShutdownReason from "../../shutdown/ShutdownReason.ts"
import * as Report from "../../shutdown/ShutdownReport.ts"
import * as Task from "../../tasks/Task.ts"
import * as ExitCode from "../ExitCode.ts"
import type { Course } from "./course.ts"

export const exitCode = (life: Course, late = life.late): number =>
  ExitCode.of({
    reason: life.reason,
    forcedBy: life.forcedBy,
    failure: life.failure?.cause,
    late,
    fault: life.faults.length > 0,
    signalExitCode: life.signalExitCode
  })

/** The error a caller sees: preStart, build, onStart or run > join > onStop > flush > postStop > anything else. */
export const error = (life: Course): Cause.Cause<unknown> | undefined => {
  const first = (phase: string) => life.faults.find((fault) => fault.phase === phase)?.cause
  return (
    life.failure?.cause ??
    life.joinError ??
    first("onStop") ??
    first("flush") ??
    first("postStop") ??
    life.faults[0]?.cause
  )
}

export const report = (life: Course): Report.ShutdownReport => {
  const { reason } = life
  const pending = new Set(life.pending.map((row) => row.id))
  return {
    service: life.name,
    reason: reason === undefined ? null : { tag: reason._tag, detail: ShutdownReason.describe(reason) },
    requestedAt: life.requestedAt,
    budgetMillis: Number(life.budget.budgetNanos) / 1e6,
    durationMillis: life.sinceRequest(life.nowNanos()),
    forcedBy: life.forcedBy ?? (life.root.phaseUnsafe()._tag === "Forced" ? "code" : null),
    acceptedUntil: life.stopHooks.length > 0 ? "stopAccepting" : "close",
    phases: life.phases.slice(),
    tasks: {
      ended: life.liveAtRequest.filter((row) => !pending.has(row.id)).length,
      kinds: kindRows(life),
      pending: life.pending
    },
    interrupted: life.interrupted.slice(),
    leftBehind: life.leftBehind.slice(),
    workers: life.workforce.told,
    failures: failures(life),
    exitCode: exitCode(life)
  }
}

const failures = (life: Course): Array<typeof Report.FailureRow.Type> => [
  ...(life.failure === undefined ? [] : [{ where: life.failure.step, message: Failure.oneLine(life.failure.cause) }]),
  ...life.faults.map(({ cause, where }) => ({ where, message: Failure.oneLine(cause) })),
  ...(life.suppressed === 0 ? [] : [{ where: "uncaught", message: `and ${life.suppressed} more` }])
]

const kindRows = (life: Course): Array<typeof Report.KindRow.Type> => {
  const kinds = new Set([...life.liveAtRequest, ...life.pending].map((row) => row.kind))
  return Array.from(kinds, (kind) => ({
    kind,
    live: life.liveAtRequest.filter((row) => row.kind === kind).length,
    interrupted: life.pending.filter((row) => row.kind === kind && row.state === "interrupted").length,
    detached: life.pending.filter((row) => row.kind === kind && row.state === "detached").length
  }))
}

/**
 * The report as log lines, without what has been logged when it happened: each failure is told once. A service that did
 * not come up has nothing to add to that, unless something was left or took its time.
 */
export const lines = (life: Course, full: Report.ShutdownReport): ReadonlyArray<string> => {
  const { reason } = life
  const uneventful =
    full.leftBehind.length +
      full.interrupted.length +
      full.tasks.pending.length +
      full.tasks.ended +
      full.workers.length ===
      0 && full.durationMillis < 1000
  if (life.failedToStart && uneventful) return []
  return Report.render({
    ...full,
    failures: life.suppressed === 0 ? [] : full.failures.slice(-1),
    reason: reason === undefined ? null : { tag: reason._tag, detail: nameOf(reason) }
  })
}

/** A reason without the error that caused it: that has been told. */
export const nameOf = (reason: ShutdownReason.ShutdownReason): string => {
  if (reason._tag === "Fatal") return `Fatal (${reason.origin})`
  if (reason._tag === "TaskFailed") return `TaskFailed: ${label(reason.kind)} ${quote(reason.name)} (#${reason.id})`
  return ShutdownReason.describe(reason)
}

/** Phase, budget and task tree, for SIGQUIT and for the guard. */
export const dump = (life: Course, limit = Number.POSITIVE_INFINITY): string => {
  const tasks = life.tasks.snapshotUnsafe()
  const tree = Task.renderTree(tasks.slice(0, limit))
  const left =
    life.timeline === undefined
      ? "not stopping"
      : `${Task.formatAge(Math.max(0, Number(life.timeline.endNanos() - life.nowNanos()) / 1e6))} of the budget left`
  const phase = life.phase === undefined ? "" : `, phase ${life.phase}`
  const reason = life.reason === undefined ? "" : `, reason ${ShutdownReason.describe(life.reason)}`
  const more = tasks.length > limit ? `\n… and ${tasks.length - limit} more` : ""
  return `${life.name}: ${life.stage}${phase}, ${left}${reason}; ${tasks.length} live task(s)\n${tree}${more}\n`
}
