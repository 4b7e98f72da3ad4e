/**
 * What an end says over the wire: that of a handler, and that of a worker's whole life.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Failure from "../../internal/failure.ts"
import * as ShutdownReason from "../../shutdown/ShutdownReason.ts"
import { RequestFailed } from "../../workers/ContainerError.ts"
import * as WorkerExit from "../../workers/WorkerExit.ts"
import type * as WorkerMessage from "../../workers/WorkerMessage.ts"
import type { Handler } from "../../workers/WorkerRequest.ts"
import type * as Main from "../Main.ts"

export type Reply = Extract<WorkerMessage.FromWorker, { readonly _tag: "Reply" }>["result"]

/** What a handler's end says over the wire. */
export const answer = (handler: Handler<any>, exit: Exit.Exit<unknown, unknown>): Effect.Effect<Reply> => {
  if (Exit.isSuccess(exit)) {
    return encoded(handler, "success", exit.value, (value) => ({ _tag: "Success", value }))
  }
  const error = Cause.findErrorOption(exit.cause)
  if (Option.isSome(error))
    return encoded(handler, "error", error.value, (value) => ({ _tag: "Failure", error: value }))
  const passed = handler.passesOn === true ? Result.getOrUndefined(Cause.findDefect(exit.cause)) : undefined
  if (passed instanceof RequestFailed) {
    const { detail, reason, worker } = passed
    return Effect.succeed({ _tag: "Failed", reason, worker, detail })
  }
  const defect = died(exit.cause)
  if (Cause.hasInterruptsOnly(exit.cause)) return Effect.succeed(defect)
  return Effect.as(Failure.log(`handler of ${handler.request.tag} died`, exit.cause), defect)
}

/** What is said of a handler that gave no answer. */
export const died = (cause: Cause.Cause<unknown>): Reply => ({ _tag: "Defect", message: Failure.oneLine(cause) })

/** What is said instead of an answer that its schema allows and no link carries. */
export const unsendable = (error: unknown): Reply => ({
  _tag: "Defect",
  message: `its answer cannot be sent: ${Failure.unfolded(error)}`
})

const encoded = (
  handler: Handler<any>,
  part: "success" | "error",
  value: unknown,
  wrap: (wire: unknown) => Reply
): Effect.Effect<Reply> =>
  Effect.match(Schema.encodeUnknownEffect(handler.request[part])(value), {
    onSuccess: wrap,
    onFailure: (error) => ({ _tag: "Defect", message: `the ${part} is not what its schema allows: ${error.message}` })
  })

/** How a life ended, by the outcome of its run. */
export const exitOf = (exit: Exit.Exit<Main.Outcome, unknown>): WorkerExit.WorkerExit => {
  if (Exit.isFailure(exit)) return { _tag: "Failed", exitCode: 1, errors: WorkerExit.errorRows(exit.cause) }
  const { error, exitCode, reason, report } = exit.value
  const cause = reason === undefined ? undefined : ShutdownReason.cause(reason)
  if (reason?._tag === "Fatal" && isUncaught(reason.origin)) {
    return { _tag: "Uncaught", origin: reason.origin, error: WorkerExit.errorRow("Die", Cause.squash(reason.cause)) }
  }
  const rows = WorkerExit.errorRows(Cause.combine(error ?? Cause.empty, cause ?? Cause.empty))
  const leftBehind = (report?.leftBehind ?? []).map((row) => `${row.type} ${row.name}`)
  if (cause !== undefined || exitCode === 1) return { _tag: "Failed", exitCode, errors: distinct(rows) }
  if (reason?._tag === "RunCompleted" && exitCode === 0) return { _tag: "Completed" }
  return { _tag: "Stopped", exitCode, leftBehind }
}

const isUncaught = (origin: string): boolean => origin === "uncaughtException" || origin === "unhandledRejection"

const distinct = (rows: ReadonlyArray<WorkerExit.ErrorRow>): ReadonlyArray<WorkerExit.ErrorRow> =>
  rows.filter((row, at) => rows.findIndex((one) => one.name === row.name && one.message === row.message) === at)
