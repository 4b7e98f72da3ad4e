import { assert, describe } from "@effect/vitest"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as TaskRegistry from "@selvedge/core/tasks/TaskRegistry"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as TestClock from "effect/testing/TestClock"
import { deafFor, deafUntil, gate, joining, left, missed, names, settle, states, task, test } from "./support.ts"

/** A millisecond further each time it is read. */
const ticking = (clock: Clock.Clock): Clock.Clock => {
  let reads = 0n
  return { ...clock, monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe() + 1_000_000n * reads++ }
}

describe("a join in time", () => {
  test("succeeds as soon as the last task has ended [T8]", () =>
    Effect.gen(function* () {
      yield* task("fast", Effect.sleep("10 millis"))
      yield* task("slower", Effect.sleep("30 millis"))
      yield* task("heeding", ShutdownToken.awaitDraining)
      yield* settle
      const join = yield* joining("5 seconds")
      yield* TestClock.adjust("29 millis")
      assert.isUndefined(join.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(join.pollUnsafe(), Exit.void)
    }))

  test("succeeds at once on an empty registry, also without any time [T8]", () =>
    Effect.gen(function* () {
      yield* TaskRegistry.joinAll(0)
      yield* TaskRegistry.joinAll("1 second")
      assert.strictEqual((yield* Effect.flip(task("late", Effect.void)))._tag, "RegistryClosed")
    }))

  test("tells the tasks how long they have [T8] [S3]", () =>
    Effect.gen(function* () {
      const body = Effect.andThen(ShutdownToken.awaitDraining, ShutdownToken.remaining)
      const handle = yield* task("asking", body)
      const before = yield* task("asking before", ShutdownToken.remaining)
      assert.deepStrictEqual(yield* before.await, Exit.succeed(Duration.infinity))
      yield* settle
      yield* TaskRegistry.joinAll("7 seconds")
      const left = yield* Effect.flatten(handle.await)
      assert.strictEqual(Duration.toMillis(left), 7000)
    }))

  test("ends ten thousand tasks [T8]", () =>
    Effect.gen(function* () {
      for (let i = 0; i < 10_000; i++) yield* task(`t${i}`, ShutdownToken.awaitDraining)
      yield* settle
      yield* TaskRegistry.joinAll("1 second")
      assert.strictEqual(yield* TaskRegistry.size, 0)
    }))

  test("names ten thousand stragglers exactly, and interrupts every one [T8]", () =>
    Effect.gen(function* () {
      for (let i = 0; i < 10_000; i++) yield* task(`t${i}`, i % 10 === 0 ? Effect.never : ShutdownToken.awaitDraining)
      yield* settle
      const join = yield* joining("1 second")
      yield* TestClock.adjust("1 second")
      const error = yield* missed(join)
      assert.strictEqual(error.pending.length, 1000)
      assert.isTrue(error.pending.every((row) => row.state === "interrupted"))
      assert.strictEqual(yield* TaskRegistry.size, 0)
    }))

  test("counts a task spawned during the join, detached from its parent too, under the same deadline [T7] [flaw T7]", () =>
    Effect.gen(function* () {
      const spawnLate = Effect.gen(function* () {
        yield* ShutdownToken.awaitDraining
        yield* Effect.sleep("2 seconds")
        yield* task(
          "late",
          Effect.flatMap(ShutdownToken.remaining, () => Effect.never),
          { detached: true }
        )
      })
      yield* task("spawner", spawnLate)
      yield* settle
      const join = yield* joining("3 seconds")
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* names, ["late"])
      assert.isUndefined(join.pollUnsafe())
      yield* TestClock.adjust("1 second")
      const error = yield* missed(join)
      assert.deepStrictEqual(left(error), ["late:interrupted"])
      assert.strictEqual(error.pending[0]!.ageMillis, 1000)
    }))

  test("lets a handler spawn while draining, and gives the child a draining token [T7] [S1]", () =>
    Effect.gen(function* () {
      const body = Effect.gen(function* () {
        yield* ShutdownToken.awaitDraining
        const hand = yield* task("hand", ShutdownToken.isDraining)
        return yield* Effect.flatten(hand.await)
      })
      const handler = yield* task("handler", body)
      yield* settle
      yield* TaskRegistry.joinAll("1 second")
      assert.deepStrictEqual(yield* handler.await, Exit.succeed(true))
    }))
})

describe("a join too late", () => {
  test("names one stuck task beside two that ended, and nobody else [T8] [flaw T8: pending count]", () =>
    Effect.gen(function* () {
      yield* task("fast one", ShutdownToken.awaitDraining)
      yield* task("stuck", Effect.never)
      yield* task("fast two", Effect.sleep("1 second"))
      yield* settle
      const join = yield* joining("2 seconds")
      yield* TestClock.adjust("2 seconds")
      const error = yield* missed(join)
      assert.deepStrictEqual(error.pending, [
        { id: 2, name: "stuck", kind: "RpcHandler", ageMillis: 2000, state: "interrupted" }
      ])
      assert.deepStrictEqual([error.deadlineMillis, error.cause], [2000, "deadline"])
      assert.strictEqual(error.message, '1 task(s) still running after 2000 ms: "stuck" (RpcHandler #2, interrupted)')
    }))

  test(
    "tells the deadline that was asked for, on a clock that does not stand still [T8]",
    () =>
      Effect.gen(function* () {
        yield* task("stuck", Effect.never)
        const join = yield* joining("2 seconds")
        yield* TestClock.adjust("3 seconds")
        assert.strictEqual((yield* missed(join)).deadlineMillis, 2000)
      }),
    undefined,
    (effect) => Effect.clockWith((clock) => Effect.provideService(effect, Clock.Clock, ticking(clock)))
  )

  test("interrupts the straggler it waited for; nothing of it runs on [T8] [flaw T8: straggler detached]", () =>
    Effect.gen(function* () {
      let ticks = 0
      const ticking = Effect.forever(
        Effect.andThen(
          Effect.sleep("100 millis"),
          Effect.sync(() => ticks++)
        )
      )
      yield* task("ticking", ticking)
      yield* settle
      const join = yield* joining("1 second")
      yield* TestClock.adjust("1 second")
      yield* missed(join)
      const then = ticks
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(ticks, then)
    }))

  test("shows the stragglers in snapshots while it waits [T8] [flaw T8: list emptied]", () =>
    Effect.gen(function* () {
      const wait = yield* gate
      yield* task("stuck", Effect.never)
      yield* task("deaf", deafUntil(wait))
      yield* settle
      const join = yield* joining("1 second")
      assert.deepStrictEqual(yield* states, { stuck: "running", deaf: "running" })
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* states, { deaf: "interrupting" })
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* states, { deaf: "detached" })
      yield* missed(join)
    }))

  test("reports the same outcome to who joins again [T8] [flaw T8: second join]", () =>
    Effect.gen(function* () {
      yield* task("stuck", Effect.never)
      yield* settle
      const join = yield* joining("1 second")
      yield* TestClock.adjust("1 second")
      const first = yield* missed(join)
      assert.strictEqual(yield* Effect.flip(TaskRegistry.joinAll("1 hour")), first)
      assert.strictEqual(yield* Effect.flip(TaskRegistry.joinAll(0)), first)
    }))

  test("ends by the deadline plus lastWords whatever the tasks do, and calls them detached [T8]", () =>
    Effect.gen(function* () {
      const wait = yield* gate
      yield* task("deaf", deafUntil(wait))
      yield* task("slow", deafFor("2900 millis"))
      yield* settle
      const join = yield* joining("2 seconds")
      yield* TestClock.adjust("2999 millis")
      assert.isUndefined(join.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(left(yield* missed(join)), ["deaf:detached", "slow:interrupted"])
    }))

  test("signals leaves first, all in one pass, whoever answers slowly [T8]", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const slow = (name: string) =>
        Effect.onInterrupt(Effect.never, () =>
          Effect.andThen(
            Effect.sync(() => void events.push(name)),
            Effect.sleep("600 millis")
          )
        )
      yield* task("one", Effect.andThen(task("one.one", slow("one.one")), slow("one")))
      yield* task("two", slow("two"))
      yield* settle
      const join = yield* joining("1 second")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(events, ["one.one", "two", "one"])
      yield* TestClock.adjust("600 millis")
      assert.deepStrictEqual(left(yield* missed(join)), ["one:interrupted", "two:interrupted", "one.one:interrupted"])
    }))

  test("counts a parent that waits for its stuck child as pending with it [T8] [T6]", () =>
    Effect.gen(function* () {
      const wait = yield* gate
      const parent = yield* task("parent", task("child", deafUntil(wait)))
      yield* settle
      const join = yield* joining("1 second")
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(left(yield* missed(join)), ["parent:interrupted", "child:detached"])
      assert.strictEqual(parent.state, "done")
      assert.strictEqual((yield* TaskRegistry.stats).detached, 1)
    }))

  test("counts a task once that outlived its parent's last words and the join's [T8] [T6]", () =>
    Effect.gen(function* () {
      const wait = yield* gate
      yield* task("parent", Effect.andThen(task("child", deafUntil(wait)), Effect.never))
      yield* settle
      const join = yield* joining("1 second")
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(left(yield* missed(join)), ["parent:interrupted", "child:detached"])
      assert.strictEqual((yield* TaskRegistry.stats).detached, 1)
    }))

  test("gives everybody one deadline, however late a task is looked at [T8]", () =>
    Effect.gen(function* () {
      for (const kind of ["PeerConnection", "RpcHandler", "mine", "BackgroundLoop", "Maintenance"]) {
        yield* task(kind, Effect.never, { kind })
      }
      yield* settle
      const join = yield* joining("10 seconds")
      yield* TestClock.adjust("9999 millis")
      assert.strictEqual(yield* TaskRegistry.size, 5)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* missed(join)).pending.length, 5)
    }))

  test("refuses a deadline that is none, and closes nothing [T8]", () =>
    Effect.gen(function* () {
      for (const deadline of [-1, Number.NaN, "8 days", Duration.infinity] as const) {
        const error = yield* Effect.flip(TaskRegistry.joinAll(deadline))
        assert.strictEqual(error._tag, "InvalidSetting")
        assert.include(error.message, "deadline: wanted a duration from 0 to 7d")
      }
      yield* task("still welcome", Effect.void)
    }))
})
