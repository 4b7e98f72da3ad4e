/**
 * The parts of a dump that stand in shared memory: strands, counters, and the last events. Any thread can read them.
 *
 * @internal
 */
import type * as Counters from "../../diagnostics/Counters.ts"
import type * as FlightRecorder from "../../diagnostics/FlightRecorder.ts"
import * as Identity from "../../diagnostics/Identity.ts"
import type { Row } from "../../diagnostics/Strand.ts"
import type * as StrandReader from "../../diagnostics/StrandReader.ts"
import type * as DumpSchema from "../DumpSchema.ts"

export interface Readers {
  readonly strands?: StrandReader.Reader | undefined
  readonly counters?: Counters.Reader | undefined
  readonly flight?: FlightRecorder.Reader | undefined
}

/** How many rows are listed. */
const STRANDS = 1000
const COUNTERS = 500
const EVENTS = 50

export interface Now {
  readonly monotonicMillis: number
  readonly wallMillis: number
}

export const strands = (reader: StrandReader.Reader | undefined, now: Now): DumpSchema.Dump["strands"] => {
  const all = (reader?.snapshotUnsafe() ?? []).toSorted((a, b) => a.startMillis - b.startMillis)
  return { rows: all.slice(0, STRANDS).map((row) => strandRow(row, now)), more: Math.max(0, all.length - STRANDS) }
}

const strandRow = (row: Row, now: Now): DumpSchema.StrandRow => ({
  id: row.id,
  name: row.nameCut ? `${row.name}…` : row.name,
  kind: row.kind,
  state: row.state,
  worker: Identity.label(row),
  ordinal: row.ordinal,
  generation: row.generation,
  parentId: row.parentId ?? null,
  ageMillis: Math.max(0, now.monotonicMillis - row.startMillis),
  silentMillis: row.heartbeatMillis > row.startMillis ? Math.max(0, now.monotonicMillis - row.heartbeatMillis) : null
})

/** Nothing if the table is switched off. */
export const totals = (reader: StrandReader.Reader | undefined): typeof DumpSchema.Totals.Type | null => {
  if (reader === undefined || reader.capacity === 0) return null
  const { active, completed, lost, overflow, peak, spawned } = reader.totalsUnsafe()
  return { of: "strands", active, spawned, completed, peak, lost, overflow }
}

export const counters = (reader: Counters.Reader | undefined): DumpSchema.Dump["counters"] =>
  (reader?.snapshotUnsafe() ?? []).slice(0, COUNTERS).map(({ label, name, ordinal, value }) => ({
    label: [name, label, Identity.label({ ordinal, generation: 0 })].filter((part) => part !== "").join("/"),
    value
  }))

export const flight = (reader: FlightRecorder.Reader | undefined, now: Now): DumpSchema.Dump["flight"] =>
  (reader?.readUnsafe().events ?? []).slice(-EVENTS).map((event) => ({
    ageMillis: Math.max(0, now.wallMillis - event.atMillis),
    worker: Identity.label(event),
    event: event.what,
    detail: [event.id === 0 ? "" : `#${event.id}`, event.textCut ? `${event.text}…` : event.text]
      .filter((part) => part !== "")
      .join(" ")
  }))
