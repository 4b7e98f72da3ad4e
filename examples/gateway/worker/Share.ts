/**
 * What has been counted of one shard, by the life that has its seat: a table, and the file that keeps it.
 *
 * Rows and the number of the last event are stored in one transaction, and only then the position in the ring is committed, so a record
 * is not overwritten before its count is on the disk.
 *
 * ```text
 *   take a batch ─▶ count ─▶ … every so often: transaction(rows, number) ─▶ commit the position
 * ```
 */
import { Consumer, type RingError, RingSnapshot, ShutdownToken, WorkerStatus } from "@selvedge/core"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import type * as Scope from "effect/Scope"
import { Settings } from "../Settings.ts"
import type { SnapshotFailed, SnapshotUnusable } from "../SnapshotError.ts"
import * as SnapshotFile from "../SnapshotFile.ts"
import { Table } from "../Table.ts"
import type { EventRecord } from "./EventRecord.ts"
import type { Seat } from "./handover.ts"
import type { Summary } from "./requests.ts"

const BATCH = 256

/** What a worker's text begins with while its shard cannot be stored. */
export const CANNOT_STORE = "cannot store"

/** A shard that could not be stored is tried again this soon, however seldom it is stored else. */
const AGAIN = Duration.seconds(1)

type Failure = SnapshotFailed | RingError.RingClosed | RingError.Detached | RingError.InvalidArgument

export interface Share {
  readonly summary: (rows: number) => Summary
  /** Counts until it is told to stop; then `finish`. */
  readonly count: Effect.Effect<void, Failure, ShutdownToken.ShutdownToken>
  /** Counts what was published until now, and stores it. */
  readonly finish: Effect.Effect<void, Failure>
}

/** Opens the file of a shard, whose seat is this life's, and goes on where the life before had stored. */
export const restore = Effect.fnUntraced(function* (
  seat: Seat,
  shard: number
): Effect.fn.Return<Share, SnapshotUnusable, Settings | Scope.Scope> {
  const { fileOf, maxKeys, snapshotEvery, workers } = yield* Settings
  const file = yield* SnapshotFile.openWhenFree(fileOf(shard), workers)
  const table = new Table(Math.ceil(maxKeys / workers), file.restored)
  let { number } = file
  /** The position behind the last record that was counted. */
  let counted = seat.position

  const add = (records: ReadonlyArray<EventRecord>): void => {
    for (const record of records) {
      // Counted and stored by the life before, which died before it could commit.
      if (record.number <= number) continue
      number = record.number
      if (record.shard === shard) table.add(record)
    }
    counted = seat.position
  }
  /** A fiber may have to yield between any two steps; what is counted between transaction and commit would be committed and not stored. */
  const alone = Semaphore.withPermits(yield* Semaphore.make(1), 1)
  const store = Effect.uninterruptible(
    Effect.andThen(
      Effect.suspend(() => file.write(table, number)),
      Effect.suspend(() => Consumer.commit(seat, counted))
    )
  )
  const { text } = yield* WorkerStatus.WorkerStatus
  /** Told once when it begins and once when it ends, not with every attempt. */
  let obstacle: string | undefined
  const storeOrTell = Effect.matchEffect(store, {
    onFailure: (problem) => {
      if (problem._tag !== "SnapshotFailed") return Effect.fail(problem)
      if (problem.message === obstacle) return Effect.void
      obstacle = problem.message
      return Effect.andThen(Effect.logWarning(obstacle), text(`${CANNOT_STORE} shard ${shard}: ${obstacle}`))
    },
    onSuccess: () => {
      if (obstacle === undefined) return Effect.void
      obstacle = undefined
      return Effect.andThen(Effect.logInfo(`shard ${shard} is stored again`), text(`counts shard ${shard}`))
    }
  })
  // Senders wait for room, and room comes with the commit.
  const isHalfFull = (): boolean => counted - seat.committedAt >= seat.ring.capacity / 2
  const take = Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(restore(Consumer.takeBatch(seat, BATCH)), (records) =>
      alone(
        Effect.suspend(() => {
          add(records)
          return isHalfFull() ? storeOrTell : Effect.void
        })
      )
    )
  )
  const takeOne = Effect.uninterruptible(
    Effect.tap(Consumer.tryTake(seat), (record) => Effect.sync(() => add(Option.toArray(record))))
  )
  // Others may go on publishing; what comes from now on is the next life's.
  const takeRest = Effect.flatMap(RingSnapshot.snapshot(seat.ring), ({ claimed }) =>
    Effect.repeat(takeOne, { while: (taken) => Option.isSome(taken) && seat.position < claimed })
  )
  const finish = Effect.andThen(takeRest, store)
  const storing = Effect.forever(Effect.andThen(Effect.sleep(snapshotEvery), alone(storeOrTell)))
  const again = Effect.suspend(() => (obstacle === undefined ? Effect.void : alone(storeOrTell)))
  const storingAgain = Effect.forever(Effect.andThen(Effect.sleep(AGAIN), again))
  const count = Effect.raceFirst(Effect.forever(take), Effect.raceFirst(storing, storingAgain)).pipe(
    ShutdownToken.runUntilDraining,
    Effect.andThen(finish)
  )
  const summary = (rows: number): Summary => ({ events: table.events, keys: table.keys, number, top: table.top(rows) })
  return { summary, count, finish }
})
