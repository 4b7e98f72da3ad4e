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
import * as Failure from "../../internal/failure.ts"
import * as ShutdownReason from "../../shutdown/ShutdownReason.ts"
import type { StartStep } from "./course.ts"
import type { Life } from "./life.ts"

/** A hook of the start has failed: it is told before the hook's scope closes, because that may hang. */
export const failHook =
  (life: Life, step: StartStep) =>
  (exit: Exit.Exit<unknown, unknown>): void => {
    if (Exit.isSuccess(exit) || (life.reason !== undefined && Cause.hasInterruptsOnly(exit.cause))) return
    failed(life, step, exit.cause)
  }

/** The user's parts of the start, with everything they need provided. */
export interface Steps {
  readonly preStart: Effect.Effect<unknown, unknown>
  readonly build: Effect.Effect<Context.Context<never>, unknown>
  readonly onStart: (services: Context.Context<never>) => Effect.Effect<unknown, unknown>
  /** A cause without what is told elsewhere: finalizers that died when the build failed. */
  readonly untold: (cause: Cause.Cause<unknown>) => Cause.Cause<unknown>
  /** Waits for a build that has failed and does not come to an end, because a finalizer hangs. */
  readonly hangs: Effect.Effect<Cause.Cause<unknown>>
}

export interface Started {
  /** How far it came. */
  readonly step: () => StartStep
  readonly fiber: Fiber.Fiber<Context.Context<never>, unknown>
  readonly untold: Steps["untold"]
  /** The layer's services, once everything of the start succeeded. */
  readonly services: Option.Option<Context.Context<never>>
}

/** Runs the start to its end, or to the first request to stop; a request interrupts it without waiting for it. */
export const start = (life: Life, steps: Steps): Effect.Effect<Started> =>
  Effect.gen(function* () {
    let step: StartStep = "preStart"
    const body = Effect.gen(function* () {
      yield* steps.preStart
      yield* checkpoint(life)
      step = "build"
      life.advance("building")
      const services = yield* steps.build
      yield* checkpoint(life)
      step = "onStart"
      life.advance("onStart")
      yield* steps.onStart(services)
      return services
    })
    const fiber = Effect.runForkWith(life.context)(body)
    const hangs = Effect.flatMap(steps.hangs, (cause) => {
      failed(life, step, steps.untold(cause))
      return Effect.never
    })
    const exit = yield* Effect.raceFirst(
      Effect.asSome(Fiber.await(fiber)),
      Effect.raceFirst(
        Effect.as(life.root.awaitRequested, Option.none<Exit.Exit<Context.Context<never>, unknown>>()),
        hangs
      )
    )
    const services = Option.flatMap(exit, Exit.getSuccess)
    if (Option.isNone(exit)) fiber.interruptUnsafe()
    // Interrupted by itself, or by nobody we know of: without a request there is no reason to stop but this.
    else if (Exit.isFailure(exit.value) && (life.reason === undefined || !Cause.hasInterruptsOnly(exit.value.cause))) {
      failed(life, step, steps.untold(exit.value.cause))
    }
    return { step: () => step, fiber, services, untold: steps.untold }
  })

/** Who asks to stop in one step of the start has asked before the next. */
const checkpoint = (life: Life): Effect.Effect<void> =>
  Effect.suspend(() => (life.reason === undefined ? Effect.void : Effect.interrupt))

const failed = (life: Life, step: StartStep, cause: Cause.Cause<unknown>): void => {
  if (life.failure !== undefined) return noteMore(life, cause)
  life.failure = { step, cause }
  life.log(Failure.log(`${step} failed`, cause))
  life.root.requestUnsafe(ShutdownReason.Fatal({ origin: step, cause }))
}

/** What an interrupted start ended with: nothing, or an error of its own that came before the interruption took hold. */
export const noteLateFailure = (
  life: Life,
  started: Pick<Started, "step" | "untold">,
  exit: Exit.Exit<unknown, unknown>
): void => {
  if (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) return
  const cause = started.untold(exit.cause)
  if (life.failure !== undefined) return noteMore(life, cause)
  life.failure = { step: started.step(), cause }
  life.log(Failure.log(`${started.step()} failed while it was interrupted`, cause))
}

/** What the finalizers of a step that has failed added to its failure. */
export const noteMore = (life: Life, cause: Cause.Cause<unknown>): void => {
  const { failure } = life
  const told = new Set(failure?.cause.reasons.map(thingIn))
  const rest = cause.reasons.filter((reason) => reason._tag !== "Interrupt" && !told.has(thingIn(reason)))
  if (rest.length > 0) life.fault(undefined, `a finalizer of ${failure?.step ?? "the start"}`, Cause.fromReasons(rest))
}

const thingIn = (reason: Cause.Reason<unknown>): unknown =>
  reason._tag === "Fail" ? reason.error : reason._tag === "Die" ? reason.defect : undefined
