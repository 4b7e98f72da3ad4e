/**
 * Signals and uncaught errors as a source: most of it on an emitter of its own, the rest in real processes.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Signals from "@selvedge/core/service/Signals"
import * as NodeSignals from "@selvedge/node/main/NodeSignals"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { EventEmitter } from "node:events"
import { run } from "./fixtures/child.ts"

const { Signal, Uncaught } = Signals.Event
const names = ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "uncaughtException", "unhandledRejection"]

describe("NodeSignals", () => {
  it.effect("gives events in the order they arrived, none lost between two takes [S6]", () =>
    Effect.gen(function* () {
      const emitter = new EventEmitter()
      const { take } = yield* NodeSignals.make(emitter)
      const error = new Error("nobody caught this")
      emitter.emit("SIGHUP", "SIGHUP")
      emitter.emit("uncaughtException", error, "uncaughtException")
      const first = yield* take
      emitter.emit("SIGTERM", "SIGTERM")
      emitter.emit("SIGTERM", "SIGTERM")
      emitter.emit("unhandledRejection", "a string", Promise.resolve())
      assert.deepStrictEqual(
        [first, yield* take, yield* take, yield* take, yield* take],
        [
          Signal({ name: "SIGHUP" }),
          Uncaught({ origin: "uncaughtException", error }),
          Signal({ name: "SIGTERM" }),
          Signal({ name: "SIGTERM" }),
          Uncaught({ origin: "unhandledRejection", error: "a string" })
        ]
      )
    })
  )

  it.effect("wakes a waiting take, and gives an event to the next take when a waiting one was interrupted [S6]", () =>
    Effect.gen(function* () {
      const emitter = new EventEmitter()
      const { take } = yield* NodeSignals.make(emitter)
      const given = yield* Effect.forkChild(take, { startImmediately: true })
      emitter.emit("SIGINT")
      assert.deepStrictEqual(yield* Fiber.join(given), Signal({ name: "SIGINT" }))
      const interrupted = yield* Effect.forkChild(take, { startImmediately: true })
      yield* Fiber.interrupt(interrupted)
      emitter.emit("SIGQUIT")
      assert.deepStrictEqual(yield* take, Signal({ name: "SIGQUIT" }))
    })
  )

  it.effect("removes when the scope closes exactly what it added [S6]", () =>
    Effect.gen(function* () {
      const emitter = new EventEmitter()
      const others = () => {}
      for (const name of names) emitter.on(name, others)
      const scope = yield* Scope.make()
      const signals = yield* NodeSignals.make(emitter).pipe(Scope.provide(scope))
      assert.deepStrictEqual(
        names.map((name) => emitter.listenerCount(name)),
        names.map(() => 2)
      )
      emitter.emit("SIGTERM")
      yield* Scope.close(scope, Exit.void)
      for (const name of names) assert.deepStrictEqual(emitter.listeners(name), [others])
      emitter.emit("SIGINT")
      assert.deepStrictEqual(signals.restUnsafe(), { events: [Signal({ name: "SIGTERM" })], suppressed: 0 })
    })
  )

  it.effect("keeps three of each signal that nobody takes and counts the others [S6]", () =>
    Effect.gen(function* () {
      const emitter = new EventEmitter()
      const signals = yield* NodeSignals.make(emitter)
      for (let n = 0; n < 1000; n++) emitter.emit("SIGHUP")
      for (let n = 0; n < 5; n++) emitter.emit("SIGTERM")
      const { events, suppressed } = signals.restUnsafe()
      assert.deepStrictEqual(
        events.map((event) => event._tag === "Signal" && event.name),
        ["SIGHUP", "SIGHUP", "SIGHUP", "SIGTERM", "SIGTERM", "SIGTERM"]
      )
      assert.strictEqual(suppressed, 997 + 2)
      emitter.emit("SIGHUP")
      assert.deepStrictEqual(yield* signals.take, Signal({ name: "SIGHUP" }))
    })
  )

  it.effect("delivers the first 16 errors, counts the others, and still delivers signals [S6]", () =>
    Effect.gen(function* () {
      const emitter = new EventEmitter()
      const signals = yield* NodeSignals.make(emitter)
      let taken = 0
      // Each error that is handled causes the next two.
      const handle = Effect.gen(function* () {
        while ((yield* signals.take)._tag === "Uncaught") {
          taken += 1
          emitter.emit("uncaughtException", new Error("again"))
          emitter.emit("unhandledRejection", new Error("and again"))
        }
      })
      const handling = yield* Effect.forkChild(handle, { startImmediately: true })
      emitter.emit("uncaughtException", new Error("first"))
      yield* Effect.yieldNow
      emitter.emit("SIGTERM")
      yield* Fiber.join(handling)
      assert.strictEqual(taken, 16)
      assert.strictEqual(signals.restUnsafe().suppressed, 1 + 2 * 16 - 16)
    })
  )
})

describe("NodeSignals in a process", () => {
  it("sees real signals, an uncaught exception and an unhandled rejection, and lives [S6]", async () => {
    const ended = await run("./listening.ts", ["all"])
    assert.deepStrictEqual([ended.code, ended.signal, ended.stderr], [0, null, ""])
    assert.deepStrictEqual(ended.stdout.trim().split("\n"), [
      "SIGTERM",
      "SIGINT",
      "SIGHUP",
      "SIGQUIT",
      "uncaughtException thrown in a timer",
      "unhandledRejection rejected"
    ])
  })

  it("gives Node's defaults back when it closes [S6]", async () => {
    const signalled = await run("./listening.ts", ["closed"])
    assert.deepStrictEqual([signalled.code, signalled.signal], [null, "SIGTERM"])
  })

  it("ends a storm of errors that come from reporting errors to a closed stdout [S6]", async () => {
    const ended = await run("./listening.ts", ["storm"], { stdio: "closed" })
    assert.deepStrictEqual([ended.code, ended.signal], [0, null], ended.stderr)
    const [, handled = "", suppressed = ""] = /^handled (\d+) suppressed (\d+)$/m.exec(ended.stderr) ?? []
    assert.strictEqual(handled, "16")
    assert.isAbove(Number(suppressed), 0)
  })
})
