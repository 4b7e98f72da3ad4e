/**
 * What the tests of rings in one thread and virtual time have in common.
 */
import * as Producer from "@selvedge/core/ring/Producer"
import * as Ring from "@selvedge/core/ring/Ring"
import * as Record from "@selvedge/core/memory/Record"
import { layerThread } from "@selvedge/core/memory/SharedMemory"
import * as Waking from "@selvedge/core/memory/Waking"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

export const Value = Record.struct({ n: Record.f64 })
export type Value = Record.Type<typeof Value>

export const local = Layer.merge(layerThread, Waking.layerLocal)

export const ringOf = (options: Partial<Ring.Options<Value>> = {}) =>
  Ring.make({ record: Value, capacity: 4, ...options })

export const numbers = (batch: ReadonlyArray<Value>): ReadonlyArray<number> => batch.map(({ n }) => n)

/** The numbers from one up to, and without, another. */
export const values = (from: number, to: number): ReadonlyArray<Value> =>
  Array.from({ length: to - from }, (_, i) => ({ n: from + i }))

/** One after another, waiting for room. */
export const publishRange = (producer: Producer.Producer<Value>, from: number, to: number) =>
  Effect.forEach(values(from, to), (value) => Producer.publish(producer, value), { discard: true })

export const fork = <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.forkChild(self, { startImmediately: true })

/** The ring as a worker that will die sees it: a handle of its own, with its own owner. */
export const attached = <A>(ring: Ring.Ring<A>) =>
  Effect.flatMap(Ring.handle(ring), (handle) => Ring.attach(handle, { record: ring.record }))
