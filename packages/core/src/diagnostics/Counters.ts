/**
 * Numbers that many threads add to and any thread reads, and that outlive the threads that count.
 *
 * A _counter_ is told by what it counts (a `CounterId`), by a label, and by the ordinal of the worker that counts. It is a place in shared
 * memory that is found again by the worker's next life, which goes on where the last one stopped: totals never fall, and a restart
 * makes no second series. A worker that is killed has lost what it had not flushed yet, and nothing else.
 *
 * Adding is one atomic instruction on 64 bits. Where even that is too much, a `Batch` adds in the thread and is flushed once in a while.
 *
 * The handle of a table is a plain value: post it to a worker, and `attach` there. Layout, protocol and numbered invariants:
 * docs/diagnostics.md.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Setting from "../config/Setting.ts"
import { type AllocationFailed, SharedMemory } from "../memory/SharedMemory.ts"
import { Batch, Counter } from "./Counter.ts"
import * as CounterId from "./CounterId.ts"
import { type Handle, KINDS, observe, type Reader, readerOf, type Row } from "./CountersReader.ts"
import {
  CounterIdTaken,
  CountersFull,
  type InvalidCounter,
  type InvalidIdentity,
  type LabelTooLong,
  type RegionRefused,
  regionOf
} from "./DiagnosticsError.ts"
import * as Identity from "./Identity.ts"
import * as Table from "./internal/counterTable.ts"
import * as Layout from "./internal/countersLayout.ts"
import * as Owner from "./internal/owner.ts"

// -----------------------------------------------------------------------------
// Models
// -----------------------------------------------------------------------------

export { type Handle, observe, type Reader, type Row }

/**
 * Why a counter cannot be had.
 *
 * @category errors
 * @since 0.1.0
 */
export type RegisterError = CounterIdTaken | InvalidCounter | LabelTooLong | CountersFull

/**
 * One thread's side of the table.
 *
 * @category models
 * @since 0.1.0
 */
export interface Shape extends Reader, Identity.Identity {
  readonly handle: Handle
  /** The counter of this thread's ordinal, an old one or a new one; or why it cannot be had. */
  readonly registerUnsafe: (definition: CounterId.CounterId, label?: string) => Counter | RegisterError
  /** A counter that adds in the thread until it is flushed: after `every` additions, or by `flushUnsafe`. */
  readonly batchUnsafe: (counter: Counter, every?: number) => Batch
  /** Flushes every batch of this thread. */
  readonly flushUnsafe: () => void
  /** Frees what a dead thread was registering; its counters stay. */
  readonly reclaimUnsafe: (dead: Identity.Identity) => number
}

/**
 * The counters of the surrounding service.
 *
 * @category services
 * @since 0.1.0
 */
export class Counters extends Context.Service<Counters, Shape>()("@selvedge/core/Counters") {}

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Counters, over all threads. Default 1024, at most 2^16. 128 bytes each. */
  readonly counters?: number | undefined
  /** Who the thread is that makes it. Default: the main program in its first life. */
  readonly identity?: Identity.Identity | undefined
}

/**
 * @category settings
 * @since 0.1.0
 */
export const settings = {
  counters: Setting.integer("SELVEDGE_COUNTERS_SIZE", "counters", {
    default: 1024,
    min: 1,
    max: Layout.MAX_CAPACITY
  })
} as const

// -----------------------------------------------------------------------------
// Constructors and layers
// -----------------------------------------------------------------------------

/**
 * Makes a table. When the scope ends, what this thread had not flushed is flushed.
 *
 * **Errors**
 *
 * - `InvalidSetting`: a size out of range, in code or in `SELVEDGE_COUNTERS_SIZE`.
 * - `InvalidIdentity`: no such ordinal or generation.
 * - `AllocationFailed`: there is no memory.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options?: Options
): Effect.fn.Return<Shape, Setting.InvalidSetting | InvalidIdentity | AllocationFailed, SharedMemory | Scope.Scope> {
  const layout = Layout.make(yield* settings.counters.resolve(options?.counters))
  const identity = yield* Identity.check(options?.identity ?? Identity.MAIN)
  const region = yield* (yield* SharedMemory).allocate(layout.totalBytes)
  Layout.format(region, layout)
  return yield* flushedAtEnd(region, layout, identity)
})

const flushedAtEnd = (
  region: SharedArrayBuffer,
  layout: Layout.CountersLayout,
  identity: Identity.Identity
): Effect.Effect<Shape, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => shapeOf(region, layout, identity)),
    (shape) => Effect.sync(shape.flushUnsafe)
  )

const shapeOf = (memory: SharedArrayBuffer, layout: Layout.CountersLayout, identity: Identity.Identity): Shape => {
  const { generation, ordinal } = identity
  const table = Table.attach(memory, layout, Owner.ownerOf(ordinal, generation))
  const batches = new Set<Batch>()
  return {
    ...readerOf(table),
    ordinal,
    generation,
    handle: { _tag: "Counters", memory },
    registerUnsafe: (definition, label = "") => registerIn(table, ordinal, definition, label),
    batchUnsafe: (counter, every = Number.POSITIVE_INFINITY) => {
      const batch = new Batch(counter, every)
      batches.add(batch)
      return batch
    },
    flushUnsafe: () => {
      for (const batch of batches) batch.flushUnsafe()
    },
    reclaimUnsafe: (dead) => Table.reclaim(table.words, layout, Owner.ownerOf(dead.ordinal, dead.generation))
  }
}

const registerIn = (
  table: Table.CounterTable,
  ordinal: number,
  definition: CounterId.CounterId,
  label: string
): Counter | RegisterError => {
  const problem = CounterId.check(definition) ?? CounterId.checkLabel(label)
  if (problem !== undefined) return problem
  const { id, kind, name } = definition
  const cell = Table.register(table, Table.keyOf(id, KINDS.indexOf(kind), name, ordinal, label)!)
  if (cell === Table.FULL) return new CountersFull({ name, capacity: table.layout.capacity })
  if (cell === Table.TAKEN) {
    const holder = Table.counters(table.words, table.values).find((one) => one.id === id)
    return new CounterIdTaken({ id, name, takenBy: `${holder?.name} (${KINDS[holder?.kind ?? 0]})` })
  }
  return new Counter(definition, label, ordinal, table.values, Layout.valueIndex(cell))
}

/**
 * Provides a table.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options?: Options
): Layer.Layer<Counters, Setting.InvalidSetting | InvalidIdentity | AllocationFailed, SharedMemory> =>
  Layer.effect(Counters, make(options))

/**
 * Joins a table that another thread made.
 *
 * **Errors**
 *
 * - `RegionRefused`: what was posted is no table, or one of another version; says what differs.
 * - `InvalidIdentity`: no such ordinal or generation.
 *
 * @category constructors
 * @since 0.1.0
 */
export const attach = (
  handle: Handle,
  identity: Identity.Identity
): Effect.Effect<Shape, RegionRefused | InvalidIdentity, Scope.Scope> =>
  Effect.gen(function* () {
    const [memory, layout] = yield* regionOf("Counters", handle, Layout.read)
    return yield* flushedAtEnd(memory, layout, yield* Identity.check(identity))
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
): Layer.Layer<Counters, RegionRefused | InvalidIdentity> => Layer.effect(Counters, attach(handle, identity))

// -----------------------------------------------------------------------------
// Operations
// -----------------------------------------------------------------------------

/**
 * A counter of this thread's ordinal: the one that its earlier life registered, or a new one at 0.
 *
 * **Errors**
 *
 * - `InvalidCounter`: an id, name or kind that cannot be.
 * - `CounterIdTaken`: the id is in use with another name or kind, or belongs to selvedge.
 * - `LabelTooLong`: a name of more than 40 bytes or a label of more than 56.
 * - `CountersFull`.
 *
 * **Example** (Orders, by market)
 *
 * ```ts
 * import { Counters } from "@selvedge/core"
 * import * as SharedMemory from "@selvedge/core/memory/SharedMemory"
 * import { Effect, Layer } from "effect"
 *
 * const orders = { id: 1000, name: "orders_taken", kind: "counter", help: "orders that were taken" } as const
 *
 * const program = Effect.gen(function* () {
 *   const taken = yield* Counters.register(orders, "XETR")
 *   yield* Counters.add(taken, 3)
 *   return yield* Counters.snapshot // [{ name: "orders_taken", label: "XETR", value: 3, … }]
 * })
 *
 * Effect.runSync(program.pipe(Effect.provide(Layer.provide(Counters.layer(), SharedMemory.layerThread))))
 * ```
 *
 * @category operations
 * @since 0.1.0
 */
export const register = (
  definition: CounterId.CounterId,
  label = ""
): Effect.Effect<Counter, RegisterError, Counters> =>
  Counters.use((counters) => {
    const made = counters.registerUnsafe(definition, label)
    return made instanceof Counter ? Effect.succeed(made) : Effect.fail(made)
  })

/**
 * Adds.
 *
 * **Errors**
 *
 * - `InvalidCounter`: no whole number, or one below 0 for a counter that only grows.
 *
 * @category operations
 * @since 0.1.0
 */
export const add = (self: Counter, amount = 1): Effect.Effect<void, InvalidCounter> =>
  Effect.suspend(() => answer(self.refusal("add", amount)) ?? Effect.sync(() => self.addUnsafe(amount)))

/**
 * Keeps the greater of what is there and `value`.
 *
 * **Errors**
 *
 * - `InvalidCounter`: no whole number, or a counter of another kind.
 *
 * @category operations
 * @since 0.1.0
 */
export const max = (self: Counter, value: number): Effect.Effect<void, InvalidCounter> =>
  Effect.suspend(() => answer(self.refusal("max", value)) ?? Effect.sync(() => self.maxUnsafe(value)))

/**
 * Replaces what is there.
 *
 * **Errors**
 *
 * - `InvalidCounter`: no whole number, or a counter that only grows.
 *
 * @category operations
 * @since 0.1.0
 */
export const set = (self: Counter, value: number): Effect.Effect<void, InvalidCounter> =>
  Effect.suspend(() => answer(self.refusal("set", value)) ?? Effect.sync(() => self.setUnsafe(value)))

const answer = (refused: InvalidCounter | undefined): Effect.Effect<never, InvalidCounter> | undefined =>
  refused === undefined ? undefined : Effect.fail(refused)

/**
 * @category operations
 * @since 0.1.0
 */
export const read = (self: Counter): Effect.Effect<number> => Effect.sync(() => self.readUnsafe())

/**
 * All counters of all threads, in the order in which they were registered.
 *
 * @category operations
 * @since 0.1.0
 */
export const snapshot: Effect.Effect<ReadonlyArray<Row>, never, Counters> = Counters.useSync((counters) =>
  counters.snapshotUnsafe()
)

/**
 * Flushes the batches of this thread.
 *
 * @category operations
 * @since 0.1.0
 */
export const flush: Effect.Effect<void, never, Counters> = Counters.useSync((counters) => counters.flushUnsafe())

/**
 * Flushes the batches of this thread at an interval, for as long as the scope lasts, and once more at its end.
 *
 * @category operations
 * @since 0.1.0
 */
export const flushEvery = (interval: Duration.Input): Effect.Effect<void, never, Counters | Scope.Scope> =>
  Effect.gen(function* () {
    const counters = yield* Counters
    yield* Effect.addFinalizer(() => Effect.sync(counters.flushUnsafe))
    yield* Effect.sleep(interval).pipe(
      Effect.andThen(Effect.sync(counters.flushUnsafe)),
      Effect.forever,
      Effect.forkScoped
    )
  })
