/**
 * A broadcast ring of fixed-size records in shared memory: every consumer sees every record, each at its own pace.
 *
 * A ring lives in one region and is owned by a scope. `make` formats a region; a `Handle` is a plain value that can be posted to
 * a worker, which attaches there, in a scope of its own. Producers and consumers join through `Producer` and `Consumer`.
 * The protocol, with its invariants, is docs/memory.md.
 *
 * Every handle carries an _owner_, a number for one life of a thread. Whoever starts a worker keeps the number, and gives it
 * to `recover` when the worker is proved dead: holes its producers left are filled, seats of its consumers become vacant. A vacant seat
 * goes on gating until the same id joins again, or its grace is over.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import type * as Record from "../memory/Record.ts"
import { type AllocationFailed, SharedMemory } from "../memory/SharedMemory.ts"
import { type Shape as WakingShape, Waking } from "../memory/Waking.ts"
import * as Claim from "./internal/claim.ts"
import * as Core from "./internal/core.ts"
import * as Layout from "./internal/layout.ts"
import * as Membership from "./internal/membership.ts"
import * as Recovery from "./internal/recovery.ts"
import { whenUnlocked } from "./RingLock.ts"
import { AttachRefused, InvalidRing, RingTimeout } from "./RingError.ts"

/**
 * What a thread that attaches does: run fibers, or nothing but a synchronous loop of its own.
 *
 * @category models
 * @since 0.1.0
 */
export type Role = "fibers" | "dedicated"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options<A> {
  readonly record: Record.Record<A>
  /** Records the ring holds; a power of two from 1 to 2^28. */
  readonly capacity: number
  /** Default `single`, which is faster. */
  readonly producers?: "single" | "multi" | undefined
  /** Of a `multi` ring; default 8, at most 64. */
  readonly maxProducers?: number | undefined
  /** Default 8, at most 64. */
  readonly maxConsumers?: number | undefined
  /** Producers wait while fewer consumers than this gate (one that drops the oldest does not); default 0: they overwrite, and count. */
  readonly requiredConsumers?: number | undefined
  /** Position of the first record; default 0. */
  readonly startPosition?: number | undefined
  /**
   * Whether records carry the time they were published at, and every consumer two histograms; see `RingLatency`. Default off,
   * and then no clock is read and no memory taken. On, it costs 8 bytes a slot and 5 KiB a seat.
   */
  readonly latency?: boolean | undefined
  readonly role?: Role | undefined
  /** How long a dead consumer's seat gates; default 10 seconds. */
  readonly vacantGrace?: Duration.Input | undefined
}

/**
 * What another thread attaches with. Plain: it can be posted to a worker.
 *
 * @category models
 * @since 0.1.0
 */
export interface Handle {
  readonly memory: SharedArrayBuffer
  /** The life of a thread this handle was made for. */
  readonly owner: number
}

/**
 * A ring as one thread sees it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Ring<A> {
  readonly record: Record.Record<A>
  readonly capacity: number
  /** Size of its region. */
  readonly byteSize: number
  readonly owner: number
  readonly role: Role
  readonly vacantGrace: Duration.Duration
  /** @internal */
  readonly core: Core.RingCore
  /** @internal */
  readonly waking: WakingShape
  /** Nanoseconds on the monotonic clock; read only in a ring that measures. @internal */
  readonly now: () => number
  /** @internal */
  readonly scope: Scope.Scope
}

const shapeOf = <A>(options: Options<A>): Layout.RingShape => {
  const multi = options.producers === "multi"
  return {
    capacity: options.capacity,
    slotBytes: options.record.bytes,
    multi,
    maxProducers: options.maxProducers ?? (multi ? 8 : 1),
    maxConsumers: options.maxConsumers ?? 8,
    required: options.requiredConsumers ?? 0,
    start: options.startPosition ?? 0,
    measures: options.latency ?? false,
    fingerprint: options.record.fingerprint
  }
}

const wantedOf = (shape: Layout.RingShape): { readonly [K in Layout.ShapeProblem]: readonly [string, string] } => ({
  capacity: ["capacity", `a power of two from 1 to ${Layout.MAX_CAPACITY}`],
  slotBytes: ["record", `at most ${Layout.MAX_SLOT_BYTES} bytes`],
  maxProducers: [
    "maxProducers",
    shape.multi ? `a whole number from 1 to ${Layout.MAX_MEMBERS}` : `1 in a ring with producers "single"`
  ],
  maxConsumers: ["maxConsumers", `a whole number from 1 to ${Layout.MAX_MEMBERS}`],
  required: ["requiredConsumers", `a whole number from 0 to maxConsumers, ${shape.maxConsumers}`],
  start: ["startPosition", `a whole number from 0 to ${2 ** 52}`],
  totalBytes: ["capacity and record", `a region of at most ${Layout.MAX_BYTES} bytes`]
})

/** The layout of what was asked for, or what is wrong with it. */
const layoutOf = <A>(options: Options<A>): Effect.Effect<Layout.RingLayout, InvalidRing> => {
  const mode = options.producers ?? "single"
  if (mode !== "single" && mode !== "multi") {
    return Effect.fail(new InvalidRing({ field: "producers", wanted: '"single" or "multi"', found: String(mode) }))
  }
  const shape = shapeOf(options)
  const problem = Layout.problemOf(shape)
  if (problem === undefined) return Effect.succeed(Layout.make(shape))
  const [field, wanted] = wantedOf(shape)[problem]
  const found = problem === "totalBytes" ? `${Layout.make(shape).totalBytes} bytes` : String(shape[problem])
  return Effect.fail(new InvalidRing({ field, wanted, found }))
}

/**
 * How many bytes a ring takes.
 *
 * **Errors**: `InvalidRing` for a shape that cannot be.
 *
 * @category operations
 * @since 0.1.0
 */
export const byteSize = <A>(options: Options<A>): Effect.Effect<number, InvalidRing> =>
  Effect.map(layoutOf(options), (layout) => layout.totalBytes)

/**
 * Makes a ring. It is closed with its scope; consumers drain what was published.
 *
 * **Errors**: `InvalidRing` before anything is allocated; `AllocationFailed`.
 *
 * **Example** (One producer, one consumer)
 *
 * ```ts
 * import { Consumer, Producer, Record, Ring, SharedMemory } from "@selvedge/core"
 * import { Effect } from "effect"
 *
 * const Tick = Record.struct({ price: Record.f64, size: Record.i32 })
 *
 * const program = Effect.gen(function* () {
 *   const ring = yield* Ring.make({ record: Tick, capacity: 1024 })
 *   const consumer = yield* Consumer.make(ring, { id: "log" })
 *   const producer = yield* Producer.make(ring)
 *   yield* Producer.publish(producer, { price: 10.5, size: 3 })
 *   return yield* Consumer.take(consumer)
 * })
 *
 * const main = Effect.scoped(program).pipe(Effect.provide(SharedMemory.layerThread))
 * Effect.runPromise(main).then(console.log) // { price: 10.5, size: 3 }
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* <A>(
  options: Options<A>
): Effect.fn.Return<Ring<A>, InvalidRing | AllocationFailed, SharedMemory | Scope.Scope> {
  const layout = yield* layoutOf(options)
  const memory = yield* SharedMemory.use((service) => service.allocate(layout.totalBytes))
  Layout.format(memory, layout)
  const core = new Core.RingCore(memory, layout)
  const ring = yield* ringOf(core, Membership.newOwner(core), options)
  yield* Effect.addFinalizer(() => close(ring))
  return ring
})

interface AttachOptions<A> {
  readonly record: Record.Record<A>
  readonly role?: Role | undefined
  readonly vacantGrace?: Duration.Input | undefined
}

const ringOf = Effect.fnUntraced(function* <A>(core: Core.RingCore, owner: number, options: AttachOptions<A>) {
  const clock = yield* Clock.Clock
  const ring: Ring<A> = {
    record: options.record,
    capacity: core.capacity,
    byteSize: core.layout.totalBytes,
    owner,
    role: options.role ?? "fibers",
    vacantGrace: Duration.fromInputUnsafe(options.vacantGrace ?? "10 seconds"),
    core,
    waking: yield* Waking,
    now: () => Number(clock.monotonicTimeNanosUnsafe()),
    scope: yield* Effect.scope
  }
  return ring
})

/**
 * A handle for another thread, with an owner of its own. Keep the owner to recover it.
 *
 * @category operations
 * @since 0.1.0
 */
export const handle = <A>(ring: Ring<A>): Effect.Effect<Handle> =>
  Effect.sync(() => ({ memory: ring.core.memory, owner: Membership.newOwner(ring.core) }))

/**
 * Attaches to a ring that somebody else made. Closing the scope does not close the ring.
 *
 * **Errors**: `AttachRefused` names what differs; the region is not touched.
 *
 * @category constructors
 * @since 0.1.0
 */
export const attach = Effect.fnUntraced(function* <A>(
  handle: Handle,
  options: AttachOptions<A>
): Effect.fn.Return<Ring<A>, AttachRefused, Scope.Scope> {
  const found = attachCore(handle, options.record)
  if (found instanceof AttachRefused) return yield* found
  return yield* ringOf(found, handle.owner, options)
})

const attachCore = <A>(handle: Handle, record: Record.Record<A>): Core.RingCore | AttachRefused => {
  // A handle comes from another thread: it may be anything.
  const { memory, owner } = (handle ?? {}) as Handle
  if (!(memory instanceof SharedArrayBuffer)) {
    return new AttachRefused({ differs: "magic", wanted: "a SharedArrayBuffer", found: typeof memory })
  }
  if (!Membership.isOwner(owner)) {
    return new AttachRefused({ differs: "shape", wanted: "the owner of a handle", found: String(owner) })
  }
  const core = Core.attach(memory)
  if (typeof core === "string") return refusal(core, memory)
  const { fingerprint, slotBytes } = core.layout
  const isSame = fingerprint.low === record.fingerprint.low && fingerprint.high === record.fingerprint.high
  // A header that somebody wrote over must not send accessors out of their slots.
  if (!isSame || slotBytes !== record.bytes) {
    const found = `another schema, of ${slotBytes} bytes`
    return new AttachRefused({ differs: "schema", wanted: `${record.description} of ${record.bytes} bytes`, found })
  }
  return core
}

const refusal = (problem: Layout.RegionProblem, memory: SharedArrayBuffer): AttachRefused => {
  const first = memory.byteLength >= 8 ? new Int32Array(memory, 0, 2) : new Int32Array(2)
  const wanted = {
    magic: [`0x${Layout.MAGIC.toString(16)}`, `0x${((first[0] ?? 0) >>> 0).toString(16)}`],
    version: [String(Layout.VERSION), String(first[1])],
    shape: ["a shape that can be", "one that cannot"],
    size: ["the size its header asks for", `${memory.byteLength} bytes`]
  }[problem] as [string, string]
  return new AttachRefused({ differs: problem, wanted: wanted[0], found: wanted[1] })
}

/**
 * Closes the ring: consumers drain, blocked producers fail with `RingClosed`. `true` only for the call that closed it.
 *
 * @category operations
 * @since 0.1.0
 */
export const close = <A>(ring: Ring<A>): Effect.Effect<boolean> =>
  Effect.sync(() => {
    const first = Claim.close(ring.core)
    ring.waking.rang(ring.core.words)
    return first
  })

/**
 * @category operations
 * @since 0.1.0
 */
export const isClosed = <A>(ring: Ring<A>): Effect.Effect<boolean> => Effect.sync(() => Core.isClosed(ring.core))

/**
 * What a recovery did.
 *
 * @category models
 * @since 0.1.0
 */
export interface Recovered {
  /** Records that were claimed and never published: tombstones now. */
  readonly filled: number
  /** Holes that may belong to a producer nobody has proved dead: recover again when it moved, or with its proof. */
  readonly pending: number
  /** Ids whose seats are vacant now; they gate for the grace. */
  readonly vacated: ReadonlyArray<string>
  /** Records that consumers who never promised to gate will not have seen. */
  readonly dismissed: number
}

/** A hole is pending for the instant in which a living producer gives its intent up; this often it is looked at again. */
const RECOVERY_TURNS = 10

/**
 * Recovers everything of an owner that is proved dead. The proof is the caller's.
 *
 * The grace of the seats that are vacant then is counted in the scope of this ring: if that closes first, they gate until they
 * are taken over, or the owner is recovered again.
 *
 * **Gotchas**: to recover the living corrupts nothing in the ring's structure that a dead one would not, but its records are lost
 * and its seat may be taken.
 *
 * @category operations
 * @since 0.1.0
 */
export const recover = Effect.fnUntraced(function* <A>(
  ring: Ring<A>,
  dead: number
): Effect.fn.Return<Recovered, InvalidRing> {
  if (!Membership.isOwner(dead) || dead === ring.owner) {
    return yield* new InvalidRing({
      field: "owner",
      wanted: "the owner of another thread's handle",
      found: String(dead)
    })
  }
  let filled = 0
  let dismissed = 0
  const vacated = new Set<string>()
  for (let turn = 1; ; turn++) {
    const done = yield* recoverOnce(ring, dead)
    filled += done.filled
    dismissed += done.dismissed
    for (const { id } of done.vacated) vacated.add(textOf(id))
    if (done.pending === 0 || turn === RECOVERY_TURNS) {
      return { filled, dismissed, pending: done.pending, vacated: Array.from(vacated) }
    }
    yield* Effect.sleep(1)
  }
})

/** Whoever makes a seat vacant begins its grace, even if the fiber is interrupted. */
const recoverOnce = <A>(ring: Ring<A>, dead: number): Effect.Effect<Recovery.Recovered> =>
  Effect.uninterruptibleMask((restore) =>
    whenUnlocked(() => Recovery.recover(ring.core, ring.owner, dead), restore).pipe(
      Effect.tap(({ vacated }) => {
        ring.waking.rang(ring.core.words)
        return Effect.forEach(vacated, (one) => Effect.forkIn(giveUpLater(ring, one), ring.scope), { discard: true })
      })
    )
  )

/** R7: a vacant seat gates for its grace, unless its id has joined again. */
const giveUpLater = <A>(ring: Ring<A>, { generation, id, seat }: Membership.Seated): Effect.Effect<void> =>
  Effect.sleep(ring.vacantGrace).pipe(
    Effect.flatMap(() => whenUnlocked(() => Membership.giveUp(ring.core, ring.owner, seat, generation))),
    Effect.tap(() => Effect.sync(() => ring.waking.rang(ring.core.words))),
    Effect.flatMap((missed) =>
      missed < 0
        ? Effect.void
        : Effect.logWarning(
            `ring: the seat of ${JSON.stringify(textOf(id))} is given up; it had ${missed} record(s) to take`
          )
    )
  )

/** All seats that are not free. @internal */
export const list = <A>(ring: Ring<A>): Effect.Effect<ReadonlyArray<Membership.Seated>> =>
  whenUnlocked(() => Membership.list(ring.core, ring.owner))

const decoder = new TextDecoder()

/** @internal */
export const textOf = (id: Uint8Array): string => decoder.decode(id)

/** @internal */
export const within = <B, E>(
  self: Effect.Effect<B, E>,
  timeout: Duration.Input | undefined,
  waitedFor: string
): Effect.Effect<B, E | RingTimeout> =>
  timeout === undefined
    ? self
    : Effect.timeoutOrElse(self, {
        duration: timeout,
        orElse: () => Effect.fail(new RingTimeout({ waitedFor, timeoutMillis: Duration.toMillis(timeout) }))
      })
