/**
 * The tables of diagnostics around a container, handed on to its threads: a thread's tasks are strands, counts and events of the same tables as
 * the main program's, so one reader sees all of them.
 *
 * The tables want one living thread to a number, and a number that a restarted worker finds again. Ordinals are unique in one container only,
 * so the threads of a process are numbered here: by its ordinal where that is free, else by the next number that is.
 *
 * **Invariants**
 *
 * 1. No two living threads of a process have one number.
 * 2. The next life of a worker gets the number of the life before it.
 * 3. What a dead thread had in the tables is reclaimed before its number is given again.
 *
 * @internal
 */
import * as Counters from "@selvedge/core/diagnostics/Counters"
import * as FlightRecorder from "@selvedge/core/diagnostics/FlightRecorder"
import type { Identity } from "@selvedge/core/diagnostics/Identity"
import * as StrandRegistry from "@selvedge/core/diagnostics/StrandRegistry"
import type { Facts } from "@selvedge/core/workers/WorkerContext"
import * as Metrics from "@selvedge/core/inspection/Metrics"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as NodeWatchdog from "../../diagnostics/NodeWatchdog.ts"

/** What a thread is told: plain, it is sent to it. */
export interface Tables {
  readonly identity: Identity
  readonly strands: StrandRegistry.Shape["handle"]
  readonly counters: Counters.Shape["handle"] | undefined
  readonly events: FlightRecorder.Shape["handle"] | undefined
  /** The watchdog's, and what the thread's loop is called there. */
  readonly loop: { readonly handle: NodeWatchdog.Handle; readonly name: string } | undefined
}

// -----------------------------------------------------------------------------
// From above
// -----------------------------------------------------------------------------

/** How often a thread's metrics are added to the counters. */
const FORWARD = "1 second"

interface Numbered {
  readonly worker: string
  isAlive: boolean
  lives: number
}

const numbers = new Map<number, Numbered>()

const numberOf = ({ frames, generation, name, ordinal }: Facts): Identity => {
  const worker = JSON.stringify([name, frames.map((frame) => frame.ordinal)])
  for (let number = ordinal; ; number++) {
    const found = numbers.get(number)
    if (found !== undefined && (found.isAlive || found.worker !== worker)) continue
    const lives = Math.max(generation, (found?.lives ?? 0) + 1)
    numbers.set(number, { worker, isAlive: true, lives })
    return { ordinal: number, generation: lives }
  }
}

/** What one thread is told, and what to do when it has ended. */
export interface Lease {
  readonly tables: Tables | undefined
  readonly ended: () => void
}

const NONE: Lease = { tables: undefined, ended: () => {} }

/** A number for one thread, and the tables of the surrounding program. */
export const lease = (facts: Facts): Effect.Effect<Lease> =>
  Effect.gen(function* () {
    const strands = Option.getOrUndefined(yield* Effect.serviceOption(StrandRegistry.StrandRegistry))
    const counters = Option.getOrUndefined(yield* Effect.serviceOption(Counters.Counters))
    const events = Option.getOrUndefined(yield* Effect.serviceOption(FlightRecorder.FlightRecorder))
    const watchdog = yield* NodeWatchdog.Watching
    const watched = watchdog?.handle
    if (strands === undefined && counters === undefined && events === undefined && watched === undefined) return NONE
    const identity = numberOf(facts)
    const ended = (): void => {
      strands?.reclaimUnsafe(identity)
      counters?.reclaimUnsafe(identity)
      events?.reclaimUnsafe(identity)
      watchdog?.forgetUnsafe(identity)
      numbers.get(identity.ordinal)!.isAlive = false
    }
    const loop = watched && { handle: watched, name: `${facts.name} ${facts.ordinal}` }
    const tables = { identity, strands: strands?.handle, counters: counters?.handle, events: events?.handle, loop }
    return { tables, ended } satisfies Lease
  })

// -----------------------------------------------------------------------------
// In the thread
// -----------------------------------------------------------------------------

/** Runs a thread's program with its side of the tables. A table without room is gone without: diagnostics are no reason to fail. */
export const within = <A>(
  tables: Tables | undefined,
  program: Effect.Effect<A>
): Effect.Effect<A, never, Scope.Scope> => {
  if (tables === undefined) return program
  const { counters, events, identity, loop, strands } = tables
  return Effect.gen(function* () {
    let run: Effect.Effect<A, never, Scope.Scope> = program
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
