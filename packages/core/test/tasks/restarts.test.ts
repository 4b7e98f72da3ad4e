import { assert, describe, it } from "@effect/vitest"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as RestartIntensity from "@selvedge/core/tasks/RestartIntensity"
import * as TaskRegistry from "@selvedge/core/tasks/TaskRegistry"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/testing/TestClock"
import { deafUntil, gate, names, open, settle, states, task, test, logged, throwingLogger } from "./support.ts"

describe("a restart policy", () => {
  /** Fails the first so many times. */
  const flaky = (failures: number, starts: Array<number>) =>
    Effect.clockWith((clock) =>
      Effect.suspend(() => {
        starts.push(clock.currentTimeMillisUnsafe() - 1)
        return starts.length <= failures ? Effect.fail(`failure ${starts.length}`) : Effect.succeed("up")
      })
    )

  logged("starts a loop that fails again, after the schedule's delays, and says so [T11]", (lines) =>
    Effect.gen(function* () {
      const starts: Array<number> = []
      const handle = yield* task("loop", flaky(2, starts), { restart: { schedule: Schedule.exponential("1 second") } })
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* handle.await, Exit.succeed("up"))
      assert.deepStrictEqual(starts, [0, 1000, 3000])
      assert.deepStrictEqual(
        lines.map((line) => `${line.level}: ${line.text}`),
        [
          'Warn: task "loop" (RpcHandler #1) failed; restart 1 in 1.0s',
          'Warn: task "loop" (RpcHandler #1) failed; restart 2 in 2.0s'
        ]
      )
      const stats = yield* TaskRegistry.stats
      assert.deepStrictEqual([stats.restarts, stats.failed, stats.succeeded], [2, 0, 1])
    })
  )

  test("shows in a row how often it was used [T11]", () =>
    Effect.gen(function* () {
      yield* task("loop", Effect.fail("planned"), { restart: { schedule: Schedule.spaced("1 second") } })
      yield* TestClock.adjust("3500 millis")
      assert.strictEqual((yield* TaskRegistry.snapshot)[0]!.restarts, 4)
      assert.include(yield* TaskRegistry.renderTree, "4 restart(s)")
    }))

  test("starts again after a defect too, and gives the schedule what went wrong [T11]", () =>
    Effect.gen(function* () {
      const inputs: Array<unknown> = []
      const schedule = Schedule.while(Schedule.forever, (step) => Effect.sync(() => inputs.push(step.input) < 2))
      const handle = yield* task("loop", Effect.die("bug"), { restart: { schedule } })
      yield* settle
      assert.deepStrictEqual(yield* handle.await, Exit.die("bug"))
      assert.deepStrictEqual(inputs, ["bug", "bug"])
    }))

  logged("fails with the cause of the last run when the schedule ends, logged once as a failure [T11] [T4]", (lines) =>
    Effect.gen(function* () {
      const starts: Array<number> = []
      const handle = yield* task("loop", flaky(99, starts), { restart: { schedule: Schedule.recurs(2) } })
      yield* settle
      assert.deepStrictEqual(yield* handle.await, Exit.fail("failure 3"))
      assert.strictEqual(lines.filter((line) => line.level === "Error").length, 1)
      assert.strictEqual((yield* TaskRegistry.stats).failed, 1)
    })
  )

  test("gives up when there are more restarts than the intensity allows in its period [T11]", () =>
    Effect.gen(function* () {
      const starts: Array<number> = []
      const handle = yield* task("loop", flaky(99, starts), {
        restart: { schedule: Schedule.spaced("1 second"), intensity: { max: 3, period: "10 seconds" } }
      })
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* handle.await, Exit.fail("failure 4"))
      assert.deepStrictEqual(starts, [0, 1000, 2000, 3000])
    }))

  test("goes on for ever while its restarts are rare enough [T11]", () =>
    Effect.gen(function* () {
      const starts: Array<number> = []
      const handle = yield* task("loop", flaky(99, starts), {
        restart: { schedule: Schedule.spaced("5 seconds"), intensity: { max: 2, period: "10 seconds" } }
      })
      yield* TestClock.adjust("100 seconds")
      assert.strictEqual(handle.state, "running")
      assert.strictEqual(starts.length, 21)
    }))

  test("ends the children of a run that failed before the next run [T11] [T6]", () =>
    Effect.gen(function* () {
      const heard: Array<string> = []
      const say = (what: string) => Effect.sync(() => void heard.push(what))
      let runs = 0
      const body = Effect.suspend(() => {
        const run = ++runs
        const helper = task(
          `helper ${run}`,
          Effect.onInterrupt(Effect.never, () => say(`helper ${run} ended`))
        )
        const work = run < 3 ? Effect.andThen(Effect.sleep("1 second"), Effect.fail("planned")) : Effect.never
        return Effect.andThen(say(`run ${run}`), Effect.andThen(helper, work))
      })
      yield* task("loop", body, { restart: { schedule: Schedule.recurs(5) } })
      yield* settle
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(heard, ["run 1", "helper 1 ended", "run 2", "helper 2 ended", "run 3"])
      assert.deepStrictEqual(yield* names, ["loop", "helper 3"])
    }))

  test("lets go of a child of a failed run that does not end in the last words [T11] [T6]", () =>
    Effect.gen(function* () {
      const starts: Array<number> = []
      const wait = yield* gate
      const body = Effect.suspend(() =>
        starts.length > 0
          ? Effect.never
          : Effect.andThen(
              task("deaf", Effect.andThen(task("deaf below", deafUntil(wait)), deafUntil(wait))),
              Effect.andThen(Effect.sleep("1 second"), flaky(1, starts))
            )
      )
      yield* task("loop", body, { restart: { schedule: Schedule.recurs(5) } })
      yield* settle
      yield* TestClock.adjust("1900 millis")
      assert.deepStrictEqual(yield* states, { loop: "running", deaf: "interrupting", "deaf below": "interrupting" })
      yield* TestClock.adjust("200 millis")
      assert.deepStrictEqual(yield* states, { loop: "running", deaf: "detached", "deaf below": "interrupting" })
      yield* open(wait)
      yield* settle
      assert.deepStrictEqual(yield* names, ["loop"])
    }))

  test("does not start again what was interrupted [T11]", () =>
    Effect.gen(function* () {
      let starts = 0
      const body = Effect.andThen(
        Effect.sync(() => starts++),
        Effect.never
      )
      const handle = yield* task("loop", body, { restart: { schedule: Schedule.forever } })
      yield* settle
      yield* handle.abort
      yield* settle
      assert.strictEqual(starts, 1)
    }))

  test("does not start anything again once its token drains: what waits for its next start ends, interrupted [T11]", () =>
    Effect.gen(function* () {
      let starts = 0
      const body = Effect.andThen(
        Effect.sync(() => starts++),
        Effect.fail("planned")
      )
      const waiting = yield* task("waits", body, { restart: { schedule: Schedule.spaced("1 hour") } })
      const heeding = Effect.andThen(ShutdownToken.awaitDraining, Effect.fail("too late"))
      const failing = yield* task("fails while draining", heeding, { restart: { schedule: Schedule.forever } })
      yield* settle
      yield* TaskRegistry.joinAll("1 minute")
      assert.strictEqual(starts, 1)
      assert.isTrue(Exit.hasInterrupts(yield* waiting.await))
      assert.deepStrictEqual(yield* failing.await, Exit.fail("too late"))
    }))

  test("asks for shutdown only when a critical loop has used up its restarts [T11] [T4]", () =>
    Effect.gen(function* () {
      const starts: Array<number> = []
      yield* task("loop", flaky(99, starts), { critical: true, restart: { schedule: Schedule.recurs(1) } })
      const reason = yield* ShutdownToken.awaitDraining
      assert.strictEqual(reason._tag, "TaskFailed")
      assert.strictEqual(starts.length, 2)
    }))

  test(
    "restarts although the logger throws [T11]",
    () =>
      Effect.gen(function* () {
        const starts: Array<number> = []
        const handle = yield* task("loop", flaky(1, starts), { restart: { schedule: Schedule.recurs(1) } })
        yield* settle
        assert.deepStrictEqual(yield* handle.await, Exit.succeed("up"))
      }),
    undefined,
    throwingLogger
  )

  test("gives each start its own finalizers [T11]", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      let starts = 0
      const body = Effect.ensuring(
        Effect.suspend(() => (++starts < 3 ? Effect.fail("planned") : Effect.void)),
        Effect.sync(() => void events.push(`closed ${starts}`))
      )
      const handle = yield* task("loop", body, { restart: { schedule: Schedule.forever } })
      yield* handle.await
      assert.deepStrictEqual(events, ["closed 1", "closed 2", "closed 3"])
    }))

  it("counts restarts in a sliding window [T11]", () => {
    const intensity = { max: 2, periodMillis: 100 }
    let window: RestartIntensity.Window | undefined = []
    for (const [at, allowed] of [
      [0, true],
      [50, true],
      [99, false],
      [100, true],
      [149, false],
      [150, true]
    ] as const) {
      const next: RestartIntensity.Window | undefined = RestartIntensity.add(window, at, intensity)
      assert.strictEqual(next !== undefined, allowed, `at ${at}`)
      window = next ?? window
    }
    assert.isUndefined(RestartIntensity.add([], 0, { max: 0, periodMillis: 1 }))
  })
})
