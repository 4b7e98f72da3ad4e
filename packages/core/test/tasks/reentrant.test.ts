/**
 * Everything a task may do to its own registry while the registry is in the middle of something: from the synchronous
 * prefix of an immediate start, from waiters that are woken on the spot, from loggers, and from listeners of tokens.
 */
import { assert, describe } from "@effect/vitest"
import * as ShutdownReason from "@selvedge/core/shutdown/ShutdownReason"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as TaskRegistry from "@selvedge/core/tasks/TaskRegistry"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as TestClock from "effect/testing/TestClock"
import { deafUntil, gate, joining, left, missed, names, open, settle, task, test } from "./support.ts"

const now = { startImmediately: true } as const

describe("in the synchronous prefix of an immediate start", () => {
  test("a task may end, fail and die before its spawn returns [T1] [T5]", () =>
    Effect.gen(function* () {
      const done = yield* task("done", Effect.succeed(1), now)
      const failed = yield* task("failed", Effect.fail("e"), now)
      const thrown = yield* task(
        "thrown",
        Effect.sync(() => {
          throw new Error("bug")
        }),
        now
      )
      assert.deepStrictEqual(
        [done, failed, thrown].map((handle) => handle.state),
        ["done", "done", "done"]
      )
      assert.strictEqual(yield* TaskRegistry.size, 0)
      assert.deepStrictEqual(yield* done.await, Exit.succeed(1))
    }))

  test("a task may abort itself [T10]", () =>
    Effect.gen(function* () {
      const handle = yield* task("itself", Effect.andThen(TaskRegistry.abort("itself"), Effect.never), now)
      assert.isTrue(Exit.hasInterrupts(yield* handle.await))
    }))

  test("a task may close, spawn, and join its registry [T7] [T8]", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const body = Effect.gen(function* () {
        yield* TaskRegistry.close
        yield* task(
          "child",
          Effect.sync(() => void events.push("child")),
          now
        )
        yield* TaskRegistry.joinAll(0)
        events.push("joined")
      })
      const handle = yield* task("admin", body, now)
      yield* settle
      yield* TestClock.adjust("1 second")
      assert.strictEqual(handle.state, "done")
      assert.strictEqual(events[0], "child")
    }))

  test("a task that joins with no time left is interrupted like all others [T8]", () =>
    Effect.gen(function* () {
      yield* task("other", Effect.never, now)
      const admin = yield* task("admin", Effect.andThen(TaskRegistry.joinAll(0), Effect.never), now)
      assert.isTrue(Exit.hasInterrupts(yield* admin.await))
      const error = yield* Effect.flip(TaskRegistry.joinAll(0))
      assert.deepStrictEqual(error._tag === "ShutdownDeadlineExceeded" && left(error), [
        "other:interrupted",
        "admin:interrupted"
      ])
    }))

  test("a critical task may fail while it holds children [T4] [T6]", () =>
    Effect.gen(function* () {
      const body = Effect.andThen(task("child", Effect.never, now), Effect.fail("planned"))
      const handle = yield* task("vital", body, { ...now, critical: true })
      assert.deepStrictEqual(yield* handle.await, Exit.fail("planned"))
      assert.isTrue(yield* ShutdownToken.isDraining)
      assert.strictEqual(yield* TaskRegistry.size, 0)
    }))
})

describe("woken on the spot", () => {
  test("who awaits a task may spawn the next, ten thousand times [T1] [T5]", () =>
    Effect.gen(function* () {
      let count = 0
      const next: Effect.Effect<void, unknown, TaskRegistry.TaskRegistry> = Effect.gen(function* () {
        while (count++ < 10_000) {
          const handle = yield* task("next", Effect.void, now)
          yield* handle.await
        }
      })
      yield* next
      assert.strictEqual((yield* TaskRegistry.stats).peak, 1)
    }))

  test("a waiter of one child may abort the others while their parent tears them down [T6] [T10]", () =>
    Effect.gen(function* () {
      const parent = yield* task(
        "parent",
        Effect.gen(function* () {
          const last = yield* Effect.forEach(["a", "b", "c"], (name) => task(name, Effect.never))
          yield* Effect.forkDetach(Effect.andThen(last[2]!.await, TaskRegistry.abort("a")), now)
          return yield* Effect.never
        })
      )
      yield* settle
      yield* parent.abort
      yield* settle
      assert.strictEqual(yield* TaskRegistry.size, 0)
      assert.strictEqual((yield* TaskRegistry.stats).interrupted, 4)
    }))

  test("who waits for a registry to empty may open it and spawn [T7]", () =>
    Effect.gen(function* () {
      const one = yield* task("one", Effect.never)
      yield* TaskRegistry.close
      const again = Effect.andThen(
        Effect.andThen(TaskRegistry.awaitEmpty, TaskRegistry.reopen),
        task("two", Effect.never)
      )
      const fiber = yield* Effect.forkDetach(again, now)
      const other = yield* Effect.forkDetach(TaskRegistry.awaitEmpty, now)
      yield* one.abort
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(yield* names, ["two"])
      assert.isDefined(other.pollUnsafe())
    }))

  test("who waits for a join may open the registry and join it again [T8]", () =>
    Effect.gen(function* () {
      const one = yield* task("one", Effect.never)
      yield* settle
      const again = Effect.gen(function* () {
        yield* TaskRegistry.joinAll("1 minute")
        yield* TaskRegistry.reopen
        yield* task("two", ShutdownToken.awaitDraining)
        yield* TaskRegistry.joinAll("1 minute")
      })
      const fiber = yield* Effect.forkDetach(again, now)
      yield* one.abort
      yield* settle
      assert.deepStrictEqual(fiber.pollUnsafe(), Exit.void)
    }))

  test("who waits for draining may spawn, close and force [S1] [T7]", () =>
    Effect.gen(function* () {
      const token = yield* ShutdownToken.ShutdownToken
      const fiber = yield* Effect.forkDetach(
        Effect.gen(function* () {
          yield* token.awaitDraining
          yield* task("spawned by a waiter", Effect.never)
          yield* TaskRegistry.close
          token.forceUnsafe(ShutdownReason.Reload())
        }),
        now
      )
      yield* task("lives", Effect.never, now)
      token.requestUnsafe(ShutdownReason.Reload())
      yield* Fiber.join(fiber)
      yield* settle
      assert.strictEqual(yield* TaskRegistry.size, 0)
    }))

  test(
    "a granted spawn may close the registry while places are given [T2] [T7]",
    () =>
      Effect.gen(function* () {
        const hold = yield* task("hold", Effect.never, { kind: "one" })
        const spawning = (name: string) => Effect.forkDetach(task(name, Effect.void, { kind: "one", ...now }), now)
        const closing = Effect.andThen(task("first", Effect.void, { kind: "one", ...now }), TaskRegistry.close)
        const first = yield* Effect.forkDetach(closing, now)
        const rest = yield* Effect.forEach(["a", "b", "c"], spawning)
        yield* hold.abort
        assert.isDefined(first.pollUnsafe())
        const tags = yield* Effect.forEach(rest, (fiber) => Effect.map(Effect.flip(Fiber.join(fiber)), (e) => e._tag))
        assert.deepStrictEqual(tags, ["RegistryClosed", "RegistryClosed", "RegistryClosed"])
      }),
    { kinds: { one: { limit: 1 } } }
  )

  const seen: Array<number> = []
  let registry: TaskRegistry.Shape | undefined
  test(
    "a logger that looks into the registry does not see the task whose end it tells [T4] [T5]",
    () =>
      Effect.gen(function* () {
        registry = yield* TaskRegistry.TaskRegistry
        yield* task("fails", Effect.fail("planned"), now)
        assert.deepStrictEqual(seen, [0])
      }),
    undefined,
    Effect.provide(
      Logger.layer([
        Logger.make(() => {
          seen.push(registry!.snapshotUnsafe().length)
        })
      ])
    )
  )

  test("a task that is forced may end others before they are signalled, and is still named [T8]", () =>
    Effect.gen(function* () {
      const wait = yield* gate
      yield* task("deaf", deafUntil(wait))
      const opener = Effect.uninterruptible(Effect.andThen(ShutdownToken.awaitForced, open(wait)))
      yield* task("opener", opener)
      yield* settle
      const join = yield* joining("1 second")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(left(yield* missed(join)), ["deaf:interrupted", "opener:interrupted"])
      assert.strictEqual(yield* TaskRegistry.size, 0)
    }))

  test("a task spawned and ended in one turn during a join leaves the join exact [T7] [T8]", () =>
    Effect.gen(function* () {
      const wait = yield* gate
      const spawner = Effect.gen(function* () {
        yield* ShutdownToken.awaitDraining
        for (let i = 0; i < 100; i++) yield* task(`hand ${i}`, Effect.void, { ...now, detached: i % 2 === 0 })
        yield* Deferred.await(wait)
      })
      yield* task("spawner", spawner)
      yield* settle
      const join = yield* joining("1 second")
      yield* settle
      assert.deepStrictEqual(yield* names, ["spawner"])
      yield* open(wait)
      yield* Fiber.join(join)
      assert.strictEqual((yield* TaskRegistry.stats).succeeded, 101)
    }))
})
