/**
 * A container whose workers are described together, started in order, and restarted by a strategy.
 *
 * It decides about restarts and runs nothing itself. The words are OTP's: a child is `permanent`, `transient` or `temporary`;
 * when one fails, `one-for-one` restarts it, `one-for-all` all, `rest-for-one` it and those started after it; more than
 * `intensity.max` restarts within `intensity.period` and it gives up, stopping what is left in reverse start order.
 *
 * **Invariants**
 *
 * 1. The whole specification is checked before the first child starts: fields, keys, counts, modules and their exports.
 * 2. A child is started when the one before it is ready, and stopped when the one after it has ended (or has had its share).
 *
 * Source: OTP's supervisor.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Setting from "../config/Setting.ts"
import type { Backend } from "./Backend.ts"
import * as Container from "./Container.ts"
import { InvalidSpec, type NotReady, type RestartIntensityExceeded } from "./ContainerError.ts"
import { show } from "../internal/show.ts"
import { prepare } from "./internal/prepare.ts"
import { beginInOrder } from "./internal/supervision.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options extends Container.Options {
  /** In start order; at least one. */
  readonly children: ReadonlyArray<Container.ServiceSpec>
}

/**
 * Makes a supervisor and starts its children, one after the other. It is there once all of them are ready; if it cannot, or
 * is interrupted before, what was started is stopped again.
 *
 * **Errors**
 *
 * - `InvalidSpec`, `InvalidSetting`, `StartFailed`, `OrdinalsExhausted`: found before the first child was started.
 * - `NotReady`: a child ended before it was ready, and is not to be restarted.
 * - `RestartIntensityExceeded`: children failed too often while they were started.
 *
 * **Example** (A store, and a cache that is useless without it)
 *
 * ```ts
 * import { Backend, FiberBackend, Supervisor } from "@selvedge/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const supervisor = yield* Supervisor.make({
 *     strategy: "rest-for-one",
 *     intensity: { max: 5, period: "1 minute" },
 *     children: [
 *       { name: "store", program: Backend.direct(Effect.never), count: 1 },
 *       { name: "cache", program: Backend.direct(Effect.never), count: 2 }
 *     ]
 *   })
 *   return yield* supervisor.running // 3
 * }).pipe(Effect.scoped, Effect.provide(FiberBackend.layer))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<
  Container.Container,
  Container.SpawnError | Setting.InvalidSetting | NotReady | RestartIntensityExceeded,
  Backend | Scope.Scope
> {
  const { children, ...rest } = { ...options }
  if (!Array.isArray(children) || children.length === 0) {
    const found = Array.isArray(children) ? "none" : show(children)
    return yield* new InvalidSpec({ service: "supervisor", field: "children", wanted: "at least one child", found })
  }
  const fleet = yield* Container.makeFleet({ name: "supervisor", lastFirst: true, ...rest }, true)
  const container = Container.shapeOf(fleet)
  const starting = Effect.gen(function* () {
    const places = yield* prepare(fleet, children, (taken) => taken)
    yield* beginInOrder(fleet, places, (place) => place.isLost)
    yield* Container.awaitReady(fleet, places)
  })
  yield* Effect.onError(starting, () => Effect.asVoid(container.stop()))
  return container
})
