/** Numbers in the tables of diagnostics for the workers of a worker. */
import { assert, it } from "@effect/vitest"
import * as StrandRegistry from "@selvedge/core/diagnostics/StrandRegistry"
import * as SharedMemory from "@selvedge/core/memory/SharedMemory"
import type { Facts } from "@selvedge/core/workers/WorkerContext"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ThreadTables from "../../../src/workers/internal/threadTables.ts"

const factsOf = (kind: "process" | "thread", ordinal: number, generation = 1): Facts => ({
  kind,
  ordinal,
  generation,
  name: "inner",
  key: null,
  serviceOrdinal: ordinal,
  frames: [{ kind, ordinal, generation, name: "inner" }],
  attempt: 1,
  startedAt: 0
})

const tables = Layer.provide(StrandRegistry.layer(), SharedMemory.layerThread)

it.effect("a worker gives its own workers the numbers it was given for them, and no others [D1] [D3]", () =>
  Effect.gen(function* () {
    const one = yield* ThreadTables.lease(factsOf("process", 0), 2)
    const other = yield* ThreadTables.lease(factsOf("process", 1), 2)
    const all = [one, other].flatMap(({ tables }) => [tables!.identity, ...tables!.inner])
    assert.strictEqual(new Set(all.map(({ ordinal }) => ordinal)).size, 6)
    const leases = yield* Effect.scoped(
      ThreadTables.within(
        other.tables,
        Effect.forEach([0, 1, 2], (ordinal) => ThreadTables.lease(factsOf("thread", ordinal, 7)))
      )
    )
    const given = leases.map(({ tables }) => tables?.identity)
    assert.deepStrictEqual(given, [...other.tables!.inner, undefined])
    one.ended()
    other.ended()
    const next = yield* ThreadTables.lease(factsOf("process", 1, 2), 2)
    const numbers = (lease: ThreadTables.Lease) => lease.tables!.inner.map(({ ordinal }) => ordinal)
    assert.deepStrictEqual(numbers(next), numbers(other))
    for (const [i, { generation }] of next.tables!.inner.entries()) {
      assert.isAbove(generation, other.tables!.inner[i]!.generation)
    }
    next.ended()
  }).pipe(Effect.provide(tables))
)

it.effect("what the workers of a worker have in the tables goes when it ends [D1] [P3]", () =>
  Effect.gen(function* () {
    const strands = yield* StrandRegistry.StrandRegistry
    const lease = yield* ThreadTables.lease(factsOf("process", 0), 2)
    const { identity, inner } = lease.tables!
    for (const one of [identity, ...inner]) {
      const attached = yield* StrandRegistry.attach(strands.handle!, one)
      attached.registerUnsafe(one.ordinal + 1, "task", "Test", 0, 0)
    }
    assert.strictEqual(strands.snapshotUnsafe().length, 3)
    lease.ended()
    assert.deepStrictEqual(strands.snapshotUnsafe(), [])
  }).pipe(Effect.scoped, Effect.provide(tables))
)
