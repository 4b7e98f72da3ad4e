/**
 * Workers and the tables of diagnostics of the program they belong to.
 */
import { assert, it } from "@effect/vitest"
import * as Backend from "@selvedge/core/workers/Backend"
import * as Container from "@selvedge/core/workers/Container"
import * as Counters from "@selvedge/core/diagnostics/Counters"
import * as StrandRegistry from "@selvedge/core/diagnostics/StrandRegistry"
import * as SharedMemory from "@selvedge/core/memory/SharedMemory"
import * as HybridBackend from "@selvedge/node/workers/HybridBackend"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Do, Who } from "./fixtures/echo.ts"
import { mapped } from "./mapped.ts"
import { fixture, processes, quiet, threads } from "./support.ts"

const tables = Layer.mergeAll(StrandRegistry.layer(), Counters.layer()).pipe(Layer.provide(SharedMemory.layerThread))

const hybrids = Layer.merge(Layer.orDie(HybridBackend.layer({ threads: 2 })), quiet)

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

/** Until no task is a strand. */
const gone = (strands: StrandRegistry.Shape): Effect.Effect<void> =>
  Effect.suspend(() =>
    strands.snapshotUnsafe().some(({ name }) => name === "Do")
      ? Effect.andThen(Effect.sleep(10), gone(strands))
      : Effect.void
  )

/** A request that waits while there is no worker for it. */
const asked = <A, E>(ask: Effect.Effect<A, E>): Effect.Effect<A> =>
  Effect.catch(ask, () => Effect.andThen(Effect.sleep(20), asked(ask)))

it.live(
  "tasks of a process of threads and of its threads are strands of its parent's table, each with a number of its own, gone with a thread and with the process, and counts never fall [D1] [D5] [P1] [P3]",
  () =>
    Effect.gen(function* () {
      const strands = yield* StrandRegistry.StrandRegistry
      const container = yield* Container.make({ intensity: { max: 10, period: "1 minute" } })
      yield* container.run({ name: "echo", program: Backend.module(fixture("echo")), count: 2 })
      yield* container.awaitReady
      const hang = (serviceOrdinal: number) =>
        Effect.forkChild(Effect.exit(container.request(Do, "hang", { service: "echo", serviceOrdinal })), {
          startImmediately: true
        })
      for (const serviceOrdinal of [0, 0, 1]) yield* hang(serviceOrdinal)
      const numbers = () => strands.snapshotUnsafe().flatMap(({ name, ordinal }) => (name === "Do" ? [ordinal] : []))
      // Each stands once in its process, which hands it on, and once in a thread.
      while (numbers().length < 6) yield* Effect.sleep(10)
      const tasks = numbers()
      assert.deepStrictEqual([tasks.length, new Set(tasks).size], [6, 5])
      const before = new Map(yield* spawned)
      for (const ordinal of tasks) assert.isAtLeast(before.get(ordinal) ?? 0, 1)
      // A thread that ends takes its own with it, and no others.
      yield* Effect.exit(container.request(Do, "exit", { service: "echo", serviceOrdinal: 0 }))
      while (numbers().length > 4) yield* Effect.sleep(10)
      yield* asked(container.request(Who, "", { service: "echo", serviceOrdinal: 0 }))
      for (const serviceOrdinal of [0, 1]) {
        yield* Effect.exit(container.request(Do, "kill", { service: "echo", serviceOrdinal }))
      }
      yield* gone(strands)
      for (const serviceOrdinal of [0, 1]) {
        yield* asked(container.request(Who, "again", { service: "echo", serviceOrdinal }))
      }
      const after = new Map(yield* spawned)
      assert.deepStrictEqual([...after.keys()].toSorted(), [...before.keys()].toSorted())
      for (const [ordinal, count] of before) assert.isAtLeast(after.get(ordinal)!, count)
      const sum = (counts: ReadonlyMap<number, number>): number =>
        [...counts.values()].reduce((all, one) => all + one, 0)
      assert.isAbove(sum(after), sum(before))
    }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(mappedTables, mapped)), Effect.provide(hybrids))
)
