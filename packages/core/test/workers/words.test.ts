/**
 * What a worker says about itself, in its row.
 */
import { assert, describe, it } from "@effect/vitest"
import * as WorkerProgram from "@selvedge/core/service/WorkerProgram"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as Backend from "@selvedge/core/workers/Backend"
import * as Container from "@selvedge/core/workers/Container"
import { WorkerStatus } from "@selvedge/core/workers/WorkerStatus"
import * as Effect from "effect/Effect"
import { answering, Who } from "./operations.ts"
import { crash, on, pass, settle } from "./stage.ts"

describe("a worker that says that it reloads or restarts", () => {
  it.effect("shows that in its row until it says that it is ready or healthy again, and takes requests [W13]", () =>
    Effect.gen(function* () {
      const main = Effect.gen(function* () {
        const status = yield* WorkerStatus
        yield* status.ready
        for (const [word, again] of [
          [status.reloading, status.ready],
          [status.restarting, status.healthy]
        ] as const) {
          yield* Effect.sleep(1000)
          yield* word
          yield* Effect.sleep(1000)
          yield* again
        }
        yield* Effect.sleep(1000)
        yield* status.reloading
        yield* ShutdownToken.awaitDraining
      })
      const container = yield* Container.make()
      const program = Backend.direct(WorkerProgram.make({ ready: "manual", main }))
      yield* container.run({ name: "a", program, count: 1, healthTimeout: "400 millis" })
      yield* settle
      const word = Effect.map(container.status, (rows) => [rows[0]?.state, rows[0]?.word])
      const seen = []
      for (let second = 0; second < 6; second++) {
        seen.push((yield* word)[1])
        for (let i = 0; i < 10; i++) yield* pass(100)
      }
      assert.deepStrictEqual(seen, [undefined, "reloading", undefined, "restarting", undefined, "reloading"])
      assert.deepStrictEqual(yield* word, ["Ready", "reloading"])
      yield* crash(0)
      yield* settle
      assert.deepStrictEqual(yield* word, ["Ready", undefined])
    }).pipe(on())
  )
})

describe("the requests a life was sent", () => {
  it.effect("are counted in its row, and begin anew with the next life [W14]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      yield* container.run({ name: "a", program: answering("1"), count: 1 })
      yield* settle
      const requests = Effect.map(container.status, (rows) => rows[0]?.requests)
      for (let i = 0; i < 3; i++) yield* container.request(Who, 0)
      assert.strictEqual(yield* requests, 3)
      yield* crash(0)
      yield* settle
      assert.strictEqual(yield* requests, 0)
    }).pipe(on())
  )
})
