/**
 * What a service was, told once at its end: exit code, what the shutdown did, totals, counters and the last events.
 *
 * It is a dump taken when everything has ended, so what stands in it as a live task or an active strand was left behind.
 * `Main` decides the exit code; this only tells. A process that is ended by its guard, by its watchdog or by SIGKILL writes
 * no report of its own.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Setting from "../config/Setting.ts"
import * as ShutdownReport from "../shutdown/ShutdownReport.ts"
import * as DumpSchema from "./DumpSchema.ts"
import * as DumpText from "./DumpText.ts"

/**
 * @category models
 * @since 0.1.0
 */
export const ExitReport = Schema.Struct({
  schema: Schema.Literal("selvedge/exit"),
  version: Schema.Literal(1),
  exitCode: Schema.Int,
  /** Null after a third signal: there was no time. */
  shutdown: Schema.NullOr(ShutdownReport.ShutdownReport),
  dump: DumpSchema.Dump
})

/**
 * @category models
 * @since 0.1.0
 */
export type ExitReport = typeof ExitReport.Type

/**
 * @category models
 * @since 0.1.0
 */
export const ExitReportJson = Schema.fromJsonString(ExitReport)

/**
 * Where the report goes: nowhere, to stderr as `text` or as one line of `json`, or as JSON into the file of that path.
 *
 * @category settings
 * @since 0.1.0
 */
export const settings = {
  exitReport: Setting.path("SELVEDGE_EXIT_REPORT", "exitReport")
} as const

/**
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: {
  readonly name: string
  readonly exitCode: number
  readonly shutdown: ShutdownReport.ShutdownReport | undefined
  readonly dump: DumpSchema.Dump
}): ExitReport => {
  const { dump, exitCode, name, shutdown } = options
  const reason = shutdown?.reason?.detail ?? null
  const service = { name, stage: "stopped", phase: null, reason, budgetLeftMillis: null }
  return {
    schema: "selvedge/exit",
    version: 1,
    exitCode,
    shutdown: shutdown ?? null,
    dump: { ...dump, occasion: "exit", service: dump.service ?? service }
  }
}

/**
 * The report as text, ending in a line break.
 *
 * @category operations
 * @since 0.1.0
 */
export const render = ({ dump, exitCode, shutdown }: ExitReport): string =>
  [
    `exit code ${exitCode}`,
    ...(shutdown === null ? ["no time for an orderly end"] : ShutdownReport.render(shutdown)),
    DumpText.render(dump)
  ].join("\n")
