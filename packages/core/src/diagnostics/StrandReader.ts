/**
 * A table of strands as somebody sees it who only looks: a watchdog, a dump, a tool. It takes no seat, writes nothing and needs none of the
 * services of the thread it looks at.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { type RegionRefused, regionOf } from "./DiagnosticsError.ts"
import * as Layout from "./internal/strandLayout.ts"
import * as Table from "./internal/strandTable.ts"
import type { Row, State, Totals } from "./Strand.ts"

/**
 * A table as a plain value that can be posted to a worker.
 *
 * @category models
 * @since 0.1.0
 */
export interface Handle {
  readonly _tag: "StrandRegistry"
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
  /** The active strands, by slot. A strand that was there all the while is in it; no row is made of two. */
  readonly snapshotUnsafe: () => ReadonlyArray<Row>
  readonly totalsUnsafe: () => Totals
}

const STATES: ReadonlyArray<State> = ["running", "parked", "busy"]
/** @internal */
export const readerOf = (words: Int32Array, layout: Layout.StrandLayout): Reader => ({
  capacity: layout.capacity,
  snapshotUnsafe: () => Table.rows(words, layout).map(rowOf),
  totalsUnsafe: () => ({ capacity: layout.capacity, ...Table.sums(words, layout) })
})

const rowOf = ({ beatMillis, mark, parent, ...row }: Table.Found): Row => ({
  ...row,
  parentId: parent === 0 ? undefined : parent,
  heartbeatMillis: beatMillis,
  state: STATES[mark] ?? "running"
})

/**
 * Joins a table to read it only, without a seat: for a watchdog, or a tool.
 *
 * **Errors**
 *
 * - `RegionRefused`: what was posted is no table, or one of another version; says what differs.
 *
 * @category constructors
 * @since 0.1.0
 */
export const observe = (handle: Handle): Effect.Effect<Reader, RegionRefused> =>
  Effect.map(regionOf("StrandRegistry", handle, Layout.read), ([memory, layout]) =>
    readerOf(new Int32Array(memory, 0, layout.totalBytes / 4), layout)
  )
