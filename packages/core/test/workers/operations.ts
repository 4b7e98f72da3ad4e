/**
 * What tests of operations share: programs of two versions, a stream of requests, and who serves.
 */
import * as WorkerProgram from "@selvedge/core/service/WorkerProgram"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as Backend from "@selvedge/core/workers/Backend"
import type * as Container from "@selvedge/core/workers/Container"
import * as WorkerContext from "@selvedge/core/workers/WorkerContext"
import * as WorkerStatus from "@selvedge/core/workers/WorkerStatus"
import * as WorkerRequest from "@selvedge/core/workers/WorkerRequest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import { pass, settle } from "./stage.ts"

/** Who answers, as `version ordinal.generation`; takes the given time. */
export const Who = WorkerRequest.make("Who", { payload: Schema.Int, success: Schema.String })

const who = (version: string) =>
  WorkerRequest.handler(Who, (millis) =>
    Effect.andThen(
      Effect.sleep(millis),
      Effect.map(WorkerContext.WorkerContext, ({ generation, ordinal }) => `${version} ${ordinal}.${generation}`)
    )
  )

/** Answers, and is ready after a while. */
export const answering = (version: string, readyAfter = 0): Backend.ProgramRef =>
  Backend.direct(
    WorkerProgram.make({
      ...(readyAfter === 0 ? {} : { ready: "manual" as const, main: readyIn(readyAfter) }),
      handlers: [who(version)]
    })
  )

const readyIn = (millis: number) =>
  Effect.andThen(
    Effect.sleep(millis),
    Effect.andThen(
      WorkerStatus.WorkerStatus.pipe(Effect.flatMap((status) => status.ready)),
      ShutdownToken.awaitDraining
    )
  )

/** Each is ready so much later than the one before it in its service. */
export const oneAfterTheOther = (millis: number): Backend.ProgramRef =>
  Backend.direct(
    WorkerProgram.make({
      ready: "manual",
      main: Effect.flatMap(WorkerContext.WorkerContext, ({ serviceOrdinal }) => readyIn(millis * serviceOrdinal))
    })
  )

/** The workers of a container, as `service number: ordinal.generation state`. */
export const workers = (container: Container.Container) =>
  Effect.map(container.status, (rows) =>
    rows
      .filter(({ role }) => role === "Serving")
      .map(({ generation, name, ordinal, serviceOrdinal }) => `${name} ${serviceOrdinal}: ${ordinal}.${generation}`)
  )

/** Runs an operation beside the test, which then lets time pass. */
export const begun = <A, E, R>(operation: Effect.Effect<A, E, R>) =>
  Effect.tap(Effect.forkChild(operation, { startImmediately: true }), () => settle)

/** Runs an operation and lets time pass until it has ended. */
export const completed = <A, E, R>(operation: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(operation, { startImmediately: true })
    yield* settle
    for (let i = 0; i < 100 && !ended(fiber); i++) yield* pass(100)
    if (!ended(fiber)) return yield* Effect.die(new Error("an operation that did not end within 10 seconds"))
    return yield* Fiber.join(fiber)
  })

export const ended = <A, E>(fiber: Fiber.Fiber<A, E>): boolean => fiber.pollUnsafe() !== undefined

/** Asks all the time until it is interrupted; what went wrong is noted. */
export const stream = (container: Container.Container, takes = 10) =>
  Effect.gen(function* () {
    const found = { answered: 0, wrong: [] as Array<string>, by: new Set<string>() }
    const ask = Effect.matchEffect(container.request(Who, takes, { service: "a" }), {
      onSuccess: (by) => Effect.sync(() => void (found.answered++, found.by.add(by))),
      onFailure: (error) => Effect.sync(() => void found.wrong.push(error.message))
    })
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(3), Effect.forkChild(ask))))
    return found
  })
