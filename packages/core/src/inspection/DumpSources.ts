/**
 * Who has something to say in a dump.
 *
 * A part of a program registers what it can tell about itself, in a scope: a ring its cursors and lags, a container its
 * workers, a pool of connections its length. `Main` provides the list, and a dump asks everybody on it. Without a list
 * registering does nothing and costs nothing.
 *
 * A source is asked while somebody waits for the dump, also when the event loop is blocked: one that answers without
 * waiting is always heard. One that fails, throws, or does not answer in time is named in the dump with the reason, and the
 * dump is complete without it.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Notifier } from "../notifier/Notifier.ts"
import type { Ring } from "../ring/Ring.ts"
import * as RingSnapshot from "../ring/RingSnapshot.ts"
import type * as DumpSchema from "./DumpSchema.ts"

/**
 * What a source tells about: a list of the dump, or a section of its own.
 *
 * @category models
 * @since 0.1.0
 */
export type Subject = "section" | "ring" | "notifier" | "workers" | "incidents" | "region"

/**
 * A source with everything it needs.
 *
 * @category models
 * @since 0.1.0
 */
export interface Source {
  readonly subject: Subject
  readonly name: string
  readonly read: Effect.Effect<unknown, unknown>
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Shape {
  /** Adds a source; what it returns takes it out again, and is harmless when repeated. */
  readonly addUnsafe: (source: Source) => () => void
  /** In the order they were added. */
  readonly listUnsafe: () => ReadonlyArray<Source>
}

/**
 * The sources of the surrounding program. Provided by `Main`; without it nothing is kept.
 *
 * @category services
 * @since 0.1.0
 */
export const DumpSources: Context.Reference<Shape> = Context.Reference<Shape>("@selvedge/core/DumpSources", {
  defaultValue: () => ({ addUnsafe: () => () => {}, listUnsafe: () => [] })
})

/**
 * An empty list.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeUnsafe = (): Shape => {
  const sources = new Set<Source>()
  return {
    addUnsafe: (source) => {
      // A copy: the same value may be added twice, and each is taken out by its own.
      const own = { ...source }
      sources.add(own)
      return () => void sources.delete(own)
    },
    listUnsafe: () => Array.from(sources)
  }
}

const register = <R>(
  subject: Subject,
  name: string,
  read: Effect.Effect<unknown, unknown, R>
): Effect.Effect<void, never, R | Scope.Scope> =>
  Effect.contextWith((context: Context.Context<R>) =>
    Effect.flatMap(DumpSources, (sources) =>
      Effect.asVoid(
        Effect.acquireRelease(
          Effect.sync(() => sources.addUnsafe({ subject, name, read: Effect.provideContext(read, context) })),
          (remove) => Effect.sync(remove)
        )
      )
    )
  )

/**
 * Adds a section of its own, until the scope closes. Anything that can be written as JSON is shown; what cannot (functions,
 * circles, more than a few hundred entries) is shown as a word in its place.
 *
 * **Example** (How many connections wait)
 *
 * ```ts
 * import { DumpSources } from "@selvedge/core"
 * import { Effect, Layer } from "effect"
 *
 * const Pool = Layer.effectDiscard(
 *   Effect.gen(function* () {
 *     const waiting: Array<string> = []
 *     yield* DumpSources.add("connection pool", Effect.sync(() => ({ size: 10, waiting: waiting.length })))
 *   })
 * )
 * ```
 *
 * @category operations
 * @since 0.1.0
 */
export const add = <R>(
  name: string,
  read: Effect.Effect<unknown, unknown, R>
): Effect.Effect<void, never, R | Scope.Scope> => register("section", name, read)

/**
 * Adds a ring, until the scope closes.
 *
 * @category operations
 * @since 0.1.0
 */
export const addRing = <A>(name: string, ring: Ring<A>): Effect.Effect<void, never, Scope.Scope> =>
  register(
    "ring",
    name,
    Effect.map(
      RingSnapshot.snapshot(ring),
      ({ claimed, closed, givenUp, seats, tombstones, unobserved }): typeof DumpSchema.RingRow.Type => ({
        name,
        closed,
        capacity: ring.capacity,
        claimed,
        seats: seats.map(({ generation, id, isParked, lag, position, state }) => ({
          id,
          state,
          generation,
          position,
          lag,
          isParked
        })),
        tombstones,
        unobserved,
        givenUp
      })
    )
  )

/**
 * Adds a notifier, until the scope closes.
 *
 * @category operations
 * @since 0.1.0
 */
export const addNotifier = (name: string, notifier: Notifier): Effect.Effect<void, never, Scope.Scope> =>
  register(
    "notifier",
    name,
    Effect.sync((): typeof DumpSchema.NotifierRow.Type => ({
      name,
      maxTokens: notifier.maxTokens,
      closed: notifier.core.isClosed(),
      polled: notifier.core.seat() % 2 !== 0
    }))
  )

/**
 * Adds the workers of a container, until the scope closes.
 *
 * @category operations
 * @since 0.1.0
 */
export const addWorkers = <R>(
  name: string,
  read: Effect.Effect<ReadonlyArray<DumpSchema.WorkerRow>, unknown, R>
): Effect.Effect<void, never, R | Scope.Scope> => register("workers", name, read)

/**
 * Adds a shared region to the memory of the dump, until the scope closes.
 *
 * @category operations
 * @since 0.1.0
 */
export const addRegion = (name: string, bytes: number): Effect.Effect<void, never, Scope.Scope> =>
  register("region", name, Effect.succeed(bytes))
