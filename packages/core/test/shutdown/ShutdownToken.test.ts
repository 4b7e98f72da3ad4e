import { assert, describe, it } from "@effect/vitest"
import * as ShutdownReason from "@selvedge/core/shutdown/ShutdownReason"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as TokenTree from "@selvedge/core/shutdown/TokenTree"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"

const stop = ShutdownReason.Requested({ by: "test" })

describe("waiting", () => {
  it.effect("wakes those who await draining, then those who await forced, each with the first reason [S3]", () =>
    Effect.gen(function* () {
      const draining = yield* Effect.forkChild(ShutdownToken.awaitDraining, { startImmediately: true })
      const forced = yield* Effect.forkChild(ShutdownToken.awaitForced, { startImmediately: true })
      assert.isFalse(yield* ShutdownToken.isDraining)
      assert.isTrue(yield* ShutdownToken.request(stop))
      assert.isTrue(yield* ShutdownToken.isDraining)
      assert.deepStrictEqual(yield* Fiber.join(draining), stop)
      assert.isUndefined(forced.pollUnsafe())
      assert.isTrue(yield* ShutdownToken.force(ShutdownReason.Reload()))
      assert.deepStrictEqual(yield* Fiber.join(forced), stop)
    }).pipe(Effect.provide(ShutdownToken.layer))
  )

  it.effect("wakes those who await draining when the token is forced without a request [S3]", () =>
    Effect.gen(function* () {
      const draining = yield* Effect.forkChild(ShutdownToken.awaitDraining, { startImmediately: true })
      const requested = yield* Effect.forkChild(ShutdownToken.awaitRequested, { startImmediately: true })
      yield* ShutdownToken.force(stop)
      assert.deepStrictEqual(yield* Fiber.join(draining), stop)
      assert.deepStrictEqual(yield* Fiber.join(requested), stop)
    }).pipe(Effect.provide(ShutdownToken.layer))
  )

  it.effect("answers at once when the phase has been reached before [S3]", () =>
    Effect.gen(function* () {
      yield* ShutdownToken.force(stop)
      assert.deepStrictEqual(
        yield* Effect.all([ShutdownToken.awaitRequested, ShutdownToken.awaitDraining, ShutdownToken.awaitForced]),
        [stop, stop, stop]
      )
    }).pipe(Effect.provide(ShutdownToken.layer))
  )

  it.effect("hears a request on the root of a service before anything drains [S1] [S3]", () =>
    Effect.gen(function* () {
      const root = new TokenTree.TokenNode({ planned: true })
      const child = yield* root.child
      const waiter = yield* Effect.forkChild(child.awaitRequested, { startImmediately: true })
      root.requestUnsafe(stop)
      assert.deepStrictEqual(yield* Fiber.join(waiter), stop)
      assert.strictEqual(child.phaseUnsafe()._tag, "Running")
    })
  )
})

describe("runUntilDraining", () => {
  it.effect("gives what the effect gives when that comes first [S3]", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* ShutdownToken.runUntilDraining(Effect.succeed(1)), Option.some(1))
      const exit = yield* Effect.exit(ShutdownToken.runUntilDraining(Effect.fail("e")))
      assert.deepStrictEqual(exit, Exit.fail("e"))
    }).pipe(Effect.provide(ShutdownToken.layer))
  )

  it.effect("interrupts the effect, waits for its finalizer, and gives nothing when draining comes first [S3]", () =>
    Effect.gen(function* () {
      // The first sleep of a TestClock lets go of an interrupted finalizer; this makes it not the first.
      yield* TestClock.adjust(1)
      const events: Array<string> = []
      const work = Effect.onInterrupt(Effect.never, () =>
        Effect.andThen(
          Effect.sleep("1 second"),
          Effect.sync(() => events.push("cleaned"))
        )
      )
      const fiber = yield* Effect.forkChild(ShutdownToken.runUntilDraining(work), { startImmediately: true })
      yield* ShutdownToken.request(stop)
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(fiber), Option.none())
      assert.deepStrictEqual(events, ["cleaned"])
    }).pipe(Effect.provide(ShutdownToken.layer))
  )

  it.effect("does not start the effect when the token drains already [S3]", () =>
    Effect.gen(function* () {
      yield* ShutdownToken.request(stop)
      let started = false
      const result = yield* ShutdownToken.runUntilDraining(Effect.sync(() => (started = true)))
      assert.deepStrictEqual(result, Option.none())
      assert.isFalse(started)
    }).pipe(Effect.provide(ShutdownToken.layer))
  )

  it.effect("does not leave a waiter behind in the token [S3]", () =>
    Effect.gen(function* () {
      const token = yield* ShutdownToken.ShutdownToken
      const fiber = yield* Effect.forkChild(ShutdownToken.runUntilDraining(Effect.never), { startImmediately: true })
      yield* Fiber.interrupt(fiber)
      yield* ShutdownToken.request(stop)
      assert.strictEqual(token.phaseUnsafe()._tag, "Draining")
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(fiber)))
    }).pipe(Effect.provide(ShutdownToken.layer))
  )
})

describe("AbortSignal", () => {
  it.effect("aborts at draining by default and at forced when asked, with the reason in words [S3]", () =>
    Effect.gen(function* () {
      const soft = yield* ShutdownToken.abortSignal()
      const hard = yield* ShutdownToken.abortSignal("Forced")
      assert.deepStrictEqual([soft.aborted, hard.aborted], [false, false])
      yield* ShutdownToken.request(stop)
      assert.deepStrictEqual([soft.aborted, hard.aborted], [true, false])
      yield* ShutdownToken.force(ShutdownReason.Reload())
      assert.isTrue(hard.aborted)
      assert.instanceOf(hard.reason, TokenTree.ShutdownAbort)
      assert.strictEqual(String(hard.reason.message), "the service is forced to stop: Requested by test")
      assert.strictEqual(String(soft.reason.message), "the service is draining: Requested by test")
    }).pipe(Effect.scoped, Effect.provide(ShutdownToken.layer))
  )

  it.effect("is refused for a phase that is none: it would abort too early, or never [S3]", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(ShutdownToken.abortSignal("draining" as never))
      assert.include(String(exit), 'when to abort: wanted "Draining" or "Forced", found "draining"')
    }).pipe(Effect.provide(ShutdownToken.layer))
  )

  it.effect("is aborted from the start when the phase has been reached [S3]", () =>
    Effect.gen(function* () {
      yield* ShutdownToken.request(stop)
      assert.isTrue((yield* ShutdownToken.abortSignal()).aborted)
      assert.isFalse((yield* ShutdownToken.abortSignal("Forced")).aborted)
    }).pipe(Effect.scoped, Effect.provide(ShutdownToken.layer))
  )

  it.effect("no longer aborts when its scope has closed [S3]", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const signal = yield* Scope.provide(ShutdownToken.abortSignal(), scope)
      yield* Scope.close(scope, Exit.void)
      yield* ShutdownToken.request(stop)
      assert.isFalse(signal.aborted)
    }).pipe(Effect.provide(ShutdownToken.layer))
  )
})

describe("layers", () => {
  it.effect("stops a subsystem without its surroundings [S1]", () =>
    Effect.gen(function* () {
      const outer = yield* ShutdownToken.ShutdownToken
      const inner = yield* Effect.provide(
        Effect.andThen(ShutdownToken.request(stop), ShutdownToken.isDraining),
        ShutdownToken.layerChild
      )
      assert.isTrue(inner)
      assert.strictEqual(outer.phaseUnsafe()._tag, "Running")
    }).pipe(Effect.provide(ShutdownToken.layer))
  )

  it.effect("forces a child when its layer's scope closes, so that nothing waits on it for ever [S1] [S2]", () =>
    Effect.gen(function* () {
      const child = yield* Effect.provide(ShutdownToken.ShutdownToken, ShutdownToken.layerChild)
      assert.deepStrictEqual(child.phaseUnsafe(), { _tag: "Forced", reason: ShutdownReason.ScopeClosed() })
      assert.isFalse(yield* ShutdownToken.isDraining)
    }).pipe(Effect.provide(ShutdownToken.layer))
  )

  it.effect("tells what is left of the budget of the surrounding token [S3]", () =>
    Effect.gen(function* () {
      const token = TokenTree.nodeOf(yield* ShutdownToken.ShutdownToken)
      assert.strictEqual(Duration.toMillis(yield* ShutdownToken.remaining), Number.POSITIVE_INFINITY)
      token.setDeadlineUnsafe(2_000_000_000n)
      yield* TestClock.adjust("500 millis")
      assert.strictEqual(Duration.toMillis(yield* ShutdownToken.remaining), 1500)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(Duration.toMillis(yield* ShutdownToken.remaining), 0)
    }).pipe(Effect.provide(ShutdownToken.layer))
  )
})

describe("reasons", () => {
  it("tells each of the eight in one line [S2]", () => {
    const cause = Cause.fail(new Error("disk full\nsecond line"))
    const lines = [
      ShutdownReason.Signal({ signal: "SIGTERM" }),
      ShutdownReason.Requested({ by: "admin" }),
      ShutdownReason.Reload(),
      ShutdownReason.RunCompleted(),
      ShutdownReason.TaskFailed({ id: 7, name: "a\nb", kind: "k\u2028", cause }),
      ShutdownReason.Fatal({ origin: "run", cause }),
      ShutdownReason.ParentGone(),
      ShutdownReason.ScopeClosed()
    ].map(ShutdownReason.describe)
    assert.deepStrictEqual(lines, [
      "Signal SIGTERM",
      "Requested by admin",
      "Reload",
      "RunCompleted",
      'TaskFailed: "k\\u2028" "a\\nb" (#7): Error: "disk full\\nsecond line"',
      'Fatal (run): Error: "disk full\\nsecond line"',
      "ParentGone",
      "ScopeClosed"
    ])
  })

  it("gives the cause of those that have one [S2]", () => {
    const cause = Cause.fail("e")
    assert.strictEqual(ShutdownReason.cause(ShutdownReason.Fatal({ origin: "run", cause })), cause)
    assert.strictEqual(ShutdownReason.cause(ShutdownReason.TaskFailed({ id: 1, name: "n", kind: "k", cause })), cause)
    assert.isUndefined(ShutdownReason.cause(ShutdownReason.Reload()))
  })
})
