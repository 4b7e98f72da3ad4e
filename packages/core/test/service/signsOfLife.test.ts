/**
 * When a service gives a sign of life to its service manager, and when it must not, in virtual time.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Notices from "@selvedge/core/service/Notices"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as TaskRegistry from "@selvedge/core/tasks/TaskRegistry"
import * as Backend from "@selvedge/core/workers/Backend"
import * as Container from "@selvedge/core/workers/Container"
import * as WorkerMessage from "@selvedge/core/workers/WorkerMessage"
import * as TestContainer from "@selvedge/testing/workers/TestContainer"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { patient } from "../workers/stage.ts"
import { pass } from "./stage.ts"
import { live, sigterm, sighup, withWorkers, longestGap } from "./recipient.ts"

describe("the signs of life of a service", () => {
  it.effect("come four times within the recipient's patience, from READY on and while the plan runs [W13]", () =>
    Effect.gen(function* () {
      const loop = Effect.andThen(ShutdownToken.awaitDraining, Effect.sleep("8 seconds"))
      const App = Layer.merge(
        withWorkers({ healthTimeout: "1 second" }),
        Layer.effectDiscard(TaskRegistry.spawn(loop, { name: "loop", kind: "BackgroundLoop" }))
      )
      const { heard, outcome } = yield* live(
        App,
        { watchdog: "2 seconds", onStart: Effect.sleep("3 seconds"), onReload: Effect.sleep("5 seconds") },
        (stage) =>
          Effect.gen(function* () {
            yield* pass(20_000)
            yield* sighup(stage)
            yield* pass(10_000)
            yield* sigterm(stage)
          })
      )
      const end = 30_000 + outcome.report!.durationMillis
      const first = heard.messages.find(({ lines }) => lines.includes("WATCHDOG=1"))
      assert.isAtLeast(first!.atMillis, 3000)
      assert.isAtMost(longestGap(heard, 3000, end), 600)
      assert.isAbove(outcome.report!.durationMillis, 7999)
    })
  )

  it.effect(
    "stop while a blocked worker that is its service's only one cannot be ended, and come back [W7] [W13]",
    () =>
      Effect.gen(function* () {
        const bodies: Array<() => void> = []
        // Says that it is ready, and then nothing; a kill takes hold when the test says so.
        const blocked: Backend.Shape = {
          name: "blocked",
          kind: "thread",
          check: () => Effect.void,
          start: (_, listener) =>
            Effect.sync(() => {
              listener.message(WorkerMessage.encodeFromWorker({ _tag: "Ready" }))
              const kill = () => void bodies.push(() => listener.exited({ _tag: "Exited", exitCode: 1 }))
              return { send: () => true, kill, place: "nowhere" }
            })
        }
        const App = Layer.effectDiscard(
          Effect.flatMap(Container.make(), (container) =>
            container.run({ name: "parser", program: patient, count: 1, healthTimeout: "4 seconds" })
          )
        ).pipe(Layer.provide(Layer.succeed(Backend.Backend, blocked)))
        const { heard, stage } = yield* live(App, { watchdog: "2 seconds" }, (stage) =>
          Effect.gen(function* () {
            yield* pass(14_000)
            bodies.splice(0).forEach((end) => end())
            yield* pass(3000)
            yield* sigterm(stage)
            yield* pass(60_000, 500)
            bodies.splice(0).forEach((end) => end())
          })
        )
        assert.isAtMost(longestGap(heard, 0, 4000), 600)
        assert.isAtLeast(longestGap(heard, 5100, 14_000), 8500)
        assert.isAtMost(longestGap(heard, 14_000, 17_000), 600)
        const said = stage.lines
          .map(({ text }) => text)
          .filter((text) => text.includes("of life to the service manager"))
        assert.deepStrictEqual(said, [
          "no sign of life to the service manager: workers has a service without a worker that lives",
          "signs of life to the service manager again"
        ])
      })
  )

  it.effect("are withheld while the author's check says no, fails, dies or does not answer [W13]", () =>
    Effect.gen(function* () {
      const answers: Record<string, Effect.Effect<boolean, unknown>> = {
        no: Effect.succeed(false),
        fails: Effect.fail("stalled"),
        dies: Effect.die(new Error("broken check")),
        hangs: Effect.never
      }
      for (const answer of Object.values(answers)) {
        let now: Effect.Effect<boolean, unknown> = Effect.succeed(true)
        const progress = Effect.suspend(() => now)
        const { heard, stage } = yield* live(Layer.empty, { watchdog: "2 seconds", progress }, (stage) =>
          Effect.gen(function* () {
            yield* pass(5000)
            now = answer
            yield* pass(5000)
            yield* sigterm(stage)
          })
        )
        assert.isAtMost(longestGap(heard, 0, 5000), 600)
        assert.isAtLeast(longestGap(heard, 5000, 10_000), 4500)
        assert.strictEqual(stage.lines.filter(({ text }) => text.startsWith("no sign of life")).length, 1)
      }
    })
  )

  it.effect(
    "end with a container that gave up, although the loop turns [W13] [flaw W13: ready when all are dead]",
    () =>
      Effect.gen(function* () {
        const App = Layer.effectDiscard(
          Effect.gen(function* () {
            const container = yield* Container.make({ intensity: { max: 0, period: "1 second" } })
            const program = {
              _tag: "Direct",
              program: Effect.andThen(Effect.sleep("3 seconds"), Effect.fail("x"))
            } as const
            yield* container.run({ name: "parser", program, count: 1, backoff: Schedule.spaced("1 second") })
          })
        ).pipe(Layer.provide(TestContainer.layer))
        const { heard } = yield* live(App, { watchdog: "2 seconds" }, (stage) =>
          Effect.andThen(pass(10_000), sigterm(stage))
        )
        assert.isAtMost(longestGap(heard, 0, 3000), 600)
        assert.isAtLeast(longestGap(heard, 3000, 10_000), 6500)
      })
  )

  it("are asked for by WATCHDOG_USEC, of the process WATCHDOG_PID names, and not by nonsense [W13]", () => {
    const of = (usec: string | undefined, watchdogPid?: string) => Notices.watchdogOf({ usec, watchdogPid, pid: 77 })
    assert.deepStrictEqual(of(undefined), { watchdog: undefined })
    assert.deepStrictEqual(of("2000000", "78"), { watchdog: undefined })
    assert.strictEqual(Duration.toMillis(of("2000000", "77").watchdog!), 2000)
    assert.strictEqual(Duration.toMillis(of("2000000").watchdog!), 2000)
    for (const bad of ["0", "-1", "soon", "999", "1e99", "9".repeat(30)]) {
      assert.match(
        of(bad).problem ?? "",
        /WATCHDOG_USEC: wanted 1000 to 999999999999999 microseconds as a whole number, found "/
      )
    }
    assert.match(of("2000000", "me").problem ?? "", /WATCHDOG_PID: wanted the id of a process, found "me"/)
  })
})
