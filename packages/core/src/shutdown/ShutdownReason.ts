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
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Failure from "../internal/failure.ts"
import { label, quote } from "../internal/quote.ts"
import { show } from "../internal/show.ts"

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

/**
 * A reason, as it is; anything else is a mistake of the program that says it, and is refused before anything moves.
 *
 * @internal
 */
export const checked = (reason: ShutdownReason): ShutdownReason => {
  const found: unknown = reason
  if (typeof found !== "object" || found === null || !("_tag" in found)) {
    throw new TypeError(`a reason to stop: wanted a ShutdownReason, found ${show(found)}`)
  }
  const { _tag } = found
  const facts =
    typeof _tag === "string" && Object.hasOwn(factsOf, _tag) ? factsOf[_tag as ShutdownReason["_tag"]] : undefined
  if (facts === undefined) {
    throw new TypeError(`a reason to stop: wanted one of ${Object.keys(factsOf).join(", ")}, found ${show(_tag)}`)
  }
  for (const fact of facts) {
    const value = (found as Record<string, unknown>)[fact]
    const isFact = fact === "cause" ? Cause.isCause(value) : typeof value === (fact === "id" ? "number" : "string")
    if (isFact) continue
    const wanted = fact === "cause" ? "a Cause" : fact === "id" ? "a number" : "a string"
    throw new TypeError(`the ${fact} of a reason ${_tag}: wanted ${wanted}, found ${show(value)}`)
  }
  return reason
}

/** The facts of each. */
const factsOf: Readonly<Record<ShutdownReason["_tag"], ReadonlyArray<string>>> = {
  Signal: ["signal"],
  Requested: ["by"],
  Reload: [],
  RunCompleted: [],
  TaskFailed: ["id", "name", "kind", "cause"],
  Fatal: ["origin", "cause"],
  ParentGone: [],
  ScopeClosed: []
}

/** The cause that came with the reason, for those that have one. */
export const cause = (reason: ShutdownReason): Cause.Cause<unknown> | undefined =>
  reason._tag === "TaskFailed" || reason._tag === "Fatal" ? reason.cause : undefined
