import { assert, describe, it } from "@effect/vitest"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as TaskRegistry from "@selvedge/core/tasks/TaskRegistry"
import * as Backend from "@selvedge/core/workers/Backend"
import * as Container from "@selvedge/core/workers/Container"
import type { Facts } from "@selvedge/core/workers/WorkerContext"
import * as WorkerContext from "@selvedge/core/workers/WorkerContext"
import * as TestContainer from "@selvedge/testing/workers/TestContainer"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import * as TestConsole from "effect/testing/TestConsole"
import { makeStage, pass, play, settle } from "../service/stage.ts"
import { failingAfter, patient, slow } from "./stage.ts"

/** Of this thread: how busy the machine is does not count. */
const millisSince = (began: NodeJS.CpuUsage): number => {
  const { system, user } = process.threadCpuUsage(began)
  return (system + user) / 1000
}

/** A layer that starts one service of workers, with the hand on them. */
const withWorkers = (
  spec: Omit<Container.ServiceSpec, "name">,
  options?: Container.Options,
  hand: (workers: TestContainer.Shape, container: Container.Container) => void = () => {}
) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const container = yield* Container.make(options)
      yield* container.run({ name: "parser", count: 2, ...spec })
      hand(yield* TestContainer.TestContainer, container)
    })
  ).pipe(Layer.provide(TestContainer.layer))

const requestStop = (stage: { readonly signals: { readonly signalUnsafe: (name: "SIGTERM") => void } }) =>
  Effect.sync(() => stage.signals.signalUnsafe("SIGTERM"))

describe("a service with workers", () => {
  it.effect("drains them after its tasks and before onStop, within the budget it tells them [S8] [W10]", () =>
    Effect.gen(function* () {
      const told: Array<string> = []
      const say = (what: string) =>
        Effect.map(Clock.currentTimeMillis, (now) => void told.push(`${(now / 1000).toFixed(1)} ${what}`))
      const program = Backend.direct(
        Effect.gen(function* () {
          yield* ShutdownToken.awaitDraining
          yield* say("worker drains")
          yield* Effect.sleep("2 seconds")
          yield* say("worker ends")
        })
      )
      const task = Layer.effectDiscard(
        TaskRegistry.spawn(
          Effect.andThen(ShutdownToken.awaitDraining, Effect.andThen(Effect.sleep("3 seconds"), say("task ends"))),
          { name: "task", kind: "RpcHandler" }
        )
      )
      const App = Layer.mergeAll(withWorkers({ program, count: 1 }), task)
      const { outcome } = yield* play(App, { onStop: say("onStop") }, requestStop)
      assert.deepStrictEqual(told, ["3.0 task ends", "3.0 worker drains", "5.0 worker ends", "5.0 onStop"])
      assert.strictEqual(outcome.exitCode, 0)
      const phases = outcome.report!.phases
      assert.strictEqual(phases.find((row) => row.phase === "tasks")?.deadlineMillis, 15_500)
      assert.strictEqual(phases.find((row) => row.phase === "workers")?.deadlineMillis, 21_500)
    })
  )

  it.effect("kills a worker that overruns, and is gone in time with nothing left behind [S8] [W10]", () =>
    Effect.gen(function* () {
      const exits: Array<string> = []
      const policy = {
        exited: ({ exit }: { readonly exit: { readonly _tag: string } }) =>
          Effect.map(Clock.currentTimeMillis, (now) => void exits.push(`${exit._tag} at ${now}`))
      }
      // A busy thread: it hears nothing, and ends only when it is ended.
      const busy: Backend.Shape = {
        name: "busy",
        kind: "thread",
        check: () => Effect.void,
        start: (_, listener) =>
          Effect.succeed({
            send: () => true,
            kill: () => listener.exited({ _tag: "Exited", exitCode: 1 }),
            place: "nowhere"
          })
      }
      const App = Layer.effectDiscard(
        Effect.flatMap(Container.make({ policy }), (container) =>
          container.run({ name: "parser", program: patient, count: 2 })
        )
      ).pipe(Layer.provide(Layer.succeed(Backend.Backend, busy)))
      const { outcome } = yield* play(App, { budget: "10 seconds" }, requestStop)
      // The phase may last until 6.5 s; its last second is for those that were killed.
      assert.deepStrictEqual(exits, ["Killed at 5500", "Killed at 5500"])
      assert.deepStrictEqual([outcome.report!.leftBehind, outcome.exitCode], [[], 0])
    })
  )

  it.effect("names a worker that not even a kill has ended, and exits with 124 [S8] [W10]", () =>
    Effect.gen(function* () {
      // A thread in native code: it hears nothing and cannot be ended.
      const deaf: Backend.Shape = {
        name: "deaf",
        kind: "thread",
        check: () => Effect.void,
        start: () => Effect.succeed({ send: () => true, kill: () => {}, place: "nowhere" })
      }
      const App = Layer.effectDiscard(
        Effect.flatMap(Container.make(), (container) => container.run({ name: "parser", program: patient, count: 1 }))
      ).pipe(Layer.provide(Layer.succeed(Backend.Backend, deaf)))
      const { outcome } = yield* play(App, undefined, requestStop)
      assert.strictEqual(outcome.exitCode, 124)
      assert.deepStrictEqual(outcome.report!.leftBehind, [
        { type: "worker", name: "parser 0 [thread 0] life 1", phase: "workers" }
      ])
      assert.isAtMost(outcome.report!.durationMillis, 25_000)
    })
  )

  it.effect("leaves them only their reserve once it is forced, and tells them [S8] [W10] [S6]", () =>
    Effect.gen(function* () {
      const forced: Array<number> = []
      const program = Backend.direct(
        Effect.gen(function* () {
          yield* ShutdownToken.awaitForced
          forced.push(yield* Clock.currentTimeMillis)
        })
      )
      const stage = yield* makeStage
      const main = yield* stage.launch(withWorkers({ program, count: 1 }))
      yield* settle
      stage.signals.signalUnsafe("SIGTERM")
      yield* pass(1000)
      assert.deepStrictEqual(forced, [])
      stage.signals.signalUnsafe("SIGTERM")
      yield* pass(10_000)
      const outcome = yield* Fiber.join(main)
      assert.deepStrictEqual(forced, [1000])
      assert.strictEqual(outcome.exitCode, 143)
      assert.isBelow(outcome.report!.durationMillis, 7000)
    })
  )

  it.effect("stops when a critical container gives up, with the reason Fatal and code 1 [W6] [S7]", () =>
    Effect.gen(function* () {
      const { outcome } = yield* play(
        withWorkers({ program: failingAfter(100), count: 1 }, { name: "parsers", critical: true }),
        undefined,
        () => Effect.void
      )
      assert.strictEqual(outcome.exitCode, 1)
      const { reason } = outcome
      assert.strictEqual(reason?._tag === "Fatal" ? reason.origin : reason?._tag, "workers parsers")
    })
  )

  it.effect("goes on when a container gives up that is not critical [W6]", () =>
    Effect.gen(function* () {
      const { outcome } = yield* play(withWorkers({ program: failingAfter(100) }), undefined, (stage) =>
        Effect.andThen(pass(20_000), requestStop(stage))
      )
      assert.deepStrictEqual([outcome.reason?._tag, outcome.exitCode], ["Signal", 0])
    })
  )

  it.effect("gives its workers half of what its tasks would have where the budget is short [S8]", () =>
    Effect.gen(function* () {
      const { outcome } = yield* play(withWorkers({ program: patient }), { budget: "6500 millis" }, requestStop)
      const deadline = (phase: string) => outcome.report!.phases.find((row) => row.phase === phase)?.deadlineMillis
      assert.deepStrictEqual([deadline("tasks"), deadline("workers")], [1000, 3000])
    })
  )

  it.effect("says in its own lines that it stops, and leaves the ordinary ends of its workers to debugging [S9]", () =>
    Effect.gen(function* () {
      const { stage } = yield* play(withWorkers({ program: patient }), { name: "gateway" }, requestStop)
      const told = stage.lines.map(({ text }) => text)
      assert.strictEqual(told.filter((text) => text.startsWith("stopping: ")).length, 1)
      assert.strictEqual(told.filter((text) => text.startsWith("shutdown took ")).length, 1)
    })
  )

  it.effect("gives its layer and its workers their own context each [W3]", () =>
    Effect.gen(function* () {
      const seen: Array<Pick<Facts, "name" | "generation" | "frames">> = []
      const look = Effect.map(WorkerContext.WorkerContext, ({ frames, generation, name }) => {
        seen.push({ name, generation, frames })
      })
      const program = Backend.direct(Effect.andThen(look, ShutdownToken.awaitDraining))
      const App = Layer.mergeAll(Layer.effectDiscard(look), withWorkers({ program, count: 1 }))
      yield* play(App, { name: "gateway" }, requestStop)
      assert.deepStrictEqual(seen, [
        { name: "gateway", generation: 0, frames: [] },
        { name: "parser", generation: 1, frames: [{ kind: "fiber", ordinal: 0, generation: 1, name: "parser" }] }
      ])
    })
  )
})

describe("a dump of a service", () => {
  it.effect("shows every worker with its frames, its generation and how long it has lived [D6] [W4]", () =>
    Effect.gen(function* () {
      let hand: TestContainer.Shape | undefined
      const App = withWorkers({ program: patient }, undefined, (workers) => {
        hand = workers
      })
      const stage = yield* makeStage
      const main = yield* stage.launch(App)
      yield* settle
      yield* hand!.crash(1)
      yield* pass(5000)
      stage.signals.signalUnsafe("SIGQUIT")
      yield* settle
      const dump = (yield* TestConsole.errorLines).map(String).join("\n")
      assert.include(dump, '"parser" [fiber 0] generation 1, Ready for 5.')
      assert.include(dump, '"parser" [fiber 1] generation 2, Ready for 5.')
      stage.signals.signalUnsafe("SIGTERM")
      yield* pass(30_000)
      yield* Fiber.join(main)
    })
  )
})

/** Start, three restarts, drain with a worker that overruns, deadline; and how many milliseconds of a processor it took. */
const whole = Effect.gen(function* () {
  const began = process.threadCpuUsage()
  let hand: TestContainer.Shape | undefined
  let container: Container.Container | undefined
  const App = withWorkers({ program: slow(60_000), count: 1 }, undefined, (workers, made) => {
    hand = workers
    container = made
  })
  const stage = yield* makeStage
  const main = yield* stage.launch(App)
  yield* TestClock.adjust("1 second")
  for (let i = 0; i < 3; i++) {
    yield* hand!.crash(0)
    yield* TestClock.adjust("10 seconds")
  }
  const statistics = yield* container!.statistics
  stage.signals.signalUnsafe("SIGTERM")
  yield* TestClock.adjust("30 seconds")
  const outcome = yield* Fiber.join(main)
  const generations = (yield* hand!.lives).map(({ facts }) => [facts.ordinal, facts.generation])
  return { outcome, statistics, generations, took: millisSince(began) }
})

describe("the life of a service with a worker", () => {
  it.effect("starts, restarts three times, drains and meets its deadline, in under 100 ms [S11] [W2] [W9]", () =>
    Effect.gen(function* () {
      const { generations, outcome, statistics, took } = yield* whole
      assert.deepStrictEqual(generations, [
        [0, 1],
        [0, 2],
        [0, 3],
        [0, 4]
      ])
      assert.deepStrictEqual([statistics.spawns, statistics.restarts, statistics.failures], [1, 3, 3])
      assert.strictEqual(outcome.exitCode, 0)
      // Told of 20.25 s, less its own reserves, the worker gave up by itself what it had in hand.
      assert.strictEqual(outcome.report!.durationMillis, 15_750)
      const more = yield* Effect.replicateEffect(Effect.provide(whole, TestClock.layer(), { local: true }), 5)
      assert.isBelow(Math.min(took, ...more.map((life) => life.took)), 100, "milliseconds of a processor")
    })
  )
})
