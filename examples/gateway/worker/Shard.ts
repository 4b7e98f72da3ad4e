/**
 * One shard as one life sees it: not its own yet, then counted, then stored for the life after it. See `handover.ts`.
 */
import { type Ring, type ShutdownToken, WorkerStatus } from "@selvedge/core"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { Settings } from "../Settings.ts"
import type { EventRecord } from "./EventRecord.ts"
import * as Handover from "./handover.ts"
import * as Ask from "./requests.ts"
import * as Share from "./Share.ts"

export interface Shard {
  /** With so many rows. */
  readonly summarize: (rows: number) => Effect.Effect<Ask.Summary, Ask.NotMine>
  /** Waits for the shard, and counts it until it is told to stop. */
  readonly work: Effect.Effect<void, unknown, ShutdownToken.ShutdownToken>
}

/** The file is closed with the scope; the seat is not given back. */
export const make = Effect.fnUntraced(function* (
  ring: Ring.Ring<EventRecord>,
  shard: number
): Effect.fn.Return<Shard, never, Settings | Scope.Scope> {
  const settings = yield* Settings
  const scope = yield* Effect.scope
  const { text } = yield* WorkerStatus.WorkerStatus
  let share: Share.Share | undefined
  const work = Effect.gen(function* () {
    const seat = yield* Handover.awaitSeat(ring, shard)
    if (Option.isNone(seat)) return
    share = yield* Share.restore(seat.value, shard).pipe(
      Effect.provideService(Settings, settings),
      Scope.provide(scope)
    )
    yield* text(`counts shard ${shard}`)
    yield* share.count
  })
  const summarize = (rows: number) =>
    Effect.suspend(() =>
      share === undefined ? Effect.fail(new Ask.NotMine({ shard })) : Effect.succeed(share.summary(rows))
    )
  return { summarize, work }
})
