import { assert, describe, it } from "@effect/vitest"
import * as Backend from "@selvedge/core/workers/Backend"
import * as Container from "@selvedge/core/workers/Container"
import * as WorkerExit from "@selvedge/core/workers/WorkerExit"
import * as HybridBackend from "@selvedge/node/workers/HybridBackend"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { errorOf, fixture, quiet } from "./support.ts"

const told = (exit: WorkerExit.WorkerExit): string => errorOf(exit)?.message ?? WorkerExit.describe(exit)

const hybrid = Layer.orDie(HybridBackend.layer({ threads: 2, intensity: { max: 0, period: "1 second" } }))

describe("a process of threads", () => {
  it.live("judges its threads by the signs of life that its container asks for [W7]", () =>
    Effect.gen(function* () {
      const exits: Array<WorkerExit.WorkerExit> = []
      const container = yield* Container.make({
        policy: { exited: ({ exit }) => Effect.sync(() => void exits.push(exit)) }
      })
      const program = Backend.module(fixture("blocking"))
      const child = yield* container.spawn({ name: "busy", program, restart: "temporary", healthTimeout: "5 seconds" })
      yield* child.awaitEnded
      assert.include(told(exits[0]!), "killed: health timeout")
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(hybrid, quiet)))
  )

  it.live("judges them by their progress, and is not judged by it itself [W7]", () =>
    Effect.gen(function* () {
      const exits: Array<WorkerExit.WorkerExit> = []
      const container = yield* Container.make({
        policy: { exited: ({ exit }) => Effect.sync(() => void exits.push(exit)) }
      })
      const program = Backend.module(fixture("asleep"), "idle")
      const child = yield* container.spawn({
        name: "idle",
        program,
        restart: "temporary",
        progressTimeout: "3 seconds"
      })
      yield* child.awaitEnded
      assert.include(told(exits[0]!), "killed: progress timeout")
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(hybrid, quiet)))
  )
})
