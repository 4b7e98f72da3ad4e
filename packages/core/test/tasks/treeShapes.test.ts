import { assert, describe, it } from "@effect/vitest"
import * as ShutdownReason from "@selvedge/core/shutdown/ShutdownReason"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as Task from "@selvedge/core/tasks/Task"
import * as TaskRegistry from "@selvedge/core/tasks/TaskRegistry"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as TestClock from "effect/testing/TestClock"
import { deafUntil, gate, names, open, settle, task, test } from "./support.ts"

describe("deep chains", () => {
  /** Each task spawns the next; the last one waits. */
  const chain = (
    depth: number,
    last: Effect.Effect<unknown>
  ): Effect.Effect<void, unknown, TaskRegistry.TaskRegistry> =>
    depth === 0
      ? Effect.asVoid(last)
      : Effect.asVoid(Effect.suspend(() => task(`link ${depth}`, chain(depth - 1, last))))

  test("ends ten thousand nested tasks that wait for the innermost [T6]", () =>
    Effect.gen(function* () {
      const end = yield* gate
      const top = yield* task("top", chain(10_000, Deferred.await(end)))
      while ((yield* TaskRegistry.size) < 10_001) yield* settle
      assert.strictEqual(top.state, "finishing")
      yield* open(end)
      assert.isTrue(Exit.isSuccess(yield* top.await))
      assert.strictEqual(yield* TaskRegistry.size, 0)
    }))

  test("interrupts ten thousand nested tasks from the top, and draws them before [T6]", () =>
    Effect.gen(function* () {
      const top = yield* task("top", Effect.andThen(chain(10_000, Effect.never), Effect.never))
      while ((yield* TaskRegistry.size) < 10_001) yield* settle
      const tree = yield* TaskRegistry.renderTree
      assert.strictEqual(tree.split("\n").length, 10_001)
      assert.isBelow(tree.length, 10_001 * 400)
      yield* top.abort
      assert.strictEqual(yield* TaskRegistry.size, 0)
    }))

  test("starts ten thousand tasks, each at once and inside the one before, without filling the stack [T6] [T1]", () =>
    Effect.gen(function* () {
      let started = 0
      const nested = (depth: number): Effect.Effect<void, unknown, TaskRegistry.TaskRegistry> => {
        const below = Effect.suspend(() => nested(depth - 1))
        const next = depth === 0 ? Effect.void : task(`${depth}`, below, { startImmediately: true })
        return Effect.andThen(
          Effect.sync(() => started++),
          Effect.asVoid(next)
        )
      }
      yield* nested(50)
      assert.strictEqual(started, 51, "a few of them do start at once")
      const top = yield* task("top", nested(10_000), { startImmediately: true })
      assert.isTrue(Exit.isSuccess(yield* top.await))
      assert.strictEqual(started, 10_052)
      assert.strictEqual(yield* TaskRegistry.size, 0)
      assert.strictEqual((yield* TaskRegistry.stats).failed, 0)
    }))
})

describe("drawing", () => {
  const row = (id: number, name: string, more: Partial<Task.TaskInfo> = {}): Task.TaskInfo => ({
    id,
    name,
    kind: "RpcHandler",
    parentId: undefined,
    state: "running",
    spawnedAt: { monotonicMillis: 0, wallMillis: 0 },
    ageMillis: 1234,
    stuck: false,
    restarts: 0,
    ...more
  })

  it("shows a snapshot as a tree, children below their parents in the order of their spawns [T6]", () => {
    const tree = Task.renderTree([
      row(1, "a"),
      row(2, "a.a", { parentId: 1, state: "interrupting" }),
      row(3, "b", { stuck: true, restarts: 2 }),
      row(4, "a.b", { parentId: 1 }),
      row(5, "a.a.a", { parentId: 2 }),
      row(6, "of a parent that is gone", { parentId: 99 })
    ])
    assert.deepStrictEqual(tree.split("\n"), [
      '├─ "a" (RpcHandler #1, 1.2s)',
      '│  ├─ "a.a" (RpcHandler #2, 1.2s, interrupting)',
      '│  │  └─ "a.a.a" (RpcHandler #5, 1.2s)',
      '│  └─ "a.b" (RpcHandler #4, 1.2s)',
      '├─ "b" (RpcHandler #3, 1.2s, stuck, 2 restart(s))',
      '└─ "of a parent that is gone" (RpcHandler #6, 1.2s)'
    ])
    assert.strictEqual(Task.renderTree([]), "")
  })

  it("keeps one line per task, whatever names and kinds contain [T6]", () => {
    const tree = Task.renderTree([
      row(1, 'a\nb "c" \u001b[31m\u009b31m\u2028', { kind: "k\r\nforged" }),
      row(2, "plain", { kind: "a kind" })
    ])
    assert.deepStrictEqual(tree.split("\n"), [
      '├─ "a\\nb \\"c\\" \\u001b[31m\\u009b31m\\u2028" ("k\\r\\nforged" #1, 1.2s)',
      '└─ "plain" ("a kind" #2, 1.2s)'
    ])
  })

  it("draws a hundred thousand siblings [T6]", () => {
    const rows = Array.from({ length: 100_000 }, (_, i) => row(i, `t${i}`))
    assert.strictEqual(Task.renderTree(rows).split("\n").length, 100_000)
  })

  it("cuts ages off and never rounds them up [T6]", () => {
    assert.deepStrictEqual([0, 999.9, 1000, 59_999, 60_000, 3_599_999, 3_600_000, 90_061_000].map(Task.formatAge), [
      "0ms",
      "999ms",
      "1.0s",
      "59.9s",
      "1m0s",
      "59m59s",
      "1h0m",
      "25h1m"
    ])
  })
})

describe("parents from above", () => {
  test("interrupts everything when the surrounding token is forced, without a join [S1] [T7]", () =>
    Effect.gen(function* () {
      const wait = yield* gate
      const waiting = yield* task("waits for a deaf child", task("deaf", deafUntil(wait)))
      yield* task("listens", Effect.never)
      yield* settle
      yield* ShutdownToken.force(ShutdownReason.Reload())
      assert.deepStrictEqual(yield* names, ["waits for a deaf child", "deaf"])
      yield* TestClock.adjust("1 second")
      assert.strictEqual(waiting.state, "done")
      yield* open(wait)
      yield* settle
      assert.strictEqual(yield* TaskRegistry.size, 0)
    }))
})
