/**
 * The tables of diagnostics around a container, handed on to its workers: a worker's tasks are strands, counts and events of the same tables as
 * the main program's, so one reader sees all of them. Threads get them as they are, processes where they are mapped from files; a process of
 * threads hands them on.
 *
 * **Invariants**
 *
 * 1. Numbers are those of numbering.ts, and the main program gives all of them: a worker has none to give but what it was given for its own.
 *    So no two living workers have one number, in whatever processes they are.
 * 2. What a dead worker had in the tables is reclaimed before its number is given again.
 * 3. A thread of a hybrid has one number and one generation in all the lives it has in one life of its process: who ends with the process is
 *    reclaimed by it.
 *
 * @internal
 */
import * as Counters from "@selvedge/core/diagnostics/Counters"
import * as FlightRecorder from "@selvedge/core/diagnostics/FlightRecorder"
import type { Identity } from "@selvedge/core/diagnostics/Identity"
import * as StrandRegistry from "@selvedge/core/diagnostics/StrandRegistry"
import type { Facts } from "@selvedge/core/workers/WorkerContext"
import * as Metrics from "@selvedge/core/inspection/Metrics"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Regions } from "@selvedge/core/workers/WorkerRegions"
import * as NodeWatchdog from "../../diagnostics/NodeWatchdog.ts"
import { type Place, placeOf } from "../../memory/MappedRegions.ts"
import { Numbering } from "./numbering.ts"

/** What a thread is told: plain, it is sent to it. */
export interface Tables {
  readonly identity: Identity
  readonly strands: StrandRegistry.Shape["handle"]
  readonly counters: Counters.Shape["handle"] | undefined
  readonly events: FlightRecorder.Shape["handle"] | undefined
  /** In a worker with workers of its own: their numbers, by ordinal. */
  readonly inner: ReadonlyArray<Identity>
  /** The watchdog's, and what the thread's loop is called there. */
  readonly loop: { readonly handle: NodeWatchdog.Handle; readonly name: string } | undefined
}

// -----------------------------------------------------------------------------
// From above
// -----------------------------------------------------------------------------

/** How often a thread's metrics are added to the counters. */
const FORWARD = "1 second"

/** One for the process: its tables are shared by whatever containers there are. */
const numbers = new Numbering()

const numberOf = ({ frames, generation, name, ordinal }: Facts): Identity =>
  numbers.take(JSON.stringify([name, frames.map((frame) => [frame.kind, frame.ordinal])]), ordinal, generation)

/** In a worker: the numbers for workers of its own. */
const Given = Context.Reference<ReadonlyArray<Identity> | undefined>("@selvedge/node/GivenNumbers", {
  defaultValue: () => undefined
})

/** Numbers for those who live and end with a worker. */
const innerOf = ({ frames, generation, name, ordinal }: Facts, count: number): ReadonlyArray<Identity> =>
  Array.from({ length: count }, (_, thread) => {
    const path = [...frames.map((frame) => [frame.kind, frame.ordinal]), ["thread", thread]]
    return numbers.take(JSON.stringify([name, path]), ordinal * count + thread, generation)
  })

/** What one thread is told, and what to do when it has ended. */
export interface Lease {
  readonly tables: Tables | undefined
  readonly ended: () => void
}

const NONE: Lease = { tables: undefined, ended: () => {} }

/** A number for one worker, and for so many in it, and the tables of the surrounding program. */
export const lease = (facts: Facts, innerCount = 0): Effect.Effect<Lease> =>
  Effect.gen(function* () {
    const strands = Option.getOrUndefined(yield* Effect.serviceOption(StrandRegistry.StrandRegistry))
    const counters = Option.getOrUndefined(yield* Effect.serviceOption(Counters.Counters))
    const events = Option.getOrUndefined(yield* Effect.serviceOption(FlightRecorder.FlightRecorder))
    const watchdog = yield* NodeWatchdog.Watching
    const watched = watchdog?.handle
    if (strands === undefined && counters === undefined && events === undefined && watched === undefined) return NONE
    const given = yield* Given
    const identity = given === undefined ? numberOf(facts) : given[facts.ordinal]
    // Invariant 1.
    if (identity === undefined) return NONE
    const inner = given === undefined ? innerOf(facts, innerCount) : []
    const ended = (): void => {
      for (const dead of [identity, ...inner]) {
        strands?.reclaimUnsafe(dead)
        counters?.reclaimUnsafe(dead)
        events?.reclaimUnsafe(dead)
        watchdog?.forgetUnsafe(dead)
        if (given === undefined) numbers.give(dead)
      }
    }
    const loop = watched && { handle: watched, name: `${facts.name} ${facts.ordinal}` }
    const handles = { strands: strands?.handle, counters: counters?.handle, events: events?.handle }
    return { tables: { identity, inner, ...handles, loop }, ended } satisfies Lease
  })

/** Where a process finds the tables: those that are mapped. */
export interface TablePlaces {
  readonly identity: Identity
  readonly inner: ReadonlyArray<Identity>
  readonly places: Readonly<Partial<Record<Mapped, Place>>>
}

type Mapped = "strands" | "counters" | "events"
const MAPPED: ReadonlyArray<Mapped> = ["strands", "counters", "events"]

/** What a process is told of the tables that a thread would be handed, and their memory; nothing if none is mapped. */
export const placesOf = (
  tables: Tables | undefined
): { readonly tables: TablePlaces; readonly regions: Regions } | undefined => {
  if (tables === undefined) return undefined
  const found = MAPPED.flatMap((name) => {
    const memory = tables[name]?.memory
    const place = memory && placeOf(memory)
    return memory === undefined || place === undefined ? [] : [{ name, memory, place }]
  })
  if (found.length === 0) return undefined
  return {
    tables: {
      identity: tables.identity,
      inner: tables.inner,
      places: Object.fromEntries(found.map(({ name, place }) => [name, place]))
    },
    regions: Object.fromEntries(found.map(({ memory, name }) => [name, memory]))
  }
}

/** In the process: the tables, from regions that are open under these names. */
export const opened = ({ identity, inner }: TablePlaces, regions: Regions): Tables => ({
  identity,
  inner,
  strands: regions["strands"] && { _tag: "StrandRegistry", memory: regions["strands"] },
  counters: regions["counters"] && { _tag: "Counters", memory: regions["counters"] },
  events: regions["events"] && { _tag: "FlightRecorder", memory: regions["events"] },
  loop: undefined
})

// -----------------------------------------------------------------------------
// In the worker
// -----------------------------------------------------------------------------

/** Runs a thread's program with its side of the tables. A table without room is gone without: diagnostics are no reason to fail. */
export const within = <A>(
  tables: Tables | undefined,
  program: Effect.Effect<A>
): Effect.Effect<A, never, Scope.Scope> => {
  if (tables === undefined) return program
  const { counters, events, identity, inner, loop, strands } = tables
  return Effect.gen(function* () {
    let run: Effect.Effect<A, never, Scope.Scope> = Effect.provideService(program, Given, inner)
    if (strands !== undefined) {
      const attached = yield* Effect.option(StrandRegistry.attach(strands, identity))
      if (Option.isSome(attached)) run = Effect.provideService(run, StrandRegistry.StrandRegistry, attached.value)
    }
    if (counters !== undefined) {
      const attached = yield* Effect.option(Counters.attach(counters, identity))
      if (Option.isSome(attached)) {
        // What the thread's metrics of Effect count reaches the parent as well.
        run = Effect.provideService(Effect.andThen(Metrics.forward(FORWARD), run), Counters.Counters, attached.value)
      }
    }
    if (events !== undefined) {
      const attached = yield* Effect.option(FlightRecorder.attach(events, identity))
      if (Option.isSome(attached)) run = Effect.provideService(run, FlightRecorder.FlightRecorder, attached.value)
    }
    if (loop !== undefined) {
      const attached = yield* Effect.option(NodeWatchdog.attachLoop(loop.handle, identity, loop.name))
      if (Option.isSome(attached)) run = Effect.provideContext(run, attached.value)
    }
    return yield* run
  })
}
