import { assert, describe, it } from "@effect/vitest"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as TokenTree from "@selvedge/core/shutdown/TokenTree"
import * as TaskKind from "@selvedge/core/tasks/TaskKind"
import * as TaskRegistry from "@selvedge/core/tasks/TaskRegistry"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { joining, missed, settle, task, test } from "./support.ts"

/** Notes the virtual second in which it was told to drain, and stays until it is let go. */
const draining = (heard: Array<string>, name: string, stay: Effect.Effect<void>) =>
  Effect.gen(function* () {
    yield* ShutdownToken.awaitDraining
    const now = yield* Effect.clockWith((clock) => Effect.sync(() => clock.currentTimeMillisUnsafe()))
    heard.push(`${name} ${now - 1}`)
    yield* stay
  })

const defaultOrder = ["PeerConnection", "RpcHandler", "mine", "BackgroundLoop", "Maintenance"]

describe("the drain order", () => {
  it("is peers, requests, kinds of users, loops, maintenance [T2]", () => {
    const kinds = ["Maintenance", "mine", "BackgroundLoop", "constructor", "RpcHandler", "PeerConnection"]
    const ordered = kinds.toSorted((a, b) => TaskKind.defaultPolicy(a).order - TaskKind.defaultPolicy(b).order)
    assert.deepStrictEqual(ordered, [
      "PeerConnection",
      "RpcHandler",
      "mine",
      "constructor",
      "BackgroundLoop",
      "Maintenance"
    ])
  })

  test("goes on to the next kind as soon as one is empty [T2] [T8]", () =>
    Effect.gen(function* () {
      const heard: Array<string> = []
      for (const kind of defaultOrder.toReversed()) {
        yield* task(kind, draining(heard, kind, Effect.sleep("1 second")), { kind })
      }
      yield* settle
      const join = yield* joining("1 hour")
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(join)
      assert.deepStrictEqual(
        heard,
        defaultOrder.map((kind, i) => `${kind} ${i * 1000}`)
      )
    }))

  test("gives each kind an equal share of what is left, and interrupts nobody by it [T2]", () =>
    Effect.gen(function* () {
      const heard: Array<string> = []
      for (const kind of defaultOrder) yield* task(kind, draining(heard, kind, Effect.never), { kind })
      yield* settle
      const join = yield* joining("10 seconds")
      yield* TestClock.adjust("9999 millis")
      assert.deepStrictEqual(
        heard,
        defaultOrder.map((kind, i) => `${kind} ${i * 2000}`)
      )
      assert.strictEqual(yield* TaskRegistry.size, 5)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* missed(join)).pending.length, 5)
    }))

  test("shares only among kinds that still have live tasks, and what one leaves goes to the next [T2]", () =>
    Effect.gen(function* () {
      const heard: Array<string> = []
      yield* task("gone", Effect.void, { kind: "Maintenance" })
      yield* task("peer", draining(heard, "peer", Effect.sleep("1 second")), { kind: "PeerConnection" })
      yield* task("rpc", draining(heard, "rpc", Effect.never), { kind: "RpcHandler" })
      yield* task("loop", draining(heard, "loop", Effect.never), { kind: "BackgroundLoop" })
      yield* settle
      const join = yield* joining("9 seconds")
      yield* TestClock.adjust("9 seconds")
      yield* missed(join)
      assert.deepStrictEqual(heard, ["peer 0", "rpc 1000", "loop 5000"])
    }))

  test("makes the shares smaller when a shorter deadline comes, and still drains every kind before it [T2] [T8]", () =>
    Effect.gen(function* () {
      const heard: Array<string> = []
      for (const kind of defaultOrder) yield* task(kind, draining(heard, kind, Effect.never), { kind })
      yield* settle
      yield* joining("1 hour")
      yield* TestClock.adjust("1 second")
      const join = yield* joining("4 seconds")
      yield* TestClock.adjust("4 seconds")
      yield* missed(join)
      assert.deepStrictEqual(heard, [
        "PeerConnection 0",
        "RpcHandler 1000",
        "mine 2000",
        "BackgroundLoop 3000",
        "Maintenance 4000"
      ])
    }))

  test(
    "takes order and grace from the policies; kinds of one order drain together [T2]",
    () =>
      Effect.gen(function* () {
        const heard: Array<string> = []
        for (const kind of ["last", "first", "second a", "second b"]) {
          yield* task(kind, draining(heard, kind, Effect.never), { kind })
        }
        yield* settle
        const join = yield* joining("1 minute")
        yield* TestClock.adjust("1 minute")
        yield* missed(join)
        assert.deepStrictEqual(heard, ["first 0", "second a 3000", "second b 3000", "last 7000"])
      }),
    {
      kinds: {
        first: { order: -1, grace: "3 seconds" },
        "second a": { order: 0, grace: "4 seconds" },
        "second b": { order: 0, grace: "2 seconds" },
        last: { order: 1000 }
      }
    }
  )

  test(
    "does not wait for the grace of a kind that is empty, only for that of its neighbour [T2]",
    () =>
      Effect.gen(function* () {
        const heard: Array<string> = []
        yield* task("patient", draining(heard, "patient", Effect.sleep("1 second")), { kind: "patient" })
        yield* task("hasty", draining(heard, "hasty", Effect.never), { kind: "hasty" })
        yield* task("next", draining(heard, "next", Effect.never), { kind: "next" })
        yield* settle
        const join = yield* joining("1 minute")
        yield* TestClock.adjust("1 minute")
        yield* missed(join)
        assert.deepStrictEqual(heard, ["patient 0", "hasty 0", "next 2000"])
      }),
    {
      kinds: {
        patient: { order: 1, grace: "30 seconds" },
        hasty: { order: 1, grace: "2 seconds" },
        next: { order: 2 }
      }
    }
  )

  test("starts a task draining in a kind whose turn has come, and running in one whose turn has not [S1] [T2]", () =>
    Effect.gen(function* () {
      const spawnBoth = Effect.gen(function* () {
        yield* ShutdownToken.awaitDraining
        const isDraining = (kind: string) =>
          Effect.flatMap(task(kind, ShutdownToken.isDraining, { kind, detached: true }), (handle) =>
            Effect.flatten(handle.await)
          )
        return [yield* isDraining("PeerConnection"), yield* isDraining("new one"), yield* isDraining("BackgroundLoop")]
      })
      const handle = yield* task("spawner", spawnBoth, { kind: "RpcHandler" })
      yield* task("loop", ShutdownToken.awaitDraining, { kind: "BackgroundLoop" })
      yield* settle
      yield* TaskRegistry.joinAll("1 minute")
      assert.deepStrictEqual(yield* handle.await, Exit.succeed([true, false, false]))
    }))

  test("starts a task of a kind met after its turn draining [S1] [T2]", () =>
    Effect.gen(function* () {
      const spawnLate = Effect.gen(function* () {
        yield* ShutdownToken.awaitDraining
        const late = yield* task("late", ShutdownToken.isDraining, { kind: "mine", detached: true })
        return yield* Effect.flatten(late.await)
      })
      const handle = yield* task("loop", spawnLate, { kind: "BackgroundLoop" })
      yield* settle
      yield* TaskRegistry.joinAll("1 minute")
      assert.deepStrictEqual(yield* handle.await, Exit.succeed(true))
    }))

  test("leaves kinds running when a plan drains the root of a service, until the join comes to them [S1]", () =>
    Effect.gen(function* () {
      const root = yield* TokenTree.scoped(() => new TokenTree.TokenNode({ planned: true }))
      const registry = yield* TaskRegistry.make().pipe(Effect.provideService(ShutdownToken.ShutdownToken, root))
      const heard: Array<string> = []
      for (const kind of ["RpcHandler", "BackgroundLoop"]) {
        yield* registry.spawn(draining(heard, kind, Effect.sleep("1 second")), { name: kind, kind })
      }
      yield* settle
      yield* TestClock.setTime(1)
      root.requestUnsafe({ _tag: "Reload" })
      root.drainUnsafe({ _tag: "Reload" })
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(heard, [])
      const join = yield* Effect.forkChild(registry.joinAll("1 minute"))
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(join)
      assert.deepStrictEqual(heard, ["RpcHandler 5000", "BackgroundLoop 6000"])
    }))

  test("drains every kind at once when the surrounding token, no service's root, is asked [S1]", () =>
    Effect.gen(function* () {
      const heard: Array<string> = []
      for (const kind of defaultOrder) yield* task(kind, draining(heard, kind, Effect.void), { kind })
      yield* settle
      yield* ShutdownToken.request({ _tag: "Reload" })
      yield* settle
      assert.strictEqual(heard.length, 5)
    }))
})

describe("stuck", () => {
  test(
    "is shown from the age its kind's policy says [T2]",
    () =>
      Effect.gen(function* () {
        yield* task("old", Effect.never, { kind: "watched" })
        yield* task("elsewhere", Effect.never)
        yield* TestClock.adjust("1999 millis")
        const stuck = Effect.map(TaskRegistry.snapshot, (rows) =>
          rows.filter((row) => row.stuck).map((row) => row.name)
        )
        assert.deepStrictEqual(yield* stuck, [])
        yield* TestClock.adjust("1 millis")
        assert.deepStrictEqual(yield* stuck, ["old"])
        assert.include(yield* TaskRegistry.renderTree, '"old" (watched #1, 2.0s, stuck)')
      }),
    { kinds: { watched: { stuckAfter: "2 seconds" } } }
  )
})
