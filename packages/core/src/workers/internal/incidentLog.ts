/**
 * The incidents of one container.
 *
 * **Invariants**
 *
 * 1. At most `LATEST` are kept; the oldest makes room.
 * 2. Totals never fall. Each is at least the number of its kind that is kept.
 *
 * @internal
 */
import { type Incident, type Incidents, LATEST, type What } from "../Incidents.ts"

export class IncidentLog {
  private latest: ReadonlyArray<Incident> = []
  private readonly totals: Partial<Record<What, number>> = {}

  add(incident: Incident): void {
    this.latest = [...this.latest.slice(1 - LATEST), incident]
    this.totals[incident.what] = (this.totals[incident.what] ?? 0) + 1
  }

  read(): Incidents {
    return { latest: this.latest, totals: { ...this.totals } }
  }
}
