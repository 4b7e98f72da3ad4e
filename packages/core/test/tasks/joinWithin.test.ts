import { assert, describe } from "@effect/vitest"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as TaskRegistry from "@selvedge/core/tasks/TaskRegistry"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Logger from "effect/Logger"
import * as TestClock from "effect/testing/TestClock"
import {
  collecting,
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
