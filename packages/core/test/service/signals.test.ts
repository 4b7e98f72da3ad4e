/**
 * The table "Signals" of docs/shutdown.md, and errors that nobody caught, at every stage of a life.
 */
import { assert, describe, it } from "@effect/vitest"
import type * as Main from "@selvedge/core/service/Main"
import * as ShutdownReason from "@selvedge/core/shutdown/ShutdownReason"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as TaskRegistry from "@selvedge/core/tasks/TaskRegistry"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestConsole from "effect/testing/TestConsole"
import { makeStage, pass, play, settle, type Stage } from "./stage.ts"

/** A service that takes a second for each step of its life, and whose one task ends a second after it is asked to. */
const slow = (ran: Array<string>) => {
  const step = (name: string) =>
    Effect.andThen(
      Effect.sleep("1 second"),
      Effect.sync(() => void ran.push(name))
    )
  const App = Layer.effectDiscard(
    Effect.gen(function* () {
      yield* step("build")
      yield* Effect.addFinalizer(() => step("close"))
      yield* TaskRegistry.spawn(Effect.andThen(ShutdownToken.awaitDraining, step("task")), {
        name: "polite",
        kind: "BackgroundLoop"
      })
    })
  )
  const options: Main.Options = {
    drainDelay: "1 second",
    preStart: step("preStart"),
    onStart: step("onStart"),
    onStop: step("onStop"),
    flush: step("flush"),
    postStop: step("postStop")
  }
  return { App, options }
}

/** When which stage of `slow` is half over, in milliseconds, if SIGTERM came at 4500. */
const stages = [
  ["preStart", 500],
  ["build", 1500],
  ["onStart", 2500],
  ["running", 4000],
  ["delay", 5000],
  ["tasks", 6000],
  ["onStop", 7000],
  ["flush", 8000],
  ["close", 9000],
  ["postStop", 9700]
] as const

/** Starts `slow`, does one thing at a time of choice, and sends SIGTERM at 4500 ms unless told that this stops it. */
const withSlow = (at: number, more: (stage: Stage) => Effect.Effect<unknown>, stops = false) =>
  Effect.gen(function* () {
    const ran: Array<string> = []
    const { App, options } = slow(ran)
    const stage = yield* makeStage
    const main = yield* stage.launch(App, options)
    for (let now = 0; now < 20_000; now += 100) {
      if (now === 4500 && !stops) stage.signals.signalUnsafe("SIGTERM")
      if (now === at) yield* more(stage)
      yield* pass(100)
    }
    return { ran, stage, outcome: yield* Effect.orDie(Fiber.join(main)) }
  })

describe("SIGTERM and SIGINT", () => {
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    it.effect(`${name} starts the plan once and ends with 0 [S6] [S7]`, () =>
      Effect.gen(function* () {
        const { outcome } = yield* play(Layer.empty, {}, ({ signals }) => Effect.sync(() => signals.signalUnsafe(name)))
        assert.deepStrictEqual(outcome.reason, ShutdownReason.Signal({ signal: name }))
        assert.strictEqual(outcome.exitCode, 0)
      })
    )
  }

  it.effect("a second one forces, and the exit code is that of the second [S6] [S7]", () =>
    Effect.gen(function* () {
      const App = Layer.effectDiscard(TaskRegistry.spawn(Effect.never, { name: "stuck", kind: "BackgroundLoop" }))
      const { outcome } = yield* play(App, {}, ({ signals }) =>
        Effect.gen(function* () {
          signals.signalUnsafe("SIGTERM")
          yield* pass(3000)
          signals.signalUnsafe("SIGINT")
        })
      )
      assert.strictEqual(outcome.exitCode, 130)
      assert.deepStrictEqual(outcome.reason, ShutdownReason.Signal({ signal: "SIGTERM" }))
      assert.strictEqual(outcome.report?.forcedBy, "SIGINT")
      assert.strictEqual(outcome.report?.durationMillis, 3000)
      assert.deepStrictEqual(
        outcome.report?.tasks.pending.map((row) => [row.name, row.state]),
        [["stuck", "interrupted"]]
      )
    })
  )

  it.effect("a second one is the first that counts when the service was stopping by itself [S6]", () =>
    Effect.gen(function* () {
      const App = Layer.effectDiscard(TaskRegistry.spawn(Effect.never, { name: "stuck", kind: "BackgroundLoop" }))
      const { outcome, stage } = yield* play(App, { run: Effect.void }, ({ signals }) =>
        Effect.sync(() => signals.signalUnsafe("SIGTERM"))
      )
      assert.strictEqual(outcome.reason?._tag, "RunCompleted")
      assert.strictEqual(outcome.exitCode, 124)
      assert.isTrue(stage.lines.some((line) => line.text.includes("send it again to force")))
    })
  )

  it.effect("a third one gives the outcome at once, whatever hangs [S6] [S7]", () =>
    Effect.gen(function* () {
      const stage = yield* makeStage
      const main = yield* stage.launch(Layer.empty, { onStop: Effect.uninterruptible(Effect.never) })
      yield* settle
      for (const name of ["SIGINT", "SIGTERM", "SIGINT"] as const) stage.signals.signalUnsafe(name)
      yield* settle
      const outcome = yield* Effect.orDie(Fiber.join(main))
      assert.strictEqual(outcome.exitCode, 130)
      assert.isUndefined(outcome.report)
    })
  )

  for (const [stage, at] of stages.slice(4)) {
    it.effect(`a second one during ${stage} forces, a third one ends at once [S6]`, () =>
      Effect.gen(function* () {
        const forced = yield* withSlow(at, ({ signals }) => Effect.sync(() => signals.signalUnsafe("SIGTERM")))
        assert.strictEqual(forced.outcome.exitCode, 143)
        assert.strictEqual(forced.outcome.report?.forcedBy, "SIGTERM")
        // Every reserve is enough for a second but postStop's, so only the delay and the tasks lose something.
        assert.strictEqual(forced.ran.includes("task"), at > 6500)
        assert.includeMembers(forced.ran, ["close"])
      })
    )
  }

  for (const [stage, at] of stages.slice(0, 3)) {
    it.effect(`one during ${stage} interrupts the start under the same budget and ends with 0 [S6] [S7]`, () =>
      Effect.gen(function* () {
        const { outcome, ran } = yield* withSlow(
          at,
          ({ signals }) => Effect.sync(() => signals.signalUnsafe("SIGINT")),
          true
        )
        assert.strictEqual(outcome.exitCode, 0)
        assert.deepStrictEqual(outcome.reason, ShutdownReason.Signal({ signal: "SIGINT" }))
        assert.notInclude(ran, stage)
        assert.isBelow(outcome.report!.durationMillis, 3600)
        assert.strictEqual(outcome.report?.budgetMillis, 25_000)
      })
    )
  }

  it.effect("a second one during a start that cannot be interrupted forces it: it is named and left [S6] [S8]", () =>
    Effect.gen(function* () {
      const App = Layer.effectDiscard(Effect.uninterruptible(Effect.never))
      const { outcome } = yield* play(App, {}, ({ signals }) =>
        Effect.gen(function* () {
          signals.signalUnsafe("SIGTERM")
          yield* pass(2000)
          signals.signalUnsafe("SIGTERM")
        })
      )
      assert.strictEqual(outcome.exitCode, 143)
      assert.deepStrictEqual(outcome.report?.leftBehind, [{ type: "start", name: "build", phase: "lastWords" }])
      assert.isAtMost(outcome.report!.durationMillis, 2000 + 4500)
    })
  )

  it.effect("one with the option gives 128 + n after a clean stop only [S7]", () =>
    Effect.gen(function* () {
      const clean = yield* play(Layer.empty, { signalExitCode: true }, ({ signals }) =>
        Effect.sync(() => signals.signalUnsafe("SIGTERM"))
      )
      assert.strictEqual(clean.outcome.exitCode, 143)
      const late = yield* play(Layer.empty, { signalExitCode: true, onStop: Effect.never }, ({ signals }) =>
        Effect.sync(() => signals.signalUnsafe("SIGTERM"))
      )
      assert.strictEqual(late.outcome.exitCode, 124)
    })
  )
})

describe("SIGHUP without a reload handler", () => {
  it.effect("counts as the first SIGTERM, so a SIGTERM after it forces [S6]", () =>
    Effect.gen(function* () {
      const App = Layer.effectDiscard(TaskRegistry.spawn(Effect.never, { name: "stuck", kind: "BackgroundLoop" }))
      const { outcome } = yield* play(App, {}, ({ signals }) =>
        Effect.gen(function* () {
          signals.signalUnsafe("SIGHUP")
          yield* pass(1000)
          signals.signalUnsafe("SIGTERM")
        })
      )
      assert.deepStrictEqual(outcome.reason, ShutdownReason.Signal({ signal: "SIGHUP" }))
      assert.strictEqual(outcome.exitCode, 143)
    })
  )

  it.effect("and a SIGTERM sent together with it are one request, in either order; the next one forces [S6]", () =>
    Effect.gen(function* () {
      const slow = (...sent: ReadonlyArray<"SIGHUP" | "SIGTERM">) =>
        play(
          Layer.effectDiscard(TaskRegistry.spawn(Effect.sleep("5 seconds"), { name: "slow", kind: "RpcHandler" })),
          {},
          ({ signals }) => Effect.forEach(sent, (name) => Effect.sync(() => signals.signalUnsafe(name)))
        )
      for (const sent of [["SIGHUP", "SIGTERM"] as const, ["SIGTERM", "SIGHUP"] as const]) {
        const { outcome } = yield* slow(...sent)
        assert.strictEqual(outcome.exitCode, 0, sent.join(" "))
        assert.isNull(outcome.report?.forcedBy)
      }
      assert.strictEqual((yield* slow("SIGHUP", "SIGTERM", "SIGTERM")).outcome.exitCode, 143)
    })
  )

  it.effect("never forces: after SIGTERM it changes nothing, however often [S6]", () =>
    Effect.gen(function* () {
      const { outcome } = yield* withSlow(5000, ({ signals }) =>
        Effect.sync(() => {
          for (let i = 0; i < 3; i++) signals.signalUnsafe("SIGHUP")
        })
      )
      assert.strictEqual(outcome.exitCode, 0)
      assert.isNull(outcome.report?.forcedBy)
    })
  )

  it.effect("interrupts a start [S6]", () =>
    Effect.gen(function* () {
      const { outcome, ran } = yield* withSlow(
        1500,
        ({ signals }) => Effect.sync(() => signals.signalUnsafe("SIGHUP")),
        true
      )
      assert.deepStrictEqual(outcome.reason, ShutdownReason.Signal({ signal: "SIGHUP" }))
      assert.deepStrictEqual(ran, ["preStart", "postStop"])
    })
  )
})

describe("SIGQUIT", () => {
  for (const [name, at] of stages) {
    it.effect(`writes phase, budget and tasks during ${name}, and nothing else changes [S6]`, () =>
      Effect.gen(function* () {
        const { outcome, ran } = yield* withSlow(at, ({ signals }) =>
          Effect.sync(() => signals.signalUnsafe("SIGQUIT"))
        )
        assert.strictEqual(outcome.exitCode, 0)
        assert.deepStrictEqual(ran, ["preStart", "build", "onStart", "task", "onStop", "flush", "close", "postStop"])
        const dumps = (yield* TestConsole.errorLines).map(String).filter((text) => text.includes("live task(s)"))
        assert.strictEqual(dumps.length, 1)
        const dump = dumps[0]!
        if (at < 3000) assert.include(dump, "not stopping")
        else if (at > 4500) assert.match(dump, /phase \w+, [\d.]+s of the budget left, reason Signal SIGTERM/)
        if (at > 4500) assert.include(dump, `phase ${name}`)
        assert.strictEqual(dump.includes("polite"), at > 2000 && at <= 6500)
      })
    )
  }
})

describe("an error that nobody caught", () => {
  for (const origin of ["uncaughtException", "unhandledRejection"] as const) {
    it.effect(`${origin} starts the plan as Fatal, is printed once, and the code is 1 [S2] [S4] [S7]`, () =>
      Effect.gen(function* () {
        const { outcome, stage } = yield* play(Layer.empty, {}, ({ signals }) =>
          Effect.sync(() => signals.uncaughtUnsafe(origin, new Error("nobody caught me")))
        )
        assert.strictEqual(outcome.exitCode, 1)
        assert.strictEqual(outcome.reason?._tag, "Fatal")
        const told = stage.lines.filter((line) => line.text.includes("nobody caught me"))
        assert.strictEqual(told.length, 1)
        assert.include(told[0]!.text, origin)
        assert.include(told[0]!.text, "signals.test.ts")
      })
    )
  }

  it.effect("while stopping it is a fault: the reason stays, the code is 1 [S7]", () =>
    Effect.gen(function* () {
      const { outcome } = yield* withSlow(6000, ({ signals }) =>
        Effect.sync(() => signals.uncaughtUnsafe("uncaughtException", new Error("late")))
      )
      assert.deepStrictEqual(outcome.reason, ShutdownReason.Signal({ signal: "SIGTERM" }))
      assert.strictEqual(outcome.exitCode, 1)
      assert.deepStrictEqual(outcome.report?.failures, [{ where: "uncaughtException", message: "Error: late" }])
    })
  )

  it.effect("a storm of 100 000 ends, prints ten of them and counts the rest [S6] [S9]", () =>
    Effect.gen(function* () {
      const { App, options } = slow([])
      const { outcome, stage } = yield* play(App, options, ({ signals }) =>
        Effect.gen(function* () {
          yield* pass(4000)
          for (let i = 0; i < 100_000; i++) signals.uncaughtUnsafe("uncaughtException", new Error(`storm ${i}`))
        })
      )
      assert.strictEqual(outcome.exitCode, 1)
      assert.strictEqual(stage.lines.filter((line) => line.text.includes("Error: storm")).length, 10)
      const rest = outcome.report?.failures.find((row) => row.where === "uncaught")
      assert.match(rest?.message ?? "", /^and \d+ more$/)
      assert.isTrue(stage.lines.some((line) => line.text === `failed: uncaught: ${rest?.message}`))
    })
  )

  it.effect("with an exit code of its own ends with that [S7]", () =>
    Effect.gen(function* () {
      const { outcome } = yield* play(Layer.empty, {}, ({ signals }) =>
        Effect.sync(() =>
          signals.uncaughtUnsafe(
            "uncaughtException",
            Object.assign(new Error("x"), { "~effect/Runtime/errorExitCode": 42 })
          )
        )
      )
      assert.strictEqual(outcome.exitCode, 42)
    })
  )
})

describe("a request from inside", () => {
  const inside: ReadonlyArray<
    readonly [
      string,
      (
        ask: Effect.Effect<unknown, never, Main.Provided>,
        ran: Array<string>
      ) => readonly [Layer.Layer<never, never, Main.Provided>, Main.Options]
    ]
  > = [
    ["preStart", (ask, ran) => [Layer.effectDiscard(Effect.sync(() => void ran.push("build"))), { preStart: ask }]],
    ["build", (ask, ran) => [Layer.effectDiscard(ask), { onStart: Effect.sync(() => void ran.push("onStart")) }]],
    ["onStart", (ask) => [Layer.empty, { onStart: ask }]],
    ["run", (ask) => [Layer.empty, { run: Effect.andThen(ask, Effect.never) }]]
  ]
  for (const [name, make] of inside) {
    it.effect(`is taken in ${name}: the next step does not begin, the code is 0 [S1] [S4]`, () =>
      Effect.gen(function* () {
        const ran: Array<string> = []
        const [App, options] = make(ShutdownToken.request(ShutdownReason.Requested({ by: name })), ran)
        const { outcome } = yield* play(App, options, () => Effect.void)
        assert.deepStrictEqual(outcome.reason, ShutdownReason.Requested({ by: name }))
        assert.deepStrictEqual(ran, [])
        assert.strictEqual(outcome.exitCode, name === "run" ? 124 : 0)
      })
    )
    it.effect(`by force is taken in ${name} before anybody asked: it ends within the reserves [S1] [S8]`, () =>
      Effect.gen(function* () {
        const [App, options] = make(ShutdownToken.force(ShutdownReason.Requested({ by: name })), [])
        const { outcome } = yield* play(App, { ...options, onStop: Effect.never }, () => Effect.void)
        assert.deepStrictEqual(outcome.reason, ShutdownReason.Requested({ by: name }))
        assert.strictEqual(outcome.report?.forcedBy, "code")
        assert.isAtMost(outcome.report!.durationMillis, 4500)
      })
    )
  }

  it.effect("in onStop changes neither reason nor code [S1]", () =>
    Effect.gen(function* () {
      const { outcome } = yield* play(
        Layer.empty,
        { onStop: ShutdownToken.request(ShutdownReason.Requested({ by: "onStop" })) },
        ({ signals }) => Effect.sync(() => signals.signalUnsafe("SIGTERM"))
      )
      assert.deepStrictEqual(outcome.reason, ShutdownReason.Signal({ signal: "SIGTERM" }))
      assert.strictEqual(outcome.exitCode, 0)
    })
  )
})
