/**
 * Brings what the metrics of a thread have grown by into counters.
 *
 * @internal
 */
import type * as Metric from "effect/Metric"
import { Counter } from "../../diagnostics/Counter.ts"
import type { CounterKind } from "../../diagnostics/CounterId.ts"
import type * as Counters from "../../diagnostics/Counters.ts"
import { idOf, labelOf, nameOf, TRIES } from "./metricNames.ts"

const SKIPPED = "forward_skipped"

interface Series {
  readonly counter: Counter
  /** What the metric had grown to at the last flush. */
  seen: number
}

export class Forwarder {
  private readonly counters: Counters.Shape
  /** `undefined`: it cannot be forwarded, which has been counted. */
  private readonly series = new Map<string, Series | undefined>()

  constructor(counters: Counters.Shape) {
    this.counters = counters
  }

  flush(snapshot: ReadonlyArray<Metric.Metric.Snapshot>): void {
    for (const metric of snapshot) {
      const { attributes, id } = metric
      switch (metric.type) {
        case "Counter":
          this.grow(id, attributes, Number(metric.state.count))
          break
        case "Gauge":
          this.set(id, attributes, Number(metric.state.value))
          break
        case "Frequency":
          for (const [key, count] of metric.state.occurrences) this.grow(id, { ...attributes, key }, count)
          break
        case "Histogram":
        case "Summary":
          this.grow(`${id}_count`, attributes, metric.state.count)
      }
    }
  }

  private grow(id: string, attributes: Readonly<Record<string, string>> | undefined, total: number): void {
    const series = this.seriesOf(id, "counter", attributes)
    const whole = Math.floor(total)
    if (series === undefined || !Number.isSafeInteger(whole)) return
    // A counter that may fall has begun anew.
    const grown = whole < series.seen ? Math.max(0, whole) : whole - series.seen
    series.seen = whole
    if (grown > 0) series.counter.addUnsafe(grown)
  }

  private set(id: string, attributes: Readonly<Record<string, string>> | undefined, value: number): void {
    const whole = Math.round(value)
    if (!Number.isSafeInteger(whole)) return
    this.seriesOf(id, "gauge", attributes)?.counter.setUnsafe(whole)
  }

  private seriesOf(
    id: string,
    kind: CounterKind,
    attributes: Readonly<Record<string, string>> | undefined
  ): Series | undefined {
    const label = labelOf(attributes)
    const key = `${kind} ${id} ${label}`
    if (this.series.has(key)) return this.series.get(key)
    const counter = this.register(nameOf(id), kind, label)
    const series = counter === undefined ? undefined : { counter, seen: 0 }
    this.series.set(key, series)
    if (series === undefined) this.register(SKIPPED, "counter", "")?.addUnsafe(1)
    return series
  }

  /** The first id for the name that no other name has. */
  private register(name: string, kind: CounterKind, label: string): Counter | undefined {
    for (let attempt = 0; attempt < TRIES; attempt++) {
      const made = this.counters.registerUnsafe({ id: idOf(name, attempt), name, kind, help: "" }, label)
      if (made instanceof Counter) return made
      if (made._tag !== "CounterIdTaken") return undefined
    }
    return undefined
  }
}
