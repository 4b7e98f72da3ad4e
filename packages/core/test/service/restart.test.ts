/**
 * SIGHUP in a service with workers: blue-green, and what becomes of it when it fails or the service stops.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Container from "@selvedge/core/workers/Container"
import * as TestContainer from "@selvedge/testing/workers/TestContainer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { answering, Who, workers } from "../workers/operations.ts"
import { crash } from "../workers/stage.ts"
import { pass, play, type Stage } from "./stage.ts"

class Pool extends Context.Service<Pool, Container.Container>()("test/Pool") {}

const hup = ({ signals }: Stage) => Effect.sync(() => signals.signalUnsafe("SIGHUP"))
const sigterm = ({ signals }: Stage) => Effect.sync(() => signals.signalUnsafe("SIGTERM"))

/** Two workers that take a second to be ready; SIGHUP replaces them. */
const serving = (
  act: (stage: Stage, container: Container.Container) => Effect.Effect<unknown, unknown, TestContainer.TestContainer>
) =>
  Effect.gen(function* () {
    const made: Array<Container.Container> = []
    const context = yield* Layer.build(TestContainer.layer)
    const App = Layer.effect(
      Pool,
      Effect.gen(function* () {
        const container = yield* Container.make()
        made.push(container)
        yield* container.run({ name: "a", program: answering("1", 1000), count: 2 })
        yield* container.awaitReady
        return container
      })
    ).pipe(Layer.provide(Layer.succeedContext(context)))
    const played = yield* play(App, { onReload: Pool.use((container) => container.restart()) }, (stage) =>
      Effect.gen(function* () {
        yield* pass(1000)
        yield* act(stage, made[0]!)
        yield* sigterm(stage)
      }).pipe(Effect.orDie, Effect.provideContext(context))
    )
    const handle = Context.get(context, TestContainer.TestContainer)
    assert.deepStrictEqual([yield* handle.running, yield* handle.overlaps], [[], []])
    return { ...played, texts: played.stage.lines.map(({ text }) => text) }
  })

describe("SIGHUP in a service with workers", () => {
  it.effect("replaces them, and they serve all the time [W11] [S6]", () =>
    Effect.gen(function* () {
      const { outcome, texts } = yield* serving((stage, container) =>
        Effect.gen(function* () {
          yield* hup(stage)
          yield* pass(900)
          assert.match(yield* container.request(Who, 0), /^1 [01]\.1$/)
          yield* pass(200)
          assert.match(yield* container.request(Who, 0), /^1 [23]\.1$/)
          yield* pass(1000)
        })
      )
      assert.include(texts, "reloaded")
      assert.strictEqual(outcome.exitCode, 0)
    })
  )

  it.effect(
    "that fails is told with its reason, the service goes on as it was, and the next one works [W11] [S6]",
    () =>
      Effect.gen(function* () {
        const { outcome, texts } = yield* serving((stage, container) =>
          Effect.gen(function* () {
            yield* hup(stage)
            yield* pass(500)
            yield* crash(3)
            yield* pass(1500)
            assert.deepStrictEqual(yield* workers(container), ["a 0: 0.1", "a 1: 1.1"])
            yield* hup(stage)
            yield* pass(2000)
            assert.deepStrictEqual(yield* workers(container), ["a 0: 2.2", "a 1: 3.2"])
          })
        )
        const failed = texts.find((text) => text.startsWith("reload failed; the service goes on as it was"))
        assert.include(failed, "the restart failed and the old workers serve on: a 1 on trial ended by SIGKILL")
        assert.include(texts, "reloaded")
        assert.strictEqual(outcome.exitCode, 0)
      })
  )

  it.effect("that comes during a restart, however often, makes one more [W11] [S6]", () =>
    Effect.gen(function* () {
      yield* serving((stage, container) =>
        Effect.gen(function* () {
          for (let i = 0; i < 5; i++) yield* hup(stage)
          yield* pass(5000)
          assert.deepStrictEqual(yield* workers(container), ["a 0: 0.2", "a 1: 1.2"])
          assert.strictEqual((yield* container.statistics).spawns, 6)
        })
      )
    })
  )

  it.effect("and SIGTERM at any time during the restart end inside the budget with nobody left [W11] [S8] [W10]", () =>
    Effect.gen(function* () {
      for (let after = 0; after <= 2400; after += 300) {
        const { outcome, texts } = yield* serving((stage) => Effect.andThen(hup(stage), pass(after)))
        assert.strictEqual(outcome.exitCode, 0, `after ${after} ms`)
        assert.isAtMost(outcome.report?.durationMillis ?? Infinity, 3000, `after ${after} ms`)
        assert.deepStrictEqual(outcome.report?.leftBehind, [], texts.join("\n"))
      }
    })
  )
})
