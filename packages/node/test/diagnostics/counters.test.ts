/**
 * Counters of workers that are terminated again and again while they count, read by a parser that nobody here wrote.
 */
import { assert, it } from "@effect/vitest"
import * as Counters from "@selvedge/core/diagnostics/Counters"
import * as Metrics from "@selvedge/core/inspection/Metrics"
import { layerThread } from "@selvedge/core/memory/SharedMemory"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import { once } from "node:events"
import { setTimeout as pause } from "node:timers/promises"
import { Worker } from "node:worker_threads"
import parse from "parse-prometheus-text-format"

const KILLS = 100
const WORKERS = 4
const BATCH = 64

const series = (text: string): ReadonlyMap<string, number> =>
  new Map(
    parse(text).flatMap(({ metrics, name }) =>
      metrics.map(({ labels, value }) => [`${name} ${labels?.["worker"]}`, Number(value)] as const)
    )
  )

it.live(
  `workers terminated ${KILLS} times while they count never fall, lose one flush a time at most, and stay ${2 * WORKERS} series [D5]`,
  () =>
    Effect.gen(function* () {
      const counters = yield* Counters.make({ counters: 64 })
      yield* Metrics.exportFrom(counters, { discoverEvery: "5 millis" })
      const scrape = Effect.map(PrometheusMetrics.format(), series)
      const truth = new SharedArrayBuffer(8 * WORKERS)
      const counted = new Int32Array(truth)
      let last: ReadonlyMap<string, number> = new Map()
      /** One life: as soon as it counts it is terminated, at some moment. */
      const life = async (ordinal: number, generation: number) => {
        const before = Atomics.load(counted, 2 * ordinal)
        const worker = new Worker(new URL("./fixtures/counting.ts", import.meta.url), {
          workerData: { handle: counters.handle, truth, ordinal, generation, batch: BATCH },
          execArgv: ["--conditions=@selvedge/source"]
        })
        const failed = once(worker, "error").then(([error]) => Promise.reject(error))
        while (Atomics.load(counted, 2 * ordinal) === before) await Promise.race([pause(1), failed])
        // The first one lives until its metric has been seen as well.
        while (generation === 0 && !((last.get(`metric_taken ${ordinal}`) ?? 0) > 0)) {
          await Promise.race([pause(1), failed])
        }
        await pause((7 * generation) % 13)
        await worker.terminate()
        failed.catch(() => {})
        counters.reclaimUnsafe({ ordinal, generation })
      }
      const lives = Promise.all(
        Array.from({ length: WORKERS }, async (_, ordinal) => {
          for (let generation = 0; generation < KILLS / WORKERS; generation++) await life(ordinal, generation)
        })
      )
      let running = true
      void lives.finally(() => (running = false))
      let scrapes = 0
      while (running) {
        const now = yield* scrape
        for (const [name, value] of last) assert.isAtLeast(now.get(name) ?? -1, value, name)
        assert.isAtMost(now.size, 2 * WORKERS)
        last = now
        scrapes++
        yield* Effect.sleep("3 millis")
      }
      yield* Effect.promise(() => lives)
      // The last counts are discovered a moment later.
      do last = yield* Effect.delay(scrape, "20 millis")
      while (last.size < 2 * WORKERS)
      assert.isAbove(scrapes, 0)
      assert.strictEqual(last.size, 2 * WORKERS, Array.from(last.keys()).join(", "))
      for (let ordinal = 0; ordinal < WORKERS; ordinal++) {
        const missing = counted[2 * ordinal]! - (last.get(`selvedge_batch_taken_total ${ordinal}`) ?? 0)
        // One life loses less than a batch, and what it had noted and not yet added.
        assert.isAtLeast(missing, 0)
        assert.isAtMost(missing, BATCH * (KILLS / WORKERS))
        const forwarded = last.get(`metric_taken ${ordinal}`) ?? 0
        assert.isAbove(forwarded, 0)
        assert.isAtMost(forwarded, counted[2 * ordinal + 1]!)
      }
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()), Effect.provide(layerThread), Effect.scoped)
)
