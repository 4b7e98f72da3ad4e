/**
 * How long records wait in a ring, and how long they are handled, by consumer.
 *
 * A ring made with `latency: true` keeps, in its own memory, the time at which each record was published, and two histograms for each
 * seat; any thread that has attached can read them while the consumers go on.
 *
 * | histogram       | from                          | to                                             |
 * | --------------- | ----------------------------- | ---------------------------------------------- |
 * | `publishToTake` | just before a batch is published | the take, lease or batch that hands it out    |
 * | `handler`       | a handler is called           | it returns, throws, or its effect has ended    |
 *
 * Times are of the monotonic clock: one for all threads of a process (virtual under `TestClock`). A record that is put back and taken
 * again is measured again. Buckets are a sixteenth of their numbers wide; how they lie is said in memory/internal/histogram.ts.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Latency from "./internal/latency.ts"
import * as Ring from "./Ring.ts"

/**
 * What a histogram says. All but `count` are nanoseconds.
 *
 * @category models
 * @since 0.1.0
 */
export interface Summary {
  /** How many were measured. */
  readonly count: number
  /** Half of them took no longer; at most a sixteenth too great. */
  readonly p50: number
  /** 99 of 100 took no longer; at most a sixteenth too great. */
  readonly p99: number
  /** The greatest, exactly. */
  readonly max: number
}

/**
 * What was measured of one consumer, or of one that died and whose seat is vacant.
 *
 * @category models
 * @since 0.1.0
 */
export interface SeatLatency {
  readonly id: string
  readonly publishToTake: Summary
  readonly handler: Summary
}

/**
 * The latencies of every consumer; `None` if the ring was made without `latency`.
 *
 * **Example** (How long the slowest hundredth waited)
 *
 * ```ts
 * import { type Ring, RingLatency } from "@selvedge/core"
 * import { Effect, Option } from "effect"
 *
 * const tell = <A>(ring: Ring.Ring<A>) =>
 *   Effect.map(RingLatency.latencies(ring), (measured) =>
 *     Option.getOrElse(measured, () => []).map(({ id, publishToTake }) => `${id}: p99 ${publishToTake.p99} ns`)
 *   )
 * ```
 *
 * @category operations
 * @since 0.1.0
 */
export const latencies = <A>(ring: Ring.Ring<A>): Effect.Effect<Option.Option<ReadonlyArray<SeatLatency>>> => {
  const { core } = ring
  if (!core.layout.measures) return Effect.succeedNone
  return Effect.map(Ring.list(ring), (seated) =>
    Option.some(seated.map(({ id, seat }) => ({ id: Ring.textOf(id), ...Latency.ofSeat(core, seat) })))
  )
}
