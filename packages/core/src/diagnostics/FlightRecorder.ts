/**
 * The last things that happened, in all threads, in shared memory.
 *
 * A recorder keeps as many events as it has entries and then overwrites the oldest. Events are few and tell of lives: a task failed, a worker
 * was started, a shutdown went on. They can be read at any time, also when the thread that recorded them is blocked or dead; an
 * event that its thread died in the middle of is skipped and counted.
 *
 * The handle of a recorder is a plain value: post it to a worker, and `attach` there. Layout, protocol and numbered invariants:
 * docs/diagnostics.md.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Setting from "../config/Setting.ts"
import { type AllocationFailed, SharedMemory } from "../memory/SharedMemory.ts"
import { type InvalidIdentity, type RegionRefused, regionOf } from "./DiagnosticsError.ts"
import * as Identity from "./Identity.ts"
import * as Events from "./internal/eventTable.ts"
import * as Layout from "./internal/recorderLayout.ts"
import * as Owner from "./internal/owner.ts"
import * as Recorder from "./internal/recorder.ts"

/**
 * Something that happened: plain data.
 *
 * @category models
 * @since 0.1.0
 */
export interface Event extends Identity.Identity {
  /** Grows with every event; counts those that were overwritten, too. Goes round at 2^31. */
  readonly ticket: number
  /** Milliseconds since 1970. */
  readonly atMillis: number
  /** `task.failed`, `worker.exited`, … Up to 24 bytes are kept. */
  readonly what: string
  /** Of the task or worker it happened to; 0: none. */
  readonly id: number
  /** For people. Up to 68 bytes are kept. */
  readonly text: string
  /** The text was longer. */
  readonly textCut: boolean
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Recording {
  /** Oldest first. */
  readonly events: ReadonlyArray<Event>
  /** Entries that somebody is writing, or that somebody died writing. */
  readonly torn: number
}

/**
 * A recorder as a plain value that can be posted to a worker.
 *
 * @category models
 * @since 0.1.0
 */
export interface Handle {
  readonly _tag: "FlightRecorder"
  readonly memory: SharedArrayBuffer
}

/**
 * What can be read without being part of it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reader {
  readonly capacity: number
  readonly readUnsafe: () => Recording
}

/**
 * One thread's side of a recorder.
 *
 * @category models
 * @since 0.1.0
 */
export interface Shape extends Reader, Identity.Identity {
  readonly isEnabled: boolean
  /** `undefined` when disabled. */
  readonly handle: Handle | undefined
  /** `false` if there was no entry to be had. `id` 0 is none; `atMillis` is milliseconds since 1970. */
  readonly recordUnsafe: (what: string, id: number, text: string, atMillis: number) => boolean
  /** Gives the entries of a dead thread back; how many it left torn. */
  readonly reclaimUnsafe: (dead: Identity.Identity) => number
}

/**
 * The recorder of the surrounding service.
 *
 * @category services
 * @since 0.1.0
 */
export class FlightRecorder extends Context.Service<FlightRecorder, Shape>()("@selvedge/core/FlightRecorder") {}

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Events that are kept, rounded up to a power of two; 0 switches it off. Default 256, at most 2^16. 128 bytes each. */
  readonly events?: number | undefined
  /** Who the thread is that makes it. Default: the main program in its first life. */
  readonly identity?: Identity.Identity | undefined
}

/**
 * @category settings
 * @since 0.1.0
 */
export const settings = {
  events: Setting.integer("SELVEDGE_FLIGHT_RECORDER_SIZE", "events", { default: 256, min: 0, max: Layout.MAX_CAPACITY })
} as const

/**
 * Makes a recorder.
 *
 * **Errors**
 *
 * - `InvalidSetting`: a size out of range, in code or in `SELVEDGE_FLIGHT_RECORDER_SIZE`.
 * - `InvalidIdentity`: no such ordinal or generation.
 * - `AllocationFailed`: there is no memory.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options?: Options
): Effect.fn.Return<Shape, Setting.InvalidSetting | InvalidIdentity | AllocationFailed, SharedMemory | Scope.Scope> {
  const events = yield* settings.events.resolve(options?.events)
  const identity = yield* Identity.check(options?.identity ?? Identity.MAIN)
  if (events === 0) return disabled(identity)
  const layout = Layout.make(2 ** Math.ceil(Math.log2(events)))
  const region = yield* (yield* SharedMemory).allocate(layout.totalBytes)
  Layout.format(region, layout)
  return shapeOf(region, layout, identity)
})

const readerOf = (memory: SharedArrayBuffer, layout: Layout.RecorderLayout): Reader => {
  const words = new Int32Array(memory, 0, layout.totalBytes / 4)
  return { capacity: layout.capacity, readUnsafe: () => Events.read(words, layout) }
}

const shapeOf = (memory: SharedArrayBuffer, layout: Layout.RecorderLayout, identity: Identity.Identity): Shape => {
  const { generation, ordinal } = identity
  const table = Events.attach(memory, layout, ordinal, generation)
  return {
    ...readerOf(memory, layout),
    ordinal,
    generation,
    isEnabled: true,
    handle: { _tag: "FlightRecorder", memory },
    recordUnsafe: (what, id, text, atMillis) => Events.record(table, what, id, text, atMillis),
    reclaimUnsafe: (dead) =>
      Recorder.reclaim(table.recorder.words, layout, Owner.ownerOf(dead.ordinal, dead.generation))
  }
}

const NOTHING: Recording = { events: [], torn: 0 }

const disabled = ({ generation, ordinal }: Identity.Identity): Shape => ({
  ordinal,
  generation,
  capacity: 0,
  isEnabled: false,
  handle: undefined,
  readUnsafe: () => NOTHING,
  recordUnsafe: () => false,
  reclaimUnsafe: () => 0
})

/**
 * Provides a recorder.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options?: Options
): Layer.Layer<FlightRecorder, Setting.InvalidSetting | InvalidIdentity | AllocationFailed, SharedMemory> =>
  Layer.effect(FlightRecorder, make(options))

/**
 * Joins a recorder that another thread made.
 *
 * **Errors**
 *
 * - `RegionRefused`: what was posted is no recorder, or one of another version; says what differs.
 * - `InvalidIdentity`: no such ordinal or generation.
 *
 * @category constructors
 * @since 0.1.0
 */
export const attach = (
  handle: Handle,
  identity: Identity.Identity
): Effect.Effect<Shape, RegionRefused | InvalidIdentity> =>
  Effect.gen(function* () {
    const [memory, layout] = yield* regionOf("FlightRecorder", handle, Layout.read)
    return shapeOf(memory, layout, yield* Identity.check(identity))
  })

/**
 * Joins a recorder to read it only.
 *
 * **Errors**
 *
 * - `RegionRefused`: what was posted is no recorder, or one of another version; says what differs.
 *
 * @category constructors
 * @since 0.1.0
 */
export const observe = (handle: Handle): Effect.Effect<Reader, RegionRefused> =>
  Effect.map(regionOf("FlightRecorder", handle, Layout.read), ([memory, layout]) => readerOf(memory, layout))

/**
 * Provides a worker's side of the recorder that was posted to it.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerAttached = (
  handle: Handle,
  identity: Identity.Identity
): Layer.Layer<FlightRecorder, RegionRefused | InvalidIdentity> =>
  Layer.effect(FlightRecorder, attach(handle, identity))

/**
 * Records that something happened, now.
 *
 * **Example** (What led to it)
 *
 * ```ts
 * import { FlightRecorder } from "@selvedge/core"
 * import * as SharedMemory from "@selvedge/core/memory/SharedMemory"
 * import { Effect, Layer } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   yield* FlightRecorder.record("feed.lost", { text: "XETR: connection reset" })
 *   return (yield* FlightRecorder.read).events // one event, "feed.lost"
 * })
 *
 * Effect.runSync(program.pipe(Effect.provide(Layer.provide(FlightRecorder.layer(), SharedMemory.layerThread))))
 * ```
 *
 * @category operations
 * @since 0.1.0
 */
export const record = (
  what: string,
  details?: { readonly id?: number | undefined; readonly text?: string | undefined }
): Effect.Effect<void, never, FlightRecorder> =>
  FlightRecorder.use((recorder) =>
    recorder.isEnabled
      ? Effect.clockWith((clock) =>
          Effect.sync(() => {
            recorder.recordUnsafe(what, details?.id ?? 0, details?.text ?? "", clock.currentTimeMillisUnsafe())
          })
        )
      : Effect.void
  )

/**
 * The events that are still there, of all threads, oldest first.
 *
 * @category operations
 * @since 0.1.0
 */
export const read: Effect.Effect<Recording, never, FlightRecorder> = FlightRecorder.useSync((recorder) =>
  recorder.readUnsafe()
)
