/**
 * Where the surrounding service stands in its life, and what it should do when it stops.
 *
 * A layer asks this service whether the service is ready (for a load balancer), and registers what has to happen at
 * _stop accepting_ and at _flush_. The whole life is drawn in docs/shutdown.md.
 *
 * **Stages**
 *
 * ```text
 *   preStart ──▶ building ──▶ onStart ──▶ running ──▶ stopping ──▶ stopped
 *      └────────────┴────────────┴──────────────────────▲
 * ```
 *
 * Ready means: `running`, nobody has asked to stop, and every container has a ready worker for each of its services. While
 * the only worker of a service waits for its next life the service is not ready; with that life it is again. A container
 * that gave up, or that was stopped while its scope is open, keeps it off; one whose scope closes counts no more.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/**
 * @category models
 * @since 0.1.0
 */
export type Stage = "preStart" | "building" | "onStart" | "running" | "stopping" | "stopped"

/**
 * @category models
 * @since 0.1.0
 */
export interface Shape {
  readonly stage: Effect.Effect<Stage>
  /** Whether to send work here. Goes off at the request to stop, before anything drains. */
  readonly isReady: Effect.Effect<boolean>
  /** `isReady` for plain callbacks, such as a `node:http` handler. */
  readonly isReadyUnsafe: () => boolean
  /** Waits until the service is ready for the first time. One that is asked to stop before never is. */
  readonly awaitReady: Effect.Effect<void>
  /**
   * Runs a hook when the service stops accepting: close a listener, answer 503. Hooks run side by side. Registered after
   * that moment, it runs at once.
   */
  readonly onStopAccepting: <R>(name: string, hook: Effect.Effect<unknown, unknown, R>) => Effect.Effect<void, never, R>
  /** Runs a hook after onStop, before the layer's scope closes: push out what is buffered. */
  readonly onFlush: <R>(name: string, hook: Effect.Effect<unknown, unknown, R>) => Effect.Effect<void, never, R>
}

/**
 * The life of the surrounding service. Provided by `Main`.
 *
 * @category services
 * @since 0.1.0
 */
export class Lifecycle extends Context.Service<Lifecycle, Shape>()("@selvedge/core/Lifecycle") {}

/**
 * Whether to send work here.
 *
 * **Example** (A readiness probe)
 *
 * ```ts
 * import { Lifecycle } from "@selvedge/core"
 * import { Effect } from "effect"
 * import { HttpRouter, HttpServerResponse } from "effect/http"
 *
 * const Ready = HttpRouter.use((router) =>
 *   router.add(
 *     "GET",
 *     "/ready",
 *     Effect.map(Lifecycle.isReady, (ready) => HttpServerResponse.text(ready ? "ready" : "stopping", { status: ready ? 200 : 503 }))
 *   )
 * )
 * ```
 *
 * @category operations
 * @since 0.1.0
 */
export const isReady: Effect.Effect<boolean, never, Lifecycle> = Lifecycle.use((life) => life.isReady)

/**
 * Where the service stands.
 *
 * @category operations
 * @since 0.1.0
 */
export const stage: Effect.Effect<Stage, never, Lifecycle> = Lifecycle.use((life) => life.stage)

/**
 * Waits until the service is ready for the first time. One that is asked to stop before never is.
 *
 * @category operations
 * @since 0.1.0
 */
export const awaitReady: Effect.Effect<void, never, Lifecycle> = Lifecycle.use((life) => life.awaitReady)

/**
 * Runs a hook when the service stops accepting. A hook that overruns the tasks' deadline is named and left behind.
 *
 * @category operations
 * @since 0.1.0
 */
export const onStopAccepting = <R>(
  name: string,
  hook: Effect.Effect<unknown, unknown, R>
): Effect.Effect<void, never, R | Lifecycle> => Lifecycle.use((life) => life.onStopAccepting(name, hook))

/**
 * Runs a hook after onStop, before the layer's scope closes.
 *
 * @category operations
 * @since 0.1.0
 */
export const onFlush = <R>(
  name: string,
  hook: Effect.Effect<unknown, unknown, R>
): Effect.Effect<void, never, R | Lifecycle> => Lifecycle.use((life) => life.onFlush(name, hook))
