/**
 * After the workers were drained: what was acknowledged is on the disk.
 *
 * Where the last life of a shard was killed on its way out nobody came after it, so the gateway does: it takes the vacant seat
 * and counts the rest. The ring knows whether that is necessary, because a position is committed only after its transaction.
 * What even that cannot store, the exit code tells.
 */
import { type Ring, RingSnapshot } from "@selvedge/core"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Settings } from "../Settings.ts"
import { type EventRecord, seatOf } from "./EventRecord.ts"
import * as Handover from "./handover.ts"
import * as Ask from "./requests.ts"
import * as Share from "./Share.ts"

/** The last snapshots are not what they should be. */
export class NotStored extends Data.TaggedError("NotStored")<{ readonly shards: ReadonlyArray<string> }> {
  override get message(): string {
    return `what was acknowledged is not in the last snapshots: ${this.shards.join("; ")}`
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Every shard whose last life has not committed all there is. */
export const storeRest = (ring: Ring.Ring<EventRecord>) =>
  Effect.gen(function* () {
    const { workers } = yield* Settings
    const { seats } = yield* RingSnapshot.snapshot(ring)
    const told = yield* Effect.forEach(Array.from({ length: workers }).keys(), (shard) => {
      const lag = seats.find(({ id }) => id === seatOf(shard))?.lag ?? 0
      if (lag === 0) return Effect.succeed([])
      return Effect.matchCause(storeShard(ring, shard), {
        onFailure: (cause) => [`shard ${shard} had ${lag} record(s) to count: ${messageOf(Cause.squash(cause))}`],
        onSuccess: () => []
      })
    })
    if (told.flat().length > 0) return yield* new NotStored({ shards: told.flat() })
  })

const storeShard = Effect.fnUntraced(function* (ring: Ring.Ring<EventRecord>, shard: number) {
  const seat = yield* Handover.claim(ring, shard)
  if (Option.isNone(seat)) return yield* new Ask.NotMine({ shard })
  const share = yield* Share.restore(seat.value, shard)
  yield* share.finish
  yield* Effect.logWarning(`shard ${shard}: its worker did not store the rest, the gateway did`)
}, Effect.scoped)
