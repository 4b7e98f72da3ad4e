/**
 * Who is running, in all threads, as a table in shared memory.
 *
 * A _strand_ is any running unit somebody may want to look at: a task, a thread, the event loop of a thread. It registers in a slot
 * of a fixed table and gives it back when it ends; any thread reads the table at any time and without stopping anybody, also
 * while a writer is blocked or dead. The table is for diagnostics only: when it is full a strand runs all the same, untracked, and the overflow
 * is counted.
 *
 * Threads are told apart by _ordinal_ and _generation_, given as plain numbers: one living thread to an ordinal. When a worker has died,
 * `reclaim` frees what it had.
 *
 * The handle of a table is a plain value: post it to a worker, and `attach` there. Layout, protocol and numbered invariants:
 * docs/diagnostics.md.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Setting from "../config/Setting.ts"
import { type AllocationFailed, SharedMemory } from "../memory/SharedMemory.ts"
import { type InvalidIdentity, type InvalidStrand, NoSeat, type RegionRefused, regionOf } from "./DiagnosticsError.ts"
import * as Identity from "./Identity.ts"
import * as Layout from "./internal/strandLayout.ts"
import * as Owner from "./internal/owner.ts"
import * as Slots from "./internal/slotTable.ts"
import * as Table from "./internal/strandTable.ts"
import { check, type Row, type State, type Strand, type StrandHandle, type Totals } from "./Strand.ts"
import { type Handle, type Reader, readerOf } from "./StrandReader.ts"

// -----------------------------------------------------------------------------
// Models
// -----------------------------------------------------------------------------

/**
 * One thread's side of the table. Its functions take no Effect, so that an observer can call them; each has an effectful
 * sibling in this module.
 *
 * @category models
 * @since 0.1.0
 */
export interface Shape extends Reader, Identity.Identity {
  /** `false`: registering answers at once that there is no slot, and nothing is counted. */
  readonly isEnabled: boolean
  /** `undefined` when disabled. */
  readonly handle: Handle | undefined
  /** `-1` if there is no slot. Allocates nothing. The id has been checked, the time is given. */
  readonly registerUnsafe: (
    id: number,
    name: string,
    kind: string,
    parentId: number | undefined,
    startMillis: number
  ) => StrandHandle
  readonly unregisterUnsafe: (handle: StrandHandle) => boolean
  readonly heartbeatUnsafe: (handle: StrandHandle, millis: number) => boolean
  readonly markUnsafe: (handle: StrandHandle, state: State) => boolean
  readonly reclaimUnsafe: (dead: Identity.Identity) => number
}

/**
 * The table of the surrounding service.
 *
 * @category services
 * @since 0.1.0
 */
export class StrandRegistry extends Context.Service<StrandRegistry, Shape>()("@selvedge/core/StrandRegistry") {}

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Slots; 0 switches the table off. Default 1024, at most 2^20. 136 bytes each. */
  readonly capacity?: number | undefined
  /** Ordinals that may ever attach. Default 256, at most 2^14. 128 bytes each. */
  readonly maxThreads?: number | undefined
  /** Who the thread is that makes it. Default: the main program in its first life. */
  readonly identity?: Identity.Identity | undefined
}

/**
 * @category settings
 * @since 0.1.0
 */
export const settings = {
  capacity: Setting.integer("SELVEDGE_STRAND_REGISTRY_SIZE", "capacity", {
    default: 1024,
    min: 0,
    max: Layout.MAX_CAPACITY
  })
} as const

const DEFAULT_THREADS = 256

// -----------------------------------------------------------------------------
// Constructors and layers
// -----------------------------------------------------------------------------

/**
 * Makes a table and takes a seat in it.
 *
 * **Errors**
 *
 * - `InvalidSetting`: size or number of threads out of range, in code or in `SELVEDGE_STRAND_REGISTRY_SIZE`.
 * - `InvalidIdentity`: no such ordinal or generation.
 * - `AllocationFailed`: there is no memory.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options?: Options
): Effect.fn.Return<Shape, Setting.InvalidSetting | InvalidIdentity | AllocationFailed, SharedMemory | Scope.Scope> {
  const capacity = yield* settings.capacity.resolve(options?.capacity)
  const maxThreads = options?.maxThreads ?? DEFAULT_THREADS
  yield* checkThreads(maxThreads)
  const identity = yield* Identity.check(options?.identity ?? Identity.MAIN)
  if (capacity === 0) return disabled(identity)
  const layout = Layout.make(capacity, maxThreads)
  const region = yield* (yield* SharedMemory).allocate(layout.totalBytes)
  Layout.format(region, layout)
  // Memory that nobody else has seen has a seat.
  return yield* Effect.orDie(seated(region, layout, identity))
})

const checkThreads = Setting.option("maxThreads", `a whole number from 1 to ${Layout.MAX_SEATS}`, Layout.isSeats)

const seated = (
  region: SharedArrayBuffer,
  layout: Layout.StrandLayout,
  identity: Identity.Identity
): Effect.Effect<Shape, NoSeat> =>
  Effect.suspend(() => {
    const { generation, ordinal } = identity
    const words = new Int32Array(region, 0, layout.totalBytes / 4)
    const seat = Slots.takeSeat(words, layout.seats, ordinal)
    if (seat < 0) return Effect.fail(new NoSeat({ ordinal, maxThreads: layout.seats }))
    const table = Table.attach(region, layout, Owner.ownerOf(ordinal, generation), seat, generation)
    return Effect.succeed(shapeOf(region, table, identity))
  })

const MARKS: Readonly<Record<State, number>> = { running: Layout.RUNNING, parked: Layout.PARKED, busy: Layout.BUSY }

const shapeOf = (memory: SharedArrayBuffer, table: Table.StrandTable, identity: Identity.Identity): Shape => {
  const { layout, words } = table.slots
  return {
    ...readerOf(words, layout),
    ...identity,
    isEnabled: true,
    handle: { _tag: "StrandRegistry", memory },
    registerUnsafe: (id, name, kind, parentId, startMillis) =>
      Table.register(table, id, parentId ?? 0, startMillis, name, kind),
    unregisterUnsafe: (handle) => Slots.release(table.slots, handle),
    heartbeatUnsafe: (handle, millis) => Table.heartbeat(table, handle, millis),
    markUnsafe: (handle, state) => Table.mark(table, handle, MARKS[state]),
    reclaimUnsafe: ({ generation, ordinal }) => Slots.reclaim(words, layout, Owner.ownerOf(ordinal, generation))
  }
}

const EMPTY: Totals = { capacity: 0, active: 0, spawned: 0, completed: 0, peak: 0, lost: 0, overflow: 0 }

const disabled = (identity: Identity.Identity): Shape => ({
  ...identity,
  capacity: 0,
  isEnabled: false,
  handle: undefined,
  snapshotUnsafe: () => [],
  totalsUnsafe: () => EMPTY,
  registerUnsafe: () => Slots.NONE,
  unregisterUnsafe: () => false,
  heartbeatUnsafe: () => false,
  markUnsafe: () => false,
  reclaimUnsafe: () => 0
})

/**
 * Provides a table.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options?: Options
): Layer.Layer<StrandRegistry, Setting.InvalidSetting | InvalidIdentity | AllocationFailed, SharedMemory> =>
  Layer.effect(StrandRegistry, make(options))

/**
 * Provides a table whose options come from configuration.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<
  StrandRegistry,
  Setting.InvalidSetting | InvalidIdentity | AllocationFailed | Config.ConfigError,
  SharedMemory
> => Layer.effect(StrandRegistry, Effect.flatMap(Config.unwrap(options), make))

/**
 * Provides a table that is switched off: registering costs a call and answers that there is no slot.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerDisabled: Layer.Layer<StrandRegistry> = Layer.succeed(StrandRegistry, disabled(Identity.MAIN))

/**
 * Joins a table that another thread made, with a seat of its own.
 *
 * **Errors**
 *
 * - `RegionRefused`: what was posted is no table, or one of another version; says what differs.
 * - `InvalidIdentity`: no such ordinal or generation.
 * - `NoSeat`: more ordinals than the table was made for.
 *
 * @category constructors
 * @since 0.1.0
 */
export const attach = (
  handle: Handle,
  identity: Identity.Identity
): Effect.Effect<Shape, RegionRefused | InvalidIdentity | NoSeat> =>
  Effect.gen(function* () {
    const [memory, layout] = yield* regionOf("StrandRegistry", handle, Layout.read)
    return yield* seated(memory, layout, yield* Identity.check(identity))
  })

/**
 * Provides a worker's side of the table that was posted to it.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerAttached = (
  handle: Handle,
  identity: Identity.Identity
): Layer.Layer<StrandRegistry, RegionRefused | InvalidIdentity | NoSeat> =>
  Layer.effect(StrandRegistry, attach(handle, identity))

// -----------------------------------------------------------------------------
// Operations
// -----------------------------------------------------------------------------

/** Whole milliseconds of the monotonic clock. */
const nowMillis = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n)

/**
 * Registers a strand; `None` if the table is full (which is counted) or switched off.
 *
 * **Errors**
 *
 * - `InvalidStrand`: an id that is not from 1 to 2^53 - 1, an empty name or kind, a time before 0.
 *
 * @category operations
 * @since 0.1.0
 */
export const register = (strand: Strand): Effect.Effect<Option.Option<StrandHandle>, InvalidStrand, StrandRegistry> =>
  StrandRegistry.use((registry) => {
    const problem = check(strand)
    if (problem !== undefined) return Effect.fail(problem)
    if (!registry.isEnabled) return Effect.succeedNone
    return Effect.clockWith((clock) => {
      const { id, kind, name, parentId, startMillis } = strand
      const start = startMillis === undefined ? nowMillis(clock) : Math.floor(startMillis)
      const handle = registry.registerUnsafe(id, name, kind, parentId, start)
      return handle === Slots.NONE ? Effect.succeedNone : Effect.succeedSome(handle)
    })
  })

/**
 * Gives a strand's slot back. `false`, and nothing happens, if the handle is not one of this thread, or no longer.
 *
 * @category operations
 * @since 0.1.0
 */
export const unregister = (handle: StrandHandle): Effect.Effect<boolean, never, StrandRegistry> =>
  StrandRegistry.useSync((registry) => registry.unregisterUnsafe(handle))

/**
 * A strand that is registered for as long as the scope lasts.
 *
 * **Errors**
 *
 * - `InvalidStrand`: as `register`.
 *
 * **Example** (A loop that shows up in dumps)
 *
 * ```ts
 * import { StrandRegistry } from "@selvedge/core"
 * import * as SharedMemory from "@selvedge/core/memory/SharedMemory"
 * import { Effect, Layer } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   yield* StrandRegistry.registerScoped({ id: 1, name: "price feed", kind: "BackgroundLoop" })
 *   return yield* StrandRegistry.snapshot // one row, "price feed"
 * })
 *
 * const layer = Layer.provide(StrandRegistry.layer({ capacity: 64 }), SharedMemory.layerThread)
 * Effect.runSync(Effect.scoped(program).pipe(Effect.provide(layer)))
 * ```
 *
 * @category operations
 * @since 0.1.0
 */
export const registerScoped = (
  strand: Strand
): Effect.Effect<Option.Option<StrandHandle>, InvalidStrand, StrandRegistry | Scope.Scope> =>
  Effect.acquireRelease(register(strand), (handle) =>
    Option.isSome(handle) ? unregister(handle.value) : Effect.succeed(false)
  )

/**
 * The strand says that it is alive. `false` if the handle is none.
 *
 * @category operations
 * @since 0.1.0
 */
export const heartbeat = (handle: StrandHandle): Effect.Effect<boolean, never, StrandRegistry> =>
  StrandRegistry.use((registry) =>
    Effect.clockWith((clock) => Effect.sync(() => registry.heartbeatUnsafe(handle, nowMillis(clock))))
  )

/**
 * Says what the strand is about to do: before it parks its thread, or holds it for long, and `running` after. `false` if the handle
 * is none.
 *
 * @category operations
 * @since 0.1.0
 */
export const mark = (handle: StrandHandle, state: State): Effect.Effect<boolean, never, StrandRegistry> =>
  StrandRegistry.useSync((registry) => registry.markUnsafe(handle, state))

/**
 * The active strands of all threads.
 *
 * @category operations
 * @since 0.1.0
 */
export const snapshot: Effect.Effect<ReadonlyArray<Row>, never, StrandRegistry> = StrandRegistry.useSync((registry) =>
  registry.snapshotUnsafe()
)

/**
 * @category operations
 * @since 0.1.0
 */
export const totals: Effect.Effect<Totals, never, StrandRegistry> = StrandRegistry.useSync((registry) =>
  registry.totalsUnsafe()
)

/**
 * Frees the slots of a thread that has died, in the middle of anything. Gives how many of its strands were active.
 *
 * **Gotchas**
 *
 * The caller makes sure that it is dead: a worker whose `exit` event has come.
 *
 * @category operations
 * @since 0.1.0
 */
export const reclaim = (dead: Identity.Identity): Effect.Effect<number, InvalidIdentity, StrandRegistry> =>
  StrandRegistry.use((registry) => Effect.map(Identity.check(dead), registry.reclaimUnsafe))

/**
 * The table as a value to post; `None` if it is switched off.
 *
 * @category operations
 * @since 0.1.0
 */
export const handle: Effect.Effect<Option.Option<Handle>, never, StrandRegistry> = StrandRegistry.useSync((registry) =>
  Option.fromUndefinedOr(registry.handle)
)
