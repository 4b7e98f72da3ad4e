/**
 * The workers behind the routes: some parse lines, others count events, each its own shard of them, fed by a ring.
 *
 * A request's lines are parsed by any parser; one that dies in the middle is replaced by another, because parsing changes nothing.
 * Good events are numbered and published, and with that they are acknowledged: whoever counts them, in this life or the next, finds
 * them in the ring until their count is on the disk. The ring lives in this process: when this process is killed, what no worker has
 * stored is lost.
 */
import {
  Backend,
  Container,
  type ContainerError,
  DumpSources,
  Lifecycle,
  Producer,
  Ring,
  SharedMemory
} from "@selvedge/core"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type { Event } from "./Event.ts"
import { Settings } from "./Settings.ts"
import * as SnapshotFile from "./SnapshotFile.ts"
import { EventRecord, ownerOf, REGION, shardOf } from "./worker/EventRecord.ts"
import * as Ask from "./worker/requests.ts"
import * as StoreRest from "./worker/storeRest.ts"

/** What a line is. */
export type Parsed = { readonly event: Event } | { readonly problem: string }

type Failed = ContainerError.RequestFailed | Ask.NotMine

export class Workers extends Context.Service<
  Workers,
  {
    /** What each line is, in their order. */
    readonly parse: (lines: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<Parsed>, ContainerError.RequestFailed>
    /** Waits for room in the ring. `false`: it is too late, none of them was taken. */
    readonly publish: (events: ReadonlyArray<Event>) => Effect.Effect<boolean>
    /** What every worker has counted, at least of what was published before; with its `n` greatest rows. */
    readonly summaries: (n: number) => Effect.Effect<ReadonlyArray<Ask.Summary>, Failed>
    readonly status: Container.Container["status"]
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

/** Looks at every file before a worker opens it: what cannot be used is told in one line, and nothing has started. */
const lookAtFiles = Effect.gen(function* () {
  const { fileOf, whenUnusable, workers } = yield* Settings
  const open = whenUnusable === "begin-anew" ? SnapshotFile.openOrBeginAnew : SnapshotFile.openWhenFree
  let [events, keys, number] = [0, 0, 0]
  for (let shard = 0; shard < workers; shard++) {
    const file = yield* Effect.scoped(open(fileOf(shard), workers))
    for (const { count } of file.restored) events += count
    keys += file.restored.length
    number = Math.max(number, file.number)
  }
  yield* Effect.logInfo(`restored ${events} events under ${keys} keys from ${workers} file(s), ${fileOf(0)} first`)
  return number
})

const make = Effect.gen(function* () {
  const settings = yield* Settings
  const { bufferedEvents, parsers, restarts, workers } = settings
  let number = yield* lookAtFiles

  const ring = yield* Ring.make({
    record: EventRecord,
    capacity: 2 ** Math.ceil(Math.log2(bufferedEvents)),
    maxConsumers: workers,
    // Until every worker has its seat nobody would keep a record for it.
    requiredConsumers: workers,
    vacantGrace: "1 hour"
  })
  yield* DumpSources.addRing("events", ring)
  yield* DumpSources.addRegion("events", ring.core.memory.byteLength)
  const producer = yield* Producer.make(ring)

  const container = yield* Container.make({
    name: "gateway workers",
    critical: true,
    intensity: { max: restarts, period: "5 seconds" },
    // Its seat is vacant then: the ring keeps what its next life has to count.
    recover: (dead) => Ring.recover(ring, ownerOf(dead))
  })
  yield* container.run({
    name: "aggregate",
    program: Backend.module(new URL("./worker/aggregate.ts", import.meta.url)),
    regions: { [REGION]: ring.core.memory },
    count: workers
  })
  yield* container.run({
    name: "parse",
    program: Backend.module(new URL("./worker/parse.ts", import.meta.url)),
    count: parsers
  })
  yield* container.awaitReady
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
    container
      .request(Ask.Summarize, n, { service: "aggregate", serviceOrdinal })
      .pipe(
        Effect.repeat({ schedule: Schedule.spaced("5 millis"), until: ({ number }) => number >= from }),
        Effect.retry({ schedule: UNTIL_BACK, while: mayComeBack })
      )

  return Workers.of({
    parse: (lines) =>
      Effect.retry(container.request(Ask.Parse, lines, { service: "parse" }), {
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
    status: container.status
  })
})

export const layer = Layer.effect(Workers, make).pipe(Layer.provide(SharedMemory.layerThread))
