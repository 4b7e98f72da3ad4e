/**
 * A bare child process with the same program: builds it and says so.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { program } from "./program.ts"

await Effect.runPromise(
  Effect.scoped(
    Effect.andThen(
      Layer.build(program),
      Effect.sync(() => process.send!("ready"))
    )
  )
)
process.on("message", () => {})
