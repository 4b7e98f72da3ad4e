/**
 * The first half of a life: preStart → build the layer → onStart, in one fiber that a request to stop interrupts.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as ShutdownReason from "../../shutdown/ShutdownReason.ts"
import type { Life, StartStep } from "./life.ts"

/** The user's parts of the start, with everything they need provided. */
export interface Steps {
  readonly preStart: Effect.Effect<unknown, unknown>
  readonly build: Effect.Effect<Context.Context<never>, unknown>
  readonly onStart: (services: Context.Context<never>) => Effect.Effect<unknown, unknown>
}

export interface Started {
  /** How far it came. */
  readonly step: () => StartStep
  readonly fiber: Fiber.Fiber<Context.Context<never>, unknown>
  /** The layer's services, once everything of the start succeeded. */
  readonly services: Option.Option<Context.Context<never>>
}

/** Runs the start to its end, or to the first request to stop; a request interrupts it without waiting for it. */
export const start = (life: Life, steps: Steps): Effect.Effect<Started> =>
  Effect.gen(function* () {
    let step: StartStep = "preStart"
    const body = Effect.gen(function* () {
      yield* steps.preStart
      step = "build"
      life.stage = "building"
      const services = yield* steps.build
      step = "onStart"
      life.stage = "onStart"
      yield* steps.onStart(services)
      return services
    })
    const fiber = Effect.runForkWith(life.context)(body)
    const exit = yield* Effect.raceFirst(
      Effect.asSome(Fiber.await(fiber)),
      Effect.as(life.root.awaitRequested, Option.none<Exit.Exit<Context.Context<never>, unknown>>())
    )
    const services = Option.flatMap(exit, Exit.getSuccess)
    if (Option.isNone(exit)) fiber.interruptUnsafe()
    else if (Exit.isFailure(exit.value)) failed(life, step, exit.value.cause)
    return { step: () => step, fiber, services }
  })

const failed = (life: Life, step: StartStep, cause: Cause.Cause<unknown>): void => {
  life.failure = { step, cause }
  life.log(Effect.logError(`${step} failed`, cause))
  life.root.requestUnsafe(ShutdownReason.Fatal({ origin: step, cause }))
}

/** What an interrupted start ended with: nothing, or an error of its own that came before the interruption took hold. */
export const noteLateFailure = (
  life: Life,
  started: Pick<Started, "step">,
  exit: Exit.Exit<unknown, unknown>
): void => {
  if (life.failure !== undefined || Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) return
  life.failure = { step: started.step(), cause: exit.cause }
  life.log(Effect.logError(`${started.step()} failed while it was interrupted`, exit.cause))
}
