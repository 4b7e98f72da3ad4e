import { assert, describe } from "@effect/vitest"
import * as ShutdownReason from "@selvedge/core/shutdown/ShutdownReason"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import type * as Task from "@selvedge/core/tasks/Task"
import * as TaskRegistry from "@selvedge/core/tasks/TaskRegistry"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/testing/TestClock"
import { gate, joining, left, missed, names, open, settle, task, test, logged, throwingLogger } from "./support.ts"

describe("a task that fails or dies", () => {
  logged("is logged exactly once, with name, kind, age and cause, and counted [T4]", (lines) =>
    Effect.gen(function* () {
      const body = Effect.andThen(Effect.sleep("1500 millis"), Effect.fail(new Error("disk full")))
      const failing = yield* task("writer\nof rows", body, { kind: "Maintenance" })
      const dying = yield* task("buggy", Effect.die(new Error("bug")))
      yield* TestClock.adjust("2 seconds")
      yield* Effect.all([failing.await, dying.await, failing.await])
      const errors = lines.filter((line) => line.level === "Error")
      assert.deepStrictEqual(
        errors.map((line) => line.text),
        ['task "buggy" (RpcHandler #2) failed after 0ms', 'task "writer\\nof rows" (Maintenance #1) failed after 1.5s']
      )
      assert.include(Cause.pretty(errors[1]!.cause), "disk full")
      assert.deepStrictEqual(errors[1]!.annotations, {
        task: "writer\nof rows",
        taskKind: "Maintenance",
        taskId: failing.id
      })
      const stats = yield* TaskRegistry.stats
      assert.deepStrictEqual([stats.failed, stats.succeeded, stats.interrupted, stats.spawned], [2, 0, 0, 2])
    })
  )

  logged("is logged before anyone who awaited it goes on [T4]", (lines) =>
    Effect.gen(function* () {
      const wait = yield* gate
      const failing = yield* task("failing", Effect.andThen(Deferred.await(wait), Effect.fail("planned")))
      const seen: Array<number> = []
      const waiter = yield* Effect.forkChild(
        Effect.tap(failing.await, () => Effect.sync(() => void seen.push(lines.length))),
        { startImmediately: true }
      )
      yield* settle
      yield* open(wait)
      yield* Fiber.join(waiter)
      assert.deepStrictEqual(seen, [1])
    })
  )

  logged("leaves its siblings, its parent and the service running [T4]", (lines) =>
    Effect.gen(function* () {
      const sibling = yield* task("sibling", Effect.never)
      const parent = yield* task("parent", Effect.andThen(task("child", Effect.die("bug")), Effect.never))
      yield* settle
      assert.deepStrictEqual([sibling.state, parent.state], ["running", "running"])
      assert.isFalse(yield* ShutdownToken.isDraining)
      assert.strictEqual(lines.length, 1)
    })
  )

  logged("is not what interruption is: that is counted apart and not logged [T4]", (lines) =>
    Effect.gen(function* () {
      const aborted = yield* task("aborted", Effect.never)
      const suicide = yield* task("suicide", Effect.interrupt)
      yield* settle
      yield* aborted.abort
      yield* suicide.await
      const stats = yield* TaskRegistry.stats
      assert.deepStrictEqual([stats.interrupted, stats.failed], [2, 0])
      assert.deepStrictEqual(lines, [])
    })
  )

  logged("counts a defect in a finalizer of an interrupted task as a failure [T4]", (lines) =>
    Effect.gen(function* () {
      const body = Effect.ensuring(Effect.never, Effect.die(new Error("finalizer bug")))
      const handle = yield* task("aborted", body)
      yield* settle
      yield* handle.abort
      assert.strictEqual((yield* TaskRegistry.stats).failed, 1)
      assert.include(Cause.pretty(lines[0]!.cause), "finalizer bug")
    })
  )

  test(
    "ends as it should when the logger throws [T4]",
    () =>
      Effect.gen(function* () {
        const handle = yield* task("failing", Effect.fail("planned"))
        assert.deepStrictEqual(yield* handle.await, Exit.fail("planned"))
        assert.strictEqual(yield* TaskRegistry.size, 0)
      }),
    undefined,
    throwingLogger
  )
})

describe("a critical task", () => {
  logged(
    "requests shutdown with the reason TaskFailed when it fails, before anyone who awaited it goes on [T4] [S2]",
    () =>
      Effect.gen(function* () {
        const cause = Cause.fail("planned")
        const handle = yield* task("vital", Effect.fail("planned"), { critical: true, kind: "BackgroundLoop" })
        yield* handle.await
        const reason = yield* ShutdownToken.awaitDraining
        assert.deepStrictEqual(
          reason,
          ShutdownReason.TaskFailed({ id: handle.id, name: "vital", kind: "BackgroundLoop", cause })
        )
      })
  )

  test("requests it for a defect, but neither for success nor for interruption [T4]", () =>
    Effect.gen(function* () {
      const fine = yield* task("fine", Effect.void, { critical: true })
      const aborted = yield* task("aborted", Effect.never, { critical: true })
      yield* fine.await
      yield* aborted.abort
      assert.isFalse(yield* ShutdownToken.isDraining)
      const dying = yield* task("dying", Effect.die("bug"), { critical: true })
      yield* dying.await
      assert.isTrue(yield* ShutdownToken.isDraining)
    }))

  test("is told to have ended before its parent, which ends on the spot because of the request [T6] [T4]", () =>
    Effect.gen(function* () {
      const surrounding = yield* ShutdownToken.ShutdownToken
      const told: Array<string> = []
      const telling = (handle: Task.Task<unknown, unknown>) =>
        Effect.forkDetach(
          Effect.map(handle.await, () => told.push(handle.name)),
          { startImmediately: true }
        )
      const gone = Deferred.makeUnsafe<void>()
      const parent = yield* task(
        "parent",
        Effect.gen(function* () {
          const failing = Effect.andThen(Deferred.await(gone), Effect.fail("planned"))
          yield* telling(yield* task("child", failing, { critical: true }))
          yield* surrounding.awaitDraining
        }),
        { startImmediately: true }
      )
      yield* telling(parent)
      yield* settle
      yield* Deferred.succeed(gone, undefined)
      yield* settle
      assert.deepStrictEqual(told, ["child", "parent"])
    }))

  test("is out of the books when who hears the request looks [T4] [T5]", () =>
    Effect.gen(function* () {
      const token = yield* ShutdownToken.ShutdownToken
      const registry = yield* TaskRegistry.TaskRegistry
      const seen: Array<number> = []
      const listener = yield* Effect.forkChild(
        Effect.tap(token.awaitDraining, () => Effect.sync(() => void seen.push(registry.snapshotUnsafe().length))),
        { startImmediately: true }
      )
      yield* task("vital", Effect.fail("planned"), { critical: true, startImmediately: true })
      yield* Fiber.join(listener)
      assert.deepStrictEqual(seen, [0])
    }))

  test("keeps the first reason when several fail [T4] [S1]", () =>
    Effect.gen(function* () {
      for (const name of ["one", "two"]) yield* task(name, Effect.fail(name), { critical: true })
      const reason = yield* ShutdownToken.awaitDraining
      assert.strictEqual(reason._tag === "TaskFailed" && reason.name, "one")
    }))
})

describe("finding and aborting", () => {
  test("finds by id and by name, several of one name, and none of what has ended [T10]", () =>
    Effect.gen(function* () {
      const twins = yield* Effect.forEach([1, 2], () => task("twin", Effect.never))
      const other = yield* task("other", Effect.never)
      const ids = (found: ReadonlyArray<{ readonly id: number }>) => found.map((one) => one.id)
      assert.deepStrictEqual(
        ids(yield* TaskRegistry.find("twin")),
        twins.map((twin) => twin.id)
      )
      assert.deepStrictEqual(ids(yield* TaskRegistry.find(other.id)), [other.id])
      assert.deepStrictEqual(yield* TaskRegistry.find("nobody"), [])
      assert.deepStrictEqual(yield* TaskRegistry.find(99), [])
      assert.strictEqual(yield* TaskRegistry.abort("twin"), 2)
      assert.deepStrictEqual(yield* names, ["other"])
      assert.strictEqual(yield* TaskRegistry.abort("twin"), 0)
      assert.strictEqual(yield* TaskRegistry.abort(twins[0]!.id), 0)
      assert.strictEqual(yield* TaskRegistry.abort(other.id), 1)
    }))

  test("takes a name that looks like a number as a name [T10]", () =>
    Effect.gen(function* () {
      yield* task("2", Effect.never)
      const second = yield* task("1", Effect.never)
      assert.strictEqual((yield* TaskRegistry.find("1"))[0]!.id, second.id)
    }))

  test("lets a task abort itself, its parent and its siblings [T10] [T6]", () =>
    Effect.gen(function* () {
      const itself = yield* task("itself", Effect.andThen(TaskRegistry.abort("itself"), Effect.never))
      const parent = yield* task("parent", Effect.andThen(task("child", TaskRegistry.abort("parent")), Effect.never))
      assert.isTrue(Exit.hasInterrupts(yield* itself.await))
      assert.isTrue(Exit.hasInterrupts(yield* parent.await))
      assert.strictEqual(yield* TaskRegistry.size, 0)
    }))

  test("counts what was there, lives and was at most [T4] [T5]", () =>
    Effect.gen(function* () {
      yield* Effect.forEach(["a", "b", "c"], (name) => task(name, Effect.never))
      yield* TaskRegistry.abort("a")
      yield* Effect.flatMap(task("d", Effect.void), (handle) => handle.await)
      assert.deepStrictEqual(yield* TaskRegistry.stats, {
        spawned: 4,
        live: 2,
        peak: 3,
        succeeded: 1,
        failed: 0,
        interrupted: 1,
        detached: 0,
        restarts: 0
      })
    }))

  test("reports a deadline missed by a task whose restarts never end [T11] [T8]", () =>
    Effect.gen(function* () {
      const body = Effect.andThen(Effect.sleep("10 seconds"), Effect.fail("planned"))
      yield* task("loop", body, { restart: { schedule: Schedule.forever } })
      yield* settle
      const join = yield* joining("1 second")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(left(yield* missed(join)), ["loop:interrupted"])
      assert.isTrue(Option.isNone(yield* TaskRegistry.currentTask))
    }))
})
