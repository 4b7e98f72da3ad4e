import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { FiberExplorer, TestTime } from "@selvedge/testing"
import { plantedBugs } from "./plantedBugs.ts"

const SEEDS = 200

describe("twenty planted bugs", () => {
  it("are twenty different ones [M3]", () => {
    assert.strictEqual(plantedBugs.length, 20)
    assert.strictEqual(new Set(plantedBugs.map((bug) => bug.name)).size, 20)
  })

  for (const { name, planted, corrected } of plantedBugs) {
    it.effect(`${name}: the default order misses it [M3]`, () =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(TestTime.completeWithin("1 hour")(Effect.scoped(planted)))
        assert.isTrue(Exit.isSuccess(exit), String(exit))
      })
    )

    it.live(`${name}: found within ${SEEDS} seeds, and twice the same when replayed [M3]`, () =>
      Effect.gen(function* () {
        const report = yield* FiberExplorer.explore(planted, { seeds: SEEDS })
        if (report._tag === "Clean") return assert.fail("not found")
        assert.isTrue(report.replayed)
        for (let again = 0; again < 2; again++) {
          assert.deepStrictEqual(yield* FiberExplorer.run(planted, { seed: report.run.seed }), report.run)
        }
      })
    )

    it.live(`${name}: the corrected twin is clean over ${SEEDS} seeds [M3]`, () =>
      Effect.gen(function* () {
        const report = yield* FiberExplorer.explore(corrected, { seeds: SEEDS })
        assert.deepStrictEqual(report, { _tag: "Clean", runs: SEEDS, from: 0 })
      })
    )
  }
})

const outcome = (test: Effect.Effect<void, string>, options?: Partial<FiberExplorer.RunOptions>) =>
  Effect.map(FiberExplorer.run(test, { seed: 1, ...options }), (run) => run.outcome)

describe("one run", () => {
  it.live("moves virtual time by itself, under a clock of its own [M3]", () =>
    Effect.gen(function* () {
      const times: Array<number> = []
      const test = Effect.gen(function* () {
        yield* Effect.all([Effect.sleep("1 hour"), Effect.sleep("1 day")], { concurrency: "unbounded" })
        times.push(yield* Clock.currentTimeMillis)
      })
      yield* outcome(test)
      yield* outcome(test)
      assert.deepStrictEqual(times, [86_400_000, 86_400_000])
    })
  )

  it.live("lets the test move time as well [M3]", () =>
    Effect.gen(function* () {
      const test = Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(Effect.sleep("1 hour"), { startImmediately: true })
        yield* TestClock.adjust("2 hours")
        yield* Fiber.join(fiber)
        if ((yield* Clock.currentTimeMillis) !== 7_200_000) return yield* Effect.fail("time went wrong")
      })
      assert.deepStrictEqual(yield* outcome(test), { _tag: "Ended", exit: Exit.void })
    })
  )

  it.effect("works inside it.effect and leaves the clock of that test alone [M3]", () =>
    Effect.gen(function* () {
      yield* outcome(Effect.sleep("1 hour"))
      assert.strictEqual(yield* Clock.currentTimeMillis, 0)
    })
  )

  it.live("waits for the outside world before it says deadlock [M3]", () =>
    Effect.gen(function* () {
      const slow = TestClock.withLive(Effect.sleep(20))
      assert.strictEqual((yield* outcome(slow))._tag, "Ended")
    })
  )

  it.live("says deadlock, and runs the finalizers of the test [M3]", () =>
    Effect.gen(function* () {
      let closed = false
      const test = Effect.ensuring(
        Effect.never,
        Effect.sync(() => (closed = true))
      )
      assert.deepStrictEqual(yield* outcome(test, { patience: 10 }), { _tag: "Deadlock" })
      assert.isTrue(closed)
    })
  )

  it.live("ends a livelock after so many steps [M3]", () =>
    Effect.gen(function* () {
      const run = yield* FiberExplorer.run(Effect.forever(Effect.yieldNow), { seed: 1, maxSteps: 500 })
      assert.deepStrictEqual(run.outcome, { _tag: "Exhausted" })
      assert.strictEqual(run.steps, 500)
    })
  )

  it.live("stops what the test left running [M3]", () =>
    Effect.gen(function* () {
      let ticks = 0
      const tick = Effect.andThen(
        Effect.sync(() => ticks++),
        Effect.yieldNow
      )
      yield* outcome(Effect.asVoid(Effect.forkDetach(Effect.forever(tick))))
      const before = ticks
      yield* Effect.repeat(Effect.yieldNow, { times: 10 })
      assert.strictEqual(ticks, before)
      assert.isBelow(ticks, 1000)
      yield* outcome(Effect.asVoid(Effect.forkDetach(Effect.forever(tick))))
      assert.strictEqual(ticks, 2 * before)
    })
  )
})

const lateWrite = Effect.gen(function* () {
  let ready = false
  yield* Effect.forkChild(Effect.sync(() => (ready = true)))
  yield* Effect.yieldNow
  if (!ready) return yield* Effect.fail("not ready")
})

const environment = (env: Record<string, string>) =>
  Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnvRecord(env))

describe("exploring", () => {
  it.live("fails with the seed, the reason, the order and a recipe to replay it [M3]", () =>
    Effect.gen(function* () {
      const bug = yield* Effect.flip(FiberExplorer.verify(lateWrite)).pipe(environment({}))
      if (bug._tag !== "OrderBug") return assert.fail(bug._tag)
      assert.include(bug.message, "why:    Error: not ready")
      assert.include(bug.message, `replay: SELVEDGE_FIBER_SEED=${bug.seed}`)
      assert.match(bug.message, /order: {2}0x?\d*\./)
      const exit = yield* outcome(lateWrite, { seed: bug.seed })
      assert.deepStrictEqual(exit, { _tag: "Ended", exit: Exit.fail("not ready") })
    })
  )

  it.live("runs only the seed of SELVEDGE_FIBER_SEED when it is set [M3]", () =>
    Effect.gen(function* () {
      const bad = (from: number) =>
        Effect.map(FiberExplorer.explore(lateWrite, { from }), (report) =>
          report._tag === "Broken" ? report.run.seed : -1
        )
      const first = yield* bad(0).pipe(environment({}))
      const second = yield* bad(first + 1).pipe(environment({}))
      assert.isAbove(second, first)
      const report = yield* FiberExplorer.explore(lateWrite).pipe(environment({ SELVEDGE_FIBER_SEED: `${second}` }))
      assert.strictEqual(report._tag === "Broken" && report.run.seed, second)
      assert.strictEqual(report.runs, 1)
    })
  )

  it.live("says when a replay took another order [M3]", () =>
    Effect.gen(function* () {
      let runs = 0
      const drifting = Effect.suspend(() =>
        Effect.andThen(Effect.repeat(Effect.yieldNow, { times: runs++ }), Effect.fail("x"))
      )
      const report = yield* FiberExplorer.explore(drifting)
      assert.strictEqual(report._tag === "Broken" && report.replayed, false)
    })
  )

  it.live("stays within the seeds it was given, from the first one on [M3]", () =>
    Effect.gen(function* () {
      let runs = 0
      const count = Effect.sync(() => void runs++)
      const report = yield* FiberExplorer.explore(count, { seeds: 7, from: 40 })
      assert.deepStrictEqual(report, { _tag: "Clean", runs: 7, from: 40 })
      assert.strictEqual(runs, 7)
    })
  )

  it.live("refuses bad options with typed errors before anything runs [M3]", () =>
    Effect.gen(function* () {
      let ran = false
      const test = Effect.sync(() => (ran = true))
      for (const options of [
        { seeds: 0 },
        { seeds: 1.5 },
        { from: -1 },
        { preempt: 1.5 },
        { preempt: -0.1 },
        { maxSteps: 0 }
      ]) {
        const error = yield* Effect.flip(FiberExplorer.explore(test, options))
        assert.strictEqual(error._tag, "InvalidOption", JSON.stringify(options))
      }
      const error = yield* Effect.flip(FiberExplorer.run(test, { seed: 0.5 }))
      assert.strictEqual(error.message, "SeededScheduler: seed must be a whole number in 0 … 4294967295, found 0.5")
      for (const found of ["ten", "-1", "4294967296"]) {
        const wrong = yield* Effect.flip(FiberExplorer.explore(test)).pipe(environment({ SELVEDGE_FIBER_SEED: found }))
        assert.strictEqual(wrong._tag, "ConfigError")
        assert.include(String(wrong.message), "SELVEDGE_FIBER_SEED")
      }
      assert.isFalse(ran)
    })
  )
})
