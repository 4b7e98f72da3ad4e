/**
 * The incidents of one container.
 *
 * **Invariants**
 *
 * 1. At most `LATEST` are kept. The oldest makes room, one of the routine before all others: workers that are recycled every few
 *    seconds must not hide the one that crashed.
 * 2. Totals never fall. Each is at least the number of its kind that is kept.
 *
 * @internal
 */
import { type Incident, type Incidents, LATEST, type What } from "../Incidents.ts"

export class IncidentLog {
  private latest: ReadonlyArray<Incident> = []
  private readonly totals: Partial<Record<What, number>> = {}

  add(incident: Incident): void {
    const all = [...this.latest, incident]
    const oldest = Math.max(
      0,
      all.findIndex(({ what }) => what === "recycled")
    )
    this.latest = all.length > LATEST ? all.toSpliced(oldest, 1) : all
    this.totals[incident.what] = (this.totals[incident.what] ?? 0) + 1
  }

  read(): Incidents {
    return { latest: this.latest, totals: { ...this.totals } }
  }
}
