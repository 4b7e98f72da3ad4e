/**
 * When a worker is replaced though nothing is wrong with it: it has lived long, was asked much, or has grown.
 *
 * What happens then is in docs/operations.md, _Recycling_.
 *
 * Source: gunicorn's `max_requests` and `max_requests_jitter`, uwsgi's `reload-on-rss`; here the replacement is ready first.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Setting from "../config/Setting.ts"
import { InvalidSpec } from "./ContainerError.ts"

/**
 * `spawn-first`: the replacement is ready before the old one is told to stop. `stop-first`: the old one has ended before the
 * next life of its place begins.
 *
 * @category models
 * @since 0.1.0
 */
export type Order = "spawn-first" | "stop-first"

/**
 * At least one limit; whichever is reached first.
 *
 * @category models
 * @since 0.1.0
 */
export interface Recycle {
  /** So long after it became ready, from 100 ms to 365 days. */
  readonly maxLifetime?: Duration.Input | undefined
  /** Each life's lifetime is shorter by a random part of up to this share, from 0 to 0.9. Default 0. */
  readonly jitter?: number | undefined
  /** After so many requests were sent to one life. */
  readonly maxRequests?: number | undefined
  /** It uses more than so many bytes, looked at once a second. Only where memory is measured: threads and processes. */
  readonly maxMemory?: number | undefined
  /** Default `spawn-first`. */
  readonly order?: Order | undefined
}

/**
 * Which of its limits a life has reached.
 *
 * @category models
 * @since 0.1.0
 */
export type Limit = "lifetime" | "requests" | "memory"

/**
 * Checked limits.
 *
 * @category models
 * @since 0.1.0
 */
export interface Resolved {
  readonly maxLifetimeMillis: number | undefined
  readonly jitter: number
  readonly maxRequests: number | undefined
  readonly maxMemory: number | undefined
  readonly order: Order
}

/** What a worker's limits must agree with. */
interface Beside {
  readonly service: string
  readonly restart: string
  readonly healthTimeout: Duration.Duration | undefined
  readonly progressTimeout: Duration.Duration | undefined
}

const known: Readonly<Record<keyof Recycle, true>> = {
  maxLifetime: true,
  jitter: true,
  maxRequests: true,
  maxMemory: true,
  order: true
}

const checkLifetime = Setting.durationOption("recycle.maxLifetime", { min: "100 millis", max: "365 days" })

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 1
const isShare = (value: unknown): boolean => typeof value === "number" && value >= 0 && value <= 0.9

/**
 * Checks the limits of a service, also against the rest of its specification.
 *
 * **Errors**
 *
 * - `InvalidSpec`: a limit is not what it may be, there is none, or two things contradict each other. `InvalidSetting`: the
 *   lifetime is out of its range, or there is a field nobody knows.
 *
 * @category constructors
 * @since 0.1.0
 */
export const resolve = Effect.fnUntraced(function* (
  recycle: Recycle,
  beside: Beside
): Effect.fn.Return<Resolved, InvalidSpec | Setting.InvalidSetting> {
  const { restart, service } = beside
  const refuse = (field: string, wanted: string, found: string): InvalidSpec =>
    new InvalidSpec({ service, field, wanted, found })
  if (typeof recycle !== "object" || recycle === null) {
    return yield* refuse("recycle", "an object with at least one limit", show(recycle))
  }
  yield* Setting.refuseUnknown(recycle, known, "recycle.")
  const { jitter, maxMemory, maxRequests, order } = recycle
  for (const [field, value] of [
    ["recycle.maxRequests", maxRequests],
    ["recycle.maxMemory", maxMemory]
  ] as const) {
    if (value !== undefined && !isCount(value)) {
      return yield* refuse(field, "a whole number of at least 1", show(value))
    }
  }
  if (jitter !== undefined && !isShare(jitter)) {
    return yield* refuse("recycle.jitter", "a number from 0 to 0.9", show(jitter))
  }
  if (order !== undefined && order !== "spawn-first" && order !== "stop-first") {
    return yield* refuse("recycle.order", '"spawn-first" or "stop-first"', show(order))
  }
  const maxLifetime = recycle.maxLifetime === undefined ? undefined : yield* checkLifetime(recycle.maxLifetime)
  const maxLifetimeMillis = maxLifetime && Duration.toMillis(maxLifetime)
  if (maxLifetime === undefined && maxRequests === undefined && maxMemory === undefined) {
    return yield* refuse("recycle", "at least one of maxLifetime, maxRequests, maxMemory", "none of them")
  }
  if (jitter !== undefined && maxLifetime === undefined) {
    return yield* refuse("recycle.jitter", "a maxLifetime beside it", "none")
  }
  if (restart === "temporary") {
    return yield* refuse("recycle", "a permanent or transient worker", "a temporary one, which is never started again")
  }
  for (const timeout of ["healthTimeout", "progressTimeout"] as const) {
    const time = beside[timeout]
    if (time === undefined || maxLifetimeMillis === undefined) continue
    const shortest = maxLifetimeMillis * (1 - (jitter ?? 0))
    if (shortest > Duration.toMillis(time)) continue
    const wanted = `a lifetime longer than the ${timeout} of ${Duration.format(time)}`
    return yield* refuse("recycle.maxLifetime", wanted, `at the shortest ${Duration.format(Duration.millis(shortest))}`)
  }
  return { maxLifetimeMillis, jitter: jitter ?? 0, maxRequests, maxMemory, order: order ?? "spawn-first" }
})

const show = (value: unknown): string =>
  typeof value === "string"
    ? JSON.stringify(value.slice(0, 64))
    : typeof value === "object"
      ? "an object"
      : String(value)
