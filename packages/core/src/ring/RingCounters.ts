/**
 * A ring's numbers as counters that outlive their readers.
 *
 * Looks at the ring at an interval (`RingSnapshot`) and adds what has come since the last look to `Counters`, under the ring's name. The ring
 * itself does nothing for it: its producers and consumers pay for what they count anyway.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { ids } from "../diagnostics/CounterId.ts"
import * as Counters from "../diagnostics/Counters.ts"
import type * as Ring from "./Ring.ts"
import * as RingSnapshot from "./RingSnapshot.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The label of the counters: at most 56 bytes. */
  readonly name: string
  /** Default 1 second. */
  readonly interval?: Duration.Input | undefined
}

/** They only grow, but each is read at a moment of its own. */
const grown = (before: number, now: number): number => Math.max(0, now - before)

/**
 * Publishes a ring's numbers for as long as the scope lasts, and once more at its end.
 *
 * **Details**
 *
 * Counts from the call on. Published are records claimed, unobserved, tombstones, given up and full waits, the lag of the slowest
 * consumer, the greatest lag seen, and seats. Waits for room are counted by producers that were made with `counters`.
 *
 * **Errors**
 *
 * - `LabelTooLong`, `CountersFull`: as `Counters.register`.
 *
 * @category operations
 * @since 0.1.0
 */
export const publish = <A>(
  ring: Ring.Ring<A>,
  { interval = "1 second", name }: Options
): Effect.Effect<void, Counters.RegisterError, Counters.Counters | Scope.Scope> =>
  Effect.gen(function* () {
    const claimed = yield* Counters.register(ids.ringClaimed, name)
    const unobserved = yield* Counters.register(ids.ringUnobserved, name)
    const tombstones = yield* Counters.register(ids.ringTombstones, name)
    const givenUp = yield* Counters.register(ids.ringGivenUp, name)
    const fullWaits = yield* Counters.register(ids.ringFullWaits, name)
    const lag = yield* Counters.register(ids.ringLag, name)
    const greatestLag = yield* Counters.register(ids.ringGreatestLag, name)
    const seats = yield* Counters.register(ids.ringSeats, name)
    let last = yield* RingSnapshot.snapshot(ring)
    const look = Effect.map(RingSnapshot.snapshot(ring), (now) => {
      claimed.addUnsafe(Math.max(0, now.claimed - last.claimed))
      unobserved.addUnsafe(grown(last.unobserved, now.unobserved))
      tombstones.addUnsafe(grown(last.tombstones, now.tombstones))
      givenUp.addUnsafe(grown(last.givenUp, now.givenUp))
      fullWaits.addUnsafe(grown(last.fullWaits, now.fullWaits))
      const slowest = now.seats.reduce((most, seat) => Math.max(most, seat.lag), 0)
      lag.setUnsafe(slowest)
      greatestLag.maxUnsafe(slowest)
      seats.setUnsafe(now.seats.length)
      last = now
    })
    yield* Effect.addFinalizer(() => look)
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(interval), look)))
  })
