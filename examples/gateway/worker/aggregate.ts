/**
 * A worker of the gateway that counts: one shard of the events in the ring, kept in a file of its own.
 *
 * It is ready as soon as it could count, and counts once the shard is its own.
 */
import { Ring, WorkerContext, WorkerProgram, WorkerRegions, WorkerRequest } from "@selvedge/core"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Settings } from "../Settings.ts"
import { EventRecord, REGION } from "./EventRecord.ts"
import * as Ask from "./requests.ts"
import * as Shard from "./Shard.ts"

class Mine extends Context.Service<Mine, Shard.Shard>()("gateway/Shard") {
  static readonly layer = Layer.effect(
    Mine,
    Effect.gen(function* () {
      const identity = yield* WorkerContext.WorkerContext
      // Before it is ready: a ring that this program cannot read must not cost the life before it its place.
      const ring = yield* Ring.attach(yield* WorkerRegions.handle(REGION), { record: EventRecord })
      return yield* Shard.make(ring, identity.serviceOrdinal)
    })
  )
}

export const program = WorkerProgram.make({
  layer: Layer.provide(Mine.layer, Settings.layer),
  main: Effect.flatMap(Mine, ({ work }) => work),
  handlers: [WorkerRequest.handler(Ask.Summarize, (rows) => Mine.use(({ summarize }) => summarize(rows)))]
})
