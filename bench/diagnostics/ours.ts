/**
 * The jobs of the diagnostics part, done with ours.
 */
import * as Counters from "@selvedge/core/diagnostics/Counters"
import * as FlightRecorder from "@selvedge/core/diagnostics/FlightRecorder"
import * as StrandRegistry from "@selvedge/core/diagnostics/StrandRegistry"
import * as SharedMemory from "@selvedge/core/memory/SharedMemory"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { check, perOperation, startWatch } from "../harness.ts"
import { fill, pairsPerSecond, type Table } from "./shared.ts"

/** Lives as long as the process. */
const scope = Scope.makeUnsafe()
const run = <A, E>(effect: Effect.Effect<A, E, SharedMemory.SharedMemory | Scope.Scope>): A =>
  Effect.runSync(effect.pipe(Effect.provide(SharedMemory.layerThread), Effect.provideService(Scope.Scope, scope)))

const strands = (capacity: number): { readonly registry: StrandRegistry.Shape; readonly table: Table<number> } => {
  const registry = run(StrandRegistry.make({ capacity }))
  return {
    registry,
    table: {
      register: (id) => {
        const handle = registry.registerUnsafe(id, "request", "RpcHandler", 7, 1_000_000 + id)
        return handle === -1 ? undefined : handle
      },
      unregister: registry.unregisterUnsafe
    }
  }
}

export const claimAndRelease = (capacity: number): number => {
  const { registry, table } = strands(capacity)
  const rate = pairsPerSecond(table, fill(table, capacity), 1_000_000, () => startWatch("cpu"))
  const { active, lost, overflow } = registry.totalsUnsafe()
  check(active === Math.floor(capacity * 0.9) && lost === 0 && overflow === 0, "nobody is lost")
  return rate
}

export const claimWhenFull = (capacity: number): Promise<number> => {
  const { table } = strands(capacity)
  for (let id = 1; id <= capacity; id++) table.register(id)
  return perOperation({
    operations: 100_000,
    watch: "cpu",
    batch: () => {
      for (let i = 0; i < 100_000; i++) check(table.register(1) === undefined, "a full table takes none")
    }
  })
}

export const snapshot = async (capacity: number): Promise<number> => {
  const { registry, table } = strands(capacity)
  const live = fill(table, capacity)
  const nanos = await perOperation({
    operations: 100,
    watch: "cpu",
    batch: () => {
      for (let i = 0; i < 100; i++) check(registry.snapshotUnsafe().length === live.length, "all are seen")
    }
  })
  return nanos / 1000
}

const counter = (): readonly [Counters.Shape, ReturnType<Counters.Shape["batchUnsafe"]>["counter"]] => {
  const counters = run(Counters.make())
  const made = counters.registerUnsafe({ id: 1000, name: "bench", kind: "counter", help: "" })
  if (made instanceof Error) throw made
  return [counters, made]
}

const MANY = 1_000_000

export const counterAdd = async (amount: number): Promise<number> => {
  const [, made] = counter()
  let expected = 0
  const nanos = await perOperation({
    operations: MANY,
    watch: "cpu",
    batch: () => {
      for (let i = 0; i < MANY; i++) made.addUnsafe(amount)
      expected += MANY * amount
    }
  })
  check(made.readUnsafe() === expected, "all is counted")
  return nanos
}

export const batchAdd = async (): Promise<number> => {
  const [counters, made] = counter()
  const batch = counters.batchUnsafe(made, 64)
  let expected = 0
  const nanos = await perOperation({
    operations: MANY,
    watch: "cpu",
    batch: () => {
      for (let i = 0; i < MANY; i++) batch.addUnsafe(1)
      expected += MANY
    }
  })
  batch.flushUnsafe()
  check(made.readUnsafe() === expected, "all is counted")
  return nanos
}

export const record = (): Promise<number> => {
  const recorder = run(FlightRecorder.make())
  return perOperation({
    operations: 100_000,
    watch: "cpu",
    batch: () => {
      for (let i = 0; i < 100_000; i++) {
        check(recorder.recordUnsafe("task.failed", i, "request timed out", 1_700_000_000_000), "there is an entry")
      }
    }
  })
}
