/**
 * Readiness and stage, as the layer and every hook see them.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Lifecycle from "@selvedge/core/service/Lifecycle"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { play } from "./stage.ts"

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
