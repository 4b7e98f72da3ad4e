/**
 * Memory follows the tasks that live: what has ended leaves nothing behind, in the registry or in its tokens.
 */
import { assert, describe } from "@effect/vitest"
import * as ShutdownReason from "@selvedge/core/shutdown/ShutdownReason"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as TokenTree from "@selvedge/core/shutdown/TokenTree"
import * as TaskRegistry from "@selvedge/core/tasks/TaskRegistry"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { Entry } from "../../src/tasks/internal/entry.ts"
import { CurrentTask } from "../../src/tasks/internal/registry.ts"
import { gate, names, open, settle, task, test } from "./support.ts"

const now = { startImmediately: true } as const

const tokensBelow = Effect.map(ShutdownToken.ShutdownToken, (token) => TokenTree.nodeOf(token).descendantsUnsafe())

/** Everything that can be reached from a value by its own properties, maps and sets. */
const reachable = (from: unknown, stopAt: ReadonlySet<unknown>): Set<object> => {
  const found = new Set<object>()
  const stack: Array<unknown> = [from]
  while (stack.length > 0) {
    const one = stack.pop()
    if (typeof one !== "object" || one === null || found.has(one) || stopAt.has(one)) continue
    found.add(one)
    if (one instanceof Map) for (const [key, value] of one) stack.push(key, value)
    else if (one instanceof Set) for (const value of one) stack.push(value)
    else if (Array.isArray(one)) stack.push(...one.slice(0, 1000))
    for (const key of Reflect.ownKeys(one)) {
      const property = Object.getOwnPropertyDescriptor(one, key)
      if (property !== undefined && "value" in property) stack.push(property.value)
    }
  }
  return found
}

describe("what has ended", () => {
  test("leaves neither rows nor tokens behind, however it ended, after a hundred thousand tasks [T5] [flaw T5]", () =>
    Effect.gen(function* () {
      yield* task("first", Effect.void, now)
      const before = yield* tokensBelow
      const bodies = [
        Effect.void,
        Effect.interrupt,
        Effect.void,
        Effect.andThen(task("child", Effect.void, now), Effect.void)
      ]
      for (let i = 0; i < 100_000; i++) yield* task("t", bodies[i % 4]!, now)
      yield* settle
      assert.deepStrictEqual(yield* names, [])
      assert.strictEqual(yield* tokensBelow, before)
      const stats = yield* TaskRegistry.stats
      assert.deepStrictEqual([stats.live, stats.spawned], [0, 125_001])
    }))

  test("leaves no token behind when each task had one of its own, or stood below another kind [T5] [S1]", () =>
    Effect.gen(function* () {
      const inOther = task("inner", Effect.void, { kind: "BackgroundLoop", ...now })
      yield* task("first", inOther, { kind: "PeerConnection", ...now })
      const before = yield* tokensBelow
      for (let i = 0; i < 2000; i++) {
        yield* Effect.provide(task("t", inOther, { kind: "PeerConnection", ...now }), ShutdownToken.layerChild)
      }
      assert.strictEqual(yield* tokensBelow, before)
    }))

  test("leaves no waiter behind when those who wait give up [T5] [T7] [T8]", () =>
    Effect.gen(function* () {
      const registry = yield* TaskRegistry.TaskRegistry
      const handle = yield* task("lives", Effect.never)
      const waits = [handle.await, registry.awaitEmpty, ShutdownToken.awaitDraining, ShutdownToken.awaitForced]
      const size = Effect.sync(() => reachable([handle, registry], new Set()).size)
      const waitAndGiveUp = Effect.forEach(waits, (wait) =>
        Effect.flatMap(Effect.forkDetach(wait, now), (fiber) => Effect.sync(() => fiber.interruptUnsafe()))
      )
      yield* waitAndGiveUp
      const before = yield* size
      for (let i = 0; i < 1000; i++) yield* waitAndGiveUp
      assert.isBelow(yield* size, before + 100)
    }))

  test("leaves its context, fiber and children to the collector even when its handle is kept [T5]", () =>
    Effect.gen(function* () {
      class Payload extends Context.Service<Payload, object>()("test/Payload") {}
      const payload = { big: true }
      const parent = yield* task("parent", Effect.as(task("child", Effect.void, now), 1), now).pipe(
        Effect.provideService(Payload, payload)
      )
      assert.strictEqual(parent.state, "done")
      assert.isFalse(reachable(parent, new Set()).has(payload))
      const registry = yield* TaskRegistry.TaskRegistry
      assert.isFalse(reachable(registry, new Set()).has(payload))
    }))

  test("is not kept by the one that came after it, in a chain in which each task starts the next [T5]", () =>
    Effect.gen(function* () {
      const wait = yield* gate
      const entries: Array<WeakRef<object>> = []
      const link = (left: number): Effect.Effect<void, unknown, TaskRegistry.TaskRegistry> =>
        Effect.gen(function* () {
          entries.push(new WeakRef((yield* CurrentTask)!))
          if (left === 0) return yield* Deferred.await(wait)
          yield* task("link", link(left - 1), { detached: true })
        })
      yield* task("link", link(1000))
      while (entries.length <= 1000) yield* settle
      const live = (yield* TaskRegistry.find("link"))[0]!
      const kept = [...reachable(live, new Set())].filter((one) => one instanceof Entry)
      // A context is a chain of a few layers, and each layer may still show an entry that has ended.
      assert.isBelow(kept.length, 20)
      yield* open(wait)
    }))

  test("in a registry that was joined and opened again a thousand times costs the root one registry [T5] [T8]", () =>
    Effect.gen(function* () {
      const round = Effect.gen(function* () {
        yield* task("t", ShutdownToken.awaitDraining, now)
        yield* TaskRegistry.joinAll("1 second")
        yield* TaskRegistry.reopen
      })
      yield* round
      const before = yield* tokensBelow
      for (let i = 0; i < 1000; i++) yield* round
      assert.strictEqual(yield* tokensBelow, before)
    }))

  test("costs the surrounding token nothing when registries come and go [T5] [S1]", () =>
    Effect.gen(function* () {
      const before = yield* tokensBelow
      for (let i = 0; i < 200; i++) {
        const scope = yield* Scope.make()
        const registry = yield* Scope.provide(TaskRegistry.make(), scope)
        yield* registry.spawn(Effect.never, { name: "n", kind: `k${i % 3}` })
        yield* Scope.close(scope, Exit.void)
      }
      assert.strictEqual(yield* tokensBelow, before)
      assert.isFalse(yield* ShutdownToken.isDraining)
      yield* ShutdownToken.force(ShutdownReason.Reload())
      assert.strictEqual(yield* tokensBelow, 0)
    }))
})
