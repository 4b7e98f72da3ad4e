/**
 * What a container's owner wants to hear of, and may decide, about its workers.
 *
 * Hooks run in fibers of their own and nobody waits for them, so a hook may stop the container it is called by. A hook that
 * fails, dies or throws is logged and changes nothing; a decision that does not come within a second is the default. The
 * closing of the container's scope waits a second for hooks that still run, then interrupts them.
 *
 * Source: async-container's policy object.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type { Child } from "./Child.ts"
import type { Limit } from "./Recycle.ts"
import type { Facts } from "./WorkerContext.ts"
import type { WorkerExit } from "./WorkerExit.ts"
import type { FromWorker, InvalidMessage } from "./WorkerMessage.ts"

/**
 * The life an event is about.
 *
 * @category models
 * @since 0.1.0
 */
export interface Event {
  readonly child: Child
  readonly facts: Facts
}

/**
 * What a worker says of itself, for people: `WorkerStatus`.
 *
 * @category models
 * @since 0.1.0
 */
export type Said = Extract<FromWorker, { readonly _tag: "StatusText" | "Problem" | "Reloading" | "Restarting" }>

/**
 * @category models
 * @since 0.1.0
 */
export interface Policy {
  /** A life has begun. */
  readonly spawned?: ((event: Event) => Effect.Effect<unknown, unknown>) | undefined
  /** A life has ended; before it is decided whether there is another. */
  readonly exited?: ((event: Event & { readonly exit: WorkerExit }) => Effect.Effect<unknown, unknown>) | undefined
  /**
   * It said something of itself. One call at a time for each worker: of what it says meanwhile, only the last of each kind is
   * heard, the newest last.
   */
  readonly said?: ((event: Event & { readonly message: Said }) => Effect.Effect<unknown, unknown>) | undefined
  /** It was not ready in time. Default: kill it. */
  readonly startupFailed?: ((event: Event) => Effect.Effect<"kill" | "wait", unknown>) | undefined
  /** Its loop gave no sign of life in time, or its program made no progress. Default: kill it. */
  readonly healthFailed?:
    | ((event: Event & { readonly missing: "beats" | "progress" }) => Effect.Effect<"kill" | "wait", unknown>)
    | undefined
  /** It has reached a limit of its `recycle`. Default: recycle it; `wait` is asked again after a while. */
  readonly recycling?:
    | ((event: Event & { readonly limit: Limit }) => Effect.Effect<"recycle" | "wait", unknown>)
    | undefined
  /** It sent what no schema allows. Default: kill it. */
  readonly invalidMessage?:
    | ((event: Event & { readonly error: InvalidMessage }) => Effect.Effect<"kill" | "keep", unknown>)
    | undefined
}
