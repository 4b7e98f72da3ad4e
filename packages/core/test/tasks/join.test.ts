import { assert, describe } from "@effect/vitest"
import * as ShutdownReason from "@selvedge/core/shutdown/ShutdownReason"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as TaskRegistry from "@selvedge/core/tasks/TaskRegistry"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Logger from "effect/Logger"
import * as TestClock from "effect/testing/TestClock"
import {
  collecting,
  deafFor,
  deafUntil,
  gate,
  joining,
  left,
  type Line,
  missed,
  names,
  open,
  settle,
  states,
  task,
  test
} from "./support.ts"

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

describe("a join from inside a task", () => {
  test("waits for all but the task itself and its ancestors [T8]", () =>
    Effect.gen(function* () {
      const wait = yield* gate
      yield* task("other", Deferred.await(wait))
      const admin = Effect.andThen(TaskRegistry.joinAll("1 minute"), Effect.succeed("joined"))
      const parent = yield* task(
        "ancestor",
        Effect.flatMap(task("admin", admin), (handle) => Effect.flatten(handle.await))
      )
      yield* settle
      const outside = yield* joining("1 minute")
      assert.deepStrictEqual(yield* states, { other: "running", ancestor: "running", admin: "running" })
      yield* open(wait)
      assert.deepStrictEqual(yield* parent.await, Exit.succeed("joined"))
      yield* settle
      assert.deepStrictEqual(outside.pollUnsafe(), Exit.void)
    }))

  test("waits for its own children [T8]", () =>
    Effect.gen(function* () {
      const wait = yield* gate
      const admin = Effect.andThen(task("child", Deferred.await(wait)), TaskRegistry.joinAll("1 minute"))
      yield* task("admin", Effect.andThen(admin, Effect.never))
      yield* settle
      const row = (yield* TaskRegistry.find("admin"))[0]!
      assert.strictEqual(row.state, "running")
      yield* open(wait)
      yield* settle
      const outside = yield* joining("1 minute")
      yield* settle
      assert.isUndefined(outside.pollUnsafe(), "an outside joiner waits for the joiner inside")
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(left(yield* missed(outside)), ["admin:interrupted"])
    }))

  test("does not name itself or its ancestors when others were late [T8]", () =>
    Effect.gen(function* () {
      const told: Array<ReadonlyArray<string>> = []
      // An interrupted fiber runs no handlers but this one.
      const admin = Effect.uninterruptible(
        Effect.onExit(TaskRegistry.joinAll("1 second"), (exit) =>
          Effect.sync(() => {
            const error = Option.getOrThrow(Exit.findErrorOption(exit))
            told.push(error._tag === "ShutdownDeadlineExceeded" ? left(error) : [])
          })
        )
      )
      yield* task("ancestor", Effect.uninterruptible(Effect.flatMap(task("admin", admin), (handle) => handle.await)))
      yield* task("stuck", Effect.never)
      yield* settle
      const outside = yield* joining("1 minute")
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(told, [["stuck:interrupted"]])
      assert.deepStrictEqual(left(yield* missed(outside)), ["ancestor:detached", "stuck:interrupted", "admin:detached"])
    }))

  test("of a nested registry sees that one's tasks only [T8]", () =>
    Effect.gen(function* () {
      yield* task("of the outer", Effect.never)
      const inner = Effect.scoped(
        Effect.gen(function* () {
          const registry = yield* TaskRegistry.make()
          yield* registry.spawn(ShutdownToken.awaitDraining, { name: "of the inner", kind: "k" })
          yield* settle
          yield* registry.joinAll("1 second")
          return registry.snapshotUnsafe().length
        })
      )
      const handle = yield* task("subsystem", inner)
      assert.deepStrictEqual(yield* handle.await, Exit.succeed(0))
      assert.deepStrictEqual(yield* names, ["of the outer"])
      assert.isFalse(yield* ShutdownToken.isDraining)
    }))

  test("of the outer registry forces a nested one with it [T8] [S1]", () =>
    Effect.gen(function* () {
      const inner = Effect.scoped(
        Effect.gen(function* () {
          const registry = yield* TaskRegistry.make()
          const handle = yield* registry.spawn(ShutdownToken.awaitDraining, { name: "of the inner", kind: "k" })
          return yield* handle.await
        })
      )
      const subsystem = yield* task("subsystem", inner)
      yield* settle
      yield* TaskRegistry.joinAll("1 second")
      assert.isTrue(Exit.isSuccess(yield* subsystem.await))
    }))
})

describe("saying what it waits for", () => {
  const lines: Array<Line> = []
  test(
    "writes one line every few seconds, oldest first, and stops with the join [T9]",
    () =>
      Effect.gen(function* () {
        const wait = yield* gate
        yield* task("old\nname", Deferred.await(wait))
        yield* TestClock.adjust("2 seconds")
        yield* task("young", Effect.sleep("6 seconds"), { kind: "Maintenance" })
        yield* settle
        const join = yield* joining("1 minute")
        yield* TestClock.adjust("4999 millis")
        assert.strictEqual(lines.length, 0)
        yield* TestClock.adjust("1 millis")
        yield* TestClock.adjust("5 seconds")
        yield* open(wait)
        yield* Fiber.join(join)
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(
          lines.map((line) => line.text),
          [
            'waiting for 2 task(s), 55.0s left: "old\\nname" (RpcHandler #1, 7.0s), "young" (Maintenance #2, 5.0s)',
            'waiting for 1 task(s), 50.0s left: "old\\nname" (RpcHandler #1, 12.0s)'
          ]
        )
        assert.deepStrictEqual(lines[0]!.annotations, { tasks: 2, leftMillis: 55_000 })
      }),
    undefined,
    collecting(lines)
  )

  const many: Array<Line> = []
  test(
    "names ten and counts the rest, at the interval it was told [T9]",
    () =>
      Effect.gen(function* () {
        for (let i = 0; i < 13; i++) yield* task(`t${i}`, Effect.never)
        yield* settle
        const join = yield* joining("250 millis")
        yield* TestClock.adjust("1 second")
        yield* missed(join)
        const said = many.filter((line) => line.text.startsWith("waiting for"))
        assert.strictEqual(said.length, 2)
        assert.match(said[0]!.text, /^waiting for 13 task\(s\), 150ms left: "t0" .*"t9" .* … and 3 more$/)
        assert.notInclude(said[0]!.text, '"t10"')
      }),
    { progressInterval: "100 millis" },
    collecting(many)
  )

  test("is not ended by a logger that throws [T9]", () =>
    Effect.gen(function* () {
      const wait = yield* gate
      yield* task("old", Deferred.await(wait))
      yield* settle
      const join = yield* joining("1 minute")
      yield* TestClock.adjust("20 seconds")
      assert.isUndefined(join.pollUnsafe())
      yield* open(wait)
      yield* Fiber.join(join)
    }).pipe(
      Effect.provide(
        Logger.layer([
          Logger.make(() => {
            throw new Error("disk full")
          })
        ])
      )
    ))
})
