/**
 * What sort of work a task does, and how a registry treats that sort: in which order it is drained, how long the plan
 * waits for it, when it counts as stuck, how many may live at once.
 *
 * The kinds are an open union of words for dashboards: a service adds its own. The default order lets work in flight
 * end while what it needs still runs: peers, then requests, then the kinds of the service, then loops, then maintenance.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Setting from "../config/Setting.ts"

/**
 * @category models
 * @since 0.1.0
 */
export type TaskKind = "BackgroundLoop" | "PeerConnection" | "RpcHandler" | "Maintenance" | (string & {})

/**
 * How a registry treats the tasks of one kind.
 *
 * @category models
 * @since 0.1.0
 */
export interface Policy {
  /**
   * Place in the drain order, lower first; kinds with the same number drain together. Defaults: `PeerConnection` 100,
   * `RpcHandler` 200, kinds of users 300, `BackgroundLoop` 400, `Maintenance` 500.
   */
  readonly order?: number | undefined
  /**
   * How long the plan waits for this kind before it _also_ drains the next; nobody is interrupted by it. Default: an
   * equal share of what is left until the deadline among the kinds that still have live tasks.
   */
  readonly grace?: Duration.Input | undefined
  /** From which age a task is shown as stuck. Default: never. */
  readonly stuckAfter?: Duration.Input | undefined
  /** How many tasks may live at once, at least 1. Default: no limit. */
  readonly limit?: number | undefined
  /** What a spawn does at the limit: wait for a place, first come first served (default), or fail with `TaskLimitReached`. */
  readonly whenFull?: "wait" | "refuse" | undefined
}

/**
 * A checked policy.
 *
 * @category models
 * @since 0.1.0
 */
export interface ResolvedPolicy {
  readonly order: number
  readonly graceNanos: bigint | undefined
  readonly stuckAfterMillis: number
  readonly limit: number
  readonly whenFull: "wait" | "refuse"
}

const orders: Readonly<Record<string, number>> = {
  PeerConnection: 100,
  RpcHandler: 200,
  BackgroundLoop: 400,
  Maintenance: 500
}

const USER_ORDER = 300

/**
 * The policy of a kind that nobody configured.
 *
 * @category constructors
 * @since 0.1.0
 */
export const defaultPolicy = (kind: string): ResolvedPolicy => ({
  order: Object.hasOwn(orders, kind) ? orders[kind]! : USER_ORDER,
  graceNanos: undefined,
  stuckAfterMillis: Number.POSITIVE_INFINITY,
  limit: Number.POSITIVE_INFINITY,
  whenFull: "wait"
})

/** All of them, seen to by the compiler. */
const known: Readonly<Record<keyof Policy, true>> = {
  order: true,
  grace: true,
  stuckAfter: true,
  limit: true,
  whenFull: true
}

const settings = {
  name: Setting.option(
    "a name in kinds",
    "a string of 1 to 64 characters",
    (value) => typeof value === "string" && value.length >= 1 && value.length <= 64
  ),
  policy: (kind: string) =>
    Setting.option(`kinds.${kind}`, "an object with a policy", (value) => typeof value === "object" && value !== null),
  order: (kind: string) =>
    Setting.option(
      `kinds.${kind}.order`,
      "a finite number",
      (value) => typeof value === "number" && Number.isFinite(value)
    ),
  limit: (kind: string) =>
    Setting.option(
      `kinds.${kind}.limit`,
      "a whole number of at least 1",
      (value) => Number.isSafeInteger(value) && (value as number) >= 1
    ),
  whenFull: (kind: string) =>
    Setting.option(`kinds.${kind}.whenFull`, '"wait" or "refuse"', (value) => value === "wait" || value === "refuse")
}

/**
 * Checks a policy.
 *
 * **Errors**
 *
 * - `InvalidSetting`: the kind's name, a number or a duration is out of its range; names the kind and the field.
 *
 * @category constructors
 * @since 0.1.0
 */
export const resolve = Effect.fnUntraced(function* (
  kind: string,
  policy: Policy
): Effect.fn.Return<ResolvedPolicy, Setting.InvalidSetting> {
  yield* settings.name(kind)
  yield* settings.policy(kind)(policy)
  yield* Setting.refuseUnknown(policy, known, `kinds.${kind}.`)
  const fallback = defaultPolicy(kind)
  if (policy.order !== undefined) yield* settings.order(kind)(policy.order)
  if (policy.limit !== undefined) yield* settings.limit(kind)(policy.limit)
  if (policy.whenFull !== undefined) yield* settings.whenFull(kind)(policy.whenFull)
  const range = { min: 0, max: "7 days" } as const
  const grace =
    policy.grace === undefined ? undefined : yield* Setting.durationOption(`kinds.${kind}.grace`, range)(policy.grace)
  const stuckAfter =
    policy.stuckAfter === undefined
      ? undefined
      : yield* Setting.durationOption(`kinds.${kind}.stuckAfter`, { min: "1 millis", max: "3650 days" })(
          policy.stuckAfter
        )
  return {
    order: policy.order ?? fallback.order,
    graceNanos: grace === undefined ? undefined : Duration.toNanosUnsafe(grace),
    stuckAfterMillis: stuckAfter === undefined ? fallback.stuckAfterMillis : Duration.toMillis(stuckAfter),
    limit: policy.limit ?? fallback.limit,
    whenFull: policy.whenFull ?? fallback.whenFull
  }
})
