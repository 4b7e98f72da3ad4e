/**
 * A thread that takes everything from a ring; see `taking.ts`.
 *
 * @internal
 */
import * as Ring from "@selvedge/core/ring/Ring"
import * as Effect from "effect/Effect"
import { parentPort, workerData } from "node:worker_threads"
import { Numbered, type TakerData, taking, type Told } from "./taking.ts"

const { handle, how } = workerData as TakerData
const tell = (told: Told): void => parentPort?.postMessage(told)

const main = Effect.gen(function* () {
  const role = how._tag === "Fibers" ? "fibers" : "dedicated"
  const ring = yield* Ring.attach(handle, { record: Numbered, role })
  const seen = yield* taking(ring, how, () => tell({ _tag: "Ready" }))
  tell({ _tag: "Seen", ...seen })
})

// Who waits is no work to the event loop: it lives until it is terminated.
parentPort?.on("message", () => undefined)
await Effect.runPromise(Effect.scoped(main))
