import { assert, describe } from "@effect/vitest"
import * as ShutdownReason from "@selvedge/core/shutdown/ShutdownReason"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as TaskRegistry from "@selvedge/core/tasks/TaskRegistry"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { deafUntil, gate, joining, left, missed, open, settle, task, test } from "./support.ts"

describe("a forced join", () => {
  test("begins the last words at once and says it was forced [T8]", () =>
    Effect.gen(function* () {
      const wait = yield* gate
      yield* task("stuck", Effect.never)
      yield* task("deaf", deafUntil(wait))
      yield* settle
      const join = yield* joining("1 hour")
      yield* TestClock.adjust("2 seconds")
      yield* ShutdownToken.force(ShutdownReason.Signal({ signal: "SIGTERM" }))
      yield* TestClock.adjust("999 millis")
      assert.isUndefined(join.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      const error = yield* missed(join)
      assert.deepStrictEqual(left(error), ["stuck:interrupted", "deaf:detached"])
      assert.deepStrictEqual([error.cause, error.deadlineMillis], ["forced", 3_600_000])
      assert.include(error.message, "still running when the stop was forced")
    }))

  test("begins the last words at once on a registry that was forced before [T8]", () =>
    Effect.gen(function* () {
      const wait = yield* gate
      yield* task("deaf", deafUntil(wait), { kind: "Maintenance" })
      yield* settle
      yield* ShutdownToken.force(ShutdownReason.Reload())
      const join = yield* joining("1 hour")
      yield* TestClock.adjust("1 second")
      const error = yield* missed(join)
      assert.deepStrictEqual([left(error), error.cause], [["deaf:detached"], "forced"])
    }))

  test("succeeds when the force finds nobody [T8]", () =>
    Effect.gen(function* () {
      const wait = yield* gate
      yield* task("short", Deferred.await(wait))
      yield* settle
      const join = yield* joining("1 hour")
      yield* open(wait)
      yield* ShutdownToken.force(ShutdownReason.Reload())
      assert.deepStrictEqual(join.pollUnsafe(), Exit.void)
    }))

  test("does not buy time by a force in the last words [T8]", () =>
    Effect.gen(function* () {
      const wait = yield* gate
      yield* task("deaf", deafUntil(wait))
      yield* settle
      const join = yield* joining("1 second")
      yield* TestClock.adjust("1500 millis")
      yield* ShutdownToken.force(ShutdownReason.Reload())
      yield* TestClock.adjust("500 millis")
      assert.strictEqual((yield* missed(join)).cause, "deadline")
    }))

  test("forces only the registry's own tokens at its deadline, never the surrounding one [T8] [S1]", () =>
    Effect.gen(function* () {
      yield* task("stuck", Effect.never)
      yield* settle
      const join = yield* joining("1 second")
      yield* TestClock.adjust("1 second")
      yield* missed(join)
      const token = yield* ShutdownToken.ShutdownToken
      assert.strictEqual(token.phaseUnsafe()._tag, "Running")
      assert.isUndefined(token.requestedUnsafe())
    }))

  test("wakes those who await forced at the deadline, with the reason of the join [T8] [S1]", () =>
    Effect.gen(function* () {
      const heard: Array<string> = []
      const heed = Effect.tap(Effect.uninterruptible(ShutdownToken.awaitForced), (reason) =>
        Effect.sync(() => heard.push(ShutdownReason.describe(reason)))
      )
      yield* task("heeding", heed)
      yield* settle
      const join = yield* joining("1 second")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(left(yield* missed(join)), ["heeding:interrupted"])
      assert.deepStrictEqual(heard, ["Requested by TaskRegistry.joinAll"])
    }))

  test("keeps the reason somebody gave before the join [S1]", () =>
    Effect.gen(function* () {
      const heard: Array<string> = []
      const heed = Effect.tap(ShutdownToken.awaitDraining, (reason) =>
        Effect.sync(() => heard.push(ShutdownReason.describe(reason)))
      )
      yield* task("heeding", heed)
      yield* settle
      yield* ShutdownToken.request(ShutdownReason.Signal({ signal: "SIGINT" }))
      yield* TaskRegistry.joinAll("1 second")
      assert.deepStrictEqual(heard, ["Signal SIGINT"])
    }))
})

describe("several joiners", () => {
  test("share one run, and the shortest deadline wins, whoever brings it [T8]", () =>
    Effect.gen(function* () {
      const handle = yield* task("asking", Effect.andThen(ShutdownToken.awaitDraining, Effect.never))
      yield* settle
      const long = yield* joining("1 hour")
      yield* TestClock.adjust("1 second")
      const short = yield* joining("2 seconds")
      const longer = yield* joining("1 minute")
      yield* TestClock.adjust("1999 millis")
      assert.strictEqual(handle.state, "running")
      yield* TestClock.adjust("1 millis")
      const errors = yield* Effect.forEach([long, short, longer], missed)
      assert.strictEqual(errors[0], errors[1])
      assert.strictEqual(errors[1], errors[2])
      assert.strictEqual(errors[0]!.deadlineMillis, 3000)
    }))

  test("lose nothing when one is interrupted: the registry stays closed and the run goes on [T8]", () =>
    Effect.gen(function* () {
      yield* task("stuck", Effect.never)
      yield* settle
      const join = yield* joining("2 seconds")
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(join)
      assert.strictEqual((yield* Effect.flip(task("late", Effect.void)))._tag, "RegistryClosed")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* TaskRegistry.size, 0)
      const error = yield* Effect.flip(TaskRegistry.joinAll("1 hour"))
      assert.strictEqual(error._tag === "ShutdownDeadlineExceeded" && error.deadlineMillis, 2000)
    }))

  test("wake together, ten thousand of them [T8]", () =>
    Effect.gen(function* () {
      const wait = yield* gate
      yield* task("one", Deferred.await(wait))
      yield* settle
      const joins = yield* Effect.forEach(Array.from({ length: 10_000 }), () => joining("1 minute"))
      yield* open(wait)
      yield* settle
      assert.isTrue(joins.every((join) => join.pollUnsafe() !== undefined))
    }))
})
