/**
 * A request handler as a task: it has a name, it is drained before the loops it needs, and a shutdown waits for it.
 */
import { TaskRegistry } from "@selvedge/core"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"

/** Runs a handler as an `RpcHandler` task. A client that hangs up aborts it; a service that stops answers 503. */
export const asTask =
  (name: string) =>
  <E, R>(handler: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
    TaskRegistry.spawn(handler, { name, kind: "RpcHandler", startImmediately: true }).pipe(
      Effect.matchEffect({
        onFailure: unavailable,
        onSuccess: (task) =>
          Effect.flatten(task.await).pipe(
            Effect.onInterrupt(() => task.abort),
            Effect.map(HttpServerResponse.setHeader("x-task", `${task.kind} #${task.id}`))
          )
      })
    )

/** The answer to a request that comes too late, or once too often. */
export const unavailable = (refused: { readonly message: string }) =>
  Effect.succeed(HttpServerResponse.text(`${refused.message}\n`, { status: 503 }))
