import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Scheduler from "effect/Scheduler"
import { LiveFibers, SeededScheduler, TestTime } from "@selvedge/testing"

describe("LiveFibers", () => {
  it.effect("counts fibers from their fork to their end [M1]", () =>
    LiveFibers.watch((fibers) =>
      Effect.gen(function* () {
        assert.strictEqual(fibers.live(), 0)
        const never = yield* Effect.forkDetach(Effect.never)
        const short = yield* Effect.forkChild(Effect.void)
        assert.strictEqual(fibers.live(), 2)
        yield* Fiber.join(short)
        assert.strictEqual(fibers.live(), 1)
        yield* Fiber.interrupt(never)
        assert.strictEqual(fibers.live(), 0)
        assert.strictEqual(fibers.started(), 2)
        assert.deepStrictEqual(fibers.fibers(), [])
      })
    )
  )

  it.effect("names them by where they stand, and counts those of one name [M1]", () =>
    LiveFibers.watch((fibers) =>
      Effect.gen(function* () {
        const poll = Effect.withSpan(Effect.never, "poll")
        const serve = Effect.fn("serve")(function* () {
          return yield* Effect.never
        })
        for (const effect of [poll, poll, serve(), Effect.never]) yield* Effect.forkChild(effect)
        yield* TestTime.settle
        assert.deepStrictEqual(fibers.names().toSorted(), ['"poll" × 2', '"serve"', "an unnamed fiber"])
      })
    )
  )

  it.effect("counts a fiber that never ran [M1]", () =>
    LiveFibers.watch((fibers) =>
      Effect.gen(function* () {
        yield* Effect.forkChild(Effect.never)
        assert.deepStrictEqual(fibers.names(), ["a fiber not seen running"])
      })
    )
  )

  it.live("sees them under a seeded scheduler as well [M1]", () =>
    Effect.gen(function* () {
      for (let seed = 0; seed < 20; seed++) {
        const test = LiveFibers.watch((fibers) =>
          Effect.gen(function* () {
            yield* Effect.forkChild(Effect.withSpan(Effect.never, "poll"))
            yield* TestTime.settle
            return fibers.names()
          })
        )
        const scheduler = yield* SeededScheduler.make({ seed })
        assert.deepStrictEqual(yield* test.pipe(Effect.provideService(Scheduler.Scheduler, scheduler)), ['"poll"'])
      }
    })
  )

  it.effect("tells everything to the metrics that were there before [M1]", () =>
    Effect.gen(function* () {
      const heard = { starts: 0, ends: 0 }
      const outer: Metric.FiberRuntimeMetricsService = {
        recordFiberStart: () => void heard.starts++,
        recordFiberEnd: () => void heard.ends++
      }
      yield* LiveFibers.watch(() => Effect.flatMap(Effect.forkChild(Effect.void), Fiber.join)).pipe(
        Effect.provideService(Metric.FiberRuntimeMetrics, outer)
      )
      assert.deepStrictEqual(heard, { starts: 1, ends: 1 })
    })
  )
})
