import { assert, describe, it } from "@effect/vitest"
import * as Signals from "@selvedge/core/service/Signals"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestSignals, TestTime } from "@selvedge/testing"

const listener = Effect.flatMap(Signals.Signals, (source) => source.take)
const signal = (name: Signals.SignalName) => Signals.Event.Signal({ name })

describe("TestSignals", () => {
  it.effect("reaches whoever listens to the Signals of core, in the order sent, each once [M2]", () =>
    Effect.gen(function* () {
      yield* TestSignals.send("SIGTERM")
      yield* TestSignals.send("SIGINT")
      assert.deepStrictEqual({ ...(yield* listener) }, { ...signal("SIGTERM") })
      assert.deepStrictEqual({ ...(yield* listener) }, { ...signal("SIGINT") })
      const waiting = yield* Effect.forkChild(listener)
      yield* TestTime.settle
      assert.isUndefined(waiting.pollUnsafe())
      yield* TestSignals.send("SIGQUIT")
      assert.deepStrictEqual({ ...(yield* Fiber.join(waiting)) }, { ...signal("SIGQUIT") })
    }).pipe(Effect.provide(TestSignals.layer))
  )

  it.effect("reports errors that nobody caught, with where they came from [M2]", () =>
    Effect.gen(function* () {
      yield* TestSignals.uncaught("boom")
      yield* TestSignals.uncaught("lost", "unhandledRejection")
      const events = [yield* listener, yield* listener]
      assert.deepStrictEqual(
        events.map((event) => event._tag === "Uncaught" && [event.origin, event.error]),
        [
          ["uncaughtException", "boom"],
          ["unhandledRejection", "lost"]
        ]
      )
    }).pipe(Effect.provide(TestSignals.layer))
  )

  it.effect("follows a script in virtual time, and tells what nobody took [M2]", () =>
    Effect.gen(function* () {
      yield* Effect.forkChild(listener)
      yield* Effect.forkChild(
        TestSignals.script([
          ["1 second", "SIGTERM"],
          ["2 seconds", "SIGINT"]
        ])
      )
      yield* TestTime.advanceUntilIdle()
      const sent = yield* TestSignals.sent
      const times = sent.map(({ atMillis, event }) => [atMillis, event._tag === "Signal" && event.name])
      assert.deepStrictEqual(times, [
        [1000, "SIGTERM"],
        [3000, "SIGINT"]
      ])
      assert.deepStrictEqual(yield* TestSignals.taken, sent.slice(0, 1))
    }).pipe(Effect.provide(TestSignals.layer))
  )

  it.effect("gives every test a source of its own [M2]", () =>
    Effect.gen(function* () {
      yield* TestSignals.send("SIGTERM").pipe(Effect.provide(TestSignals.layer))
      assert.deepStrictEqual(yield* TestSignals.sent.pipe(Effect.provide(TestSignals.layer)), [])
    })
  )

  it.effect("refuses a name no service listens to, and sends nothing [M2]", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(TestSignals.send("SIGKILL" as Signals.SignalName))
      assert.strictEqual(error.message, 'TestSignals: signal must be SIGTERM, SIGINT, SIGHUP, SIGQUIT, found "SIGKILL"')
      assert.deepStrictEqual(yield* TestSignals.sent, [])
    }).pipe(Effect.provide(TestSignals.layer))
  )

  it.effect("refuses a script with a step that cannot be, before its first step [M2]", () =>
    Effect.gen(function* () {
      const refused = (after: Duration.Input, name: string = "SIGINT") =>
        Effect.map(
          Effect.flip(
            TestSignals.script([
              [0, "SIGTERM"],
              [after, name as Signals.SignalName]
            ])
          ),
          (error) => error.message
        )
      const wanted = "TestSignals: steps[1].after must be a finite duration that is not negative"
      assert.strictEqual(yield* refused(NaN), `${wanted}, found NaN`)
      assert.strictEqual(yield* refused(-5), `${wanted}, found -5`)
      assert.strictEqual(yield* refused(Infinity), `${wanted}, found Infinity`)
      assert.strictEqual(yield* refused("soon" as Duration.Input), `${wanted}, found "soon"`)
      assert.include(yield* refused(1, "SIGKILL"), "steps[1].signal must be SIGTERM")
      assert.deepStrictEqual(yield* TestSignals.sent, [])
    }).pipe(Effect.provide(TestSignals.layer))
  )
})
