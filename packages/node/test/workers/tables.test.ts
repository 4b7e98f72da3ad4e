/**
 * Workers and the tables of diagnostics of the program they belong to.
 */
import { assert, it } from "@effect/vitest"
import * as Backend from "@selvedge/core/workers/Backend"
import * as Container from "@selvedge/core/workers/Container"
import * as Counters from "@selvedge/core/diagnostics/Counters"
import * as StrandRegistry from "@selvedge/core/diagnostics/StrandRegistry"
import * as SharedMemory from "@selvedge/core/memory/SharedMemory"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Do, Who } from "./fixtures/echo.ts"
import { mapped } from "./mapped.ts"
import { fixture, processes, threads } from "./support.ts"

const tables = Layer.mergeAll(StrandRegistry.layer(), Counters.layer()).pipe(Layer.provide(SharedMemory.layerThread))

const mappedTables = Layer.mergeAll(StrandRegistry.layer(), Counters.layer())

/** Tasks that threads have spawned since the start, by the number of the thread. */
const spawned = Effect.map(Counters.Counters, (counters) =>
  counters
    .snapshotUnsafe()
    .filter(({ name }) => name === "tasks_spawned")
    .map(({ ordinal, value }) => [ordinal, value] as const)
)

it.live(
  "tasks of a thread are strands of its parent's table, gone with it, and its counts go on in its next life [D1] [D5]",
  () =>
    Effect.gen(function* () {
      const strands = yield* StrandRegistry.StrandRegistry
      const container = yield* Container.make()
      const child = yield* container.spawn({ name: "echo", program: Backend.module(fixture("echo")) })
      yield* child.awaitReady
      yield* Effect.forkChild(Effect.exit(container.request(Do, "hang")), { startImmediately: true })
      yield* container.request(Who, "here")
      const hanging = strands.snapshotUnsafe().filter(({ name }) => name === "Do")
      assert.deepStrictEqual(
        hanging.map(({ generation, ordinal }) => [ordinal, generation]),
        [[0, 1]]
      )
      const [before] = yield* spawned
      yield* Effect.exit(container.request(Do, "exit"))
      assert.deepStrictEqual(strands.snapshotUnsafe(), [])
      yield* child.awaitReady
      yield* container.request(Who, "here again")
      const [after, ...more] = yield* spawned
      assert.deepStrictEqual([before?.[0], after?.[0], more], [0, 0, []])
      assert.isAbove(after?.[1] ?? 0, (before?.[1] ?? 0) - 1)
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(threads, tables)))
)

it.live(
  "tasks of a process are strands of its parent's table where that is mapped, gone with it, and its counts never fall [D1] [D5] [P1] [P3]",
  () =>
    Effect.gen(function* () {
      const strands = yield* StrandRegistry.StrandRegistry
      const container = yield* Container.make()
      const child = yield* container.spawn({ name: "echo", program: Backend.module(fixture("echo")) })
      yield* child.awaitReady
      yield* Effect.forkChild(Effect.exit(container.request(Do, "hang")), { startImmediately: true })
      yield* container.request(Who, "here")
      const hanging = strands.snapshotUnsafe().filter(({ name }) => name === "Do")
      assert.strictEqual(hanging.length, 1)
      const [before] = yield* spawned
      yield* Effect.exit(container.request(Do, "kill"))
      assert.deepStrictEqual(strands.snapshotUnsafe(), [])
      yield* child.awaitReady
      yield* container.request(Who, "here again")
      const [after, ...more] = yield* spawned
      assert.deepStrictEqual([before?.[0], more], [after?.[0], []])
      assert.isAbove(after?.[1] ?? 0, before?.[1] ?? 0)
    }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(mappedTables, mapped)), Effect.provide(processes))
)
