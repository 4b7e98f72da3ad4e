/**
 * The workers behind the routes: some parse lines, others count events, each its own shard of them, fed by a ring.
 *
 * A request's lines are parsed by any parser; one that dies in the middle is replaced by another, because parsing changes nothing.
 * Good events are numbered and published, and with that they are acknowledged: whoever counts them, in this life or the next, finds
 * them in the ring until their count is on the disk. Where the ring lies, and what that means for a gateway that is killed: `events.ts`.
 */
import { type Container, type ContainerError, Lifecycle, Producer, type Statistics } from "@selvedge/core"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type { Event } from "./Event.ts"
import { Events } from "./events.ts"
import * as Fleet from "./fleet.ts"
import { Settings } from "./Settings.ts"
import { shardOf } from "./worker/EventRecord.ts"
import * as Ask from "./worker/requests.ts"
import * as StoreRest from "./worker/storeRest.ts"

/** What a line is. */
export type Parsed = { readonly event: Event } | { readonly problem: string }

type Failed = ContainerError.RequestFailed | Ask.NotMine

export class Workers extends Context.Service<
  Workers,
  Pick<Fleet.Fleet, "restart" | "reload" | "scale"> & {
    /** What each line is, in their order. */
    readonly parse: (lines: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<Parsed>, ContainerError.RequestFailed>
    /** Waits for room in the ring. `false`: it is too late, none of them was taken. */
    readonly publish: (events: ReadonlyArray<Event>) => Effect.Effect<boolean>
    /** What every worker has counted, at least of what was published before; with its `n` greatest rows. */
    readonly summaries: (n: number) => Effect.Effect<ReadonlyArray<Ask.Summary>, Failed>
    /** Ends a thread of a parser in the middle of what it does; only where `DEMO_KILLABLE` says so. */
    readonly vanish: Effect.Effect<void, ContainerError.RequestFailed>
    readonly status: Container.Container["status"]
    readonly statistics: Effect.Effect<{
      readonly counting: Statistics.Statistics
      readonly parsing: Statistics.Statistics
    }>
  }
>()("gateway/Workers") {}

/** So many events are published at a time; a request with more waits in between. */
const BATCH = 256

/** A worker that died, or is replaced, is back within a second; what is asked meanwhile waits for it. */
const UNTIL_BACK = Schedule.max([Schedule.spaced("10 millis"), Schedule.recurs(1_000)])

const mayComeBack = (failed: Failed): boolean =>
  failed._tag === "NotMine" ||
  failed.reason === "WorkerGone" ||
  failed.reason === "NoWorker" ||
  failed.reason === "Stopping"

const make = Effect.gen(function* () {
  const settings = yield* Settings
  const { workers } = settings
  const events = yield* Events
  const { ring } = events
  let { number } = events
  const producer = yield* Producer.make(ring)
  const { counting, parsing, ...operations } = yield* Fleet.make
  yield* Lifecycle.onFlush("last snapshots", Effect.provideService(StoreRest.storeRest(ring), Settings, settings))

  const publish = (events: ReadonlyArray<Event>): Effect.Effect<boolean> =>
    Producer.publishWith(producer, events.length, (slot, at) => {
      const { key, value } = events[at]!
      slot.number = ++number
      slot.value = value
      slot.shard = shardOf(key, workers)
      slot.key = key
    }).pipe(
      Effect.as(true),
      Effect.catchTag("RingClosed", () => Effect.succeed(false)),
      Effect.orDie
    )
  /** One shard's summary, once its worker has seen an event; what was told before is never taken back. */
  const summary = (serviceOrdinal: number, n: number, from: number) =>
    counting
      .request(Ask.Summarize, n, { service: Fleet.COUNT, serviceOrdinal })
      .pipe(
        Effect.repeat({ schedule: Schedule.spaced("5 millis"), until: ({ number }) => number >= from }),
        Effect.retry({ schedule: UNTIL_BACK, while: mayComeBack })
      )

  return Workers.of({
    parse: (lines) =>
      Effect.retry(parsing.request(Ask.Parse, lines), {
        schedule: UNTIL_BACK,
        while: mayComeBack
      }),
    publish: (events) =>
      Effect.gen(function* () {
        const batch = Math.min(BATCH, ring.capacity)
        for (let at = 0; at < events.length; at += batch) {
          if (!(yield* publish(events.slice(at, at + batch)))) return false
        }
        return true
      }),
    summaries: (n) =>
      Effect.suspend(() => {
        const from = number
        const all = Array.from({ length: workers }, (_, shard) => summary(shard, n, from))
        return Effect.all(all, { concurrency: "unbounded" })
      }),
    vanish: parsing.request(Ask.Vanish, undefined),
    status: Effect.map(Effect.all([counting.status, parsing.status]), (rows) => rows.flat()),
    statistics: Effect.all({ counting: counting.statistics, parsing: parsing.statistics }),
    ...operations
  })
})

export const layer = Layer.effect(Workers, make)
