/**
 * Mapped regions in the hands of workers: handed to processes by name, and lent to threads as they are.
 *
 * | from                           | to a thread of this process                 | to a child process                                      |
 * | ------------------------------ | ------------------------------------------- | ------------------------------------------------------- |
 * | what travels                   | the memory, and how to ring from it         | directory, name of the space, name of the region        |
 * | who takes part                 | a place held by its process, one a thread   | the process itself                                      |
 * | its number in rings            | that place's                                | that of its life                                        |
 * | its end is proved by           | its process, which closes the place's file  | the kernel                                              |
 *
 * However a worker's life ends, what it leaves in a region is recovered as from a death, by whoever recovers that region; its supervisor
 * waits for that before it says that the worker is gone (docs/mapped-memory.md, D6 to D8).
 *
 * @internal
 * @since 0.1.0
 */
import type { Regions } from "@selvedge/core/workers/WorkerRegions"
import type { SharedMemory } from "@selvedge/core/memory/SharedMemory"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as path from "node:path"
import { type SpaceError, underMutex } from "./internal/attempts.ts"
import * as Control from "./internal/control.ts"
import * as Layout from "./internal/layout.ts"
import * as Loan from "./internal/loan.ts"
import { settle } from "./internal/settling.ts"
import * as Whereabouts from "./internal/whereabouts.ts"
import * as MappedMemory from "./MappedMemory.ts"
import type { Lease } from "./PulseTable.ts"

/** Where another process finds a region. Plain. @internal */
export interface Place {
  readonly directory: string
  readonly space: string
  readonly region: string
}

/** What a worker has of its regions. @internal */
export interface Held {
  readonly regions: Regions
  readonly ownerOf: (memory: SharedArrayBuffer) => number | undefined
  readonly context: Context.Context<never>
}

// -----------------------------------------------------------------------------
// Child processes
// -----------------------------------------------------------------------------

/** Where another process finds that memory, if it is a mapped region that is open here. @internal */
export const placeOf = (memory: SharedArrayBuffer): Place | undefined => {
  const found = Whereabouts.of(memory)
  if (found === undefined) return undefined
  const { control, region } = found
  return {
    directory: path.dirname(control.path),
    space: path.basename(control.path),
    region: Layout.readName(control.words, Layout.regionWord(region))
  }
}

/**
 * Takes part in each space and opens the regions, until the scope closes. The first space is the program's `MappedMemory`. What is
 * `optional` is gone without where it cannot be had. @internal
 */
export const openAll = Effect.fnUntraced(function* (
  places: Readonly<Record<string, Place>>,
  optional: Readonly<Record<string, Place>> = {}
): Effect.fn.Return<Held & { readonly optional: Regions }, MappedMemory.MappingError, Scope.Scope> {
  const spaces = new Map<string, Context.Context<SharedMemory | MappedMemory.MappedMemory>>()
  const owners = new Map<SharedArrayBuffer, number>()
  // Regions are closed with their space, not before: it has to know then what this life had.
  const untilTheSpaceCloses = yield* Scope.make()
  const open = Effect.fnUntraced(function* ({ directory, region, space }: Place) {
    const key = path.join(directory, space)
    const known = spaces.get(key)
    const context = known ?? (yield* Layer.build(MappedMemory.layerAttached({ directory, name: space })))
    spaces.set(key, context)
    const { core } = Context.get(context, MappedMemory.MappedMemory)
    const memory = yield* Scope.provide(Effect.provideContext(MappedMemory.open(region), context), untilTheSpaceCloses)
    core.keepFor(yield* Effect.orDie(core.regionOf(memory)))
    owners.set(memory, yield* ownerIn(core))
    return memory
  })
  const regions: Record<string, SharedArrayBuffer> = {}
  for (const [name, place] of Object.entries(places)) regions[name] = yield* open(place)
  const more: Record<string, SharedArrayBuffer> = {}
  for (const [name, place] of Object.entries(optional)) {
    const found = yield* Effect.option(open(place))
    if (found._tag === "Some") more[name] = found.value
  }
  const [first = Context.empty()] = spaces.values()
  return { regions, optional: more, ownerOf: (memory) => owners.get(memory), context: first as Context.Context<never> }
})

/** One number is enough for a life: owners are told apart in each ring by itself. */
const ownerIn = (core: MappedMemory.MappedMemory["Service"]["core"]): Effect.Effect<number, SpaceError> => {
  const [known] = Control.ownersOf(core.control, core.row)
  return known !== undefined
    ? Effect.succeed(known)
    : underMutex(core.control, () => Control.newOwner(core.control, core.row))
}

/** After the end of a process that was handed these: waits for the recoveries. @internal */
export const settleProcess = (regions: Regions, pid: number): Effect.Effect<void> => {
  const spaces = new Map(Object.values(regions).map((memory) => [Whereabouts.of(memory)?.control, memory]))
  return Effect.forEach(
    spaces.values(),
    (memory) => settle(memory, ({ words }, row) => words[Layout.participantWord(row) + Layout.PID] === pid),
    { discard: true, concurrency: "unbounded" }
  )
}

/** A line for the signs of life of a process, where there is mapped memory around. @internal */
export const leasePulse: Effect.Effect<Lease | undefined> = Effect.flatMap(
  Effect.serviceOption(MappedMemory.MappedMemory),
  (found) => (found._tag === "None" ? Effect.succeed(undefined) : found.value.core.pulses.lease)
)

// -----------------------------------------------------------------------------
// Threads of this process
// -----------------------------------------------------------------------------

/** A region as it is posted to a thread. @internal */
export interface Lent {
  readonly shared: MappedMemory.Shared
  readonly owner: number
}

/** What is posted to a thread, and what to do when it has ended. @internal */
export interface Lending {
  /** Memory of this process alone. */
  readonly regions: Regions
  readonly lent: Readonly<Record<string, Lent>>
  /** Waits for the recoveries. Safe to repeat. */
  readonly end: Effect.Effect<void>
}

/** Lends whatever is mapped of these regions to one thread. @internal */
export const lend = Effect.fnUntraced(function* (regions: Regions): Effect.fn.Return<Lending, SpaceError> {
  const own: Record<string, SharedArrayBuffer> = {}
  const mapped = new Map<Control.Control, Array<readonly [string, SharedArrayBuffer, Whereabouts.Whereabouts]>>()
  for (const [name, memory] of Object.entries(regions)) {
    const found = Whereabouts.of(memory)
    if (found === undefined) own[name] = memory
    else mapped.set(found.control, [...(mapped.get(found.control) ?? []), [name, memory, found]])
  }
  const lent: Record<string, Lent> = {}
  const loans: Array<readonly [SharedArrayBuffer, Loan.Loan]> = []
  let isOver = false
  const end = Effect.suspend(() => {
    if (isOver) return Effect.void
    isOver = true
    for (const [, loan] of loans) loan.end()
    return Effect.forEach(
      loans,
      ([memory, { life }]) => settle(memory, (control, row) => Control.lifeOf(control, row) === life),
      { discard: true, concurrency: "unbounded" }
    )
  })
  for (const [control, rows] of mapped) {
    const taking = Loan.take(
      control,
      rows.map(([, , { region }]) => region)
    )
    const loan = yield* Effect.onError(taking, () => end)
    for (const [name, memory, { share }] of rows) {
      lent[name] = { shared: share(), owner: loan.owner }
      if (rows[0]?.[0] === name) loans.push([memory, loan])
    }
  }
  return { regions: own, lent, end }
})

/** In the thread: the regions, rung from there as from the process. @internal */
export const borrow = Effect.fnUntraced(function* (lent: Readonly<Record<string, Lent>>): Effect.fn.Return<Held> {
  const regions: Record<string, SharedArrayBuffer> = {}
  const owners = new Map<SharedArrayBuffer, number>()
  for (const [name, { owner, shared }] of Object.entries(lent)) {
    const memory = yield* MappedMemory.adopt(shared)
    regions[name] = memory
    owners.set(memory, owner)
  }
  return { regions, ownerOf: (memory) => owners.get(memory), context: Context.empty() }
})
