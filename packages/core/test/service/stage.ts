/**
 * A stage for services under test: signals by hand, a guard that notes what it is told, and the log as lines.
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Main from "@selvedge/core/service/Main"
import { Guard, type GuardState } from "@selvedge/core/service/Guard"
import * as Signals from "@selvedge/core/service/Signals"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as TestClock from "effect/testing/TestClock"

export interface Line {
  readonly level: string
  /** Message and cause, as a person reads them. */
  readonly text: string
}

export interface Stage {
  readonly signals: Signals.Manual
  readonly lines: Array<Line>
  readonly guarded: Array<GuardState>
  /** Starts a service; what it says and what the guard hears is noted. */
  readonly launch: <A, E>(
    layer: Layer.Layer<A, E, Main.Provided>,
    options?: Main.Options<A>
  ) => Effect.Effect<Fiber.Fiber<Main.Outcome, Main.AlreadyRunning | { readonly _tag: "InvalidSetting" }>>
}

const textOf = (options: Logger.Options<unknown>): string => {
  const parts = Array.isArray(options.message) ? options.message : [options.message]
  const cause = options.cause.reasons.length === 0 ? [] : [Cause.pretty(options.cause)]
  return [...parts.map(String), ...cause].join("\n")
}

/** Runs up to the next step of everybody who can take one. */
export const settle = Effect.repeat(Effect.yieldNow, { times: 30 })

/** Lets time pass in small steps, so that what wakes in between can go to sleep again. */
export const pass = (millis: number, step = 100): Effect.Effect<void> =>
  Effect.gen(function* () {
    for (let left = millis; left > 0; left -= step) yield* TestClock.adjust(Math.min(step, left))
    yield* settle
  })

export const nowMillis = Clock.currentTimeMillis

/** Runs an effect and everything below it with a log of its own and without the environment of the machine. */
export const quietly =
  (lines: Array<Line>) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    self.pipe(
      Effect.provide(
        Logger.layer([Logger.make((options) => void lines.push({ level: options.logLevel, text: textOf(options) }))])
      ),
      Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnvRecord({})))
    )

export const makeStage: Effect.Effect<Stage> = Effect.gen(function* () {
  const signals = yield* Signals.makeManual
  const lines: Array<Line> = []
  const guarded: Array<GuardState> = []
  return {
    signals,
    lines,
    guarded,
    launch: (layer, options) =>
      Main.run(layer, options).pipe(
        Effect.provideService(Signals.Signals, signals),
        Effect.provideService(Guard, { update: (state) => void guarded.push(state) }),
        quietly(lines),
        Effect.forkDetach({ startImmediately: true })
      )
  }
})

/** Runs a service, does something to it, lets a minute pass and gives the outcome. */
export const play = <A, E>(
  layer: Layer.Layer<A, E, Main.Provided>,
  options: Main.Options<A> | undefined,
  act: (stage: Stage) => Effect.Effect<unknown>
): Effect.Effect<{ readonly stage: Stage; readonly outcome: Main.Outcome }> =>
  Effect.gen(function* () {
    const stage = yield* makeStage
    const main = yield* stage.launch(layer, options)
    yield* settle
    yield* act(stage)
    yield* pass(60_000, 500)
    return { stage, outcome: yield* Effect.orDie(Fiber.join(main)) }
  })
