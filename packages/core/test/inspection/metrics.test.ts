/**
 * Counters as metrics, and metrics of a worker as counters; read by parsers that nobody here wrote.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Counters from "@selvedge/core/diagnostics/Counters"
import * as CounterId from "@selvedge/core/diagnostics/CounterId"
import * as Metrics from "@selvedge/core/inspection/Metrics"
import { layerThread } from "@selvedge/core/memory/SharedMemory"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as OtlpMetrics from "effect/observability/OtlpMetrics"
import * as OtlpSerialization from "effect/observability/OtlpSerialization"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import * as TestClock from "effect/testing/TestClock"
import parse from "parse-prometheus-text-format"
import { Forwarder } from "../../src/inspection/internal/forwarder.ts"

const orders: CounterId.CounterId = { id: 1000, name: "orders_taken", kind: "counter", help: "orders" }

/** Everything that is exported, as `name{k=v} → value`. */
const scraped = Effect.map(PrometheusMetrics.format(), (text) => {
  const series = new Map<string, string>()
  for (const { metrics, name, type } of parse(text)) {
    for (const { labels, value } of metrics) {
      const shown = Object.entries(labels ?? {}).map(([key, found]) => `${key}=${found}`)
      series.set(`${type} ${name}{${shown.toSorted().join(",")}}`, value ?? "")
    }
  }
  return Object.fromEntries(series)
})

/** A registry of its own, as each thread has one. */
const inThread = <A, E, R>(body: Effect.Effect<A, E, R>) =>
  Effect.provideService(body, Metric.MetricRegistry, new Map())

const isolated = <A, E, R>(body: Effect.Effect<A, E, R>) => inThread(Effect.provide(body, layerThread))

describe("counters as metrics", () => {
  it.effect("of all threads are scraped as they stand, and those that come later are found [D5]", () =>
    isolated(
      Effect.gen(function* () {
        const main = yield* Counters.make({ counters: 16 })
        const worker = yield* Counters.attach(main.handle, { ordinal: 3, generation: 0 })
        const registered = (counters: Counters.Shape, id: CounterId.CounterId, label?: string) =>
          Effect.provideService(Counters.register(id, label), Counters.Counters, counters)
        const spawned = yield* registered(main, CounterId.ids.tasksSpawned, "RpcHandler")
        yield* Counters.add(spawned, 5)
        yield* Metrics.exportFrom(main)
        assert.deepStrictEqual(yield* scraped, {
          "COUNTER selvedge_tasks_spawned_total{label=RpcHandler,worker=main}": "5"
        })
        yield* Counters.add(spawned, 2)
        yield* Counters.add(yield* registered(worker, orders, "eu"), 7)
        const peak = yield* registered(worker, { ...orders, id: 1001, name: "queue", kind: "gauge" })
        yield* Counters.set(peak, -4)
        yield* TestClock.adjust("1 second")
        const expected = {
          "COUNTER selvedge_tasks_spawned_total{label=RpcHandler,worker=main}": "7",
          "COUNTER selvedge_orders_taken_total{label=eu,worker=3}": "7",
          "GAUGE selvedge_queue{worker=3}": "-4"
        }
        assert.deepStrictEqual(yield* scraped, expected)
        assert.deepStrictEqual(yield* scraped, expected)
        // Read when it is scraped, not when it is looked for.
        yield* Counters.add(spawned, 1)
        assert.strictEqual((yield* scraped)["COUNTER selvedge_tasks_spawned_total{label=RpcHandler,worker=main}"], "8")
        assert.include(yield* PrometheusMetrics.format(), "# HELP selvedge_tasks_spawned_total tasks that were started")
      })
    )
  )

  it.effect("leave the registry with their layer [D5]", () =>
    isolated(
      Effect.gen(function* () {
        const counters = yield* Counters.make({ counters: 16 })
        yield* Effect.provideService(Counters.register(orders), Counters.Counters, counters)
        yield* Effect.scoped(Metrics.exportFrom(counters))
        assert.deepStrictEqual(yield* scraped, {})
      })
    )
  )

  it.live("are sent by the OTLP exporter of Effect [D5]", () =>
    isolated(
      Effect.gen(function* () {
        const counters = yield* Counters.make({ counters: 16 })
        yield* Counters.add(yield* Effect.provideService(Counters.register(orders), Counters.Counters, counters), 11)
        yield* Metrics.exportFrom(counters)
        const sent: Array<string> = []
        const fetching = Effect.provideService(FetchHttpClient.Fetch, (async (_url: unknown, init?: RequestInit) => {
          sent.push(new TextDecoder().decode(init?.body as Uint8Array))
          return new Response("{}")
        }) as typeof globalThis.fetch)
        const exporter = OtlpMetrics.layer({
          url: "http://collector.invalid/v1/metrics",
          exportInterval: "20 millis",
          resource: { serviceName: "shop" }
        }).pipe(Layer.provide(Layer.merge(OtlpSerialization.layerJson, FetchHttpClient.layer)))
        yield* Effect.sleep("200 millis").pipe(Effect.provide(exporter), fetching)
        assert.isNotEmpty(sent)
        assert.include(sent[0], '"selvedge_orders_taken_total"')
        assert.match(sent[0] ?? "", /"as(Int|Double)":"?11\b/)
      })
    )
  )
})

describe("metrics of a worker", () => {
  const taken = Metric.counter("orders.Taken", { incremental: true })
  const load = Metric.gauge("load")
  const words = Metric.frequency("answers")
  const times = Metric.histogram("latency", { boundaries: [1, 10] })

  it.effect("reach the parent under their names and attributes [D5]", () =>
    isolated(
      Effect.gen(function* () {
        const main = yield* Counters.make({ counters: 32 })
        const worker = yield* Counters.attach(main.handle, { ordinal: 2, generation: 0 })
        yield* inThread(
          Effect.gen(function* () {
            yield* Metrics.forward("1 second")
            yield* Metric.update(Metric.withAttributes(taken, { region: "a,b=c%", shop: "x" }), 3)
            yield* Metric.update(load, 2.6)
            yield* Metric.update(words, "yes")
            yield* TestClock.adjust("1 second")
            // What comes after the last interval goes with the end of the scope.
            yield* Metric.update(times, 5)
          })
        ).pipe(Effect.scoped, Effect.provideService(Counters.Counters, worker))
        yield* Metrics.exportFrom(main)
        assert.deepStrictEqual(yield* scraped, {
          "COUNTER orders_taken{region=a,b=c%,shop=x,worker=2}": "3",
          "GAUGE load{worker=2}": "3",
          "COUNTER answers{key=yes,worker=2}": "1",
          "COUNTER latency_count{worker=2}": "1"
        })
      })
    )
  )

  it.effect(
    "go on where the worker's former life stopped: a kill loses what was not flushed, an end nothing [D5]",
    () =>
      isolated(
        Effect.gen(function* () {
          const main = yield* Counters.make({ counters: 32 })
          const totals: Array<number | undefined> = []
          const life = (generation: number, end: "killed" | "ended") =>
            Effect.gen(function* () {
              const worker = yield* Counters.attach(main.handle, { ordinal: 2, generation })
              const forwarder = new Forwarder(worker)
              const flush = Effect.map(Metric.snapshot, (snapshot) => forwarder.flush(snapshot))
              yield* inThread(
                Effect.gen(function* () {
                  yield* Metric.update(taken, 10)
                  yield* flush
                  yield* flush
                  yield* Metric.update(taken, 5)
                  if (end === "ended") yield* flush
                })
              )
              totals.push(main.snapshotUnsafe()[0]?.value)
            })
          yield* life(0, "ended")
          yield* life(1, "killed")
          yield* life(2, "killed")
          assert.deepStrictEqual(totals, [15, 25, 35])
          yield* Metrics.exportFrom(main)
          assert.deepStrictEqual(yield* scraped, { "COUNTER orders_taken{worker=2}": "35" })
        })
      )
  )

  it.effect("that cannot be forwarded are skipped and counted, and the rest arrives [D5]", () =>
    isolated(
      Effect.gen(function* () {
        const main = yield* Counters.make({ counters: 3 })
        yield* inThread(
          Effect.gen(function* () {
            yield* Metrics.forward("1 second")
            yield* Metric.update(Metric.counter("x".repeat(100)), 1)
            yield* Metric.update(Metric.counter("1"), 1)
            yield* Metric.update(Metric.withAttributes(taken, { long: "y".repeat(500) }), 1)
            yield* Metric.update(taken, 4)
            yield* TestClock.adjust("3 seconds")
          })
        ).pipe(Effect.provideService(Counters.Counters, main))
        yield* Metrics.exportFrom(main)
        assert.deepStrictEqual(yield* scraped, {
          "COUNTER forward_skipped{worker=main}": "3",
          "COUNTER orders_taken{worker=main}": "4"
        })
      })
    )
  )
})
