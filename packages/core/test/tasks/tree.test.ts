import { assert, describe } from "@effect/vitest"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as TaskRegistry from "@selvedge/core/tasks/TaskRegistry"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/testing/TestClock"
import {
  collecting,
  deafFor,
  deafUntil,
  gate,
  joining,
  type Line,
  open,
  settle,
  states,
  task,
  test
} from "./support.ts"

/** Notes that it was interrupted. */
const noting = (events: Array<string>, name: string) =>
  Effect.onInterrupt(Effect.never, () => Effect.sync(() => void events.push(name)))

describe("a task spawned in a task", () => {
  test("is its child, unless it says detached [T6]", () =>
    Effect.gen(function* () {
      const parent = yield* task(
        "parent",
        Effect.gen(function* () {
          const child = yield* task("child", Effect.never)
          const root = yield* task("root", Effect.never, { detached: true })
          return [child.parentId, root.parentId] as const
        })
      )
      yield* settle
      const rows = yield* TaskRegistry.snapshot
      assert.deepStrictEqual(
        rows.map((row) => [row.name, row.parentId]),
        [
          ["parent", undefined],
          ["child", parent.id],
          ["root", undefined]
        ]
      )
      assert.strictEqual(parent.state, "finishing")
      yield* TaskRegistry.abort("child")
      const exit = yield* Effect.flatten(parent.await)
      assert.deepStrictEqual(exit, [Option.some(parent.id), Option.none()])
    }))

  test("is a child also when a fiber of the task spawned it, and a root when that fiber outlived the task [T6]", () =>
    Effect.gen(function* () {
      const go = yield* gate
      const late = Effect.andThen(Deferred.await(go), task("late", Effect.never))
      const parent = yield* task(
        "parent",
        Effect.gen(function* () {
          const fiber = yield* Effect.forkChild(task("by a fiber", Effect.never))
          yield* Fiber.join(fiber)
          return yield* Effect.forkDetach(late)
        })
      )
      yield* settle
      assert.strictEqual(Option.getOrThrow((yield* TaskRegistry.find("by a fiber"))[0]!.parentId), parent.id)
      yield* TaskRegistry.abort("by a fiber")
      assert.isTrue(Exit.isSuccess(yield* parent.await))
      yield* open(go)
      yield* settle
      assert.deepStrictEqual((yield* TaskRegistry.find("late"))[0]!.parentId, Option.none())
    }))

  test("is a child across a task of another registry in between [T6]", () =>
    Effect.gen(function* () {
      const outer = yield* TaskRegistry.TaskRegistry
      const options = { name: "inner", kind: "k" }
      const inner = Effect.gen(function* () {
        const registry = yield* TaskRegistry.make()
        const handle = yield* registry.spawn(outer.spawn(Effect.never, { name: "leaf", kind: "k" }), options)
        const leaf = yield* Effect.flatten(handle.await)
        return yield* leaf.await
      })
      const parent = yield* task("parent", Effect.scoped(inner))
      yield* settle
      const leaf = (yield* TaskRegistry.find("leaf"))[0]!
      assert.deepStrictEqual(leaf.parentId, Option.some(parent.id))
      yield* TaskRegistry.abort("leaf")
      yield* parent.await
    }))
})

describe("a parent that succeeds", () => {
  test("ends after its children, with its own value [T6]", () =>
    Effect.gen(function* () {
      const wait = yield* gate
      const parent = yield* task("parent", Effect.as(task("child", Deferred.await(wait)), "value"))
      const waiter = yield* Effect.forkChild(parent.await)
      yield* TestClock.adjust("1 hour")
      assert.isUndefined(waiter.pollUnsafe())
      assert.deepStrictEqual(yield* states, { parent: "finishing", child: "running" })
      yield* open(wait)
      assert.deepStrictEqual(yield* Fiber.join(waiter), Exit.succeed("value"))
      assert.strictEqual(yield* TaskRegistry.size, 0)
    }))

  test("waits for grandchildren that are spawned while it waits [T6]", () =>
    Effect.gen(function* () {
      const go = yield* gate
      const end = yield* gate
      const child = Effect.andThen(Deferred.await(go), task("grandchild", Deferred.await(end)))
      const parent = yield* task("parent", task("child", child))
      yield* settle
      yield* open(go)
      yield* settle
      assert.deepStrictEqual(yield* states, { parent: "finishing", child: "finishing", grandchild: "running" })
      yield* open(end)
      yield* parent.await
      assert.strictEqual(yield* TaskRegistry.size, 0)
    }))

  test("ends when it is aborted while it waits for a child that does not listen, after the last words [T6] [T1]", () =>
    Effect.gen(function* () {
      const wait = yield* gate
      const parent = yield* task("parent", Effect.as(task("deaf", deafUntil(wait)), "value"))
      yield* settle
      const abort = yield* Effect.forkChild(parent.abort, { startImmediately: true })
      yield* TestClock.adjust("999 millis")
      assert.isUndefined(abort.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.isDefined(abort.pollUnsafe())
      assert.deepStrictEqual(yield* parent.await, Exit.succeed("value"))
      assert.deepStrictEqual(yield* states, { deaf: "detached" })
      yield* open(wait)
    }))
})

describe("a parent that fails or is interrupted", () => {
  test("interrupts its children first, in the reverse order of their start, and then ends [T6]", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const fail = yield* gate
      const parent = yield* task(
        "parent",
        Effect.gen(function* () {
          yield* task("one", Effect.andThen(task("one.one", noting(events, "one.one")), noting(events, "one")))
          yield* task("two", noting(events, "two"))
          yield* task("three", noting(events, "three"))
          yield* Deferred.await(fail)
          return yield* Effect.fail("planned")
        })
      )
      yield* settle
      yield* open(fail)
      assert.deepStrictEqual(yield* parent.await, Exit.fail("planned"))
      assert.deepStrictEqual(events, ["one.one", "three", "two", "one"])
      assert.strictEqual(yield* TaskRegistry.size, 0)
    }))

  test("signals the whole subtree in one pass, nobody awaited in between [T6]", () =>
    Effect.gen(function* () {
      const wait = yield* gate
      const parent = yield* task(
        "parent",
        Effect.gen(function* () {
          yield* task("a", Effect.andThen(task("a.a", deafUntil(wait)), deafUntil(wait)))
          yield* task("b", deafUntil(wait))
          return yield* Effect.never
        })
      )
      yield* settle
      parent.abortUnsafe()
      assert.deepStrictEqual(yield* states, {
        parent: "finishing",
        a: "interrupting",
        "a.a": "interrupting",
        b: "interrupting"
      })
      yield* open(wait)
      yield* parent.await
    }))

  test("interrupts a child too that a task below it spawns in its finalizer, later [T6]", () =>
    Effect.gen(function* () {
      const wait = yield* gate
      const late = Effect.andThen(Effect.sleep("100 millis"), Effect.ignore(task("late", Effect.never)))
      const parent = yield* task(
        "parent",
        Effect.gen(function* () {
          yield* task("deaf", deafUntil(wait))
          yield* task("child", Effect.ensuring(Effect.never, late))
          yield* settle
          return yield* Effect.fail("planned")
        })
      )
      yield* settle
      yield* settle
      yield* TestClock.adjust("100 millis")
      assert.deepStrictEqual(yield* states, { parent: "finishing", deaf: "interrupting" })
      yield* open(wait)
      yield* parent.await
      assert.strictEqual((yield* TaskRegistry.stats).spawned, 4)
    }))

  const lines: Array<Line> = []
  test(
    "waits one lastWords for the whole subtree; who outlives it moves to the root, is detached and logged [T6]",
    () =>
      Effect.gen(function* () {
        const wait = yield* gate
        const parent = yield* task(
          "parent",
          Effect.gen(function* () {
            yield* task("middle", Effect.andThen(task("deep", deafUntil(wait)), deafFor("500 millis")))
            yield* task("slow", deafFor("900 millis"))
            yield* settle
            return yield* Effect.fail("planned")
          })
        )
        yield* settle
        const waiter = yield* Effect.forkChild(parent.await)
        // "middle" ends after 500 ms; its own child gets no second of its own on top.
        yield* TestClock.adjust("999 millis")
        assert.isUndefined(waiter.pollUnsafe())
        yield* TestClock.adjust("1 millis")
        assert.isDefined(waiter.pollUnsafe())
        const rows = yield* TaskRegistry.snapshot
        assert.deepStrictEqual(
          rows.map((row) => [row.name, row.state, row.parentId]),
          [["deep", "detached", undefined]]
        )
        const said = lines.filter((line) => line.level === "Warn")
        assert.strictEqual(said.length, 1)
        assert.include(said[0]!.text, '"deep" (RpcHandler #4) outlived its parent')
        assert.strictEqual((yield* TaskRegistry.stats).detached, 1)
        yield* open(wait)
        yield* settle
        assert.strictEqual(yield* TaskRegistry.size, 0)
      }),
    undefined,
    collecting(lines)
  )

  test("takes its own children along when it outlives its parent [T6]", () =>
    Effect.gen(function* () {
      const wait = yield* gate
      const parent = yield* task(
        "parent",
        Effect.gen(function* () {
          yield* task("deaf", Effect.andThen(task("deaf child", deafUntil(wait)), deafUntil(wait)))
          yield* settle
          return yield* Effect.fail("planned")
        })
      )
      yield* settle
      yield* TestClock.adjust("1 second")
      yield* parent.await
      const rows = yield* TaskRegistry.snapshot
      const deaf = rows.find((row) => row.name === "deaf")!
      assert.deepStrictEqual(
        rows.map((row) => [row.name, row.state, row.parentId]),
        [
          ["deaf", "detached", undefined],
          ["deaf child", "interrupting", deaf.id]
        ]
      )
      yield* open(wait)
      yield* settle
      assert.strictEqual(yield* TaskRegistry.size, 0)
    }))

  test(
    "takes lastWords from the options [T6]",
    () =>
      Effect.gen(function* () {
        const wait = yield* gate
        const parent = yield* task(
          "parent",
          Effect.gen(function* () {
            yield* task("deaf", deafUntil(wait))
            yield* settle
            return yield* Effect.fail("planned")
          })
        )
        yield* settle
        yield* TestClock.adjust("49 millis")
        assert.strictEqual(parent.state, "finishing")
        yield* TestClock.adjust("1 millis")
        assert.strictEqual(parent.state, "done")
        yield* open(wait)
      }),
    { lastWords: "50 millis" }
  )

  test("does not fail its parent: a child that fails is logged, and the parent goes on [T6] [T4]", () =>
    Effect.gen(function* () {
      const parent = yield* task("parent", Effect.andThen(task("child", Effect.fail("planned")), Effect.succeed(1)))
      assert.deepStrictEqual(yield* parent.await, Exit.succeed(1))
    }))
})

describe("the tree in a drain", () => {
  test("drains a child with its parent's kind or at its own kind's turn, whichever comes first [S1] [T6]", () =>
    Effect.gen(function* () {
      const heard: Array<string> = []
      const listen = (name: string, stay: Effect.Effect<void>) =>
        Effect.andThen(
          Effect.tap(ShutdownToken.awaitDraining, () => Effect.sync(() => heard.push(name))),
          stay
        )
      const wait = yield* gate
      const stay = Deferred.await(wait)
      const peer = listen("peer", stay)
      const child = (name: string, kind: string) => task(name, listen(name, stay), { kind })
      yield* task("peer", Effect.andThen(child("loop in peer", "BackgroundLoop"), peer), { kind: "PeerConnection" })
      yield* task("loop", Effect.andThen(child("peer in loop", "PeerConnection"), listen("loop", stay)), {
        kind: "BackgroundLoop"
      })
      yield* task("detached in peer", Effect.void, { kind: "Maintenance" })
      yield* settle
      const join = yield* joining("10 seconds")
      yield* settle
      assert.deepStrictEqual(heard.toSorted(), ["loop in peer", "peer", "peer in loop"])
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(heard.slice(3), ["loop"])
      yield* open(wait)
      yield* Fiber.join(join)
    }))

  test("does not drain a detached task with the task it was spawned in [S1] [T6]", () =>
    Effect.gen(function* () {
      const wait = yield* gate
      const heard: Array<string> = []
      const flush = Effect.tap(ShutdownToken.awaitDraining, () => Effect.sync(() => heard.push("flush")))
      const peer = Effect.andThen(task("flush", flush, { kind: "Maintenance", detached: true }), Deferred.await(wait))
      yield* task("peer", peer, { kind: "PeerConnection" })
      yield* settle
      const join = yield* joining("10 seconds")
      yield* TestClock.adjust("4 seconds")
      assert.deepStrictEqual(heard, [])
      yield* open(wait)
      yield* Fiber.join(join)
      assert.deepStrictEqual(heard, ["flush"])
    }))
})
