/**
 * Hooks: when they run, what they see, and who waits for them, also when they come late.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Lifecycle from "@selvedge/core/service/Lifecycle"
import type * as Main from "@selvedge/core/service/Main"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as TaskRegistry from "@selvedge/core/tasks/TaskRegistry"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { pass, play, type Stage } from "./stage.ts"

const sigterm = ({ signals }: Stage) => Effect.sync(() => signals.signalUnsafe("SIGTERM"))
const polite = (name: string) => TaskRegistry.spawn(ShutdownToken.awaitDraining, { name, kind: "BackgroundLoop" })

/** Notes what happened, with the second it happened in. */
const notes = () => {
  const told: Array<string> = []
  const note = (text: string) => Effect.sync(() => void told.push(text))
  return { told, note, after: (seconds: number, text: string) => Effect.delay(note(text), `${seconds} seconds`) }
}

describe("a hook of onStopAccepting", () => {
  it.effect("that takes longer than its share goes on beside the draining, and the plan waits for it [S8]", () =>
    Effect.gen(function* () {
      const { after, note, told } = notes()
      const App = Layer.effectDiscard(
        Effect.andThen(polite("loop"), Lifecycle.onStopAccepting("listener", after(15, "listener closed")))
      )
      const { outcome } = yield* play(App, { onStop: note("onStop") }, sigterm)
      assert.deepStrictEqual(told, ["listener closed", "onStop"])
      assert.strictEqual(outcome.exitCode, 0)
      assert.strictEqual(outcome.report?.acceptedUntil, "stopAccepting")
      // Half of the time is its share; then the loop drains as well.
      const row = outcome.report!.phases.find((one) => one.phase === "stopAccepting")
      assert.strictEqual(row?.durationMillis, 10_250)
    })
  )

  it.effect("that never ends is named at the tasks' deadline [S8] [S7]", () =>
    Effect.gen(function* () {
      const App = Layer.effectDiscard(Lifecycle.onStopAccepting("listener", Effect.uninterruptible(Effect.never)))
      const { outcome } = yield* play(App, {}, sigterm)
      assert.deepStrictEqual(outcome.report?.leftBehind, [{ type: "hook", name: "listener", phase: "tasks" }])
      assert.strictEqual(outcome.exitCode, 124)
      assert.strictEqual(outcome.report?.durationMillis, 20_500)
    })
  )

  it.effect("that fails is a fault: told, in the report, code 1 [S7] [S9]", () =>
    Effect.gen(function* () {
      const App = Layer.effectDiscard(Lifecycle.onStopAccepting("listener", Effect.fail("cannot close")))
      const { outcome, stage } = yield* play(App, {}, sigterm)
      assert.deepStrictEqual(outcome.report?.failures, [{ where: "listener", message: "cannot close" }])
      assert.include(
        stage.lines.map((line) => line.text),
        "listener failed: cannot close"
      )
      assert.strictEqual(outcome.exitCode, 1)
    })
  )

  for (const step of ["onStop", "flush", "postStop"] as const) {
    it.effect(`registered in ${step} runs at once, and ${step} waits for it [S8]`, () =>
      Effect.gen(function* () {
        const { after, note, told } = notes()
        const late = Effect.andThen(Lifecycle.onStopAccepting("late", after(0.4, "late")), note(step))
        const { outcome } = yield* play(
          Layer.effectDiscard(Effect.addFinalizer(() => note("close"))),
          { [step]: late },
          sigterm
        )
        const expected = step === "postStop" ? ["close", step, "late"] : [step, "late", "close"]
        assert.deepStrictEqual(told, expected)
        assert.strictEqual(outcome.exitCode, 0)
      })
    )
  }

  it.effect(
    "runs with the context it was registered in, and a token that shows the budget of the tasks [S8] [S3]",
    () =>
      Effect.gen(function* () {
        const Name = Context.Reference<string>("test/name", { defaultValue: () => "outside" })
        const seen: Array<unknown> = []
        const look = Effect.gen(function* () {
          seen.push(yield* Name, yield* ShutdownToken.isDraining, String(yield* ShutdownToken.remaining))
        })
        const App = Layer.effectDiscard(
          Effect.provideService(Lifecycle.onStopAccepting("listener", look), Name, "inside")
        )
        yield* play(App, {}, sigterm)
        assert.deepStrictEqual(seen.slice(0, 2), ["inside", true])
        assert.include(String(seen[2]), "20500")
      })
  )
})

describe("flush", () => {
  it.effect("runs the layer's hooks side by side, then the option, then the scope closes [S8]", () =>
    Effect.gen(function* () {
      const { after, note, told } = notes()
      const App = Layer.effectDiscard(
        Effect.gen(function* () {
          yield* Effect.addFinalizer(() => note("close"))
          yield* Lifecycle.onFlush("slow", after(2, "slow"))
          yield* Lifecycle.onFlush("fast", after(1, "fast"))
        })
      )
      const { outcome } = yield* play(App, { onStop: note("onStop"), flush: note("option") }, sigterm)
      assert.deepStrictEqual(told, ["onStop", "fast", "slow", "option", "close"])
      assert.strictEqual(outcome.exitCode, 0)
    })
  )

  it.effect("runs a hook that a hook registers, in the same phase [S8]", () =>
    Effect.gen(function* () {
      const { after, note, told } = notes()
      const App = Layer.effectDiscard(
        Effect.gen(function* () {
          const life = yield* Lifecycle.Lifecycle
          yield* Effect.addFinalizer(() => note("close"))
          yield* Lifecycle.onFlush("outer", life.onFlush("inner", after(0.5, "inner")))
        })
      )
      const { outcome } = yield* play(App, {}, sigterm)
      assert.deepStrictEqual(told, ["inner", "close"])
      assert.strictEqual(outcome.exitCode, 0)
    })
  )
})

describe("the order of errors", () => {
  const failing: Main.Options = {
    run: Effect.fail("run"),
    onStop: Effect.fail("onStop"),
    flush: Effect.fail("flush"),
    postStop: Effect.fail("postStop")
  }
  const stuck = Layer.effectDiscard(TaskRegistry.spawn(Effect.never, { name: "stuck", kind: "BackgroundLoop" }))
  const order = ["run", "join", "onStop", "flush", "postStop"] as const

  for (const [index, first] of order.entries()) {
    it.effect(`puts ${first} before ${order.slice(index + 1).join(", ") || "nothing"} [S4]`, () =>
      Effect.gen(function* () {
        const left = new Set<string>(order.slice(index))
        const options = Object.fromEntries(Object.entries(failing).filter(([step]) => left.has(step)))
        const { outcome } = yield* play(left.has("join") ? stuck : Layer.empty, options, (stage) =>
          Effect.andThen(pass(100), left.has("run") ? Effect.void : sigterm(stage))
        )
        const error = Cause.squash(outcome.error!)
        if (first === "join") assert.include(String(error), "stuck")
        else assert.strictEqual(error, first)
        // The others stand in the report.
        const told = outcome.report!.failures.map((row) => row.where)
        assert.deepStrictEqual(
          told,
          order.slice(index).filter((step) => step !== "join")
        )
      })
    )
  }

  it.effect("a hook of the layer counts for its phase, whatever it is called [S4]", () =>
    Effect.gen(function* () {
      const App = Layer.effectDiscard(Lifecycle.onFlush("onStop", Effect.fail("from flush")))
      const { outcome } = yield* play(App, { onStop: Effect.fail("from onStop") }, sigterm)
      assert.strictEqual(Cause.squash(outcome.error!), "from onStop")
    })
  )
})

describe("a hook that spawns", () => {
  it.effect("in onStop is refused: the registry is closed, and the hook can say so [T7] [S4]", () =>
    Effect.gen(function* () {
      const { outcome } = yield* play(
        Layer.empty,
        { onStop: TaskRegistry.spawn(Effect.void, { name: "late", kind: "Maintenance" }) },
        sigterm
      )
      assert.include(outcome.report?.failures[0]?.message, "RegistryClosed")
      assert.strictEqual(outcome.exitCode, 1)
    })
  )

  it.effect(
    "in preStart: what it spawned lives with the service; if preStart fails it is interrupted at once [S4]",
    () =>
      Effect.gen(function* () {
        const { note, told } = notes()
        const spawn = TaskRegistry.spawn(
          Effect.onInterrupt(Effect.never, () => note("interrupted")),
          {
            name: "early",
            kind: "Maintenance",
            startImmediately: true
          }
        )
        const failed = yield* play(
          Layer.empty,
          { preStart: Effect.andThen(spawn, Effect.fail("no")) },
          () => Effect.void
        )
        assert.deepStrictEqual(told, ["interrupted"])
        assert.strictEqual(failed.outcome.exitCode, 1)
        assert.strictEqual(failed.outcome.report?.durationMillis, 0)
      })
  )
})
