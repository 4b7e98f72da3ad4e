/**
 * How a life stands, in one line for an operator: `STATUS=` of docs/systemd.md.
 *
 * Reads the state of a `Life` and changes nothing.
 *
 * @internal
 */
import type * as Cause from "effect/Cause"
import * as Failure from "../../internal/failure.ts"
import type * as Report from "../../shutdown/ShutdownReport.ts"
import type { Life } from "./life.ts"
import * as Results from "./results.ts"

/** A datagram of 4 kB is the least that everybody takes; the status shares it with other lines. */
const LIMIT_BYTES = 1000
const NAMES = 3

// oxlint-disable-next-line no-control-regex -- it is the control codes that a line must not have
const unsafe = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g
const encoder = new TextEncoder()

/** On one line and of bounded length; cut between two characters. */
export const oneLine = (text: string): string => {
  const line = text.replace(unsafe, " ").toWellFormed().trim()
  if (encoder.encode(line).length <= LIMIT_BYTES) return line
  let bytes = encoder.encode("…").length
  let cut = ""
  for (const char of line) {
    bytes += encoder.encode(char).length
    if (bytes > LIMIT_BYTES) break
    cut += char
  }
  return `${cut}…`
}

/** `workers ready 3/4`, with the services that lack all of theirs; nothing without workers. */
export const workers = (life: Life): string => {
  const rows = Array.from(life.workforce).flatMap((member) => member.rowsUnsafe())
  if (rows.length === 0) return ""
  const ready = new Map<string, number>()
  for (const { name, state } of rows) ready.set(name, (ready.get(name) ?? 0) + (state === "Ready" ? 1 : 0))
  const sum = Array.from(ready.values()).reduce((total, one) => total + one, 0)
  const lacking = Array.from(ready).flatMap(([name, count]) => (count === 0 ? [name] : []))
  const none = lacking.length === 0 ? "" : `; none of ${some(lacking)}`
  return `workers ready ${sum}/${rows.length}${none}`
}

const some = (names: ReadonlyArray<string>): string =>
  names.length > NAMES ? `${names.slice(0, NAMES).join(", ")} and ${names.length - NAMES} more` : names.join(", ")

const join = (...parts: ReadonlyArray<string>): string => parts.filter((part) => part !== "").join("; ")

/** What the phase that runs waits for. */
const waitsFor = (life: Life): string => {
  const tasks = life.tasks.snapshotUnsafe()
  switch (life.phase) {
    case undefined:
      return ""
    case "delay":
      return "drain delay"
    case "workers":
      return join("drains workers", `${Array.from(life.workforce).flatMap((one) => one.rowsUnsafe()).length} left`)
    case "stopAccepting":
    case "tasks":
    case "lastWords": {
      const names = Array.from(new Set(tasks.map(({ name }) => name)))
      const what = life.phase === "stopAccepting" ? "stops accepting" : life.phase === "tasks" ? "drains" : "last words"
      return names.length === 0 ? what : `${what}, waits for ${tasks.length} task(s): ${some(names)}`
    }
    default:
      return life.phase
  }
}

/** The line of the moment. */
export const of = (life: Life): string => {
  const { reason, reload, stage } = life
  if (life.timeline !== undefined) {
    const why = reason === undefined ? "" : ` (${Results.nameOf(reason)})`
    const left = waitsFor(life)
    return `stopping${why}${left === "" ? "" : `: ${left}`}`
  }
  if (stage !== "running") return `starting: ${stage}`
  const failed = reload.failure === undefined ? "" : `last reload failed, goes on as it was: ${reload.failure}`
  if (reload.begun > reload.ended) return join("reloading", workers(life))
  if (!life.wasReady) return join("starting", workers(life))
  return join(life.isReady ? "ready" : "running, not ready", workers(life), failed)
}

/** What a life came to. */
export interface Ending {
  readonly exitCode: number
  readonly error: Cause.Cause<unknown> | undefined
  readonly report: Report.ShutdownReport | undefined
}

/** The last line. */
export const ofEnd = ({ error, exitCode, report }: Ending): string => {
  const failure = error === undefined ? "" : `: ${Failure.oneLine(error)}`
  if (report === undefined) return `ended at once by a third signal, exit code ${exitCode}${failure}`
  const left = report.leftBehind.length === 0 ? "" : `, ${report.leftBehind.length} thing(s) left behind`
  return `stopped with exit code ${exitCode} after ${(report.durationMillis / 1000).toFixed(2)}s${left}${failure}`
}
