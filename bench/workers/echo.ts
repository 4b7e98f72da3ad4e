/**
 * A worker that answers, and one that takes records from a ring.
 */
import * as WorkerProgram from "@selvedge/core/service/WorkerProgram"
import * as Record from "@selvedge/core/memory/Record"
import * as Consumer from "@selvedge/core/ring/Consumer"
import * as Ring from "@selvedge/core/ring/Ring"
import * as WorkerRegions from "@selvedge/core/workers/WorkerRegions"
import * as WorkerRequest from "@selvedge/core/workers/WorkerRequest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

export const Double = WorkerRequest.make("Double", { payload: Schema.Int, success: Schema.Int })

export const program = WorkerProgram.make({
  handlers: [WorkerRequest.handler(Double, (n) => Effect.succeed(n * 2))]
})

export const Item = Record.struct({ n: Record.f64 })
export const OWNER = 1_000_000

/** Takes so many records and answers with the sum of their doubles. */
export const TakeAll = WorkerRequest.make("TakeAll", { payload: Schema.Int, success: Schema.Finite })

export const taking = WorkerProgram.make({
  handlers: [
    WorkerRequest.handler(TakeAll, (records) =>
      Effect.gen(function* () {
        const memory = yield* WorkerRegions.get("ring")
        const ring = yield* Ring.attach({ memory, owner: OWNER }, { record: Item })
        const consumer = yield* Consumer.make(ring, { id: "taking" })
        let sum = 0
        for (let taken = 0; taken < records;) {
          const batch = yield* Consumer.takeBatch(consumer, 1024)
          for (const { n } of batch) sum += n * 2
          taken += batch.length
        }
        return sum
      }).pipe(Effect.scoped, Effect.orDie)
    )
  ]
})
