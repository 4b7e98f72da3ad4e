/**
 * What is left of a life when it is over: nothing. Interruption at every stage, starting twice, fibers and listeners.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Main from "@selvedge/core/service/Main"
import * as ShutdownReason from "@selvedge/core/shutdown/ShutdownReason"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import type * as TokenTree from "@selvedge/core/shutdown/TokenTree"
import * as TaskRegistry from "@selvedge/core/tasks/TaskRegistry"
import * as Lifecycle from "@selvedge/core/service/Lifecycle"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import { makeStage, pass, quietly, settle } from "./stage.ts"

/** A service that uses what there is, a second for each step. */
const busy = (ran: Array<string>) => {
  const step = (name: string) =>
    Effect.andThen(
      Effect.sleep("1 second"),
      Effect.sync(() => void ran.push(name))
    )
  const App = Layer.effectDiscard(
    Effect.gen(function* () {
      yield* Effect.addFinalizer(() => step("close"))
      yield* Effect.forkScoped(Effect.never)
      yield* TaskRegistry.spawn(ShutdownToken.awaitDraining, { name: "polite", kind: "BackgroundLoop" })
      yield* Lifecycle.onStopAccepting("listener", step("listener"))
      yield* Lifecycle.onFlush("buffer", step("buffer"))
      yield* step("build")
    })
  )
  const options: Main.Options = {
    preStart: step("preStart"),
    onStart: step("onStart"),
    run: Effect.never,
    onReload: step("reload"),
    onStop: step("onStop"),
    flush: step("flush"),
    postStop: step("postStop")
  }
  return { App, options }
}

describe("interrupting Main.run", () => {
  for (const [stage, at, ran] of [
    ["preStart", 500, []],
    ["build", 1500, ["preStart", "close", "listener", "postStop"]],
    ["onStart", 2500, ["preStart", "build", "listener", "close", "postStop"]],
    ["running", 3500, ["preStart", "build", "onStart", "listener", "onStop", "buffer", "flush", "close", "postStop"]]
  ] as const) {
    it.effect(`during ${stage} asks to stop, waits for the end and runs every finalizer [S4] [S2]`, () =>
      Effect.gen(function* () {
        const done: Array<string> = []
        const { App, options } = busy(done)
        const stageOf = yield* makeStage
        const main = yield* stageOf.launch(App, { ...options, run: ShutdownToken.awaitDraining })
        yield* pass(at)
        main.interruptUnsafe()
        yield* settle
        if (stage !== "preStart") assert.isUndefined(main.pollUnsafe(), "ended before its finalizers")
        yield* pass(30_000, 500)
        const exit = yield* Fiber.await(main)
        assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
        assert.deepStrictEqual(done, [...ran])
      })
    )
  }

  it.effect("does not keep a third signal waiting [S6]", () =>
    Effect.gen(function* () {
      const stage = yield* makeStage
      const main = yield* stage.launch(Layer.empty, { onStop: Effect.uninterruptible(Effect.never) })
      yield* settle
      main.interruptUnsafe()
      yield* settle
      for (let i = 0; i < 3; i++) stage.signals.signalUnsafe("SIGTERM")
      yield* settle
      assert.isDefined(main.pollUnsafe())
    })
  )
})

describe("starting twice", () => {
  it.effect("is AlreadyRunning with the service's name while the first runs, and works after its end [S4]", () =>
    Effect.gen(function* () {
      const program = Main.run(Layer.empty, { name: "twice", run: Effect.sleep("5 seconds") }).pipe(quietly([]))
      const first = yield* Effect.forkDetach(program, { startImmediately: true })
      yield* settle
      const error = yield* Effect.flip(program)
      assert.strictEqual(error._tag, "AlreadyRunning")
      assert.include(error.message, "twice is already running")
      yield* pass(6000)
      assert.strictEqual((yield* Fiber.join(first)).exitCode, 0)
      const again = yield* Effect.forkDetach(program, { startImmediately: true })
      yield* pass(6000)
      assert.strictEqual((yield* Fiber.join(again)).exitCode, 0)
    })
  )

  it.effect("is refused with a name that cannot be, before anything starts [S4] [Q7]", () =>
    Effect.gen(function* () {
      let started = false
      const run = Effect.sync(() => (started = true))
      for (const name of ["", "n".repeat(257), 42 as never, Symbol("s") as never]) {
        const program = Main.run(Layer.empty, { name, run }).pipe(quietly([]))
        assert.include((yield* Effect.flip(program)).message, "name: wanted a string of 1 to 256 characters, found")
        assert.isFalse(started)
      }
    })
  )

  it.effect("is refused with an option nobody knows, before anything starts [S5] [Q7]", () =>
    Effect.gen(function* () {
      let started = false
      const options = { run: Effect.sync(() => (started = true)), budgte: "1 second" }
      const error = yield* Effect.flip(Main.run(Layer.empty, options as object).pipe(quietly([])))
      assert.match(error.message, /^budgte: wanted one of the options name, budget, .*, found "budgte"$/)
      assert.isFalse(started)
    })
  )

  it.effect("works after settings were refused [S4]", () =>
    Effect.gen(function* () {
      const program = Main.run(Layer.empty, { budget: "1 second", run: Effect.void }).pipe(quietly([]))
      assert.strictEqual((yield* Effect.flip(program))._tag, "InvalidSetting")
      assert.strictEqual((yield* Effect.flip(program))._tag, "InvalidSetting")
    })
  )

  it.effect("is refused as long as something of a life that a third signal ended still runs [S4] [S6]", () =>
    Effect.gen(function* () {
      const stage = yield* makeStage
      let runs = 0
      const App = Layer.effectDiscard(Effect.sync(() => void runs++))
      const options = { onStop: Effect.uninterruptible(Effect.sleep("10 seconds")) }
      const program = Main.run(App, options).pipe(quietly([]))
      const main = yield* stage.launch(App, options)
      yield* settle
      for (let i = 0; i < 3; i++) stage.signals.signalUnsafe("SIGTERM")
      yield* settle
      assert.isDefined(main.pollUnsafe())
      assert.strictEqual(runs, 1)
      // Another value is another service.
      const other = yield* Effect.forkDetach(program, { startImmediately: true })
      yield* settle
      assert.strictEqual(runs, 2)
      other.interruptUnsafe()
      yield* pass(30_000, 500)
    })
  )
})

describe("after the end", () => {
  /** Counts live fibers below an effect. */
  const counting = () => {
    let live = 0
    const metrics = { recordFiberStart: () => void live++, recordFiberEnd: () => void live-- }
    return {
      live: () => live,
      run: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.provideService(self, Metric.FiberRuntimeMetrics, metrics)
    }
  }

  it.effect("no fiber is left, the root is forced and nobody hangs on it [S4] [S8]", () =>
    Effect.gen(function* () {
      for (const [at, signals] of [
        [500, 1],
        [1500, 1],
        [2500, 1],
        [3500, 1],
        [3500, 2]
      ] as const) {
        const fibers = counting()
        let root: TokenTree.Token | undefined
        const { App, options } = busy([])
        const keep = Effect.map(ShutdownToken.ShutdownToken, (token) => void (root = token))
        const stage = yield* makeStage
        const main = yield* fibers.run(
          stage.launch(App, { ...options, preStart: Effect.andThen(keep, options.preStart!) })
        )
        yield* pass(at)
        stage.signals.signalUnsafe("SIGHUP")
        for (let i = 0; i < signals; i++) stage.signals.signalUnsafe("SIGTERM")
        yield* pass(40_000, 500)
        assert.isDefined(main.pollUnsafe(), `at ${at}`)
        assert.strictEqual(fibers.live(), 0, `live fibers after a signal at ${at}`)
        assert.strictEqual(root?.phaseUnsafe()._tag, "Forced")
        const inside = root as unknown as Record<"followers" | "held" | "listeners", Set<unknown>>
        for (const set of ["followers", "held", "listeners"] as const) assert.strictEqual(inside[set].size, 0, set)
      }
    })
  )

  it.effect("a waiter that outlived it is told [S1]", () =>
    Effect.gen(function* () {
      let told: ShutdownReason.ShutdownReason | undefined
      yield* Main.run(Layer.empty, {
        run: Effect.flatMap(ShutdownToken.ShutdownToken, (token) =>
          Effect.forkDetach(Effect.map(token.awaitForced, (reason) => void (told = reason)))
        )
      }).pipe(quietly([]))
      yield* settle
      assert.strictEqual(told?._tag, "RunCompleted")
    })
  )

  it.effect("a thousand lives in a row leave nothing behind [S4]", () =>
    Effect.gen(function* () {
      const fibers = counting()
      const App = Layer.effectDiscard(
        Effect.andThen(
          Effect.forkScoped(Effect.never),
          TaskRegistry.spawn(ShutdownToken.awaitDraining, { name: "polite", kind: "BackgroundLoop" })
        )
      )
      const once = Main.run(App, { run: Effect.void, onStop: Effect.void }).pipe(quietly([]), fibers.run)
      for (let i = 0; i < 1000; i++) {
        const { exitCode } = yield* once
        if (exitCode !== 0) assert.fail(`life ${i} ended with ${exitCode}`)
      }
      yield* settle
      assert.strictEqual(fibers.live(), 0)
    })
  )
})
