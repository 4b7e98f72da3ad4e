/**
 * A table of counters as those see it who only read: rows, without a part in it. `Counters` gives these names, too.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { CounterKind } from "./CounterId.ts"
import { type RegionRefused, regionOf } from "./DiagnosticsError.ts"
import * as Table from "./internal/counterTable.ts"
import * as Layout from "./internal/countersLayout.ts"
import * as Owner from "./internal/owner.ts"

/**
 * A counter as others see it: plain data.
 *
 * @category models
 * @since 0.1.0
 */
export interface Row {
  readonly id: number
  readonly name: string
  readonly kind: CounterKind
  readonly label: string
  readonly ordinal: number
  readonly value: number
}

/**
 * A table as a plain value that can be posted to a worker.
 *
 * @category models
 * @since 0.1.0
 */
export interface Handle {
  readonly _tag: "Counters"
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
  /** All counters, in the order in which they were registered. Each value is exact; they are not of one instant. */
  readonly snapshotUnsafe: () => ReadonlyArray<Row>
}

/** By the number a cell keeps. @internal */
export const KINDS: ReadonlyArray<CounterKind> = ["counter", "gauge", "max"]

/** @internal */
export const readerOf = ({ layout, values, words }: Table.CounterTable): Reader => ({
  capacity: layout.capacity,
  snapshotUnsafe: () =>
    Table.counters(words, values).map(({ kind, ...row }) => ({ ...row, kind: KINDS[kind] ?? "gauge" }))
})

/**
 * Joins a table to read it only.
 *
 * **Errors**
 *
 * - `RegionRefused`: what was posted is no table, or one of another version; says what differs.
 *
 * @category constructors
 * @since 0.1.0
 */
export const observe = (handle: Handle): Effect.Effect<Reader, RegionRefused> =>
  Effect.map(regionOf("Counters", handle, Layout.read), ([memory, layout]) =>
    readerOf(Table.attach(memory, layout, Owner.NOBODY))
  )
