/**
 * The three tables of a bare worker, seen from here while it lives, after it was terminated, and in its next life.
 */
import { assert, it } from "@effect/vitest"
import { Counters, FlightRecorder, StrandRegistry } from "@selvedge/core"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Worker } from "node:worker_threads"
import type { Job } from "./attachedWorker.ts"
import { inMemory } from "./support.ts"

/** A life of the worker, until it has said that it is ready. */
const begin = (job: Job) =>
  Effect.acquireRelease(
    Effect.callback<Worker, unknown>((resume) => {
      const execArgv = ["--conditions=@selvedge/source", "--no-warnings"]
      const worker = new Worker(new URL("./attachedWorker.ts", import.meta.url), { workerData: job, execArgv })
      worker.once("message", () => resume(Effect.succeed(worker)))
      worker.once("error", (error) => resume(Effect.fail(error)))
    }),
    (worker) => Effect.promise(() => worker.terminate())
  )

it.live(
  "a worker's strands, counts and events are seen while it lives and reclaimed when it is dead [D1] [D5] [D9]",
  () =>
    Effect.gen(function* () {
      const strands = yield* StrandRegistry.StrandRegistry
      const counters = yield* Counters.Counters
      const events = yield* FlightRecorder.FlightRecorder
      const rows = Effect.map(StrandRegistry.snapshot, (found) =>
        found.map(({ generation, id, name, ordinal }) => ({ generation, id, name, ordinal }))
      )
      for (const generation of [1, 2]) {
        const identity = { ordinal: 4, generation }
        const job = { strands: strands.handle!, counters: counters.handle, events: events.handle!, identity }
        yield* Effect.scoped(
          Effect.andThen(
            begin(job),
            Effect.map(rows, (found) =>
              assert.deepStrictEqual(found, [{ generation, id: 7, name: "in a worker", ordinal: 4 }])
            )
          )
        )
        // It has been terminated: what it left is seen until somebody says that it is dead.
        assert.strictEqual((yield* rows).length, 1)
        assert.strictEqual(yield* StrandRegistry.reclaim(identity), 1)
        assert.deepStrictEqual(yield* rows, [])
        assert.deepStrictEqual(
          (yield* Counters.snapshot).map(({ name, ordinal, value }) => ({ name, ordinal, value })),
          [{ name: "tasks_spawned", ordinal: 4, value: 5 * generation }]
        )
      }
      assert.deepStrictEqual(
        (yield* FlightRecorder.read).events.map(({ generation, id, what }) => ({ generation, id, what })),
        [
          { generation: 1, id: 1, what: "worker.ready" },
          { generation: 2, id: 2, what: "worker.ready" }
        ]
      )
      assert.deepInclude(yield* StrandRegistry.totals, { spawned: 2, completed: 0, lost: 2, active: 0 })
    }).pipe(
      Effect.provide(
        inMemory(
          Layer.mergeAll(
            StrandRegistry.layer({ capacity: 8 }),
            Counters.layer({ counters: 8 }),
            FlightRecorder.layer({ events: 8 })
          )
        )
      )
    )
)
