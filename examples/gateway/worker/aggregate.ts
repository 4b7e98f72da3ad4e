/**
 * A worker of the gateway: counts its share of the events in the ring, and keeps the count in a file of its own.
 *
 * The file is named by the worker's ordinal, which it keeps over restarts. Rows and the number of the last event counted are stored
 * in one transaction, and only then the position in the ring is committed, so a record is not overwritten before
 * its count is on the disk. A worker that dies leaves its seat behind; the next life restores the file, takes the seat over and
 * skips the numbers it has: every event is counted exactly once.
 *
 * ```text
 *   take a batch ─▶ count ─▶ … every so often: transaction(rows, number) ─▶ commit the position
 * ```
 */
import {
  Consumer,
  Ring,
  ShutdownToken,
  WorkerContext,
  WorkerProgram,
  WorkerRegions,
  WorkerRequest
} from "@selvedge/core"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Event from "../Event.ts"
import { Settings } from "../Settings.ts"
import * as SnapshotFile from "../SnapshotFile.ts"
import { Table } from "../Table.ts"
import { EventRecord, ownerOf, REGION, seatOf } from "./EventRecord.ts"
import * as Ask from "./requests.ts"

const BATCH = 256

/** This worker's seat in the ring. It is never left: a seat that is left is free, and nobody would keep the records for the next life. */
const takeSeat = Effect.gen(function* () {
  const identity = yield* WorkerContext.WorkerContext
  const handle = { memory: yield* WorkerRegions.get(REGION), owner: ownerOf(identity) }
  const join = Effect.flatMap(Ring.attach(handle, { record: EventRecord }), (ring) =>
    Consumer.make(ring, { id: seatOf(identity.ordinal), commit: "manual" })
  )
  return yield* Scope.provide(join, yield* Scope.make())
})

/** What this worker has counted. */
class Share extends Context.Service<
  Share,
  {
    readonly table: Table
    /** Of the last event it has seen. */
    readonly number: () => number
    /** Counts until it is told to stop; then what is still in the ring, and stores it. */
    readonly count: Effect.Effect<void, unknown, ShutdownToken.ShutdownToken>
  }
>()("gateway/Share") {
  static readonly layer = Layer.effect(
    Share,
    Effect.gen(function* () {
      const { fileOf, maxKeys, snapshotEvery, workers } = yield* Settings
      const { ordinal } = yield* WorkerContext.WorkerContext
      const file = yield* SnapshotFile.open(fileOf(ordinal), workers)
      const table = new Table(Math.ceil(maxKeys / workers), file.restored)
      const consumer = yield* takeSeat
      let { number } = file
      /** The position behind the last record that was counted. */
      let counted = consumer.position

      const add = (records: ReadonlyArray<EventRecord>): void => {
        for (const record of records) {
          // Counted and stored by the life before, which died before it could commit.
          if (record.number <= number) continue
          number = record.number
          if (record.worker === ordinal) table.add(record)
        }
        counted = consumer.position
      }
      const store = Effect.uninterruptible(
        Effect.andThen(
          Effect.suspend(() => file.write(table, number)),
          Effect.suspend(() => Consumer.commit(consumer, counted))
        )
      )
      const storeOrTell = Effect.catchTag(store, "SnapshotFailed", (problem) => Effect.logWarning(problem.message))
      // Senders wait for room, and room comes with the commit.
      const isHalfFull = (): boolean => counted - consumer.committedAt >= consumer.ring.capacity / 2
      const take = Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(restore(Consumer.takeBatch(consumer, BATCH)), (records) => {
          add(records)
          return isHalfFull() ? storeOrTell : Effect.void
        })
      )
      const takeRest = Effect.repeat(
        Effect.uninterruptible(
          Effect.tap(Consumer.tryTake(consumer), (record) => Effect.sync(() => add(Option.toArray(record))))
        ),
        { while: Option.isSome }
      )
      const storing = Effect.forever(Effect.andThen(Effect.sleep(snapshotEvery), storeOrTell))
      const count = Effect.raceFirst(Effect.forever(take), storing).pipe(
        ShutdownToken.runUntilDraining,
        Effect.andThen(takeRest),
        Effect.andThen(store)
      )
      return Share.of({ table, number: () => number, count })
    })
  )
}

const parseLine = (line: string) =>
  Result.match(Event.parse(line), { onFailure: (problem) => ({ problem }), onSuccess: (event) => ({ event }) })

export const program = WorkerProgram.make({
  layer: Layer.provide(Share.layer, Settings.layer),
  main: Effect.flatMap(Share, ({ count }) => count),
  handlers: [
    WorkerRequest.handler(Ask.Parse, (lines) => Effect.sync(() => lines.map(parseLine))),
    WorkerRequest.handler(Ask.Summarize, (n) =>
      Effect.map(Share, ({ number, table }) => ({
        events: table.events,
        keys: table.keys,
        number: number(),
        top: table.top(n)
      }))
    )
  ]
})
