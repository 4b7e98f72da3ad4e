/**
 * The workers behind the routes: some parse lines, others count events, each its own shard of them, fed by a ring.
 *
 * A request's lines are parsed by any parser; one that dies in the middle is replaced by another, because parsing changes nothing.
 * Good events are numbered and published, and with that they are acknowledged: whoever counts them, in this life or the next, finds
 * them in the ring until their count is on the disk. Where the ring lies, and what that means for a gateway that is killed: `events.ts`.
 */
import { type Container, type ContainerError, Lifecycle, Producer, type Statistics } from "@selvedge/core"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type { Event } from "./Event.ts"
import { Events } from "./events.ts"
import * as Fleet from "./fleet.ts"
import * as Room from "./Room.ts"
import { Settings } from "./Settings.ts"
import { shardOf } from "./worker/EventRecord.ts"
import { CANNOT_STORE } from "./worker/Share.ts"
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
    /** Waits for room in the ring. */
    readonly publish: (events: ReadonlyArray<Event>) => Effect.Effect<Room.Taken>
    /** Why events would be refused now, although the gateway does not stop. */
    readonly obstacle: Effect.Effect<Option.Option<string>>
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

  const room = Room.make(producer, settings.roomWithin)
  const publish = (events: ReadonlyArray<Event>): Effect.Effect<Room.Taken> =>
    room.publish(events.length, (slot, at) => {
      const { key, value } = events[at]!
      slot.number = ++number
      slot.value = value
      slot.shard = shardOf(key, workers)
      slot.key = key
    })
  /** Those that count say themselves what keeps them from storing. */
  const obstacle = Effect.gen(function* () {
    if (!(yield* room.isFull)) return Option.none()
    const rows = yield* counting.status
    const told = rows.flatMap(({ role, text }) => (role === "Serving" && text?.startsWith(CANNOT_STORE) ? [text] : []))
    const roomFor = `no room for events for ${Duration.format(settings.roomWithin)}`
    return Option.some([roomFor, ...new Set(told)].join("; "))
  })
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
    publish,
    obstacle,
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
