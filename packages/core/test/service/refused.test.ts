/**
 * What code without types hands to a service: refused before anything starts, with what was wanted and what was found. What was
 * refused only at the end would be lost then: an `onStop` that is no effect does nothing.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Lifecycle from "@selvedge/core/service/Lifecycle"
import * as Main from "@selvedge/core/service/Main"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { play, quietly } from "./stage.ts"

const plain = (value: unknown): never => value as never

describe("a service", () => {
  const effects = ["preStart", "onStart", "run", "onStop", "flush", "postStop", "onReload", "progress"]
  const wrong: ReadonlyArray<readonly [what: string, options: unknown, message: string]> = [
    ...effects.map(
      (step) => [`${step} that is a function`, { [step]: () => Effect.void }, `${step}: wanted an Effect`] as const
    ),
    ["a flush that is null", { flush: null }, "flush: wanted an Effect, found null"],
    ["options that are null", null, "options: wanted an object with name, budget"],
    ["options that are a list", [], "options: wanted an object with name, budget"],
    ["a name that is null", { name: null }, "name: wanted a string of 1 to 256 characters, found null"],
    ["a reserve nobody knows", { reserves: { onstop: 1 } }, "reserves.onstop: wanted one of the options lastWords"],
    ["reserves that are a number", { reserves: 5 }, "reserves: wanted an object with lastWords"],
    ["a policy nobody knows", { kinds: { Peer: { limt: 1 } } }, "kinds.Peer.limt: wanted one of the options order"],
    ["a budget that is no duration", { budget: { secs: 60 } }, 'a plain number is milliseconds), found {"secs":60}'],
    ["a budget given by a number", { budgetGiven: 5 }, "budgetGiven: wanted a function, found 5"]
  ]
  for (const [what, options, message] of wrong) {
    it.effect(`with ${what} is refused before anything starts [S4] [Q7]`, () =>
      Effect.gen(function* () {
        let started = false
        const App = Layer.effectDiscard(Effect.sync(() => (started = true)))
        const error = yield* Effect.flip(Main.run(App, plain(options)).pipe(quietly([])))
        assert.strictEqual(error._tag, "InvalidSetting")
        assert.include(error.message, message)
        assert.isFalse(started)
      })
    )
  }

  it.effect("that is no layer is refused [S5] [Q7]", () =>
    Effect.gen(function* () {
      for (const [layer, found] of [
        [undefined, "undefined"],
        [() => Layer.empty, "a function"]
      ] as const) {
        const error = yield* Effect.flip(
          Main.run(layer as unknown as Layer.Layer<never>, { run: Effect.void }).pipe(quietly([]))
        )
        assert.strictEqual(error.message, `layer: wanted a Layer, found ${found}`)
      }
    })
  )

  it.effect("goes by its own budget when whoever gives one throws, and says so [S8]", () =>
    Effect.gen(function* () {
      const budgetGiven = () => {
        throw new Error("no answer")
      }
      const { outcome } = yield* play(Layer.empty, { run: Effect.void, budgetGiven }, () => Effect.void)
      assert.strictEqual(outcome.exitCode, 1)
      assert.strictEqual(outcome.report?.budgetMillis, 25_000)
      assert.deepStrictEqual(outcome.report?.failures, [{ where: "budgetGiven", message: "Error: no answer" }])
    })
  )
})

describe("a hook of the life", () => {
  type Registration = Effect.Effect<void, never, Lifecycle.Lifecycle>
  const noName = undefined as unknown as string
  const noEffect = (() => 1) as unknown as Effect.Effect<void>
  const hooks: ReadonlyArray<readonly [what: string, hook: Registration, message: string]> = [
    ["without a name", Lifecycle.onFlush(noName, Effect.void), "the name of a hook: wanted a string"],
    ["with an empty name", Lifecycle.onStopAccepting("", Effect.void), "the name of a hook: wanted a string"],
    ["that is a function", Lifecycle.onFlush("x", noEffect), "a hook: wanted an Effect, found a function"]
  ]
  for (const [what, hook, message] of hooks) {
    it.effect(`${what} ends the layer that registers it, and the stop is told whole [S8] [S9]`, () =>
      Effect.gen(function* () {
        const { outcome } = yield* play(Layer.effectDiscard(hook), undefined, () => Effect.void)
        assert.strictEqual(outcome.exitCode, 1)
        assert.include(Cause.pretty(outcome.error!), message)
        assert.strictEqual(outcome.report?.failures[0]?.where, "build")
      })
    )
  }
})

describe("a request to stop with what is no reason", () => {
  for (const reason of [undefined, "please", { _tag: "Nope" }, { _tag: "Fatal", origin: "x" }, { _tag: "Signal" }]) {
    it.effect(`such as ${JSON.stringify(reason)} is a mistake of who asks; the service ends as always [S2] [S8]`, () =>
      Effect.gen(function* () {
        const run = Effect.andThen(ShutdownToken.request(plain(reason)), Effect.never)
        const { outcome } = yield* play(Layer.empty, { run }, () => Effect.void)
        assert.strictEqual(outcome.reason?._tag, "Fatal")
        assert.include(Cause.pretty(outcome.error!), "reason")
        assert.strictEqual(outcome.exitCode, 1)
      })
    )
  }
})
