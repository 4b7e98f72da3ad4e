/**
 * What a dump has from shared memory.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Counters from "@selvedge/core/diagnostics/Counters"
import * as FlightRecorder from "@selvedge/core/diagnostics/FlightRecorder"
import * as StrandRegistry from "@selvedge/core/diagnostics/StrandRegistry"
import * as Dump from "@selvedge/core/inspection/Dump"
import * as DumpText from "@selvedge/core/inspection/DumpText"
import { layerThread } from "@selvedge/core/memory/SharedMemory"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"

describe("strands, counters and events in a dump", () => {
  it.effect("of all threads, also of one that died: lost and overflow are warnings [D4] [D6] [D9]", () =>
    Effect.gen(function* () {
      const strands = yield* StrandRegistry.make({ capacity: 2 })
      const dead = yield* StrandRegistry.attach(strands.handle!, { ordinal: 3, generation: 1 })
      const recorder = yield* FlightRecorder.make({ events: 8 })
      const counters = yield* Counters.make({ counters: 8 })
      const counter = yield* Counters.register(
        { id: 1000, name: "orders_taken", kind: "counter", help: "orders" },
        "eu"
      ).pipe(Effect.provideService(Counters.Counters, counters))
      yield* Counters.add(counter, 7)
      yield* TestClock.adjust(1000)
      strands.registerUnsafe(9, "feed", "BackgroundLoop", undefined, 0)
      dead.registerUnsafe(4, "worker loop", "EventLoop", undefined, 500)
      strands.registerUnsafe(10, "too many", "RpcHandler", undefined, 900)
      yield* FlightRecorder.record("worker.exited", { id: 3, text: "code 9" }).pipe(
        Effect.provideService(FlightRecorder.FlightRecorder, recorder)
      )
      yield* TestClock.adjust(500)
      const capture = Dump.capture().pipe(
        Effect.provideService(StrandRegistry.StrandRegistry, strands),
        Effect.provideService(Counters.Counters, counters),
        Effect.provideService(FlightRecorder.FlightRecorder, recorder)
      )
      const before = yield* capture
      assert.deepStrictEqual(
        before.strands.rows.map(({ ageMillis, name, worker }) => [name, worker, ageMillis]),
        [
          ["feed", "main", 1500],
          ["worker loop", "3.1", 1000]
        ]
      )
      assert.deepStrictEqual(before.counters, [{ label: "orders_taken/eu/main", value: 7 }])
      assert.deepStrictEqual(before.flight, [
        { ageMillis: 500, worker: "main", event: "worker.exited", detail: "#3 code 9" }
      ])
      assert.deepStrictEqual(before.warnings, ["1 strands ran without a slot: the table was full"])
      strands.reclaimUnsafe({ ordinal: 3, generation: 1 })
      const after = yield* capture
      assert.deepStrictEqual(after.totals, {
        of: "strands",
        active: 1,
        spawned: 2,
        completed: 0,
        peak: 2,
        lost: 1,
        overflow: 1
      })
      assert.include(DumpText.render(after), "warning: 1 strands lost: they ended without saying so")
      const seen = Dump.captureShared({ strands }, { wallMillis: 0, monotonicMillis: 2000 }, "watchdog")
      assert.deepStrictEqual([seen.strands.rows.length, seen.totals, seen.warnings.length], [1, after.totals, 3])
    }).pipe(Effect.provide(layerThread))
  )
})
