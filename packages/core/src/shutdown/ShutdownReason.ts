/**
 * Why a service was asked to stop.
 *
 * The first reason stays (see `ShutdownToken`), decides the exit code together with what happened afterwards (see
 * `ExitCode`), and stands in the report.
 *
 * | reason         | said by                                                                     |
 * | -------------- | --------------------------------------------------------------------------- |
 * | `Signal`       | an operator or a supervisor, by SIGTERM, SIGINT or SIGHUP                    |
 * | `Requested`    | the program itself; `by` says which part                                    |
 * | `Reload`       | a replacement is ready and takes over                                       |
 * | `RunCompleted` | the service's `run` returned                                                |
 * | `TaskFailed`   | a task spawned `critical` failed or died                                    |
 * | `Fatal`        | a failed start or run, an uncaught exception, an unhandled rejection        |
 * | `ParentGone`   | a worker whose supervisor no longer answers                                 |
 * | `ScopeClosed`  | the scope that owned the token closed before anybody asked                  |
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Failure from "../internal/failure.ts"
import { label, quote } from "../internal/quote.ts"

/**
 * @category models
 * @since 0.1.0
 */
export type ShutdownReason = Data.TaggedEnum<{
  Signal: { readonly signal: string }
  Requested: { readonly by: string }
  Reload: {}
  RunCompleted: {}
  TaskFailed: {
    readonly id: number
    readonly name: string
    readonly kind: string
    readonly cause: Cause.Cause<unknown>
  }
  Fatal: { readonly origin: string; readonly cause: Cause.Cause<unknown> }
  ParentGone: {}
  ScopeClosed: {}
}>

/**
 * @category constructors
 * @since 0.1.0
 */
export const { Fatal, ParentGone, Reload, Requested, RunCompleted, ScopeClosed, Signal, TaskFailed, $is, $match } =
  Data.taggedEnum<ShutdownReason>()

/**
 * One line for people: the tag and the fact that belongs to it.
 *
 * @category operations
 * @since 0.1.0
 */
export const describe: (reason: ShutdownReason) => string = $match({
  Signal: (reason) => `Signal ${reason.signal}`,
  Requested: (reason) => `Requested by ${reason.by}`,
  Reload: () => "Reload",
  RunCompleted: () => "RunCompleted",
  TaskFailed: (reason) =>
    `TaskFailed: ${label(reason.kind)} ${quote(reason.name)} (#${reason.id}): ${Failure.oneLine(reason.cause)}`,
  Fatal: (reason) => `Fatal (${reason.origin}): ${Failure.oneLine(reason.cause)}`,
  ParentGone: () => "ParentGone",
  ScopeClosed: () => "ScopeClosed"
})

/** The cause that came with the reason, for those that have one. */
export const cause = (reason: ShutdownReason): Cause.Cause<unknown> | undefined =>
  reason._tag === "TaskFailed" || reason._tag === "Fatal" ? reason.cause : undefined
