/**
 * Room in the ring for events, and for how long there was none.
 *
 * The ring keeps an event until its count is on the disk, so where a shard cannot be stored (a full disk) the ring fills up. Senders then
 * wait, but not for ever: who has waited for `roomWithin` is refused, and from then on everybody at once, until there is room again.
 *
 * **Invariants**
 *
 * 1. Events are taken in their order, and the answer says how many: what it does not count was not taken, and may be sent again.
 * 2. Nobody waits longer than `roomWithin` for a batch.
 * 3. Whether there is room is seen in the ring, not in what was sent: a gateway that refuses everything finds out by itself that it
 *    no longer has to.
 */
import { Producer, RingSnapshot } from "@selvedge/core"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { EventRecord } from "./worker/EventRecord.ts"

/** So many events are published at a time; a request with more waits in between. */
const BATCH = 256

/** How many were taken, from the first; and why the others were not. */
export interface Taken {
  readonly taken: number
  readonly refused?: "stopping" | "no room"
}

export interface Room {
  /** Publishes so many events, and waits for room. */
  readonly publish: (count: number, write: Producer.Write<EventRecord>) => Effect.Effect<Taken>
  /** Whether events would be refused, because there is no room. */
  readonly isFull: Effect.Effect<boolean>
}

export const make = (producer: Producer.Producer<EventRecord>, roomWithin: Duration.Duration): Room => {
  const { ring } = producer
  const batch = Math.min(BATCH, ring.capacity)
  const patience = Duration.toMillis(roomWithin)
  /** Since when nobody has found room; monotonic. */
  let fullSince: number | undefined

  const nowMillis = Effect.clockWith((clock) => Effect.sync(() => Number(clock.monotonicTimeNanosUnsafe()) / 1e6))

  const publishBatch = (count: number, write: Producer.Write<EventRecord>): Effect.Effect<Taken> =>
    Effect.gen(function* () {
      const now = yield* nowMillis
      const timeout = fullSince === undefined ? patience : fullSince + patience - now
      const once = Effect.suspend(() => {
        // Room that is there now is not waited for, however long there was none.
        if (producer.publishUnsafe(count, write) === 0) return Effect.void
        fullSince ??= now
        return Producer.publishWith(producer, count, write, { timeout: Math.max(timeout, 0) })
      })
      yield* once
      fullSince = undefined
      return { taken: count } as const
    }).pipe(
      Effect.catchTag("RingTimeout", () => Effect.succeed<Taken>({ taken: 0, refused: "no room" })),
      Effect.catchTag("RingClosed", () => Effect.succeed<Taken>({ taken: 0, refused: "stopping" })),
      Effect.orDie
    )

  const publish = (count: number, write: Producer.Write<EventRecord>): Effect.Effect<Taken> =>
    Effect.gen(function* () {
      for (let from = 0; from < count; from += batch) {
        const one = yield* publishBatch(Math.min(batch, count - from), (slot, at) => write(slot, from + at))
        if (one.refused !== undefined) return { ...one, taken: from }
      }
      return { taken: count }
    })

  const isFull = Effect.gen(function* () {
    if (fullSince === undefined || (yield* nowMillis) < fullSince + patience) return false
    const { seats } = yield* RingSnapshot.snapshot(ring)
    if (seats.some(({ lag }) => lag > ring.capacity - batch)) return true
    fullSince = undefined
    return false
  })

  return { publish, isFull }
}
