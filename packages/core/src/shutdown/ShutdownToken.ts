/**
 * One request to stop, seen by every part of a service.
 *
 * A `ShutdownToken` only _tells_. It interrupts nothing by itself: a loop asks the token between two pieces of work, a
 * waiter races it, and the `TaskRegistry` decides how long a straggler may go on. Tokens form a tree, so one subsystem
 * can be stopped without its siblings.
 *
 * | phase      | meaning                                   | entered by                                             |
 * | ---------- | ----------------------------------------- | ------------------------------------------------------ |
 * | `Running`  | go on                                     | the start                                              |
 * | `Draining` | finish what you hold, take nothing new    | `request`; on the root of a service, its plan          |
 * | `Forced`   | let go now; only finalizers may still run | `force`, a missed deadline, or the scope's closing     |
 *
 * A phase never goes back, the first reason stays, and a child never moves its parent; the tree and its numbered
 * invariants are in `TokenTree`. On the root of a service a request is recorded at once (`requested`, readiness off) and
 * starts the plan of docs/shutdown.md, which moves the phases; on any other token it is `Draining` at once.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as ShutdownReason from "./ShutdownReason.ts"
import * as TokenTree from "./TokenTree.ts"

/**
 * Where a token stands.
 *
 * @category models
 * @since 0.1.0
 */
export type Phase = TokenTree.Phase

/**
 * One token.
 *
 * @category models
 * @since 0.1.0
 */
export type Token = TokenTree.Token

/**
 * The token of the surrounding service, subsystem or task.
 *
 * @category services
 * @since 0.1.0
 */
export class ShutdownToken extends Context.Service<ShutdownToken, Token>()("@selvedge/core/ShutdownToken") {}

// -----------------------------------------------------------------------------
// Constructors and layers
// -----------------------------------------------------------------------------

/**
 * Creates an ordinary root token in phase `Running`: a request is `Draining` at once. (The root of a service, where a
 * plan comes first, is made by `Main`.)
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<Token, never, Scope.Scope> = TokenTree.scoped(() => new TokenTree.TokenNode())

/**
 * Provides an ordinary root token.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<ShutdownToken> = Layer.effect(ShutdownToken, make)

/**
 * Replaces the surrounding token by a child of it, for one subsystem.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerChild: Layer.Layer<ShutdownToken, never, ShutdownToken> = Layer.fresh(
  Layer.effect(
    ShutdownToken,
    Effect.flatMap(ShutdownToken, (token) => token.child)
  )
)

// -----------------------------------------------------------------------------
// Operations
// -----------------------------------------------------------------------------

/**
 * Asks the surrounding service to stop. `true` only for the first request.
 *
 * @category operations
 * @since 0.1.0
 */
export const request = (reason: ShutdownReason.ShutdownReason): Effect.Effect<boolean, never, ShutdownToken> =>
  ShutdownToken.useSync((token) => token.requestUnsafe(reason))

/**
 * Ends the patience of the surrounding service. `true` only for the call that moved it.
 *
 * @category operations
 * @since 0.1.0
 */
export const force = (reason: ShutdownReason.ShutdownReason): Effect.Effect<boolean, never, ShutdownToken> =>
  ShutdownToken.useSync((token) => token.forceUnsafe(reason))

/**
 * Waits until shutdown is requested, before anything drains.
 *
 * @category operations
 * @since 0.1.0
 */
export const awaitRequested: Effect.Effect<ShutdownReason.ShutdownReason, never, ShutdownToken> = ShutdownToken.use(
  (token) => token.awaitRequested
)

/**
 * Waits until the surrounding token drains.
 *
 * @category operations
 * @since 0.1.0
 */
export const awaitDraining: Effect.Effect<ShutdownReason.ShutdownReason, never, ShutdownToken> = ShutdownToken.use(
  (token) => token.awaitDraining
)

/**
 * Waits until the surrounding token is forced.
 *
 * @category operations
 * @since 0.1.0
 */
export const awaitForced: Effect.Effect<ShutdownReason.ShutdownReason, never, ShutdownToken> = ShutdownToken.use(
  (token) => token.awaitForced
)

/**
 * Whether to finish up: `Draining` or `Forced`.
 *
 * @category operations
 * @since 0.1.0
 */
export const isDraining: Effect.Effect<boolean, never, ShutdownToken> = ShutdownToken.useSync(
  (token) => token.phaseUnsafe()._tag !== "Running"
)

/**
 * What is left of the budget that applies here: for a task until the tasks' deadline, in a hook until the hook's own.
 * Infinite while nobody has asked to stop, never negative.
 *
 * @category operations
 * @since 0.1.0
 */
export const remaining: Effect.Effect<Duration.Duration, never, ShutdownToken> = ShutdownToken.use(
  (token) => token.remaining
)

/**
 * An `AbortSignal` for APIs that want one; it aborts when the token drains, or when it is forced. The scope owns the
 * listener.
 *
 * **Example** (A request that is given up when the service is forced)
 *
 * ```ts
 * import { ShutdownToken } from "@selvedge/core"
 * import { Effect } from "effect"
 *
 * const fetchBoth = Effect.scoped(
 *   Effect.gen(function* () {
 *     const signal = yield* ShutdownToken.abortSignal("Forced")
 *     return yield* Effect.promise(() => fetch("http://127.0.0.1:8080/top", { signal }))
 *   })
 * )
 * ```
 *
 * @category operations
 * @since 0.1.0
 */
export const abortSignal = (
  at: "Draining" | "Forced" = "Draining"
): Effect.Effect<AbortSignal, never, ShutdownToken | Scope.Scope> => ShutdownToken.use((token) => token.abortSignal(at))

/**
 * Runs an effect until it ends or the surrounding token drains, whichever comes first.
 *
 * **Details**
 *
 * - `Some(a)`: the effect ended by itself.
 * - `None`: the request came first. The effect was interrupted and its finalizers have run; if the request was already
 *   there, it never started.
 *
 * **Example** (A loop that stops between two pieces of work)
 *
 * ```ts
 * import { ShutdownToken } from "@selvedge/core"
 * import { Effect } from "effect"
 *
 * const heartbeat = Effect.log("alive").pipe(
 *   Effect.andThen(Effect.sleep("1 second")),
 *   Effect.forever,
 *   ShutdownToken.runUntilDraining
 * )
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const runUntilDraining = <A, E, R>(
  self: Effect.Effect<A, E, R>
): Effect.Effect<Option.Option<A>, E, R | ShutdownToken> =>
  ShutdownToken.use((token) =>
    token.phaseUnsafe()._tag === "Running"
      ? Effect.raceFirst(Effect.asSome(self), Effect.as(token.awaitDraining, Option.none<A>()))
      : Effect.succeedNone
  )

/**
 * Lets a piece of work finish although its fiber has been asked to stop: soft cancellation does not reach it, hard
 * cancellation does.
 *
 * **Details**
 *
 * Inside, an interruption (by `runUntilDraining`, by `abort`, by a parent that failed) is held back until the work has
 * ended. When the token is `Forced`, at the tasks' deadline or by a second signal, the work is interrupted; its
 * finalizers run, and then the interruption that waited takes effect. So the work has what is left of the budget, and
 * not more. Without a service around it a shielded piece of work ends only by itself.
 *
 * **Example** (A batch that is written whole, also at the end)
 *
 * ```ts
 * import { ShutdownToken } from "@selvedge/core"
 * import { Effect } from "effect"
 *
 * declare const nextBatch: Effect.Effect<ReadonlyArray<string>>
 * declare const write: (batch: ReadonlyArray<string>) => Effect.Effect<void>
 *
 * const writer = nextBatch.pipe(
 *   Effect.flatMap((batch) => ShutdownToken.softShield(write(batch))),
 *   Effect.forever,
 *   ShutdownToken.runUntilDraining
 * )
 * ```
 *
 * Source: trio's issue 147, "soft" cancel scopes.
 *
 * @category combinators
 * @since 0.1.0
 */
export const softShield = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | ShutdownToken> =>
  ShutdownToken.use((token) =>
    Effect.uninterruptible(
      Effect.gen(function* () {
        const work = yield* Effect.forkDetach(self, { startImmediately: true })
        yield* Effect.raceFirst(Fiber.await(work), Effect.andThen(token.awaitForced, Fiber.interrupt(work)))
        return yield* Fiber.join(work)
      })
    )
  )
