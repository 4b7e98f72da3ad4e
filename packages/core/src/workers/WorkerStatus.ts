/**
 * What a worker tells its supervisor about itself.
 *
 * Inside a worker it goes over the link; in a program that nobody supervises every word is dropped, so a layer may use it
 * wherever it runs. A worker is `ready` by itself once its program is built, unless the program says `ready: "manual"`.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/**
 * @category models
 * @since 0.1.0
 */
export interface Shape {
  /** Send work here. Ends the start; only the first one counts. */
  readonly ready: Effect.Effect<void>
  /** Still making progress: what a `progressTimeout` waits for. */
  readonly healthy: Effect.Effect<void>
  /** A line for people, of which 1000 characters are kept; resets no timeout. */
  readonly text: (text: string) => Effect.Effect<void>
  /** Something went wrong and the worker goes on; 1000 characters are kept of it, too. */
  readonly problem: (message: string) => Effect.Effect<void>
  readonly reloading: Effect.Effect<void>
  readonly restarting: Effect.Effect<void>
}

const silent: Shape = {
  ready: Effect.void,
  healthy: Effect.void,
  text: () => Effect.void,
  problem: () => Effect.void,
  reloading: Effect.void,
  restarting: Effect.void
}

/**
 * @category services
 * @since 0.1.0
 */
export const WorkerStatus: Context.Reference<Shape> = Context.Reference<Shape>("@selvedge/core/WorkerStatus", {
  defaultValue: () => silent
})
