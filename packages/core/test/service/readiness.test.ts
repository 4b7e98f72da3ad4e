/**
 * Readiness and stage, as the layer and every hook see them.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Lifecycle from "@selvedge/core/service/Lifecycle"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as Backend from "@selvedge/core/workers/Backend"
import * as Container from "@selvedge/core/workers/Container"
import * as TestContainer from "@selvedge/testing/workers/TestContainer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { failingAfter, patient, starting } from "../workers/stage.ts"
import { makeStage, pass, play, settle } from "./stage.ts"

describe("readiness", () => {
  it.effect("goes off at the request, while the root still runs, and never comes back [S1] [S8]", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const look = (when: string) =>
        Effect.gen(function* () {
          const life = yield* Lifecycle.Lifecycle
          const draining = yield* ShutdownToken.isDraining
          seen.push(`${when}: ${yield* life.stage}, ready ${life.isReadyUnsafe()}, draining ${draining}`)
        })
      const App = Layer.effectDiscard(
        Effect.gen(function* () {
          yield* look("build")
          yield* Effect.forkScoped(
            ShutdownToken.awaitRequested.pipe(
              Effect.andThen(Effect.sleep(1)),
              Effect.andThen(look("delay")),
              Effect.andThen(ShutdownToken.awaitDraining),
              Effect.andThen(look("after"))
            )
          )
          yield* Effect.forkScoped(Effect.andThen(Lifecycle.awaitReady, look("awaitReady")))
        })
      )
      yield* play(
        App,
        { drainDelay: "2 seconds", onStart: look("onStart"), onStop: look("onStop"), postStop: look("postStop") },
        ({ signals }) => Effect.sync(() => signals.signalUnsafe("SIGTERM"))
      )
      assert.deepStrictEqual(seen, [
        "build: building, ready false, draining false",
        "onStart: onStart, ready false, draining false",
        "awaitReady: running, ready true, draining false",
        "delay: stopping, ready false, draining false",
        "after: stopping, ready false, draining true",
        "onStop: stopping, ready false, draining true",
        "postStop: stopping, ready false, draining true"
      ])
    })
  )
})

/** A service whose layer makes containers, and the hand on it. */
const withContainers = (
  build: Effect.Effect<unknown, unknown, Backend.Backend | Scope.Scope>,
  look: (life: Lifecycle.Shape, workers: TestContainer.Shape) => Effect.Effect<unknown, unknown>
) =>
  Effect.gen(function* () {
    const stage = yield* makeStage
    let hand: readonly [Lifecycle.Shape, TestContainer.Shape] | undefined
    const App = Layer.effectDiscard(
      Effect.gen(function* () {
        hand = [yield* Lifecycle.Lifecycle, yield* TestContainer.TestContainer]
        yield* build
      })
    ).pipe(Layer.provide(TestContainer.layer))
    yield* stage.launch(App, { budget: "10 seconds" })
    yield* settle
    yield* look(...hand!)
    stage.signals.signalUnsafe("SIGTERM")
    yield* pass(20_000, 500)
  })

/** Crashes ordinal 0 and lets everybody take their steps, in no time. */
const crashFirst = (workers: TestContainer.Shape) => Effect.andThen(workers.crash(0), settle)

describe("readiness of a service with containers", () => {
  it.effect(
    "is off while the only worker of a service waits for its next life, and comes back with it [W7] [W13]",
    () =>
      withContainers(
        Effect.gen(function* () {
          const container = yield* Container.make({ intensity: { max: 10, period: "1 minute" } })
          yield* container.run({ name: "one", program: patient, count: 1, backoff: Schedule.spaced("2 seconds") })
          yield* container.run({ name: "two", program: patient, count: 2 })
          yield* container.awaitReady
        }),
        (life, workers) =>
          Effect.gen(function* () {
            assert.isTrue(life.isReadyUnsafe())
            yield* crashFirst(workers)
            assert.isFalse(life.isReadyUnsafe())
            yield* pass(1900)
            assert.isFalse(life.isReadyUnsafe())
            yield* pass(200)
            assert.isTrue(yield* life.isReady)
          })
      )
  )

  it.effect("stays on while another worker of the same service is ready [W13]", () =>
    withContainers(
      Effect.gen(function* () {
        const container = yield* Container.make()
        yield* container.run({ name: "two", program: patient, count: 2, backoff: Schedule.spaced("2 seconds") })
        yield* container.awaitReady
      }),
      (life, workers) =>
        Effect.gen(function* () {
          yield* crashFirst(workers)
          assert.isTrue(life.isReadyUnsafe())
        })
    )
  )

  it.effect("is not on because all workers are dead, given up or lost [W13] [flaw W13: ready when all are dead]", () =>
    Effect.gen(function* () {
      yield* withContainers(
        Effect.flatMap(Container.make({ intensity: { max: 0, period: "1 second" } }), (container) =>
          container.run({ name: "one", program: failingAfter(1000), count: 1 })
        ),
        (life) =>
          Effect.gen(function* () {
            assert.isTrue(life.isReadyUnsafe())
            yield* pass(3000)
            assert.isFalse(life.isReadyUnsafe())
          })
      )
      yield* withContainers(
        Effect.flatMap(Container.make(), (container) =>
          container.run({ name: "one", program: failingAfter(1000), count: 2, restart: "temporary" })
        ),
        (life) =>
          Effect.gen(function* () {
            yield* pass(3000)
            assert.isFalse(life.isReadyUnsafe())
          })
      )
    })
  )

  it.effect("does not ask for a worker that has done its work, or was stopped on purpose [W13]", () =>
    withContainers(
      Effect.gen(function* () {
        const container = yield* Container.make()
        const job = Backend.direct(Effect.sleep("1 second"))
        yield* container.run({ name: "job", program: job, count: 1, restart: "transient" })
        const child = yield* container.spawn({ name: "one", program: patient })
        yield* Effect.forkScoped(Effect.andThen(Effect.sleep("2 seconds"), child.stop()))
      }),
      (life) =>
        Effect.gen(function* () {
          yield* pass(1500)
          assert.isTrue(life.isReadyUnsafe())
          yield* pass(1500)
          assert.isTrue(life.isReadyUnsafe())
        })
    )
  )

  it.effect("forgets a container from the moment its own scope closes [W13]", () =>
    withContainers(
      Effect.forkScoped(
        Effect.scoped(
          Effect.gen(function* () {
            const container = yield* Container.make({ grace: "5 seconds" })
            yield* container.run({ name: "late", program: starting, count: 1 })
            yield* Effect.sleep("1 second")
          })
        )
      ),
      (life) =>
        Effect.gen(function* () {
          assert.isFalse(life.isReadyUnsafe())
          yield* pass(1100)
          assert.isTrue(life.isReadyUnsafe())
        })
    )
  )

  it.effect("is waited for, once: what comes after the first time holds nobody up [W13]", () =>
    withContainers(
      Effect.gen(function* () {
        const container = yield* Container.make({ intensity: { max: 10, period: "1 minute" } })
        const program = Backend.direct(Layer.effectDiscard(Effect.sleep("3 seconds")))
        yield* container.run({ name: "one", program, count: 1, backoff: Schedule.spaced("2 seconds") })
      }),
      (life, workers) =>
        Effect.gen(function* () {
          let waited = 0
          yield* Effect.forkDetach(Effect.map(life.awaitReady, () => void waited++))
          yield* pass(2900)
          assert.deepStrictEqual([waited, yield* life.stage, life.isReadyUnsafe()], [0, "running", false])
          yield* pass(200)
          assert.deepStrictEqual([waited, life.isReadyUnsafe()], [1, true])
          yield* crashFirst(workers)
          yield* life.awaitReady
          assert.isFalse(life.isReadyUnsafe())
        })
    )
  )
})
