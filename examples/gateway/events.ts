/**
 * The ring between the requests and those that count, and the memory it lies in.
 *
 * In the memory of this process the ring ends with it: after `kill -9` of the gateway, what no worker had stored is lost. In memory that
 * several processes map (`GATEWAY_PROCESSES`) it does not: whoever starts next finds it, and what was acknowledged is stored before
 * anything new is taken.
 *
 * ```text
 *   files are looked at ─▶ a space is there? ─▶ taken over ─▶ the dead one's workers have ended ─▶ the rest is counted and stored ─▶ removed
 *                              └── no ─────────────────────────────────────────────────────────────────────────────────────────▶ made
 * ```
 *
 * A space is named after the database, so two gateways cannot be started for one database by mistake.
 */
import {
  DumpSources,
  Ring,
  RingSnapshot,
  Setting,
  SharedMemory,
  type WorkerContext,
  WorkerRegions
} from "@selvedge/core"
import { MappedMemory, type MappingError } from "@selvedge/node"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { createHash } from "node:crypto"
import { existsSync } from "node:fs"
import * as Path from "node:path"
import { Settings, type Shape as SettingsShape } from "./Settings.ts"
import * as SnapshotFile from "./SnapshotFile.ts"
import { EventRecord, REGION } from "./worker/EventRecord.ts"
import { storeRest } from "./worker/storeRest.ts"

/** Workers of a gateway that was killed do not end. */
export class StillThere extends Data.TaggedError("StillThere")<{ readonly pids: ReadonlyArray<number> }> {
  override get message(): string {
    return `workers of a gateway that was killed are still there, and have not ended within ${ORPHANS_SECONDS} s: processes ${this.pids.join(", ")}`
  }
}

export class Events extends Context.Service<
  Events,
  {
    readonly ring: Ring.Ring<EventRecord>
    /** Of the last event that is stored. */
    readonly number: number
    /** Makes the seat of a dead worker vacant, where nobody else does. */
    readonly recover: ((dead: WorkerContext.Facts) => Effect.Effect<unknown, unknown>) | undefined
  }
>()("gateway/Events") {}

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
  return { events, keys, number }
})

/** A ring for the workers of this gateway. */
const make = Effect.gen(function* () {
  const { bufferedEvents, fileOf, workers } = yield* Settings
  const { events, keys, number } = yield* lookAtFiles
  yield* Effect.logInfo(`restored ${events} events under ${keys} keys from ${workers} file(s), ${fileOf(0)} first`)
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
  return { ring, number }
})

/** In the memory of this process; the workers are its threads. */
const layerThread = Layer.effect(
  Events,
  Effect.map(make, (made) => ({
    ...made,
    // In a fiber of its own: where the container loses its patience, the seat is vacant a little later, and not never.
    recover: (dead: WorkerContext.Facts) =>
      Effect.flatMap(Effect.forkDetach(Ring.recover(made.ring, WorkerRegions.ownerOf(dead))), Fiber.join)
  }))
).pipe(Layer.provide(SharedMemory.layerThread))

// -----------------------------------------------------------------------------
// Memory of several processes
// -----------------------------------------------------------------------------

/** A worker that has lost its gateway counts the rest, stores and ends; a blocked one is ended at the end of its budget. */
const ORPHANS_SECONDS = 40

const placeOf = ({ database, memory }: SettingsShape) => ({
  directory: memory,
  name: `gateway-${createHash("sha256").update(database).digest("hex").slice(0, 16)}`,
  // This one; those that count, twice when they are replaced; and those whose deaths are not recovered yet.
  maxParticipants: 64
})

const orphans = Effect.map(MappedMemory.participants, (all) =>
  all.filter(({ isAlive, isThisOne }) => isAlive && !isThisOne).map(({ pid }) => pid)
)

const EVERY = "20 millis"

/** Until all workers of the dead gateway have ended: they have the files. */
const awaitOrphans = Effect.gen(function* () {
  const none = Effect.repeat(orphans, { schedule: Schedule.spaced(EVERY), until: (pids) => pids.length === 0 })
  const late = Effect.flatMap(orphans, (pids) => Effect.fail(new StillThere({ pids })))
  yield* Effect.timeoutOrElse(none, { duration: ORPHANS_SECONDS * 1000, orElse: () => late })
})

/** Counts and stores what a gateway that was killed had acknowledged. */
const rescue = Effect.gen(function* () {
  const memory = yield* Effect.option(MappedMemory.open(REGION, { timeout: "1 millis" }))
  yield* awaitOrphans
  if (Option.isNone(memory)) return
  const handle = yield* MappedMemory.handle(memory.value)
  // One that was killed while it made its ring had acknowledged nothing.
  const ring = yield* Effect.option(Ring.attach(handle, { record: EventRecord, vacantGrace: "1 hour" }))
  if (Option.isNone(ring)) return
  yield* MappedMemory.recoverRing(ring.value)
  const seats = Effect.map(RingSnapshot.snapshot(ring.value), ({ seats }) => seats)
  yield* Effect.repeat(seats, {
    schedule: Schedule.spaced(EVERY),
    until: (found) => found.every(({ state }) => state === "Vacant")
  })
  const left = (yield* seats).reduce((most, { lag }) => Math.max(most, lag), 0)
  yield* Effect.logWarning(
    `a gateway was killed, and left ${left} acknowledged event(s) that were not stored: storing them`
  )
  yield* storeRest(ring.value)
})

const layerMapped = Layer.effect(
  Events,
  Effect.gen(function* () {
    const { ring, number } = yield* MappedMemory.named(REGION)(make)
    yield* MappedMemory.recoverRing(ring)
    return { ring, number, recover: undefined }
  })
)

/** Whatever was there is stored, or of an earlier boot: memory that was lost with the machine. */
const isOfEarlierBoot = (error: MappingError.FileRefused): boolean => error.differs === "boot"

/** A directory that cannot be used is the setting's fault, and says so. */
const ofTheSetting = (
  directory: string,
  error: MappingError.FileRefused
): MappingError.FileRefused | Setting.InvalidSetting =>
  error.differs === "directory"
    ? new Setting.InvalidSetting({
        option: "memory",
        variable: "GATEWAY_MEMORY",
        value: `${JSON.stringify(directory)} (${error.found})`,
        allowed: error.wanted
      })
    : error

const layerProcesses = Layer.unwrap(
  Effect.gen(function* () {
    const settings = yield* Settings
    const place = placeOf(settings)
    // First of all: what a dead gateway left is taken over only if it can be stored.
    yield* lookAtFiles
    if (existsSync(Path.join(place.directory, place.name))) {
      yield* Effect.scoped(Effect.provide(rescue, MappedMemory.layerMapped(place))).pipe(
        Effect.catchTag("FileRefused", (error) => (isOfEarlierBoot(error) ? Effect.void : Effect.fail(error)))
      )
    }
    return Layer.provide(layerMapped, MappedMemory.layerMapped({ ...place, leftovers: "replace" })).pipe(
      Layer.catchTag("FileRefused", (error) => Layer.effectContext(Effect.fail(ofTheSetting(place.directory, error))))
    )
  })
)

export const layer = Layer.unwrap(
  Effect.map(Settings, ({ processes }) => (Option.isSome(processes) ? layerProcesses : layerThread))
)
