/**
 * What a service says about its end: each failure once, a foreseen one in one line, a mistake with its stack.
 */
import { assert, describe, it } from "@effect/vitest"
import * as TaskRegistry from "@selvedge/core/tasks/TaskRegistry"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Main from "@selvedge/core/service/Main"
import { type Line, pass, play, type Stage } from "./stage.ts"

class ServeError extends Data.TaggedError("ServeError")<{ readonly cause: unknown }> {}

class Unreadable extends Data.TaggedError("Unreadable")<{ readonly path: string; readonly cause: unknown }> {
  override get message(): string {
    return `cannot read ${this.path}`
  }
}

const inUse = new ServeError({ cause: new Error("listen EADDRINUSE: address already in use 127.0.0.1:3000") })
const sigterm = ({ signals }: Stage) => Effect.sync(() => signals.signalUnsafe("SIGTERM"))
const nothing = () => Effect.void
const texts = (lines: ReadonlyArray<Line>): ReadonlyArray<string> => lines.map((line) => line.text)
const count = (lines: ReadonlyArray<Line>, text: string): number =>
  lines.reduce((sum, line) => sum + line.text.split(text).length - 1, 0)

describe("a start that fails as foreseen", () => {
  it.effect("says one line: the tag and the message of what caused it [S9]", () =>
    Effect.gen(function* () {
      const { outcome, stage } = yield* play(Layer.effectDiscard(Effect.fail(inUse)), {}, nothing)
      assert.deepStrictEqual(stage.lines, [
        {
          level: "Error",
          text: "build failed: ServeError: listen EADDRINUSE: address already in use 127.0.0.1:3000"
        }
      ])
      assert.strictEqual(outcome.exitCode, 1)
    })
  )

  it.effect("joins the messages of nested causes, each once [S9]", () =>
    Effect.gen(function* () {
      const error = new Unreadable({
        path: "/data/x.db",
        cause: new Error("SQLITE_CANTOPEN", { cause: new Error("EACCES: permission denied") })
      })
      const { stage } = yield* play(Layer.empty, { preStart: Effect.fail(error) }, nothing)
      assert.deepStrictEqual(texts(stage.lines), [
        "preStart failed: Unreadable: cannot read /data/x.db: SQLITE_CANTOPEN: EACCES: permission denied"
      ])
    })
  )

  it.effect("stays one line for texts, plain objects, circles of causes and line breaks [S9]", () =>
    Effect.gen(function* () {
      const circle = new Error("round")
      circle.cause = circle
      for (const [error, line] of [
        ["boom", "build failed: boom"],
        [{ _tag: "Odd", port: 1 }, `build failed: Odd: {"_tag":"Odd","port":1}`],
        [circle, "build failed: Error: round"],
        [new Error("two\nlines"), `build failed: Error: "two\\nlines"`],
        [undefined, "build failed: undefined"]
      ] as const) {
        const { stage } = yield* play(Layer.effectDiscard(Effect.fail(error)), {}, nothing)
        assert.deepStrictEqual(texts(stage.lines), [line])
      }
    })
  )

  it.effect("adds what was left behind, and only that [S9]", () =>
    Effect.gen(function* () {
      const App = Layer.effectDiscard(
        Effect.andThen(
          Effect.addFinalizer(() => Effect.never),
          Effect.fail(inUse)
        )
      )
      const { outcome, stage } = yield* play(App, {}, nothing)
      assert.strictEqual(outcome.exitCode, 1)
      assert.strictEqual(count(stage.lines, "EADDRINUSE"), 1)
      assert.isTrue(texts(stage.lines).some((line) => line.startsWith("left behind: ")))
    })
  )
})

describe("a defect", () => {
  it.effect("is printed once, with its stack, and not again in the summary [S9]", () =>
    Effect.gen(function* () {
      const { stage } = yield* play(Layer.effectDiscard(Effect.die(new Error("planned defect"))), {}, nothing)
      assert.strictEqual(count(stage.lines, "planned defect"), 1)
      assert.include(stage.lines[0]!.text, "build failed")
      assert.include(stage.lines[0]!.text, "logging.test.ts")
    })
  )

  for (const step of ["onStop", "flush", "postStop"] as const) {
    it.effect(`in ${step} is printed once and stands in the report [S9]`, () =>
      Effect.gen(function* () {
        const broken = { [step]: Effect.die(new Error("planned defect")) }
        const { outcome, stage } = yield* play(Layer.empty, broken, sigterm)
        assert.strictEqual(count(stage.lines, "planned defect"), 1)
        assert.deepStrictEqual(outcome.report?.failures, [{ where: step, message: "Error: planned defect" }])
      })
    )
  }
})

describe("a failed run or task", () => {
  it.effect("is told once: run [S9] [S4]", () =>
    Effect.gen(function* () {
      const { outcome, stage } = yield* play(Layer.empty, { run: Effect.fail(inUse) }, nothing)
      assert.strictEqual(count(stage.lines, "EADDRINUSE"), 1)
      assert.include(texts(stage.lines), "stopping: Fatal (run); budget 25s, 0 live task(s)")
      assert.deepStrictEqual(
        outcome.report?.failures.map((row) => row.where),
        ["run"]
      )
      assert.include(outcome.report?.reason?.detail, "Fatal (run)")
    })
  )

  it.effect("is told once: a critical task, by its registry [S9] [T4]", () =>
    Effect.gen(function* () {
      const App = Layer.effectDiscard(
        TaskRegistry.spawn(Effect.fail(new Error("planned failure")), {
          name: "critical",
          kind: "BackgroundLoop",
          critical: true
        })
      )
      const { outcome, stage } = yield* play(App, {}, nothing)
      assert.strictEqual(outcome.reason?._tag, "TaskFailed")
      assert.strictEqual(count(stage.lines, "planned failure"), 1)
      assert.isTrue(
        texts(stage.lines).some((line) => line.startsWith(`stopping: TaskFailed: BackgroundLoop "critical"`))
      )
    })
  )
})

describe("the summary", () => {
  it.effect("names what was interrupted and left, and how long the phases took [S9]", () =>
    Effect.gen(function* () {
      const App = Layer.effectDiscard(
        Effect.gen(function* () {
          yield* TaskRegistry.spawn(Effect.never, { name: "stuck", kind: "BackgroundLoop" })
          yield* TaskRegistry.spawn(Effect.uninterruptible(Effect.never), { name: "deaf", kind: "PeerConnection" })
          yield* TaskRegistry.spawn(ShutdownToken.awaitDraining, { name: "polite", kind: "RpcHandler" })
        })
      )
      const { outcome, stage } = yield* play(
        App,
        { run: Effect.andThen(Effect.sleep("1 second"), Effect.void), onStop: Effect.never },
        nothing
      )
      const lines = texts(stage.lines)
      const summary = lines.findIndex((line) => line.startsWith("shutdown took"))
      assert.strictEqual(
        lines[summary],
        "shutdown took 22.5s of 25.0s: 1 task(s) ended, 1 interrupted, 2 thing(s) left behind; " +
          "reason RunCompleted; exit code 124"
      )
      assert.includeMembers(lines.slice(summary), [
        `left behind: task "deaf (PeerConnection #2)" (in lastWords)`,
        `left behind: hook "onStop" (in onStop)`
      ])
      assert.isTrue(lines.some((line) => line.startsWith(`interrupted: task "stuck" (BackgroundLoop #1) after 21.`)))
      assert.isTrue(lines.some((line) => /^phases: tasks 20\.5s, lastWords 1\.00s, onStop \d/.test(line)))
      assert.strictEqual(outcome.exitCode, 124)
    })
  )

  it.effect("is a warning when the exit code is not 0, else information [S9]", () =>
    Effect.gen(function* () {
      const level = (lines: ReadonlyArray<Line>) => lines.find((line) => line.text.startsWith("shutdown took"))?.level
      const good = yield* play(Layer.empty, {}, sigterm)
      const bad = yield* play(Layer.empty, { onStop: Effect.fail("x") }, sigterm)
      assert.deepStrictEqual([level(good.stage.lines), level(bad.stage.lines)], ["Info", "Warn"])
    })
  )

  it.effect(
    "says that a layer without onStopAccepting accepted to the end, and does not say it of another [S8] [S9]",
    () =>
      Effect.gen(function* () {
        const without = yield* play(Layer.empty, {}, sigterm)
        assert.strictEqual(without.outcome.report?.acceptedUntil, "close")
        assert.strictEqual(count(without.stage.lines, "onStopAccepting"), 1)
      })
  )
})

describe("a logger that throws", () => {
  it.effect("loses its lines and nothing else: the service ends as always [S8] [S9]", () =>
    Effect.gen(function* () {
      const App = Layer.effectDiscard(TaskRegistry.spawn(Effect.never, { name: "stuck", kind: "BackgroundLoop" }))
      const main = yield* Main.run(App, { run: Effect.fail("x"), onStop: Effect.die(new Error("y")) }).pipe(
        Effect.provide(
          Logger.layer([
            Logger.make(() => {
              throw new Error("no disk")
            })
          ])
        ),
        Effect.forkDetach({ startImmediately: true })
      )
      yield* pass(60_000, 500)
      const outcome = yield* Fiber.join(main)
      assert.strictEqual(outcome.exitCode, 1)
      assert.isTrue(Cause.hasFails(outcome.error!))
      assert.strictEqual(outcome.report?.phases.at(-1)?.phase, "postStop")
    })
  )
})
