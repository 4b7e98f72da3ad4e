import { assert, it } from "@effect/vitest"
import * as Counters from "@selvedge/core/diagnostics/Counters"
import * as SharedMemory from "@selvedge/core/memory/SharedMemory"
import * as Container from "@selvedge/core/workers/Container"
import * as WorkerCounters from "@selvedge/core/workers/WorkerCounters"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { crash, on, pass, patient } from "./stage.ts"

const values = Effect.map(Counters.snapshot, (rows) =>
  Object.fromEntries(rows.filter(({ label }) => label === "edge").map(({ name, value }) => [name, value]))
)

it.effect("a container's statistics are published at an interval and at the end [D5] [W9]", () =>
  Effect.gen(function* () {
    const container = yield* Container.make({ name: "edge" })
    yield* Effect.scoped(
      Effect.gen(function* () {
        yield* container.run({ name: "a", program: patient, count: 2 })
        yield* WorkerCounters.publish(container, { interval: "1 second" })
        assert.deepInclude(yield* values, { workers_spawned: 2, workers_restarted: 0, workers_failed: 0 })
        yield* crash(0)
        yield* pass(5000)
        assert.deepStrictEqual(yield* values, {
          workers_spawned: 2,
          workers_restarted: 1,
          workers_failed: 1,
          workers_running: 2
        })
        yield* crash(1)
      })
    )
    assert.deepInclude(yield* values, { workers_failed: 2 })
  }).pipe(on(), Effect.provide(Counters.layer().pipe(Layer.provide(SharedMemory.layerThread))))
)
