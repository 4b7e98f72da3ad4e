/**
 * Supervisors of groups in many orders of their fibers, with crashes from their first start on.
 *
 * Each run has a seed; one that failed fails again with its number.
 */
import { assert, describe, it } from "@effect/vitest"
import * as WorkerProgram from "@selvedge/core/service/WorkerProgram"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as Backend from "@selvedge/core/workers/Backend"
import * as Supervisor from "@selvedge/core/workers/Supervisor"
import { WorkerStatus } from "@selvedge/core/workers/WorkerStatus"
import * as FiberExplorer from "@selvedge/testing/scheduler/FiberExplorer"
import * as TestContainer from "@selvedge/testing/workers/TestContainer"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { quietly } from "../service/stage.ts"

/** Is ready ten milliseconds after its start. */
const soon = Backend.direct(
  WorkerProgram.make({
    ready: "manual",
    main: Effect.andThen(
      Effect.sleep(10),
      Effect.andThen(
        WorkerStatus.use((status) => status.ready),
        ShutdownToken.awaitDraining
      )
    )
  })
)

/** Notes what is begun (+) and what has ended (-) on the spot: hooks of a policy are fibers, in an order of their own. */
const noting = (backend: Backend.Shape, told: Array<string>): Backend.Shape => ({
  ...backend,
  start: (request, listener) =>
    Effect.suspend(() => {
      const { name } = request.context
      told.push(`+${name}`)
      const exited: Backend.Listener["exited"] = (exit) => {
        told.push(`-${name}`)
        listener.exited(exit)
      }
      return backend.start(request, { ...listener, exited })
    })
})

/** What was begun (+) and what ended (-), and how it stood at last. */
const story = (strategy: "one-for-all" | "rest-for-one", seed: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const workers = yield* TestContainer.TestContainer
      const told: Array<string> = []
      const crashing = yield* Effect.forkChild(
        Effect.gen(function* () {
          for (let at = 0; at < 4; at++) {
            yield* Effect.sleep((seed * 7 + at * 13) % 40)
            yield* workers.crash((seed + at) % 3)
            if (seed % 4 > 1) yield* workers.crash((seed + at + 1) % 3)
          }
        })
      )
      const supervisor = yield* Supervisor.make({
        strategy,
        intensity: { max: 1000, period: "5 seconds" },
        children: ["a", "b", "c"].map((name) => ({ name, program: soon, count: 1 }))
      }).pipe(Effect.provideService(Backend.Backend, noting(yield* Backend.Backend, told)))
      yield* Fiber.await(crashing)
      yield* Effect.sleep("30 seconds")
      const states = (yield* supervisor.status).map((row) => row.state)
      const overlaps = (yield* workers.overlaps).length
      return { told, states, overlaps }
    })
  ).pipe(Effect.provide(TestContainer.layer), Effect.orDie, quietly([]))

/** Who was begun while one before it was down. */
const tooEarly = (told: ReadonlyArray<string>): ReadonlyArray<string> => {
  const up = new Set<string>()
  return told.filter((step) => {
    const name = step.slice(1)
    if (step.startsWith("-")) up.delete(name)
    else up.add(name)
    return step.startsWith("+") && ["a", "b"].some((before) => before < name && !up.has(before))
  })
}

describe("a supervisor of a group, in many orders", () => {
  for (const strategy of ["one-for-all", "rest-for-one"] as const) {
    it.live(`has all its workers in the end, none begun while one before it was down, ${strategy} [W6] [M3]`, () =>
      Effect.gen(function* () {
        for (let seed = 0; seed < 16; seed++) {
          const { outcome } = yield* FiberExplorer.run(story(strategy, seed), { seed })
          if (outcome._tag !== "Ended" || outcome.exit._tag === "Failure") {
            return assert.fail(`seed ${seed}: ${FiberExplorer.why(outcome)}`)
          }
          const { told, states, overlaps } = outcome.exit.value
          assert.deepStrictEqual(states, ["Ready", "Ready", "Ready"], `seed ${seed}: ${told.join(" ")}`)
          assert.deepStrictEqual(tooEarly(told), [], `seed ${seed}: ${told.join(" ")}`)
          assert.strictEqual(overlaps, 0)
        }
      })
    )
  }
})
