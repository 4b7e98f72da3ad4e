/**
 * How one life of a worker ended, as plain data: nothing that is known about a crash is lost on the way up.
 *
 * | end         | is                                                                            | a success |
 * | ----------- | ----------------------------------------------------------------------------- | --------- |
 * | `Completed` | its program returned by itself                                                | yes       |
 * | `Stopped`   | it was asked to stop and ended in time; with what it left behind, if anything | yes       |
 * | `Failed`    | its program failed or died, with the errors of its cause                      | no        |
 * | `Uncaught`  | an exception or rejection nobody caught ended it                              | no        |
 * | `Exited`    | it left with a code and without a word                                        | code 0    |
 * | `Signalled` | a signal from outside ended it                                                | no        |
 * | `OutOfMemory` | its heap was full                                                           | no        |
 * | `Killed`    | its supervisor ended it, and why                                              | no        |
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Schema from "effect/Schema"
import { quote } from "../internal/quote.ts"

/**
 * One error, as it can cross a thread or process.
 *
 * @category models
 * @since 0.1.0
 */
export const ErrorRow = Schema.Struct({
  /** `Fail`: a typed failure. `Die`: a defect. */
  type: Schema.Literals(["Fail", "Die"]),
  /** The tag of a tagged error, else the name of the error's class, else its type. */
  name: Schema.String,
  message: Schema.String,
  stack: Schema.NullOr(Schema.String)
})

/**
 * @category models
 * @since 0.1.0
 */
export type ErrorRow = typeof ErrorRow.Type

/**
 * Why a supervisor ended a worker.
 *
 * @category models
 * @since 0.1.0
 */
export const KillReason = Schema.Literals([
  "grace over",
  "startup timeout",
  "health timeout",
  "progress timeout",
  "invalid message",
  "policy",
  "scope closed"
])

/**
 * @category models
 * @since 0.1.0
 */
export type KillReason = typeof KillReason.Type

/**
 * @category models
 * @since 0.1.0
 */
export const WorkerExit = Schema.Union([
  Schema.TaggedStruct("Completed", {}),
  Schema.TaggedStruct("Stopped", { exitCode: Schema.Int, leftBehind: Schema.Array(Schema.String) }),
  Schema.TaggedStruct("Failed", { exitCode: Schema.Int, errors: Schema.Array(ErrorRow) }),
  Schema.TaggedStruct("Uncaught", { origin: Schema.String, error: ErrorRow }),
  Schema.TaggedStruct("Exited", { exitCode: Schema.Int }),
  Schema.TaggedStruct("Signalled", { signal: Schema.String }),
  Schema.TaggedStruct("OutOfMemory", { detail: Schema.String }),
  Schema.TaggedStruct("Killed", { reason: KillReason })
])

/**
 * @category models
 * @since 0.1.0
 */
export type WorkerExit = typeof WorkerExit.Type

/**
 * Whether a `transient` worker that ended so has done what it was for.
 *
 * @category guards
 * @since 0.1.0
 */
export const isSuccess = (exit: WorkerExit): boolean =>
  exit._tag === "Completed" || exit._tag === "Stopped" || (exit._tag === "Exited" && exit.exitCode === 0)

/**
 * An error as a row; the errors behind it (`cause`) are told in its message, at most five deep. One that throws when it is
 * looked at is told as that: how a worker ended must not be lost over it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const errorRow = (type: ErrorRow["type"], error: unknown): ErrorRow => {
  try {
    return rowOf(type, error)
  } catch {
    return { type, name: "object", message: "an error that throws when it is read", stack: null }
  }
}

const rowOf = (type: ErrorRow["type"], error: unknown): ErrorRow => {
  if (typeof error !== "object" || error === null) {
    return { type, name: typeof error, message: String(error), stack: null }
  }
  const tag = "_tag" in error && typeof error._tag === "string" ? error._tag : undefined
  const name = tag ?? (error instanceof Error ? String(error.name) : "object")
  const stack = error instanceof Error && typeof error.stack === "string" ? error.stack : null
  return { type, name, message: messages(error).join(": "), stack }
}

const messages = (error: unknown): ReadonlyArray<string> => {
  const told: Array<string> = []
  let one = error
  for (let depth = 0; depth < 5 && typeof one === "object" && one !== null; depth++) {
    const message = "message" in one && typeof one.message === "string" ? one.message : ""
    if (message !== "" && !told.includes(message)) told.push(message)
    one = "cause" in one ? one.cause : undefined
  }
  if (typeof one === "string") told.push(one)
  return told
}

/**
 * The errors of a cause, interruptions left out.
 *
 * @category constructors
 * @since 0.1.0
 */
export const errorRows = (cause: Cause.Cause<unknown>): ReadonlyArray<ErrorRow> =>
  cause.reasons.flatMap((reason) =>
    Cause.isFailReason(reason)
      ? [errorRow("Fail", reason.error)]
      : Cause.isDieReason(reason)
        ? [errorRow("Die", reason.defect)]
        : []
  )

/**
 * One line for people.
 *
 * @category operations
 * @since 0.1.0
 */
export const describe = (exit: WorkerExit): string => {
  switch (exit._tag) {
    case "Completed":
      return "completed"
    case "Stopped":
      return exit.leftBehind.length === 0
        ? "stopped"
        : `stopped, leaving behind ${exit.leftBehind.map(quote).join(", ")}`
    case "Failed":
      return `failed: ${exit.errors.map(oneLine).join("; ")}`
    case "Uncaught":
      return `${exit.origin}: ${oneLine(exit.error)}`
    case "Exited":
      return `exited with code ${exit.exitCode}`
    case "Signalled":
      return `ended by ${exit.signal}`
    case "OutOfMemory":
      return `out of memory: ${exit.detail}`
    case "Killed":
      return `killed: ${exit.reason}`
  }
}

const oneLine = (row: ErrorRow): string => {
  const message = /\p{Cc}/u.test(row.message) ? quote(row.message) : row.message
  return message === "" ? row.name : message.startsWith(row.name) ? message : `${row.name}: ${message}`
}
