/**
 * SIGHUP with a reload handler.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { pass, play, type Stage } from "./stage.ts"

const hup = ({ signals }: Stage) => Effect.sync(() => signals.signalUnsafe("SIGHUP"))
const sigterm = ({ signals }: Stage) => Effect.sync(() => signals.signalUnsafe("SIGTERM"))

const counting = (takes: Effect.Effect<unknown, unknown>) => {
  const seen = { begun: 0, ended: 0 }
  const handler = Effect.andThen(
    Effect.sync(() => void seen.begun++),
    Effect.ensuring(
      takes,
      Effect.sync(() => void seen.ended++)
    )
  )
  return { seen, handler }
}

describe("SIGHUP with a reload handler", () => {
  it.effect("reloads, and the service goes on [S6]", () =>
    Effect.gen(function* () {
      const { handler, seen } = counting(Effect.sleep("1 second"))
      const { outcome, stage } = yield* play(Layer.empty, { onReload: handler }, (stage) =>
        Effect.gen(function* () {
          yield* hup(stage)
          yield* pass(2000)
          assert.deepStrictEqual(seen, { begun: 1, ended: 1 })
          yield* sigterm(stage)
        })
      )
      assert.strictEqual(outcome.reason?._tag, "Signal")
      assert.strictEqual(outcome.exitCode, 0)
      assert.isTrue(stage.lines.some((line) => line.text === "reloaded"))
    })
  )

  it.effect("that came during a reload, however often, makes one more [S6]", () =>
    Effect.gen(function* () {
      const { handler, seen } = counting(Effect.sleep("1 second"))
      yield* play(Layer.empty, { onReload: handler }, (stage) =>
        Effect.gen(function* () {
          for (let i = 0; i < 5; i++) yield* hup(stage)
          yield* pass(5000)
          assert.deepStrictEqual(seen, { begun: 2, ended: 2 })
          yield* sigterm(stage)
        })
      )
    })
  )

  it.effect("that fails is told, and the next one reloads [S6]", () =>
    Effect.gen(function* () {
      let runs = 0
      const handler = Effect.suspend(() => (++runs === 1 ? Effect.fail("bad file") : Effect.void))
      const { outcome, stage } = yield* play(Layer.empty, { onReload: handler }, (stage) =>
        Effect.gen(function* () {
          yield* hup(stage)
          yield* pass(100)
          yield* hup(stage)
          yield* pass(100)
          yield* sigterm(stage)
        })
      )
      const texts = stage.lines.map((line) => line.text)
      assert.include(texts, "reload failed; the service goes on as it was: bad file")
      assert.include(texts, "reloaded")
      assert.strictEqual(outcome.exitCode, 0)
    })
  )

  it.effect("during the start reloads once, when the service runs [S6]", () =>
    Effect.gen(function* () {
      const { handler, seen } = counting(Effect.void)
      const App = Layer.effectDiscard(Effect.sleep("2 seconds"))
      const { outcome } = yield* play(App, { onReload: handler }, (stage) =>
        Effect.gen(function* () {
          yield* hup(stage)
          yield* hup(stage)
          yield* pass(1000)
          assert.strictEqual(seen.begun, 0)
          yield* pass(2000)
          assert.strictEqual(seen.begun, 1)
          yield* sigterm(stage)
        })
      )
      assert.strictEqual(outcome.exitCode, 0)
    })
  )

  it.effect("while stopping does nothing; a reload that runs is waited for like a task [S6] [S8]", () =>
    Effect.gen(function* () {
      const { handler, seen } = counting(Effect.sleep("3 seconds"))
      const { outcome } = yield* play(Layer.empty, { onReload: handler }, (stage) =>
        Effect.gen(function* () {
          yield* hup(stage)
          yield* sigterm(stage)
          yield* pass(500)
          yield* hup(stage)
          yield* hup(stage)
        })
      )
      assert.deepStrictEqual(seen, { begun: 1, ended: 1 })
      assert.strictEqual(outcome.report?.durationMillis, 3000)
      assert.strictEqual(outcome.exitCode, 0)
    })
  )

  it.effect("that fails because the service stops is given up, and nobody is told that the service goes on [S6]", () =>
    Effect.gen(function* () {
      const { handler } = counting(Effect.andThen(Effect.sleep("1 second"), Effect.fail("the workers stop")))
      const { outcome, stage } = yield* play(Layer.empty, { onReload: handler }, (stage) =>
        Effect.andThen(hup(stage), sigterm(stage))
      )
      const told = stage.lines.filter(({ text }) => text.startsWith("reload "))
      assert.deepStrictEqual(
        told.map(({ level, text }) => [level, text]),
        [["Info", "reload given up, the service stops: the workers stop"]]
      )
      assert.strictEqual(outcome.exitCode, 0)
    })
  )

  it.effect("that comes a hundred times in one turn, and again and again, makes one more each time [S6]", () =>
    Effect.gen(function* () {
      const { handler, seen } = counting(Effect.sleep("1 second"))
      const { outcome } = yield* play(Layer.empty, { onReload: handler }, (stage) =>
        Effect.gen(function* () {
          for (let i = 0; i < 100; i++) {
            yield* hup(stage)
            yield* pass(10)
          }
          yield* pass(5000)
          assert.deepStrictEqual(seen, { begun: 2, ended: 2 })
          yield* sigterm(stage)
        })
      )
      assert.strictEqual(outcome.exitCode, 0)
    })
  )

  it.effect("that hangs is interrupted at the tasks' deadline and stands in the report [S8] [S9]", () =>
    Effect.gen(function* () {
      const { handler, seen } = counting(Effect.never)
      const { outcome } = yield* play(Layer.empty, { onReload: handler }, (stage) =>
        Effect.andThen(hup(stage), sigterm(stage))
      )
      assert.deepStrictEqual(seen, { begun: 1, ended: 1 })
      assert.deepStrictEqual(outcome.report?.interrupted, [{ type: "hook", name: "onReload" }])
      assert.strictEqual(outcome.exitCode, 124)
      const deaf = counting(Effect.uninterruptible(Effect.never))
      const left = yield* play(Layer.empty, { onReload: deaf.handler }, (stage) =>
        Effect.andThen(hup(stage), sigterm(stage))
      )
      assert.deepStrictEqual(left.outcome.report?.leftBehind, [{ type: "hook", name: "onReload", phase: "lastWords" }])
    })
  )
})
