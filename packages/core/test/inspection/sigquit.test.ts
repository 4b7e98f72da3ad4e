/**
 * SIGQUIT to a service: a dump of everything in it, while it goes on.
 */
import { assert, describe, it } from "@effect/vitest"
import * as DumpSchema from "@selvedge/core/inspection/DumpSchema"
import * as DumpSources from "@selvedge/core/inspection/DumpSources"
import * as Main from "@selvedge/core/service/Main"
import * as Signals from "@selvedge/core/service/Signals"
import * as TaskRegistry from "@selvedge/core/tasks/TaskRegistry"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import * as TestConsole from "effect/testing/TestConsole"

const App = Layer.effectDiscard(
  Effect.gen(function* () {
    yield* TaskRegistry.spawn(Effect.never, { name: "serving", kind: "RpcHandler" })
    yield* DumpSources.add("pool", Effect.succeed({ size: 3 }))
    yield* DumpSources.add("hung", Effect.never)
  })
)

/** Runs the service, sends SIGQUIT while it runs and once it stops, and gives what stood on stderr. */
const dumpsOf = (options: Main.Options) =>
  Effect.gen(function* () {
    const signals = yield* Signals.makeManual
    const main = yield* Main.run(App, { name: "shop", ...options }).pipe(
      Effect.provideService(Signals.Signals, signals),
      Effect.forkChild
    )
    yield* TestClock.adjust(1000)
    signals.signalUnsafe("SIGQUIT")
    yield* TestClock.adjust(999)
    const early = (yield* TestConsole.errorLines).map(String)
    signals.signalUnsafe("SIGTERM")
    yield* TestClock.adjust(10)
    signals.signalUnsafe("SIGQUIT")
    yield* TestClock.adjust("1 minute")
    const { exitCode } = yield* Fiber.join(main)
    return { early, all: (yield* TestConsole.errorLines).map(String), exitCode }
  })

describe("SIGQUIT", () => {
  it.effect("is answered within a second although a source hangs, and the service goes on [D6] [S6]", () =>
    Effect.gen(function* () {
      const { all, early, exitCode } = yield* dumpsOf({})
      assert.lengthOf(early, 1)
      const dump = early[0] ?? ""
      for (const part of ["shop: running, not stopping", '"serving" (RpcHandler #1', '"pool":', '"hung": late']) {
        assert.include(dump, part)
      }
      assert.include(all[1] ?? "", "shop: stopping, phase tasks")
      assert.strictEqual(exitCode, 124)
    })
  )

  it.effect("is answered with JSON by option [D6]", () =>
    Effect.gen(function* () {
      const { early } = yield* dumpsOf({ dumpFormat: "json" })
      const dump = yield* Schema.decodeEffect(DumpSchema.DumpJson)(early[0] ?? "")
      assert.deepStrictEqual(
        [dump.occasion, dump.service?.stage, dump.tasks.live, dump.sections.length],
        ["signal", "running", 1, 2]
      )
    })
  )
})
