/**
 * What a registry of tasks tells diagnostics when they are there, and that it does without them.
 */
import { assert, describe, it } from "@effect/vitest"
import { Counters, FlightRecorder, StrandRegistry, TaskRegistry } from "@selvedge/core"
import * as SharedMemory from "@selvedge/core/memory/SharedMemory"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"

const diagnostics = (capacity: number) =>
  Layer.mergeAll(StrandRegistry.layer({ capacity }), Counters.layer(), FlightRecorder.layer()).pipe(
    Layer.provide(SharedMemory.layerThread)
  )

const all = (capacity = 64) => Layer.provideMerge(TaskRegistry.layerRoot(), diagnostics(capacity))

const rows = Effect.map(StrandRegistry.snapshot, (found) =>
  found
    .toSorted((a, b) => a.id - b.id)
    .map(({ id, kind, name, parentId, startMillis }) => ({ id, kind, name, parentId, startMillis }))
)

const counts = Effect.map(Counters.snapshot, (found) =>
  Object.fromEntries(found.filter(({ value }) => value !== 0).map(({ name, value }) => [name, value]))
)

const events = Effect.map(FlightRecorder.read, (found) => found.events.map(({ id, text, what }) => [what, id, text]))

const forever = (name: string) => TaskRegistry.spawn(Effect.never, { name, kind: "BackgroundLoop" })

describe("a registry with diagnostics around it", () => {
  it.effect("shows each live task as a strand, a child under its parent, until it has ended [D1] [D3] [T5]", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust(500)
      const end = yield* Deferred.make<void>()
      const parent = yield* TaskRegistry.spawn(Effect.andThen(forever("child"), Deferred.await(end)), {
        name: "parent",
        kind: "PeerConnection",
        startImmediately: true
      })
      assert.deepStrictEqual(yield* rows, [
        { id: 1, kind: "PeerConnection", name: "parent", parentId: undefined, startMillis: 500 },
        { id: 2, kind: "BackgroundLoop", name: "child", parentId: 1, startMillis: 500 }
      ])
      yield* Deferred.succeed(end, undefined)
      yield* Effect.yieldNow
      // Its own fiber has ended, but not its child: it is still a live task.
      assert.strictEqual((yield* rows).length, 2)
      yield* TaskRegistry.abort("child")
      yield* parent.await
      assert.deepStrictEqual(yield* rows, [])
      assert.deepInclude(yield* StrandRegistry.totals, { spawned: 2, completed: 2, lost: 0, peak: 2 })
    }).pipe(Effect.provide(all()))
  )

  it.effect("shows a task that is in its first step, and forgets one that ended in it [D1] [T5]", () =>
    Effect.gen(function* () {
      let seen: ReadonlyArray<unknown> = []
      const strands = yield* StrandRegistry.StrandRegistry
      const look = Effect.sync(() => {
        seen = strands.snapshotUnsafe().map(({ name }) => name)
      })
      yield* TaskRegistry.spawn(look, { name: "quick", kind: "RpcHandler", startImmediately: true })
      assert.deepStrictEqual(seen, ["quick"])
      assert.deepStrictEqual(yield* rows, [])
    }).pipe(Effect.provide(all()))
  )

  it.effect("counts what became of its tasks, and goes on doing so when they find no slot [D1] [D5] [T4]", () =>
    Effect.gen(function* () {
      const tasks = [Effect.void, Effect.fail("no"), Effect.die("really"), Effect.void]
      for (const [i, task] of tasks.entries()) {
        const spawned = yield* TaskRegistry.spawn(task, { name: `task ${i}`, kind: "RpcHandler" })
        yield* spawned.await
      }
      for (const name of ["a", "b", "c"]) yield* forever(name)
      yield* TaskRegistry.abort("b")
      assert.deepStrictEqual(yield* counts, {
        tasks_spawned: 7,
        tasks_succeeded: 2,
        tasks_failed: 2,
        tasks_interrupted: 1,
        tasks_peak: 3
      })
      assert.deepInclude(yield* StrandRegistry.totals, { active: 1, overflow: 2, lost: 0 })
    }).pipe(Effect.provide(all(1)))
  )

  it.effect("records what goes wrong, and the end, but no task that ends well [D9]", () =>
    Effect.gen(function* () {
      yield* (yield* TaskRegistry.spawn(Effect.void, { name: "well", kind: "RpcHandler" })).await
      yield* (yield* TaskRegistry.spawn(Effect.fail("no"), { name: "badly", kind: "RpcHandler" })).await
      yield* forever("loop")
      const join = yield* Effect.forkChild(Effect.exit(TaskRegistry.joinAll(0)), { startImmediately: true })
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(join)
      assert.deepStrictEqual(yield* events, [
        ["task.failed", 2, "badly (RpcHandler)"],
        ["tasks.closed", 0, "1 live"],
        ["tasks.forced", 0, "1 live"]
      ])
    }).pipe(Effect.provide(all()))
  )

  it.effect("leaves no strand when its scope ends [D1] [T5]", () =>
    Effect.gen(function* () {
      yield* Effect.andThen(forever("a"), forever("b")).pipe(Effect.provide(TaskRegistry.layerRoot()))
      assert.deepInclude(yield* StrandRegistry.totals, { active: 0, spawned: 2, completed: 2, lost: 0 })
    }).pipe(Effect.provide(diagnostics(8)))
  )

  it.effect("runs with any part of it missing, and with counters that are full [D1] [D5]", () =>
    Effect.gen(function* () {
      const spawnOne = Effect.flatMap(
        TaskRegistry.spawn(Effect.succeed(7), { name: "one", kind: "RpcHandler" }),
        (task) => task.await
      )
      const memory = Layer.provide(SharedMemory.layerThread)
      const parts: ReadonlyArray<Layer.Layer<never, unknown>> = [
        Layer.empty,
        StrandRegistry.layer({ capacity: 1 }).pipe(memory),
        StrandRegistry.layerDisabled,
        Counters.layer({ counters: 1 }).pipe(memory),
        Counters.layer().pipe(memory),
        FlightRecorder.layer({ events: 0 }).pipe(memory)
      ]
      for (const part of parts) {
        const exit = yield* Effect.provide(spawnOne, Layer.provide(TaskRegistry.layerRoot(), part))
        assert.strictEqual(exit._tag, "Success")
      }
    })
  )
})
