/**
 * What the outside world tells a running process: operator signals, and errors nobody caught.
 *
 * `Main` takes events from this service in the order they arrived and decides what they mean; this module only carries
 * them. `@selvedge/node` feeds it from `process`, a test feeds it by hand, and without either nothing ever arrives.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"

/**
 * Signals that mean something to a service. See the table in docs/shutdown.md.
 *
 * @category models
 * @since 0.1.0
 */
export type SignalName = "SIGTERM" | "SIGINT" | "SIGHUP" | "SIGQUIT"

/**
 * Where an error came from that nobody caught.
 *
 * @category models
 * @since 0.1.0
 */
export type UncaughtOrigin = "uncaughtException" | "unhandledRejection"

/**
 * @category models
 * @since 0.1.0
 */
export type Event = Data.TaggedEnum<{
  Signal: { readonly name: SignalName }
  Uncaught: { readonly origin: UncaughtOrigin; readonly error: unknown }
}>

/**
 * @category constructors
 * @since 0.1.0
 */
export const Event = Data.taggedEnum<Event>()

/**
 * The source of events. `take` waits for the next one; each event is taken once, so one `Main` owns a source.
 *
 * @category models
 * @since 0.1.0
 */
export interface Source {
  readonly take: Effect.Effect<Event>
}

/**
 * The source that `Main` listens to. Defaults to one that never says anything.
 *
 * @category services
 * @since 0.1.0
 */
export const Signals: Context.Reference<Source> = Context.Reference<Source>("@selvedge/core/Signals", {
  defaultValue: () => ({ take: Effect.never })
})

/**
 * A source that plain code feeds: adapters of a platform and tests.
 *
 * @category models
 * @since 0.1.0
 */
export interface Manual extends Source {
  /** Delivers a signal now. */
  readonly signalUnsafe: (name: SignalName) => void
  /** Delivers an error that nobody caught. */
  readonly uncaughtUnsafe: (origin: UncaughtOrigin, error: unknown) => void
}

/**
 * Makes a source to feed by hand.
 *
 * **Example** (Sending SIGTERM in a test)
 *
 * ```ts
 * import { Main, Signals } from "@selvedge/core"
 * import { Effect, Fiber, Layer } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const signals = yield* Signals.makeManual
 *   const main = yield* Main.run(Layer.empty).pipe(
 *     Effect.provideService(Signals.Signals, signals),
 *     Effect.forkChild
 *   )
 *   signals.signalUnsafe("SIGTERM")
 *   return (yield* Fiber.join(main)).exitCode // 0
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeManual: Effect.Effect<Manual> = Effect.map(Queue.unbounded<Event>(), (queue) => ({
  take: Queue.take(queue),
  signalUnsafe: (name) => void Queue.offerUnsafe(queue, Event.Signal({ name })),
  uncaughtUnsafe: (origin, error) => void Queue.offerUnsafe(queue, Event.Uncaught({ origin, error }))
}))
