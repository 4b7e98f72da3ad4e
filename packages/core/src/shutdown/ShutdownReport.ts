/**
 * What a shutdown did, as plain data: what ended, what was interrupted, what was left behind, how long each phase took.
 *
 * Filled by `Main`, written as log lines, and as JSON to stderr or a file where that is asked for. Times are
 * milliseconds since the request unless they say otherwise.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { phases } from "./ShutdownPlan.ts"
import { Straggler } from "./Straggler.ts"
import { label, quote } from "../internal/quote.ts"

/**
 * One phase of the plan.
 *
 * @category models
 * @since 0.1.0
 */
export const PhaseRow = Schema.Struct({
  phase: Schema.Literals(phases),
  startedMillis: Schema.Finite,
  durationMillis: Schema.Finite,
  /** When it had to be over. */
  deadlineMillis: Schema.Finite
})

/**
 * Something that had not ended when its reserve had.
 *
 * @category models
 * @since 0.1.0
 */
export const LeftBehind = Schema.Struct({
  type: Schema.Literals(["task", "worker", "start", "run", "hook", "finalizer"]),
  name: Schema.String,
  phase: Schema.Literals(phases)
})

/**
 * Something other than a task that had not ended by itself and was interrupted.
 *
 * @category models
 * @since 0.1.0
 */
export const Interrupted = Schema.Struct({ type: Schema.Literals(["start", "run", "hook"]), name: Schema.String })

/**
 * Something that failed on the way, in the order it happened.
 *
 * @category models
 * @since 0.1.0
 */
export const FailureRow = Schema.Struct({ where: Schema.String, message: Schema.String })

/**
 * The tasks of one kind.
 *
 * @category models
 * @since 0.1.0
 */
export const KindRow = Schema.Struct({
  kind: Schema.String,
  /** Live when shutdown was requested. */
  live: Schema.Int,
  /** Of those still running at the deadline: ended once interrupted. */
  interrupted: Schema.Int,
  /** Of those still running at the deadline: left behind. */
  detached: Schema.Int
})

/**
 * What a container had to do about its workers, from its beginning.
 *
 * @category models
 * @since 0.1.0
 */
export const WorkersRow = Schema.Struct({
  container: Schema.String,
  /** How often there was each. */
  totals: Schema.Array(Schema.Struct({ what: Schema.String, count: Schema.Int })),
  /** The latest, oldest first. */
  incidents: Schema.Array(
    Schema.Struct({
      /** Milliseconds since 1970. */
      at: Schema.Finite,
      worker: Schema.String,
      life: Schema.Int,
      what: Schema.String,
      detail: Schema.String
    })
  )
})

/**
 * The report.
 *
 * @category models
 * @since 0.1.0
 */
export const ShutdownReport = Schema.Struct({
  service: Schema.String,
  reason: Schema.NullOr(Schema.Struct({ tag: Schema.String, detail: Schema.String })),
  /** Milliseconds since 1970. */
  requestedAt: Schema.Finite,
  budgetMillis: Schema.Finite,
  durationMillis: Schema.Finite,
  /** The signal that forced the stop, `"code"` for `ShutdownToken.force`, or null. */
  forcedBy: Schema.NullOr(Schema.String),
  /** Until when requests were accepted: `"close"` where nothing was registered with `onStopAccepting`. */
  acceptedUntil: Schema.Literals(["stopAccepting", "close"]),
  phases: Schema.Array(PhaseRow),
  tasks: Schema.Struct({
    /** Of those live when shutdown was requested: no longer running at the deadline. */
    ended: Schema.Int,
    kinds: Schema.Array(KindRow),
    pending: Schema.Array(Straggler)
  }),
  interrupted: Schema.Array(Interrupted),
  leftBehind: Schema.Array(LeftBehind),
  /** Containers that had to do anything about their workers. */
  workers: Schema.Array(WorkersRow),
  failures: Schema.Array(FailureRow),
  exitCode: Schema.Int
})

/**
 * @category models
 * @since 0.1.0
 */
export type ShutdownReport = typeof ShutdownReport.Type

/**
 * The report as lines for people, the most important first.
 *
 * @category operations
 * @since 0.1.0
 */
export const render = (report: ShutdownReport): ReadonlyArray<string> => {
  const { tasks } = report
  const interrupted = tasks.pending.filter((row) => row.state === "interrupted")
  return [
    `shutdown took ${seconds(report.durationMillis)} of ${seconds(report.budgetMillis)}: ${tasks.ended} task(s) ended, ` +
      `${interrupted.length} interrupted, ${report.leftBehind.length} thing(s) left behind; ` +
      `reason ${report.reason?.detail ?? "none"}${report.forcedBy === null ? "" : `; forced by ${report.forcedBy}`}; ` +
      `exit code ${report.exitCode}`,
    ...report.leftBehind.map((row) => `left behind: ${row.type} ${quote(row.name)} (in ${row.phase})`),
    ...report.interrupted.map((row) => `interrupted: ${row.type} ${quote(row.name)}`),
    ...interrupted.map(
      (row) => `interrupted: task ${quote(row.name)} (${label(row.kind)} #${row.id}) after ${seconds(row.ageMillis)}`
    ),
    ...report.failures.map((row) => `failed: ${row.where}: ${row.message}`),
    ...report.workers.flatMap(renderWorkers),
    ...renderPhases(report)
  ]
}

/** One line for what happened to one worker in one way, however often. */
const renderWorkers = ({ container, incidents, totals }: typeof WorkersRow.Type): ReadonlyArray<string> => {
  const groups = Map.groupBy(incidents, ({ what, worker }) => JSON.stringify([worker, what]))
  const kept = (what: string): number => incidents.filter((one) => one.what === what).length
  return [
    ...Array.from(groups.values(), (group) => {
      const { detail, life, what, worker } = group.at(-1)!
      const often = group.length === 1 ? "" : ` ${group.length} times, the last`
      return `worker ${worker}: ${what}${often} in life ${life}: ${oneLine(detail)}`
    }),
    ...totals
      .filter(({ count, what }) => count > kept(what))
      .map(({ count, what }) => `workers of ${quote(container)}: ${what} ${count} times in all`)
  ]
}

/** A text that is ours in the main, on one line. */
const oneLine = (text: string): string => (/\p{Cc}|\p{Zl}|\p{Zp}/u.test(text) ? quote(text) : text)

const seconds = (millis: number): string => `${(millis / 1000).toFixed(millis < 10_000 ? 2 : 1)}s`

const renderPhases = (report: ShutdownReport): ReadonlyArray<string> => {
  const taken = report.phases.filter((row) => row.durationMillis >= 10)
  // Without a delay there was no running service, and a finite program has no listeners to speak of.
  const accepted =
    report.acceptedUntil === "close" &&
    report.reason?.tag !== "RunCompleted" &&
    report.phases.some((row) => row.phase === "delay")
  return [
    ...(taken.length === 0
      ? []
      : [`phases: ${taken.map((row) => `${row.phase} ${seconds(row.durationMillis)}`).join(", ")}`]),
    ...(accepted
      ? ["nothing was registered with onStopAccepting: listeners, if any, accepted until the layer's scope closed"]
      : [])
  ]
}
