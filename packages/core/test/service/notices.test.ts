/**
 * What a service tells its service manager, line by line, in virtual time.
 */
import { assert, describe, it } from "@effect/vitest"
import * as TaskRegistry from "@selvedge/core/tasks/TaskRegistry"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { patient } from "../workers/stage.ts"
import { pass, type Stage } from "./stage.ts"
import { live, states, sigterm, sighup, lastOf, withWorkers } from "./recipient.ts"

describe("what a service tells its service manager", () => {
  it.effect("is READY once its workers are, RELOADING and READY for every reload, and STOPPING once [W13]", () =>
    Effect.gen(function* () {
      const { heard, outcome } = yield* live(
        withWorkers({ program: patient }),
        { onStart: Effect.sleep("2 seconds"), onReload: Effect.sleep("1 second") },
        (stage) =>
          Effect.gen(function* () {
            yield* pass(3000)
            for (let reload = 0; reload < 2; reload++) {
              yield* sighup(stage)
              yield* pass(2000)
            }
            yield* sigterm(stage)
          })
      )
      assert.deepStrictEqual(heard.all(...states, "MONOTONIC"), [
        "2s READY=1",
        "3s RELOADING=1",
        "3s MONOTONIC_USEC=3000000",
        "4s READY=1",
        "5s RELOADING=1",
        "5s MONOTONIC_USEC=5000000",
        "6s READY=1",
        "7s STOPPING=1"
      ])
      assert.strictEqual(outcome.exitCode, 0)
      assert.match(lastOf(heard), /^STATUS=stopped with exit code 0 after/)
    })
  )

  it.effect("is not ready before every service has a ready worker, and says so [W13]", () =>
    Effect.gen(function* () {
      const late = Layer.effectDiscard(Effect.sleep("3 seconds"))
      const { heard } = yield* live(
        withWorkers({ program: { _tag: "Direct", program: late }, count: 1 }),
        {},
        (stage, heard) =>
          Effect.gen(function* () {
            yield* pass(2000)
            assert.deepStrictEqual(heard.all(...states), [])
            assert.include(heard.all("STATUS").at(-1), "STATUS=starting; workers ready 0/1; none of parser")
            yield* pass(2000)
            yield* sigterm(stage)
          })
      )
      assert.deepStrictEqual(heard.all(...states), ["3s READY=1", "4s STOPPING=1"])
      assert.include(heard.all("STATUS=ready"), "3s STATUS=ready; workers ready 1/1")
    })
  )

  it.effect("says that a reload failed, and is READY again all the same [W13]", () =>
    Effect.gen(function* () {
      const { heard } = yield* live(Layer.empty, { onReload: Effect.fail("bad\nfile") }, (stage) =>
        Effect.gen(function* () {
          yield* sighup(stage)
          yield* pass(2000)
          yield* sigterm(stage)
        })
      )
      assert.deepStrictEqual(heard.all(...states), ["0s READY=1", "0s RELOADING=1", "0s READY=1", "2s STOPPING=1"])
      assert.include(heard.all("STATUS"), '0s STATUS=ready; last reload failed, goes on as it was: "bad\\nfile"')
    })
  )

  it.effect("is not READY again when a stop overtakes a reload, and reloads before it is ready once it is [W13]", () =>
    Effect.gen(function* () {
      const slow = { onReload: Effect.sleep("3 seconds"), onStart: Effect.sleep("1 second") }
      const during = yield* live(Layer.empty, slow, (stage) =>
        Effect.gen(function* () {
          yield* pass(2000)
          yield* sighup(stage)
          yield* pass(1000)
          yield* sigterm(stage)
        })
      )
      assert.deepStrictEqual(during.heard.all(...states), ["1s READY=1", "2s RELOADING=1", "3s STOPPING=1"])
      const before = yield* live(Layer.empty, slow, (stage) =>
        Effect.gen(function* () {
          yield* sighup(stage)
          yield* pass(6000)
          yield* sigterm(stage)
        })
      )
      const told = ["1s READY=1", "1s RELOADING=1", "4s READY=1", "6s STOPPING=1"]
      assert.deepStrictEqual(before.heard.all(...states), told)
    })
  )

  it.effect("extends a stop while the plan is inside its budget, and never beyond it [W13] [S8]", () =>
    Effect.gen(function* () {
      const stuck = Layer.effectDiscard(TaskRegistry.spawn(Effect.never, { name: "stuck", kind: "Maintenance" }))
      const { heard, outcome } = yield* live(stuck, { budget: "25 seconds" }, (stage) =>
        Effect.andThen(pass(1000), sigterm(stage))
      )
      const stop = heard.messages.findIndex(({ lines }) => lines.includes("STOPPING=1"))
      const extensions = heard.messages.flatMap(({ atMillis, lines }) =>
        lines.flatMap((line) => (line.startsWith("EXTEND") ? [{ atMillis, micros: Number(line.split("=")[1]) }] : []))
      )
      assert.strictEqual(heard.messages[stop]?.lines[0], "STOPPING=1")
      assert.strictEqual(extensions[0]?.atMillis, 1000)
      extensions.forEach(({ atMillis, micros }, at) => {
        const end = atMillis + micros / 1000
        assert.isAtMost(end, 1000 + 25_500)
        assert.isAtLeast(end, extensions[at + 1]?.atMillis ?? 1000 + outcome.report!.durationMillis)
      })
      assert.isAbove(extensions.length, 5)
      assert.match(heard.all("STATUS=stopping").join("\n"), /drains, waits for 1 task\(s\): stuck/)
      assert.match(lastOf(heard), /STATUS=stopped with exit code 124 after 20\.50s/)
    })
  )

  it.effect("extends a start that takes long, while each step of it takes no longer than a start may [W13]", () =>
    Effect.gen(function* () {
      const { heard } = yield* live(
        Layer.effectDiscard(Effect.sleep("60 seconds")),
        { onStart: Effect.sleep("1 hour") },
        (stage) => Effect.andThen(pass(300_000, 1000), sigterm(stage))
      )
      const start = heard.all("EXTEND").slice(0, -1)
      // 60 seconds of building, then 90 of onStart; the extension that covers their end is the last.
      assert.deepStrictEqual(
        [start[0], start.at(-1)],
        ["10s EXTEND_TIMEOUT_USEC=30000000", "150s EXTEND_TIMEOUT_USEC=30000000"]
      )
      assert.strictEqual(start.length, 15)
      assert.deepStrictEqual(heard.all(...states), ["300s STOPPING=1"])
    })
  )

  it.effect(
    "tells of every way to end: a start that fails, run that fails or returns, a force, a third signal [W13]",
    () =>
      Effect.gen(function* () {
        const stuck = Layer.effectDiscard(TaskRegistry.spawn(Effect.never, { name: "stuck", kind: "Maintenance" }))
        const deaf = Layer.effectDiscard(
          TaskRegistry.spawn(Effect.uninterruptible(Effect.sleep("10 seconds")), { name: "deaf", kind: "Maintenance" })
        )
        const nothing = () => Effect.void
        const signals = (count: number) => (stage: Stage) => Effect.replicateEffect(sigterm(stage), count)
        const ends = [
          yield* live(Layer.effectDiscard(Effect.fail("no port")), {}, nothing),
          yield* live(Layer.empty, { preStart: Effect.fail("no disk") }, nothing),
          yield* live(Layer.empty, { onStart: Effect.fail("no luck") }, nothing),
          yield* live(Layer.empty, { run: Effect.fail("no more") }, nothing),
          yield* live(Layer.empty, { run: Effect.void }, nothing),
          yield* live(stuck, {}, signals(2)),
          yield* live(deaf, { budget: "25 seconds" }, signals(3))
        ]
        const expected: ReadonlyArray<readonly [string, RegExp]> = [
          ["STOPPING=1", /exit code 1 after .*no port/],
          ["STOPPING=1", /exit code 1 after .*no disk/],
          ["STOPPING=1", /exit code 1 after .*no luck/],
          ["READY=1 STOPPING=1", /exit code 1 after .*no more/],
          ["READY=1 STOPPING=1", /stopped with exit code 0 after/],
          ["READY=1 STOPPING=1", /stopped with exit code 143 after/],
          ["READY=1 STOPPING=1", /ended at once by a third signal, exit code 143/]
        ]
        for (const [at, [lines, last]] of expected.entries()) {
          const { heard, outcome } = ends[at]!
          assert.strictEqual(
            heard
              .all(...states)
              .map((line) => line.split(" ")[1])
              .join(" "),
            lines
          )
          assert.match(lastOf(heard), last)
          assert.include(lastOf(heard), `exit code ${outcome.exitCode}`)
        }
      })
  )

  it.effect("is told again when it did not arrive, once, in its order [W13]", () =>
    Effect.gen(function* () {
      const { heard } = yield* live(
        Layer.empty,
        { onReload: Effect.void, onStart: Effect.sleep(100) },
        (stage, heard) =>
          Effect.gen(function* () {
            heard.deaf = true
            yield* pass(1500)
            heard.deaf = false
            yield* pass(1000)
            heard.deaf = true
            yield* sighup(stage)
            yield* pass(500)
            heard.deaf = false
            yield* pass(2000)
            heard.deaf = true
            yield* sigterm(stage)
          })
      )
      assert.deepStrictEqual(heard.all(...states), ["2s READY=1", "4s RELOADING=1", "4s READY=1"])
    })
  )

  it.effect("changes nothing about the service when the recipient throws [W13] [S8]", () =>
    Effect.gen(function* () {
      const { heard, outcome } = yield* live(Layer.empty, { watchdog: "2 seconds" }, (stage, heard) =>
        Effect.gen(function* () {
          heard.throws = true
          yield* pass(3000)
          yield* sigterm(stage)
        })
      )
      assert.deepStrictEqual(heard.all(...states), ["0s READY=1"])
      assert.deepStrictEqual([outcome.exitCode, outcome.reason?._tag], [0, "Signal"])
    })
  )

  it.effect("is a status on one line and of bounded length, whatever the names in it are [W13]", () =>
    Effect.gen(function* () {
      const name = `${"grüße\n".repeat(40)}\u0000READY=1`
      const App = Layer.effectDiscard(TaskRegistry.spawn(Effect.never, { name, kind: "Maintenance" }))
      const { heard } = yield* live(App, { onReload: Effect.fail("ü".repeat(5000)) }, (stage) =>
        Effect.gen(function* () {
          yield* sighup(stage)
          yield* pass(2000)
          yield* sigterm(stage)
        })
      )
      for (const line of heard.all("STATUS")) {
        assert.isTrue(Array.from(line).every((char) => char >= " "))
        assert.isAtMost(new TextEncoder().encode(line).length, 1030)
      }
      assert.isTrue(heard.all("STATUS").some((line) => line.endsWith("ü…")))
    })
  )
})
