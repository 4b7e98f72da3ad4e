/**
 * What runs in a process of a hybrid: a container of threads, and a way through to them.
 *
 * The process is a worker of the outer container and a supervisor of its threads. It is ready when all of them are, fails when they
 * fail too often (and is then started again as a whole), and hands every request on to one of them in turn, as it came: only the two ends
 * of a request know its schemas.
 *
 * @internal
 */
import * as WorkerProgram from "@selvedge/core/service/WorkerProgram"
import * as Backend from "@selvedge/core/workers/Backend"
import * as ChildSpec from "@selvedge/core/workers/ChildSpec"
import * as Container from "@selvedge/core/workers/Container"
import { RequestFailed } from "@selvedge/core/workers/ContainerError"
import * as WorkerContext from "@selvedge/core/workers/WorkerContext"
import type { Said } from "@selvedge/core/workers/Policy"
import * as WorkerExit from "@selvedge/core/workers/WorkerExit"
import * as WorkerRequest from "@selvedge/core/workers/WorkerRequest"
import { WorkerRegions } from "@selvedge/core/workers/WorkerRegions"
import { type Shape as StatusShape, WorkerStatus } from "@selvedge/core/workers/WorkerStatus"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as ThreadedBackend from "../ThreadedBackend.ts"
import { InnerRef } from "./hybridInner.ts"

class Threads extends Context.Service<Threads, Container.Container>()("@selvedge/node/HybridThreads") {
  static readonly layer = Layer.effect(
    Threads,
    Effect.gen(function* () {
      const inner = yield* InnerRef
      if (inner === undefined) return yield* Effect.die(new Error("a hybrid's process was not told what to run"))
      const { name } = yield* WorkerContext.WorkerContext
      const status = yield* WorkerStatus
      const container = yield* Container.make({
        name: `${name} threads`,
        critical: true,
        intensity: { max: inner.intensity.max, period: inner.intensity.periodMillis },
        policy: {
          exited: ({ exit, facts }) =>
            WorkerExit.isSuccess(exit)
              ? Effect.void
              : status.problem(`${WorkerContext.describe(facts)} ${WorkerExit.describe(exit)}`),
          said: ({ facts, message }) => pass(status, facts, message)
        }
      })
      yield* container.run({
        name,
        program: Backend.module(inner.url, inner.exportName),
        regions: yield* WorkerRegions,
        count: inner.threads,
        healthTimeout: inner.healthTimeoutMillis,
        progressTimeout: inner.progressTimeoutMillis
      })
      yield* container.awaitReady
      // The threads are judged here; what the process itself has to do gets on for as long as it does that.
      if (inner.progressTimeoutMillis !== undefined) {
        const pause = Effect.sleep(inner.progressTimeoutMillis / ChildSpec.LOOKS)
        yield* Effect.forkScoped(Effect.forever(Effect.andThen(status.healthy, pause)))
      }
      return container
    })
  ).pipe(Layer.provide(ThreadedBackend.layer()))
}

/** What a thread says of itself is said of its process, with the thread's number where there are words. */
const pass = (status: StatusShape, { serviceOrdinal }: WorkerContext.Facts, message: Said): Effect.Effect<void> => {
  switch (message._tag) {
    case "StatusText":
      return status.text(`thread ${serviceOrdinal}: ${message.text}`)
    case "Problem":
      return status.problem(`thread ${serviceOrdinal}: ${message.message}`)
    case "Reloading":
      return status.reloading
    case "Restarting":
      return status.restarting
  }
}

/** A request whose schemas nobody here knows. */
const blind = (tag: string): WorkerRequest.WorkerRequest<string, unknown, unknown, unknown> =>
  WorkerRequest.make(tag, { payload: Schema.Unknown, success: Schema.Unknown, error: Schema.Unknown })

/** Answers whatever it is asked. */
class Through extends Map<string, WorkerRequest.Handler<Threads>> {
  override get(tag: string): WorkerRequest.Handler<Threads> {
    const request = blind(tag)
    const handler = WorkerRequest.handler(request, (payload) =>
      Effect.flatMap(Threads, (threads) =>
        Effect.catchIf(
          threads.request(request, payload),
          // What went wrong between here and the thread is no answer of the program's.
          (error): error is RequestFailed => error instanceof RequestFailed,
          Effect.die
        )
      )
    )
    return { ...handler, passesOn: true }
  }
}

export const program: WorkerProgram.WorkerProgram = {
  ...WorkerProgram.make({ layer: Threads.layer }),
  handlers: new Through()
}
