/**
 * A bare worker that was posted the handles of all three tables, and its ordinal and generation.
 */
import * as CounterId from "@selvedge/core/diagnostics/CounterId"
import * as Counters from "@selvedge/core/diagnostics/Counters"
import * as FlightRecorder from "@selvedge/core/diagnostics/FlightRecorder"
import type { Identity } from "@selvedge/core/diagnostics/Identity"
import * as StrandRegistry from "@selvedge/core/diagnostics/StrandRegistry"
import type * as StrandReader from "@selvedge/core/diagnostics/StrandReader"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { isMainThread, parentPort, workerData } from "node:worker_threads"

export interface Job {
  readonly strands: StrandReader.Handle
  readonly counters: Counters.Handle
  readonly events: FlightRecorder.Handle
  readonly identity: Identity
}

const program = Effect.gen(function* () {
  const { identity } = workerData as Job
  yield* StrandRegistry.register({ id: 7, name: "in a worker", kind: "BackgroundLoop" })
  yield* Counters.add(yield* Counters.register(CounterId.ids.tasksSpawned), 5)
  yield* FlightRecorder.record("worker.ready", { id: identity.generation, text: "hello" })
  yield* Effect.sync(() => parentPort!.postMessage("ready"))
  // Until it is terminated; a port that is listened to keeps it alive.
  return yield* Effect.callback<never>(() => void parentPort!.on("message", () => undefined))
})

if (!isMainThread) {
  const { counters, events, identity, strands } = workerData as Job
  const layer = Layer.mergeAll(
    StrandRegistry.layerAttached(strands, identity),
    Counters.layerAttached(counters, identity),
    FlightRecorder.layerAttached(events, identity)
  )
  await Effect.runPromise(Effect.provide(program, layer))
}
