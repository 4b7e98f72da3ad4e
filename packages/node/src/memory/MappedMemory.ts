/**
 * Memory that several processes see: `SharedMemory` as a layer over mapped files.
 *
 * A _space_ is a private directory's worth of regions under one name. One process _owns_ it: it makes the space and removes it. Others
 * _attach_. Every process in it is a _participant_, with a lock that the kernel gives back when the process dies, so death is
 * known for certain. A _region_ is what `SharedMemory.allocate` gives: rings, notifiers, counters and registries live in it as they do in
 * the memory of one process. Another process opens it by its name.
 *
 * ```text
 *  process A                                     process B
 *  layerMapped({ directory, name })              layerAttached({ directory, name })
 *  Ring.make(…).pipe(named("ticks"))             open("ticks") → handle → Ring.attach
 *  recoverRing(ring)                             recoverRing(ring)
 * ```
 *
 * Sleeping and waking work across processes: each participant has one thread that sleeps in the kernel on the participant's doorbell.
 *
 * It needs 64-bit Linux and the package koffi; elsewhere the layers fail with `MappingUnavailable` before they touch anything. Put the
 * directory on a tmpfs, such as one below `/dev/shm`: what is in it ends with the boot.
 *
 * Files, tables, locks and the numbered invariants: docs/mapped-memory.md.
 *
 * @since 0.1.0
 */
import {
  type AllocationFailed,
  SharedMemory,
  type Shape as SharedMemoryShape
} from "@selvedge/core/memory/SharedMemory"
import * as Notifier from "@selvedge/core/notifier/Notifier"
import * as Ring from "@selvedge/core/ring/Ring"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Control from "./internal/control.ts"
import * as Layout from "./internal/layout.ts"
import { type Join, joined, millisOf, owned, refuseUnknown, takingPart } from "./internal/joining.ts"
import * as Outward from "./internal/outward.ts"
import { participantsOf } from "./internal/participants.ts"
import { type SpaceError, underMutex } from "./internal/attempts.ts"
import type { Death as SpaceDeath, SpaceCore } from "./internal/space.ts"
import type { Shared as SharedRegion } from "./internal/whereabouts.ts"
import type { MappingUnavailable, NotARegion } from "./MappingError.ts"

// -----------------------------------------------------------------------------
// Models
// -----------------------------------------------------------------------------

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Absolute. Made with mode 0700 if it is not there, in a directory that is; refused if others may enter it. */
  readonly directory: string
  /** 1 to 24 letters, digits, `-` and `_`. */
  readonly name: string
  /** Processes (and threads that attach by themselves) at a time; from 1 to 64, default 16, or what an adopted space was made for. */
  readonly maxParticipants?: number | undefined
  /**
   * What to do with a space whose owner is dead: `adopt` it, with its regions, so that a restarted service goes on (default), or
   * `replace` it, which is refused while participants live. A space of an earlier boot can only be replaced.
   */
  readonly leftovers?: "adopt" | "replace" | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export interface AttachOptions {
  readonly directory: string
  readonly name: string
  /** How long to wait for a space with a living owner; default 5 seconds. */
  readonly timeout?: Duration.Input | undefined
}

/**
 * The death of a participant, proved by its lock, as recoveries are told of it.
 *
 * @category models
 * @since 0.1.0
 */
export type Death = SpaceDeath

/**
 * Recovers a region from a death. `true` when all is recovered; `false` when it has to be tried again, as after a recovery of a ring that left
 * something pending. It may run in several processes, and twice.
 *
 * @category models
 * @since 0.1.0
 */
export type Recovery = (death: Death) => Effect.Effect<boolean>

/**
 * One participant as others see it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Participant {
  readonly life: number
  readonly pid: number
  /** When its process was started, in clock ticks since the boot. */
  readonly startTicks: number
  readonly isAlive: boolean
  readonly isOwner: boolean
  readonly isThisOne: boolean
}

/**
 * A region as a plain value that can be posted to a worker of the same process; `adopt` there.
 *
 * @category models
 * @since 0.1.0
 */
export type Shared = SharedRegion

/**
 * The space this process takes part in.
 *
 * @category services
 * @since 0.1.0
 */
export class MappedMemory extends Context.Service<
  MappedMemory,
  {
    /** This participant's number, which no other one ever has in this space. */
    readonly life: number
    /** @internal */
    readonly core: SpaceCore
    /** Looks for deaths now. @internal */
    readonly look: () => void
  }
>()("@selvedge/node/MappedMemory") {}

/**
 * What a layer may fail with.
 *
 * @category errors
 * @since 0.1.0
 */
export type MappingError = MappingUnavailable | SpaceError

// -----------------------------------------------------------------------------
// Layers
// -----------------------------------------------------------------------------

/**
 * Makes and owns a space; removes it when the layer's scope closes.
 *
 * **Errors**
 *
 * - `MappingUnavailable`: this process cannot map memory. Nothing was touched.
 * - `InvalidSpace`: an option that cannot be.
 * - `SpaceTaken`: the space has a living owner. Two services were started with one name, perhaps.
 * - `FileRefused`: what is there is not ours, or cannot be used; it says what differs and is left as it was.
 * - `SpaceFull`, `SpaceBusy`: no place among the participants; a stopped process holds the mutex.
 *
 * **Example** (A ring that other processes can open)
 *
 * ```ts
 * import { Record, Ring } from "@selvedge/core"
 * import { MappedMemory } from "@selvedge/node"
 * import { Effect } from "effect"
 *
 * const Tick = Record.struct({ price: Record.f64, size: Record.i32 })
 *
 * const program = Effect.gen(function* () {
 *   const ring = yield* Ring.make({ record: Tick, capacity: 1024 }).pipe(MappedMemory.named("ticks"))
 *   yield* MappedMemory.recoverRing(ring)
 * })
 *
 * const layer = MappedMemory.layerMapped({ directory: "/dev/shm/market", name: "feed" })
 * const main = Effect.scoped(program).pipe(Effect.provide(layer))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMapped = (options: Options): Layer.Layer<SharedMemory | MappedMemory, MappingError> =>
  layerOf(options, knownOptions, (door, file, look) => owned(door, file, options, look))

/**
 * Takes part in a space that another process owns, waiting for it.
 *
 * **Errors**: as `layerMapped`, without `SpaceTaken`; `NotThere` when the time is over.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerAttached = (options: AttachOptions): Layer.Layer<SharedMemory | MappedMemory, MappingError> =>
  layerOf(options, knownAttachOptions, (door, file, look) =>
    Effect.flatMap(millisOf(options.timeout), (millis) => joined(door, file, millis, look))
  )

const knownOptions: Record<keyof Options, true> = {
  directory: true,
  name: true,
  maxParticipants: true,
  leftovers: true
}
const knownAttachOptions: Record<keyof AttachOptions, true> = { directory: true, name: true, timeout: true }

const layerOf = (
  options: Options | AttachOptions,
  known: Readonly<Record<string, true>>,
  join: Join
): Layer.Layer<SharedMemory | MappedMemory, MappingError> =>
  Layer.effectContext(
    Effect.map(takingPart(options, known, join), ({ core, look }) => {
      const shape: SharedMemoryShape = { allocate: (bytes) => core.allocate(bytes) }
      return Context.make(SharedMemory, shape).pipe(Context.add(MappedMemory, { life: core.life, core, look }))
    })
  )

// -----------------------------------------------------------------------------
// Regions
// -----------------------------------------------------------------------------

/**
 * Gives the region that an effect allocates a name, under which others open it.
 *
 * **Errors**: `AllocationFailed` with `RegionTaken` or `InvalidSpace` as its cause.
 *
 * @category combinators
 * @since 0.1.0
 */
export const named =
  (name: string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, SharedMemory> | MappedMemory> =>
    Effect.flatMap(MappedMemory, ({ core }) =>
      Effect.provideService(effect, SharedMemory, { allocate: (bytes) => core.allocate(bytes, name) })
    )

/**
 * A new region of at least that many bytes, under a name.
 *
 * @category constructors
 * @since 0.1.0
 */
export const allocate = (
  name: string,
  bytes: number
): Effect.Effect<SharedArrayBuffer, AllocationFailed, MappedMemory | Scope.Scope> =>
  Effect.flatMap(MappedMemory, ({ core }) => core.allocate(bytes, name))

/**
 * Opens a region that another participant made, waiting for it; `timeout` 5 seconds if absent. It stays mapped until the scope closes, also
 * when its maker removes it.
 *
 * **Errors**: `NotThere`; `FileRefused` with what differs; `InvalidSpace` for a name that cannot be.
 *
 * @category constructors
 * @since 0.1.0
 */
export const open = (
  name: string,
  options?: { readonly timeout?: Duration.Input | undefined }
): Effect.Effect<SharedArrayBuffer, SpaceError, MappedMemory | Scope.Scope> =>
  Effect.gen(function* () {
    const { core } = yield* MappedMemory
    yield* refuseUnknown(options, { timeout: true })
    return yield* core.open(name, yield* millisOf(options?.timeout))
  })

/**
 * The name to open a region by in another process; it can be sent to a child as it is. A region that was made without one has a number for it,
 * and goes with the last participant that has it open.
 *
 * @category operations
 * @since 0.1.0
 */
export const nameOf = (memory: SharedArrayBuffer): Effect.Effect<string, NotARegion, MappedMemory> =>
  Effect.flatMap(MappedMemory, ({ core }) =>
    Effect.map(core.regionOf(memory), (region) => Layout.readName(core.control.words, Layout.regionWord(region)))
  )

/**
 * What a ring is attached with in a region that was opened, or posted to a worker with: its owner is a number of this participant's, so
 * that the ring is recovered from its death.
 *
 * **Errors**: `SpaceFull` after 64 of them: a participant has that many numbers in its life. One handle serves all attachments of a thread.
 *
 * **Gotchas**: the handles of `Ring.handle` have numbers that only the ring knows; use these between processes.
 *
 * @category operations
 * @since 0.1.0
 */
export const handle = (memory: SharedArrayBuffer): Effect.Effect<Ring.Handle, SpaceError | NotARegion, MappedMemory> =>
  Effect.flatMap(MappedMemory, ({ core }) =>
    Effect.flatMap(core.regionOf(memory), () =>
      Effect.map(
        underMutex(core.control, () => Control.newOwner(core.control, core.row)),
        (owner) => ({ memory, owner })
      )
    )
  )

/**
 * A region for a worker thread of this process. What the worker rings is then heard in other processes at once; by a worker that was
 * only posted the memory it is heard within 100 ms. The first call starts a thread that makes the native calls of all those workers.
 *
 * @category operations
 * @since 0.1.0
 */
export const share = (memory: SharedArrayBuffer): Effect.Effect<Shared, NotARegion, MappedMemory> =>
  Effect.flatMap(MappedMemory, ({ core }) => Effect.map(core.regionOf(memory), (region) => core.share(memory, region)))

/**
 * The other end of `share`, in a worker: its memory, to attach to. It needs no native code.
 *
 * @category constructors
 * @since 0.1.0
 */
export const adopt = (shared: Shared): Effect.Effect<SharedArrayBuffer> =>
  Effect.sync(() => {
    const { control, errands, memory, participants, region, row } = shared
    const [words, wake] = [new Int32Array(control), Outward.byErrand(errands)]
    Outward.hearFrom(memory, { words, wake, participants, row, region, listed: new Set() })
    return memory
  })

// -----------------------------------------------------------------------------
// Deaths
// -----------------------------------------------------------------------------

/**
 * Who takes part.
 *
 * @category operations
 * @since 0.1.0
 */
export const participants: Effect.Effect<ReadonlyArray<Participant>, never, MappedMemory> = Effect.map(
  MappedMemory,
  ({ core }) => participantsOf(core)
)

/**
 * Recovers a region from the death of any other participant that had it open, also from deaths before this was called, until the scope
 * closes. Deaths are seen within 100 ms. One recovery a region; a second one replaces the first.
 *
 * **Details**: a dead participant keeps its place until every region it had open was recovered, by anybody. A region with a name that holds
 * nothing to be put right wants a recovery too, which may be `() => Effect.succeed(true)`: without one, owners that are killed and started again
 * fill the space's places.
 *
 * @category operations
 * @since 0.1.0
 */
export const recover = (
  memory: SharedArrayBuffer,
  recovery: Recovery
): Effect.Effect<void, NotARegion, MappedMemory | Scope.Scope> =>
  Effect.flatMap(MappedMemory, ({ core, look }) =>
    Effect.acquireRelease(
      Effect.map(core.regionOf(memory), (region) => {
        core.recoverWith(region, recovery)
        look()
        return region
      }),
      (region) => Effect.sync(() => core.recoverNoMore(region, recovery))
    ).pipe(Effect.asVoid)
  )

/** `Ring.make` gives the maker this number. */
const OWNER_OF_MAKER = 1

/**
 * `recover` for a ring: seats become vacant, holes are filled and counted.
 *
 * @category operations
 * @since 0.1.0
 */
export const recoverRing = <A>(ring: Ring.Ring<A>): Effect.Effect<void, NotARegion, MappedMemory | Scope.Scope> =>
  recover(ring.core.memory, ({ isMaker, owners }) => {
    const dead = (isMaker ? [OWNER_OF_MAKER, ...owners] : owners).filter((owner) => owner !== ring.owner)
    // Side by side: one may hold the ring's lock that another one's recovery waits for.
    const all = Effect.forEach(dead, (owner) => Ring.recover(ring, owner), { concurrency: "unbounded" })
    return Effect.map(Effect.orDie(all), (done) => done.every(({ pending }) => pending === 0))
  })

/**
 * `recover` for a notifier: what was flagged and not queued is handed out.
 *
 * @category operations
 * @since 0.1.0
 */
export const recoverNotifier = (
  notifier: Notifier.Notifier
): Effect.Effect<void, NotARegion, MappedMemory | Scope.Scope> =>
  Effect.flatMap(Effect.orDie(Notifier.handle(notifier)), ({ memory }) =>
    recover(memory, () => Effect.as(Notifier.recover(notifier), true))
  )
