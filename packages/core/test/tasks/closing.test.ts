import { assert, describe } from "@effect/vitest"
import * as ShutdownReason from "@selvedge/core/shutdown/ShutdownReason"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as TaskRegistry from "@selvedge/core/tasks/TaskRegistry"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { deafUntil, gate, joining, missed, names, open, settle, task, test } from "./support.ts"

const emptied = Effect.forkDetach(TaskRegistry.awaitEmpty, { startImmediately: true })

describe("whether a registry is closed", () => {
  test("says so from the close, the join or the force on, until it is opened again [T7]", () =>
    Effect.gen(function* () {
      const seen: Array<boolean> = [yield* TaskRegistry.isClosed]
      const look = Effect.flatMap(TaskRegistry.isClosed, (found) => Effect.sync(() => void seen.push(found)))
      yield* Effect.andThen(TaskRegistry.close, look)
      yield* Effect.andThen(TaskRegistry.close, look)
      yield* Effect.andThen(TaskRegistry.reopen, look)
      yield* Effect.andThen(TaskRegistry.joinAll("1 second"), look)
      yield* Effect.andThen(TaskRegistry.reopen, look)
      yield* Effect.andThen(ShutdownToken.force(ShutdownReason.Reload()), look)
      yield* Effect.andThen(TaskRegistry.reopen, look)
      assert.deepStrictEqual(seen, [false, true, true, false, true, false, true, true])
    }))
})

describe("close and reopen", () => {
  test("refuses new roots once closed, by a typed error, and may be closed again [T7]", () =>
    Effect.gen(function* () {
      yield* TaskRegistry.close
      yield* TaskRegistry.close
      const error = yield* Effect.flip(task("late\n", Effect.never))
      assert.strictEqual(error._tag, "RegistryClosed")
      assert.strictEqual(
        error.message,
        'task "late\\n" (RpcHandler) was not started: the registry is closed and takes only children of live tasks'
      )
      yield* TaskRegistry.reopen
      yield* TaskRegistry.reopen
      yield* task("in time", Effect.never)
      assert.strictEqual(yield* TaskRegistry.size, 1)
    }))

  test("admits children of live tasks while closed, in finalizers too, until Forced [T7]", () =>
    Effect.gen(function* () {
      const go = yield* gate
      const spawnTwice = Effect.ensuring(
        Effect.andThen(Deferred.await(go), task("from the body", Effect.never)),
        Effect.ignore(task("from a finalizer", Effect.never))
      )
      yield* task("parent", spawnTwice)
      yield* settle
      yield* TaskRegistry.close
      yield* open(go)
      yield* settle
      assert.deepStrictEqual(yield* names, ["parent", "from the body", "from a finalizer"])
    }))

  test("refuses every spawn after Forced, a finalizer's too; the tree only shrinks [T7]", () =>
    Effect.gen(function* () {
      const refused: Array<string> = []
      const attempt = (where: string) =>
        Effect.catchTag(task(`from ${where}`, Effect.never), "RegistryClosed", (error) =>
          Effect.sync(() => void refused.push(`${where}: ${error.state}`))
        )
      const heed = Effect.andThen(ShutdownToken.awaitForced, attempt("a waiter"))
      yield* task(
        "parent",
        Effect.gen(function* () {
          yield* Effect.forkChild(Effect.uninterruptible(heed))
          return yield* Effect.ensuring(Effect.never, Effect.ignore(attempt("a finalizer")))
        })
      )
      yield* settle
      yield* ShutdownToken.force(ShutdownReason.Reload())
      yield* settle
      yield* attempt("outside")
      assert.deepStrictEqual(refused.toSorted(), ["a finalizer: forced", "a waiter: forced", "outside: forced"])
      assert.strictEqual(yield* TaskRegistry.size, 0)
    }))

  test("keeps its tokens when it is closed and opened again without a join [T7]", () =>
    Effect.gen(function* () {
      const handle = yield* task("listening", ShutdownToken.awaitDraining)
      yield* TaskRegistry.close
      yield* TaskRegistry.reopen
      yield* settle
      assert.strictEqual(handle.state, "running")
      yield* ShutdownToken.request(ShutdownReason.Reload())
      assert.deepStrictEqual(yield* handle.await, Exit.succeed(ShutdownReason.Reload()))
      yield* TaskRegistry.close
      yield* TaskRegistry.reopen
      const born = yield* task("born draining", ShutdownToken.isDraining)
      assert.deepStrictEqual(yield* born.await, Exit.succeed(true))
    }))

  test("stays closed when it is opened below a forced token, and whoever waits for empty is not left hanging [T7]", () =>
    Effect.gen(function* () {
      yield* ShutdownToken.force(ShutdownReason.Reload())
      yield* TaskRegistry.reopen
      const waiter = yield* emptied
      assert.isDefined(waiter.pollUnsafe())
      const made = yield* TaskRegistry.make()
      yield* made.awaitEmpty
      assert.strictEqual((yield* Effect.flip(made.spawn(Effect.void, { name: "n", kind: "k" })))._tag, "RegistryClosed")
    }))

  test("cannot be opened again when its scope has closed [T7]", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const registry = yield* Scope.provide(TaskRegistry.make(), scope)
      yield* Scope.close(scope, Exit.void)
      yield* registry.reopen
      const error = yield* Effect.flip(registry.spawn(Effect.void, { name: "n", kind: "k" }))
      assert.strictEqual(error._tag === "RegistryClosed" && error.state, "forced")
    }))
})

describe("waiting for closed and empty", () => {
  test("ends at once when the registry is closed and empty already [T7]", () =>
    Effect.andThen(TaskRegistry.close, TaskRegistry.awaitEmpty))

  test("does not end while the registry is empty but open [T7]", () =>
    Effect.gen(function* () {
      const waiter = yield* emptied
      yield* Effect.flatMap(task("short", Effect.void), (handle) => handle.await)
      yield* settle
      assert.isUndefined(waiter.pollUnsafe())
      yield* TaskRegistry.close
      assert.isDefined(waiter.pollUnsafe())
    }))

  test("does not end while the registry is closed but has a task, whichever comes first [T7]", () =>
    Effect.gen(function* () {
      const one = yield* task("one", Effect.never)
      const two = yield* task("two", Effect.never)
      yield* TaskRegistry.close
      const waiters = yield* Effect.all([emptied, emptied, emptied])
      yield* one.abort
      assert.isTrue(waiters.every((waiter) => waiter.pollUnsafe() === undefined))
      yield* two.abort
      assert.isTrue(waiters.every((waiter) => waiter.pollUnsafe() !== undefined))
    }))

  test("goes on waiting when the registry was opened again before it emptied [T7]", () =>
    Effect.gen(function* () {
      const one = yield* task("one", Effect.never)
      yield* TaskRegistry.close
      const waiter = yield* emptied
      yield* TaskRegistry.reopen
      yield* one.abort
      yield* settle
      assert.isUndefined(waiter.pollUnsafe())
      yield* TaskRegistry.close
      assert.isDefined(waiter.pollUnsafe())
    }))

  test("counts children spawned after the close [T7]", () =>
    Effect.gen(function* () {
      const go = yield* gate
      const end = yield* gate
      yield* task("parent", Effect.andThen(Deferred.await(go), task("child", Deferred.await(end), { detached: true })))
      yield* settle
      yield* TaskRegistry.close
      const waiter = yield* emptied
      yield* open(go)
      yield* settle
      assert.deepStrictEqual(yield* names, ["child"])
      assert.isUndefined(waiter.pollUnsafe())
      yield* open(end)
      assert.isDefined(waiter.pollUnsafe())
    }))

  test("can be interrupted without a trace [T7]", () =>
    Effect.gen(function* () {
      const waiters = yield* Effect.forEach(Array.from({ length: 1000 }), () => emptied)
      yield* Fiber.interruptAll(waiters)
      const last = yield* emptied
      yield* TaskRegistry.close
      assert.isDefined(last.pollUnsafe())
    }))
})

describe("the scope of a registry", () => {
  test("interrupts what lives when it closes, says ScopeClosed, and leaves the surrounding token alone [S1] [S2] [T7]", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const registry = yield* Scope.provide(TaskRegistry.make(), scope)
      const heard: Array<string> = []
      const heed = Effect.tap(ShutdownToken.awaitDraining, (reason) =>
        Effect.sync(() => heard.push(ShutdownReason.describe(reason)))
      )
      const handle = yield* registry.spawn(Effect.andThen(heed, Effect.never), { name: "n", kind: "k" })
      yield* settle
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(Exit.hasInterrupts(yield* handle.await))
      assert.deepStrictEqual(heard, ["ScopeClosed"])
      assert.isFalse(yield* ShutdownToken.isDraining)
    }))

  test("closes within lastWords whatever the tasks do [T7] [T8]", () =>
    Effect.gen(function* () {
      const wait = yield* gate
      const scope = yield* Scope.make()
      const registry = yield* Scope.provide(TaskRegistry.make(), scope)
      yield* registry.spawn(deafUntil(wait), { name: "deaf", kind: "k" })
      yield* settle
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* TestClock.adjust("999 millis")
      assert.isUndefined(closing.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.isDefined(closing.pollUnsafe())
      assert.deepStrictEqual(
        registry.snapshotUnsafe().map((row) => row.state),
        ["detached"]
      )
    }))

  test("shortens a join that runs when it closes [T8]", () =>
    Effect.gen(function* () {
      const wait = yield* gate
      const scope = yield* Scope.make()
      const registry = yield* Scope.provide(TaskRegistry.make(), scope)
      yield* registry.spawn(deafUntil(wait), { name: "deaf", kind: "k" })
      yield* settle
      const join = yield* Effect.forkDetach(registry.joinAll("1 hour"), { startImmediately: true })
      yield* TestClock.adjust("3 seconds")
      yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      const error = yield* missed(join)
      assert.deepStrictEqual(
        error.pending.map((row) => row.name),
        ["deaf"]
      )
      assert.strictEqual(error.deadlineMillis, 3000)
    }))
})

describe("reopen after a join", () => {
  test("is refused while a join runs [T8]", () =>
    Effect.gen(function* () {
      const wait = yield* gate
      yield* task("one", Deferred.await(wait))
      yield* settle
      const join = yield* joining("1 minute")
      const error = yield* Effect.flip(TaskRegistry.reopen)
      assert.strictEqual(
        error.message,
        "the registry cannot be reopened while it is being joined; 1 task(s) are still live"
      )
      yield* open(wait)
      yield* Fiber.join(join)
      yield* TaskRegistry.reopen
    }))

  test("begins a new outcome, with tokens that run again [T8]", () =>
    Effect.gen(function* () {
      const first = yield* task("first", Effect.never)
      const join = yield* joining("1 second")
      yield* TestClock.adjust("1 second")
      yield* missed(join)
      assert.strictEqual(first.state, "done")
      yield* TaskRegistry.reopen
      const draining = yield* Effect.flatMap(task("second", ShutdownToken.isDraining), (handle) => handle.await)
      assert.deepStrictEqual(draining, Exit.succeed(false))
      yield* TaskRegistry.joinAll("1 second")
    }))

  test("leaves a straggler its own, forced token, and counts it in the next join [T8]", () =>
    Effect.gen(function* () {
      const wait = yield* gate
      yield* task("deaf", deafUntil(wait))
      yield* settle
      const first = yield* joining(0)
      yield* TestClock.adjust("1 second")
      yield* missed(first)
      yield* TaskRegistry.reopen
      const second = yield* joining("5 seconds")
      yield* TestClock.adjust("4 seconds")
      assert.isUndefined(second.pollUnsafe())
      yield* open(wait)
      yield* Fiber.join(second)
    }))
})
