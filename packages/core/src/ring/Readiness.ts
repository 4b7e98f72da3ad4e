/**
 * Waiting for consumers, and watching those a ring cannot do without.
 *
 * A required consumer is watched against three limits: it has to attach within `startup`, to move within `progress` while there is
 * something to take, and to come back within `grace` if it leaves or dies. A consumer that has caught up is never stalled. Each stall
 * is told once; when it has lasted for its limit and `grace` the watch fails.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Beds from "./internal/beds.ts"
import * as Gate from "./internal/gate.ts"
import * as Membership from "./internal/membership.ts"
import * as Ring from "./Ring.ts"
import { ConsumerStalled, type RingTimeout } from "./RingError.ts"
import * as RingSnapshot from "./RingSnapshot.ts"

/**
 * Waits until so many consumers, or these, are attached.
 *
 * **Errors**: `RingTimeout` after `timeout`, if one is given.
 *
 * @category operations
 * @since 0.1.0
 */
export const awaitConsumers = <A>(
  ring: Ring.Ring<A>,
  wanted: { readonly count: number } | { readonly ids: ReadonlyArray<string> },
  options: { readonly timeout?: Duration.Input | undefined } = {}
): Effect.Effect<void, RingTimeout> => {
  const look = (): "yes" | "no" | "busy" => {
    const seated = Membership.list(ring.core, ring.owner)
    if (seated === "Busy") return "busy"
    const attached = seated.filter(({ state }) => state !== Gate.VACANT && state !== Gate.EJECTED)
    if ("count" in wanted) return attached.length >= wanted.count ? "yes" : "no"
    return wanted.ids.every((id) => attached.some((one) => Ring.textOf(one.id) === id)) ? "yes" : "no"
  }
  const wait: Effect.Effect<void> = Effect.suspend(() => {
    const seen = look()
    if (seen === "yes") return Effect.void
    // Whoever is joining holds the lock for an instant, unless it died.
    const pause =
      seen === "busy" ? Effect.sleep(1) : ring.waking.sleep(Beds.ofWriters(ring.core), () => look() !== "no")
    return Effect.flatMap(pause, () => wait)
  })
  const what = "count" in wanted ? `${wanted.count} consumer(s)` : `consumers ${wanted.ids.join(", ")}`
  return Ring.within(wait, options.timeout, what)
}

/**
 * @category models
 * @since 0.1.0
 */
export interface WatchOptions {
  readonly ids: ReadonlyArray<string>
  /** Default 10 seconds. */
  readonly startup?: Duration.Input | undefined
  /** Default 5 seconds. */
  readonly progress?: Duration.Input | undefined
  /** Default 10 seconds. */
  readonly grace?: Duration.Input | undefined
  /** Time between two looks; default 250 ms. */
  readonly interval?: Duration.Input | undefined
  /** Told once for each stall; default a warning in the log. */
  readonly onStall?: ((stall: ConsumerStalled) => Effect.Effect<void>) | undefined
}

interface Watched {
  readonly id: string
  attached: boolean
  position: number
  /** When it last was as it should be. */
  goodAt: number
  told: boolean
}

/**
 * Watches required consumers until one of them stalls for good.
 *
 * **Errors**: `ConsumerStalled`.
 *
 * @category operations
 * @since 0.1.0
 */
export const watch = Effect.fnUntraced(function* <A>(
  ring: Ring.Ring<A>,
  options: WatchOptions
): Effect.fn.Return<never, ConsumerStalled> {
  const millis = (input: Duration.Input | undefined, otherwise: number): number =>
    input === undefined ? otherwise : Duration.toMillis(input)
  const limits = {
    startup: millis(options.startup, 10_000),
    progress: millis(options.progress, 5000),
    grace: millis(options.grace, 10_000)
  }
  const tell = options.onStall ?? ((stall: ConsumerStalled) => Effect.logWarning(stall.message))
  const start = yield* Clock.currentTimeMillis
  const watched = options.ids.map((id): Watched => ({ id, attached: false, position: -1, goodAt: start, told: false }))
  for (;;) {
    const now = yield* Clock.currentTimeMillis
    const seen = yield* RingSnapshot.snapshot(ring)
    for (const one of watched) {
      const stall = verdictOn(one, seen, now, limits)
      if (stall === undefined) {
        one.told = false
        continue
      }
      if (!one.told) yield* tell(stall)
      one.told = true
      if (now - one.goodAt >= stall.limitMillis + limits.grace) return yield* stall
    }
    yield* Effect.sleep(options.interval ?? 250)
  }
})

const verdictOn = (
  one: Watched,
  seen: RingSnapshot.Snapshot,
  now: number,
  limits: { readonly startup: number; readonly progress: number; readonly grace: number }
): ConsumerStalled | undefined => {
  const seat = seen.seats.find(({ id }) => id === one.id)
  const isThere = seat?.state === "Attached" || seat?.state === "DropOldest"
  const moved = isThere && (!one.attached || seat.position !== one.position || seat.lag === 0)
  if (moved) {
    one.attached = true
    one.position = seat.position
    one.goodAt = now
    return undefined
  }
  const [verdict, limitMillis] = isThere
    ? (["no progress", limits.progress] as const)
    : one.attached
      ? (["gone", 0] as const)
      : (["never attached", limits.startup] as const)
  if (now - one.goodAt < limitMillis) return undefined
  return new ConsumerStalled({ id: one.id, verdict, limitMillis, lag: seat?.lag ?? 0 })
}
