/**
 * A ring with lives of its shards, over real files and in virtual time, and a hand on every life.
 */
import { Producer, Ring, SharedMemory, ShutdownReason, ShutdownToken, Waking, WorkerStatus } from "@selvedge/core"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { Settings } from "../Settings.ts"
import * as SnapshotFile from "../SnapshotFile.ts"
import { EventRecord, shardOf } from "../worker/EventRecord.ts"
import * as Shard from "../worker/Shard.ts"
import { folder, withEnvironment } from "./support.ts"

export const SHARDS = 2
/** Keys of either shard. */
export const keys = Array.from({ length: 40 }, (_, at) => `key ${at}`)

/** A ring with a life of every shard but 0, and a hand on everything else. */
export const stageOf = Effect.fnUntraced(function* (snapshotEvery: string) {
  const path = `${yield* folder}/gateway.sqlite`
  /** What the lives say of themselves. */
  const texts: Array<string> = []
  const status = { ...(yield* WorkerStatus.WorkerStatus), text: (text: string) => Effect.sync(() => texts.push(text)) }
  const env = { GATEWAY_DB: path, GATEWAY_WORKERS: String(SHARDS), GATEWAY_SNAPSHOT_EVERY: snapshotEvery }
  const settings = yield* Settings.make.pipe(withEnvironment(env))
  const ring = yield* Ring.make({ record: EventRecord, capacity: 256, maxConsumers: SHARDS, vacantGrace: "1 hour" })
  const producer = yield* Producer.make(ring)
  let number = 0

  /** Begins a life, as a worker does. */
  const begin = Effect.fnUntraced(function* (shard: number) {
    const scope = yield* Scope.make()
    const token = yield* Scope.provide(ShutdownToken.make, scope)
    const handle = yield* Ring.handle(ring)
    const own = yield* Ring.attach(handle, { record: EventRecord }).pipe(Scope.provide(scope))
    const { summarize, work } = yield* Shard.make(own, shard).pipe(
      Effect.provideService(Settings, settings),
      Effect.provideService(WorkerStatus.WorkerStatus, status),
      Scope.provide(scope)
    )
    const fiber = yield* Effect.forkChild(
      work.pipe(
        Effect.provideService(ShutdownToken.ShutdownToken, token),
        Effect.provideService(WorkerStatus.WorkerStatus, status)
      )
    )
    yield* settle
    // What the container does after every life.
    const bury = Effect.andThen(Scope.close(scope, Exit.void), Ring.recover(ring, handle.owner))
    return {
      tell: ShutdownToken.request(ShutdownReason.Requested({ by: "test" })).pipe(
        Effect.provideService(ShutdownToken.ShutdownToken, token),
        Effect.andThen(settle)
      ),
      hasEnded: () => fiber.pollUnsafe() !== undefined,
      /** It ends by itself, and its end is seen. */
      end: Effect.andThen(Fiber.join(fiber), Effect.andThen(bury, settle)),
      /** Its end is seen, and nobody has had the time to look at its seat. */
      kill: Effect.andThen(Fiber.interrupt(fiber), bury),
      /** What it has counted; none if the shard is not its own. */
      counted: Effect.match(summarize(9), { onFailure: () => undefined, onSuccess: ({ events }) => events })
    }
  })

  /** Acknowledges an event of every key; how many of them are of a shard. */
  const publish = Effect.fnUntraced(function* (shard: number) {
    yield* Producer.publishWith(producer, keys.length, (slot, at) => {
      const key = keys[at]!
      slot.number = ++number
      slot.value = at
      slot.shard = shardOf(key, SHARDS)
      slot.key = key
    })
    yield* settle
    return keys.filter((key) => shardOf(key, SHARDS) === shard).length
  })
  /** What the file of a shard has. */
  const stored = (shard: number) =>
    Effect.scoped(
      Effect.map(SnapshotFile.open(settings.fileOf(shard), SHARDS), ({ restored }) =>
        restored.reduce((sum, { count }) => sum + count, 0)
      )
    )
  return { begin, publish, stored, ring, producer, settings, texts }
})

/** Nothing is stored because of the time. */
export const stage = stageOf("1 hour")

/** Longer than between two looks at a seat. */
export const settle = TestClock.adjust("25 millis")

export const surroundings = Layer.merge(SharedMemory.layerThread, Waking.layerLocal)
