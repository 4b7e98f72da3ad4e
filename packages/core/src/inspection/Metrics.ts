/**
 * Counters in shared memory as metrics of Effect, and metrics of Effect in workers as counters in shared memory.
 *
 * A metric of Effect lives in one thread: what a worker counts does not reach the parent, and is gone when the worker is
 * started again. A counter of `Counters` is in memory that all threads see, under a durable ordinal. Two layers join them:
 *
 * ```text
 *   worker                                        parent
 *   Metric ──forward, every interval──▶ Counters ──layer──▶ Metric ──▶ PrometheusMetrics, OtlpMetrics
 *                  Counters.add directly ───▶ ▲
 * ```
 *
 * `layer` registers every counter, of whatever thread, as a series of the surrounding metric registry. It is read when
 * somebody scrapes; nothing is copied in between. `forward` runs in a worker and adds what its metrics have grown by.
 *
 * | metric of the worker | counter of the parent                                                        |
 * | -------------------- | ---------------------------------------------------------------------------- |
 * | counter              | the same; the whole part of what it has grown by. One that falls counts anew |
 * | gauge                | a gauge, rounded                                                              |
 * | frequency            | a counter for each word, attribute `key`                                      |
 * | histogram, summary   | `<name>_count`: shapes cannot be added up over lives, use a ring's histograms |
 *
 * **Invariants**
 *
 * 1. A series keeps its name and attributes over the restarts of its worker (`worker` is the ordinal, without a
 *    generation), so series do not multiply; and its value never falls.
 * 2. A worker that is killed undercounts by what it did since its last flush, and no more.
 * 3. What cannot be forwarded (a name or attributes that are too long, a full table) is skipped and counted in
 *    `forward_skipped`, never thrown.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"
import * as CounterId from "../diagnostics/CounterId.ts"
import { Counters, type Reader, type Row } from "../diagnostics/Counters.ts"
import * as Identity from "../diagnostics/Identity.ts"
import { Forwarder } from "./internal/forwarder.ts"
import { attributesOf, FIRST_FORWARDED } from "./internal/metricNames.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** How often counters that were registered since are looked for. Default 1 second. */
  readonly discoverEvery?: Duration.Input | undefined
}

/** Series of one reader in one registry. */
class Export {
  private readonly reader: Reader
  private readonly context: Context.Context<never>
  private readonly registrations = new Map<string, Metric.Registration>()
  private readonly served = new Set<string>()
  private latest = new Map<string, Row>()

  constructor(reader: Reader, context: Context.Context<never>) {
    this.reader = reader
    this.context = context
  }

  discover(): void {
    this.refresh()
    for (const [key, row] of this.latest) {
      if (!this.registrations.has(key)) this.registrations.set(key, this.register(key, row))
    }
  }

  remove(): void {
    for (const registration of this.registrations.values()) registration.remove()
    this.registrations.clear()
  }

  /** A scrape reads each series once: who asks for one a second time is the next scrape. */
  private valueOf(key: string): number {
    if (this.served.has(key)) this.refresh()
    this.served.add(key)
    return this.latest.get(key)?.value ?? 0
  }

  private refresh(): void {
    this.served.clear()
    this.latest = new Map(this.reader.snapshotUnsafe().map((row) => [keyOf(row), row]))
  }

  private register(key: string, row: Row): Metric.Registration {
    const description = row.id < CounterId.FIRST_USER_ID ? CounterId.known(row.id)?.help : undefined
    const options = {
      description,
      attributes: attributesOf(row, Identity.label({ ordinal: row.ordinal, generation: 0 }))
    }
    const mute = { update: () => {}, modify: () => {} }
    const name = nameOf(row)
    if (row.kind === "counter") {
      const get = () => ({ count: this.valueOf(key), incremental: true })
      return Metric.registerUnsafe(Metric.counter(name, { ...options, incremental: true }), this.context, {
        get,
        ...mute
      })
    }
    const get = () => ({ value: this.valueOf(key) })
    return Metric.registerUnsafe(Metric.gauge(name, options), this.context, { get, ...mute })
  }
}

const keyOf = ({ id, label, ordinal }: Row): string => `${id} ${ordinal} ${label}`

const nameOf = ({ id, kind, name }: Row): string =>
  id >= FIRST_FORWARDED ? name : `selvedge_${name}${kind === "counter" ? "_total" : ""}`

/**
 * Registers the counters of all threads as metrics, until the layer's scope closes.
 *
 * **Example** (Prometheus)
 *
 * ```ts
 * import { Counters, Metrics } from "@selvedge/core"
 * import * as SharedMemory from "@selvedge/core/memory/SharedMemory"
 * import { Layer } from "effect"
 * import { PrometheusMetrics } from "effect/observability"
 *
 * const counters = Counters.layer().pipe(Layer.provide(SharedMemory.layerThread))
 * const routes = PrometheusMetrics.layerHttp().pipe(Layer.merge(Metrics.layer()), Layer.provideMerge(counters))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<never, never, Counters> =>
  Layer.effectDiscard(Effect.flatMap(Counters, (reader) => exportFrom(reader, options)))

/**
 * The same for a table that is only read.
 *
 * @category constructors
 * @since 0.1.0
 */
export const exportFrom = (reader: Reader, options?: Options): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const context = yield* Effect.context<never>()
    const exported = yield* Effect.acquireRelease(
      Effect.sync(() => new Export(reader, context)),
      (made) => Effect.sync(() => made.remove())
    )
    exported.discover()
    yield* Effect.sleep(options?.discoverEvery ?? "1 second").pipe(
      Effect.andThen(Effect.sync(() => exported.discover())),
      Effect.forever,
      Effect.forkScoped
    )
  })

/**
 * Adds what the metrics of this thread have grown by to the counters, at an interval and once more when the scope closes.
 * For a worker: its metrics then reach whoever exports the counters.
 *
 * @category operations
 * @since 0.1.0
 */
export const forward = (interval: Duration.Input): Effect.Effect<void, never, Counters | Scope.Scope> =>
  Effect.gen(function* () {
    const counters = yield* Counters
    const context = yield* Effect.context<never>()
    const forwarder = new Forwarder(counters)
    const flush = Effect.sync(() => forwarder.flush(Metric.snapshotUnsafe(context)))
    yield* Effect.addFinalizer(() => flush)
    yield* Effect.sleep(interval).pipe(Effect.andThen(flush), Effect.forever, Effect.forkScoped)
  })
