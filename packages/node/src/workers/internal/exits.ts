/**
 * What the platform says about the end of a thread or process, as a `WorkerExit`.
 *
 * @internal
 */
import * as WorkerExit from "@selvedge/core/workers/WorkerExit"
import { readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Nobody but the scope kills by itself; where a container did, it knows better why. */
const KILLED: WorkerExit.WorkerExit = { _tag: "Killed", reason: "scope closed" }

export const ofThread = (seen: {
  readonly code: number
  readonly error: unknown
  readonly wasKilled: boolean
}): WorkerExit.WorkerExit => {
  const { code, error, wasKilled } = seen
  if (isOutOfMemory(error)) return { _tag: "OutOfMemory", detail: error.message }
  if (error !== undefined) {
    return { _tag: "Uncaught", origin: "uncaughtException", error: WorkerExit.errorRow("Die", error) }
  }
  return wasKilled ? KILLED : { _tag: "Exited", exitCode: code }
}

const isOutOfMemory = (error: unknown): error is Error =>
  error instanceof Error && "code" in error && error.code === "ERR_WORKER_OUT_OF_MEMORY"

export const ofProcess = (seen: {
  readonly pid: number
  readonly code: number | null
  readonly signal: string | null
  readonly wasKilled: boolean
}): WorkerExit.WorkerExit => {
  const { code, pid, signal, wasKilled } = seen
  if (signal === null) return { _tag: "Exited", exitCode: code ?? 1 }
  const fatal = signal === "SIGABRT" ? takeReport(pid) : undefined
  if (fatal !== undefined) return { _tag: "OutOfMemory", detail: fatal }
  return wasKilled && signal === "SIGKILL" ? KILLED : { _tag: "Signalled", signal }
}

// -----------------------------------------------------------------------------
// Out of memory in a process
// -----------------------------------------------------------------------------

/**
 * V8 aborts a process whose heap is full, and so does `process.abort` and a failed assertion: SIGABRT alone says nothing. So
 * a worker's process asks Node to write its diagnostic report then, and only then, under a name its parent knows.
 */
const reportName = (pid: number): string => `selvedge-worker-${pid}.json`

export const askForReport = (): void => {
  const { report } = process
  report.reportOnFatalError = true
  report.directory = tmpdir()
  report.filename = reportName(process.pid)
  report.compact = true
}

/** The event of the report, if it tells of memory. It is removed. */
const takeReport = (pid: number): string | undefined => {
  const path = join(tmpdir(), reportName(pid))
  try {
    const { header } = JSON.parse(readFileSync(path, "utf8"))
    rmSync(path, { force: true })
    return header.trigger === "OOMError" ? String(header.event) : undefined
  } catch {
    return undefined
  }
}
