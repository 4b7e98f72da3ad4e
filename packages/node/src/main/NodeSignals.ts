/**
 * What a Node process is told from outside, and the errors in it that nobody caught, as a source for `Main`.
 *
 * While the source is open, SIGTERM, SIGINT, SIGHUP and SIGQUIT do not end the process, nor do uncaught exceptions and
 * unhandled rejections: they become events, and whoever takes them decides. Events wait in the order they arrived; none
 * is lost between two takes. When the scope closes, the same listeners are removed and Node's defaults are back.
 *
 * **Gotchas**
 *
 * - Node runs listeners when the event loop turns. A signal that arrives while the loop is blocked is not seen before.
 * - A storm is bounded: of one signal at most three wait, and at most 16 errors are delivered in the life of a source.
 *   What falls under a bound is counted in `restUnsafe`, so that reporting an error which fails again comes to an end.
 * - Keep the source open until the process ends: an error after it is Node's again, which prints it and exits with 1.
 * - In a worker thread no signal ever arrives. Its uncaught errors do.
 *
 * @since 0.1.0
 */
import * as Signals from "@selvedge/core/service/Signals"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Emitter } from "./internal/processEvents.ts"
import * as ProcessEvents from "./internal/processEvents.ts"

/**
 * What a source has not told anybody.
 *
 * @category models
 * @since 0.1.0
 */
export interface Rest {
  /** Events that arrived and were never taken; they are now. */
  readonly events: ReadonlyArray<Signals.Event>
  /** How many events fell under a bound. */
  readonly suppressed: number
}

/**
 * A source fed by a process.
 *
 * @category models
 * @since 0.1.0
 */
export interface NodeSignals extends Signals.Source {
  /** Takes everything that still waits, at the end, for the last report. Works also after the scope has closed. */
  readonly restUnsafe: () => Rest
}

/**
 * Listens until the scope closes.
 *
 * `emitter` is `process`; another one serves tests.
 *
 * **Errors**: none.
 *
 * **Example** (Waiting for the first signal)
 *
 * ```ts
 * import { NodeSignals } from "@selvedge/node"
 * import { Effect } from "effect"
 *
 * const first = Effect.scoped(Effect.flatMap(NodeSignals.make(), (signals) => signals.take))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (emitter: Emitter = process): Effect.Effect<NodeSignals, never, Scope.Scope> =>
  Effect.gen(function* () {
    const arrived = yield* Latch.make()
    const box = yield* Effect.acquireRelease(
      Effect.sync(() => ProcessEvents.attach(emitter, () => arrived.openUnsafe())),
      (open) => Effect.sync(open.detach)
    )
    const take: Effect.Effect<Signals.Event> = Effect.suspend(() => {
      const event = box.shift()
      if (event !== undefined) return Effect.succeed(event)
      arrived.closeUnsafe()
      return Effect.andThen(arrived.await, take)
    })
    return { take, restUnsafe: () => rest(box) }
  })

/**
 * Gives `Main` the signals of this process, for as long as the layer lives.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<never> = Layer.effect(Signals.Signals, make())

const rest = (box: ProcessEvents.Box): Rest => {
  const events: Array<Signals.Event> = []
  for (let event = box.shift(); event !== undefined; event = box.shift()) events.push(event)
  return { events, suppressed: box.suppressed() }
}
