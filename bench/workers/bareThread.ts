/**
 * A bare `Worker` with the same program: builds it and says so.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { parentPort } from "node:worker_threads"
import { program } from "./program.ts"

await Effect.runPromise(
  Effect.scoped(
    Effect.andThen(
      Layer.build(program),
      Effect.sync(() => parentPort!.postMessage("ready"))
    )
  )
)
parentPort!.on("message", () => {})
