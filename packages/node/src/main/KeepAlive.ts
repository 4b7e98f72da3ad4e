/**
 * Keeps the process alive while somebody waits for something that Node does not know of.
 *
 * Node ends a process whose event loop has nothing left to wait for, and a fiber that waits for another fiber, for a
 * signal or for shared memory is nothing to it: the process would end with code 0 in the middle. Whoever waits so holds
 * the loop meanwhile. Holds are counted; the loop is free when the last one is released.
 *
 * @since 0.1.0
 */
import * as Core from "@selvedge/core/memory/KeepAlive"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as LoopHold from "./internal/loopHold.ts"

/**
 * Holds the event loop until the scope closes.
 *
 * **Errors**: none.
 *
 * @category constructors
 * @since 0.1.0
 */
export const hold: Effect.Effect<void, never, Scope.Scope> = Effect.acquireRelease(Effect.sync(LoopHold.hold), () =>
  Effect.sync(LoopHold.release)
)

/**
 * Holds the event loop while an effect runs.
 *
 * **Example** (Waiting for nothing but a signal)
 *
 * ```ts
 * import { KeepAlive } from "@selvedge/node"
 * import { Effect } from "effect"
 *
 * const program = KeepAlive.during(Effect.never)
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const during = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.acquireUseRelease(
    Effect.sync(LoopHold.hold),
    () => effect,
    () => Effect.sync(LoopHold.release)
  )

/**
 * A hold for plain code: what it returns gives it back, once, however often it is called.
 *
 * @category operations
 * @since 0.1.0
 */
export const holdUnsafe: Core.Hold = () => {
  LoopHold.hold()
  let held = true
  return () => {
    if (held) LoopHold.release()
    held = false
  }
}

/**
 * Lets fibers that wait for shared memory keep the process alive: a wait on a ring or a notifier holds nothing by itself.
 * `Selvedge.run` provides it; a script that uses them without a service does it with this layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<never> = Layer.succeed(Core.KeepAlive, holdUnsafe)
