/**
 * The containers that enrolled with a service, in their order, and what those that left had to do about their workers.
 *
 * **Invariants**
 *
 * 1. What a container tells of its workers outlives it: a report is written after its scope has closed.
 * 2. Of those that left at most `MOST_GONE` are kept, and none that had nothing to tell.
 *
 * @internal
 */
import type { WorkersRow } from "../../shutdown/ShutdownReport.ts"
import type { Member } from "../../workers/Workforce.ts"

const MOST_GONE = 16

export class Crew extends Set<Member> {
  private gone: ReadonlyArray<typeof WorkersRow.Type> = []

  override delete(member: Member): boolean {
    if (this.has(member)) this.gone = [...this.gone, ...rowOf(member)].slice(-MOST_GONE)
    return super.delete(member)
  }

  /** For the report. */
  get told(): ReadonlyArray<typeof WorkersRow.Type> {
    return [...this.gone, ...Array.from(this).flatMap(rowOf)]
  }
}

const rowOf = (member: Member): ReadonlyArray<typeof WorkersRow.Type> => {
  const { latest, totals } = member.incidentsUnsafe()
  if (latest.length === 0) return []
  return [
    {
      container: member.name,
      totals: Object.entries(totals).map(([what, count]) => ({ what, count })),
      incidents: latest
    }
  ]
}
