/**
 * Signals that a test sends.
 *
 * `Main` listens to the `Signals` source of its context. This module puts a source
 * there that a test feeds, with virtual time in mind: send now, or send along a
 * script of delays. It keeps what was sent and what was taken, with the time of
 * each, so a test can say that a third signal came and nobody looked.
 *
 * Nothing here touches the process: a test may send SIGQUIT to a service and go on.
 *
 * **Invariants**
 *
 * 1. Events are taken in the order in which they were sent, each once.
 * 2. Sending never waits and never fails for want of a listener.
 *
 * @since 0.1.0
 */
import type * as Signals from "@selvedge/core/service/Signals"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import { InvalidOption } from "../faults/InvalidOption.ts"

/**
 * An event and when it happened, in milliseconds of the clock of the test.
 *
 * @category models
 * @since 0.1.0
 */
export interface Entry {
  readonly event: Signals.Event
  readonly atMillis: number
}

/**
 * - `take`: the listening side, as in `Signals.Source`.
 * - `send`, `uncaught`: the feeding side.
 * - `sent`, `taken`: everything so far, in order.
 *
 * @category models
 * @since 0.1.0
 */
export interface Shape extends Signals.Source {
  send(name: Signals.SignalName): Effect.Effect<void, InvalidOption>
  uncaught(error: unknown, origin?: Signals.UncaughtOrigin): Effect.Effect<void>
  readonly sent: Effect.Effect<ReadonlyArray<Entry>>
  readonly taken: Effect.Effect<ReadonlyArray<Entry>>
}

/**
 * The signals of this test.
 *
 * @category services
 * @since 0.1.0
 */
export class TestSignals extends Context.Service<TestSignals, Shape>()("@selvedge/testing/TestSignals") {}

/**
 * The names that can be sent.
 *
 * @category models
 * @since 0.1.0
 */
export const names: ReadonlyArray<Signals.SignalName> = ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"]

// The service of core, by its key: so this file needs core for its types only.
const Source: Context.Reference<Signals.Source> = Context.Reference<Signals.Source>("@selvedge/core/Signals", {
  defaultValue: () => ({ take: Effect.never })
})

/**
 * Makes a source to feed. `layer` also puts it where `Main` listens.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<Shape> = Effect.map(Queue.unbounded<Signals.Event>(), (queue) => {
  const sent: Array<Entry> = []
  const taken: Array<Entry> = []
  const note = (log: Array<Entry>, event: Signals.Event) =>
    Effect.map(Clock.currentTimeMillis, (atMillis) => {
      log.push({ event, atMillis })
      return event
    })
  const deliver = (event: Signals.Event) =>
    Effect.map(note(sent, event), () => {
      Queue.offerUnsafe(queue, event)
    })
  return {
    take: Effect.flatMap(Queue.take(queue), (event) => note(taken, event)),
    send: (name) =>
      names.includes(name)
        ? deliver({ _tag: "Signal", name })
        : Effect.fail(
            new InvalidOption({ tool: "TestSignals", option: "signal", wanted: names.join(", "), found: name })
          ),
    uncaught: (error, origin = "uncaughtException") => deliver({ _tag: "Uncaught", origin, error }),
    sent: Effect.sync(() => sent.slice()),
    taken: Effect.sync(() => taken.slice())
  }
})

/**
 * Provides the signals of a test, to the test and to `Main`.
 *
 * **Example** (A second signal while the first is still being served)
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { TestSignals, TestTime } from "@selvedge/testing"
 *
 * const test = Effect.gen(function* () {
 *   yield* Effect.forkChild(TestSignals.script([["1 second", "SIGTERM"], ["2 seconds", "SIGINT"]]))
 *   yield* TestTime.advanceUntilIdle() // SIGTERM at 1 s, SIGINT at 3 s
 *   return yield* TestSignals.sent
 * }).pipe(Effect.provide(TestSignals.layer))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<TestSignals> = Layer.effectContext(
  Effect.map(make, (shape) => Context.make(TestSignals, TestSignals.of(shape)).pipe(Context.add(Source, shape)))
)

/**
 * Sends a signal now.
 *
 * **Errors**
 *
 * - `InvalidOption`: no signal a service listens to.
 *
 * @category operations
 * @since 0.1.0
 */
export const send = (name: Signals.SignalName): Effect.Effect<void, InvalidOption, TestSignals> =>
  TestSignals.use((signals) => signals.send(name))

/**
 * Reports an error that nobody caught, as the process would.
 *
 * @category operations
 * @since 0.1.0
 */
export const uncaught = (error: unknown, origin?: Signals.UncaughtOrigin): Effect.Effect<void, never, TestSignals> =>
  TestSignals.use((signals) => signals.uncaught(error, origin))

/**
 * Sends one signal after another, each a while after the one before. The whole script is checked before its first step.
 *
 * **Errors**
 *
 * - `InvalidOption`: a delay that is negative or no duration, or no signal a service listens to.
 *
 * @category operations
 * @since 0.1.0
 */
export const script = (
  steps: ReadonlyArray<readonly [after: Duration.Input, name: Signals.SignalName]>
): Effect.Effect<void, InvalidOption, TestSignals> =>
  Effect.andThen(
    Effect.forEach(steps, check, { discard: true }),
    Effect.forEach(steps, ([after, name]) => Effect.delay(send(name), after), { discard: true })
  )

const check = (
  [after, name]: readonly [after: Duration.Input, name: Signals.SignalName],
  index: number
): Effect.Effect<void, InvalidOption> => {
  const refuse = (option: string, wanted: string, found: unknown) =>
    Effect.fail(new InvalidOption({ tool: "TestSignals", option: `steps[${index}].${option}`, wanted, found }))
  if (!names.includes(name)) return refuse("signal", names.join(", "), name)
  // Effect turns a negative length into none: what was written must be looked at.
  const written =
    typeof after === "number"
      ? after
      : Option.match(Duration.fromInput(after), { onNone: () => NaN, onSome: Duration.toMillis })
  return written >= 0 && Number.isFinite(written)
    ? Effect.void
    : refuse("after", "a finite duration that is not negative", after)
}

/**
 * Everything sent so far, in order.
 *
 * @category operations
 * @since 0.1.0
 */
export const sent: Effect.Effect<ReadonlyArray<Entry>, never, TestSignals> = TestSignals.use((signals) => signals.sent)

/**
 * Everything a listener has taken so far, in order.
 *
 * @category operations
 * @since 0.1.0
 */
export const taken: Effect.Effect<ReadonlyArray<Entry>, never, TestSignals> = TestSignals.use(
  (signals) => signals.taken
)
