/**
 * The table "The life of a service" of docs/shutdown.md, row by row: what runs after which failure.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Main from "@selvedge/core/service/Main"
import * as Signals from "@selvedge/core/service/Signals"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as ShutdownReason from "@selvedge/core/shutdown/ShutdownReason"
import * as TaskRegistry from "@selvedge/core/tasks/TaskRegistry"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"

type Step = "preStart" | "build" | "onStart" | "run" | "plan" | "onStop" | "flush" | "close" | "postStop"
type Way = "fails" | "dies" | "hangs"

interface Row {
  readonly name: string
  readonly break?: { readonly step: Step; readonly way: Way }
  readonly signal?: "SIGTERM"
  readonly request?: boolean
  readonly criticalTask?: boolean
  readonly uncaught?: boolean
  readonly runReturns?: boolean
  readonly stuckTask?: boolean
  readonly ran: ReadonlyArray<Step>
  readonly reason: ShutdownReason.ShutdownReason["_tag"]
  readonly exitCode: number
}

const all: ReadonlyArray<Step> = ["preStart", "build", "onStart", "run", "plan", "onStop", "flush", "close", "postStop"]
const upTo = (last: Step): ReadonlyArray<Step> => all.slice(0, all.indexOf(last) + 1)
const ways = ["fails", "dies"] as const

const rows: ReadonlyArray<Row> = [
  ...ways.flatMap((way): ReadonlyArray<Row> => [
    { name: `preStart ${way}`, break: { step: "preStart", way }, ran: ["preStart"], reason: "Fatal", exitCode: 1 },
    {
      name: `build ${way}`,
      break: { step: "build", way },
      ran: [...upTo("build"), "close", "plan", "postStop"],
      reason: "Fatal",
      exitCode: 1
    },
    {
      name: `onStart ${way}`,
      break: { step: "onStart", way },
      ran: [...upTo("onStart"), "plan", "close", "postStop"],
      reason: "Fatal",
      exitCode: 1
    },
    { name: `run ${way}`, break: { step: "run", way }, ran: all, reason: "Fatal", exitCode: 1 },
    {
      name: `onStop ${way}`,
      break: { step: "onStop", way },
      signal: "SIGTERM",
      ran: all,
      reason: "Signal",
      exitCode: 1
    },
    { name: `flush ${way}`, break: { step: "flush", way }, signal: "SIGTERM", ran: all, reason: "Signal", exitCode: 1 },
    {
      name: `postStop ${way}`,
      break: { step: "postStop", way },
      signal: "SIGTERM",
      ran: all,
      reason: "Signal",
      exitCode: 1
    }
  ]),
  {
    name: "a finalizer dies",
    break: { step: "close", way: "dies" },
    signal: "SIGTERM",
    ran: all,
    reason: "Signal",
    exitCode: 1
  },
  ...(["onStop", "flush", "close", "postStop"] as const).map((step): Row => ({
    name: `${step} hangs`,
    break: { step, way: "hangs" },
    signal: "SIGTERM",
    ran: all,
    reason: "Signal",
    exitCode: 124
  })),
  {
    name: "preStart is interrupted by a signal",
    break: { step: "preStart", way: "hangs" },
    signal: "SIGTERM",
    ran: ["preStart"],
    reason: "Signal",
    exitCode: 0
  },
  {
    name: "the build is interrupted by a signal",
    break: { step: "build", way: "hangs" },
    signal: "SIGTERM",
    ran: [...upTo("build"), "close", "plan", "postStop"],
    reason: "Signal",
    exitCode: 0
  },
  {
    name: "onStart is interrupted by a signal",
    break: { step: "onStart", way: "hangs" },
    signal: "SIGTERM",
    ran: [...upTo("onStart"), "plan", "close", "postStop"],
    reason: "Signal",
    exitCode: 0
  },
  { name: "run returns", runReturns: true, ran: all, reason: "RunCompleted", exitCode: 0 },
  { name: "a signal", signal: "SIGTERM", ran: all, reason: "Signal", exitCode: 0 },
  { name: "a request", request: true, ran: all, reason: "Requested", exitCode: 0 },
  { name: "a critical task fails", criticalTask: true, ran: all, reason: "TaskFailed", exitCode: 1 },
  { name: "an uncaught exception", uncaught: true, ran: all, reason: "Fatal", exitCode: 1 },
  {
    name: "the join misses its deadline",
    stuckTask: true,
    signal: "SIGTERM",
    ran: all,
    reason: "Signal",
    exitCode: 124
  }
]

const breaking = (row: Row, step: Step): Effect.Effect<void, string> => {
  if (row.break?.step !== step) return Effect.void
  switch (row.break.way) {
    case "fails":
      return Effect.fail(`${step} failed`)
    case "dies":
      return Effect.die(new Error(`${step} died`))
    case "hangs":
      return Effect.never
  }
}

const play = (row: Row) =>
  Effect.gen(function* () {
    const ran: Array<Step> = []
    const note = (step: Step) => Effect.sync(() => void ran.push(step))
    const step = (name: Step) => Effect.andThen(note(name), breaking(row, name))
    const signals = yield* Signals.makeManual

    const App = Layer.effectDiscard(
      Effect.gen(function* () {
        yield* Effect.addFinalizer(() =>
          Effect.andThen(
            note("close"),
            row.break?.step === "close" ? Effect.orDie(breaking(row, "close")) : Effect.void
          )
        )
        // A tracked task of the layer shows that the plan drains even after a failed start.
        yield* TaskRegistry.spawn(Effect.andThen(ShutdownToken.awaitDraining, note("plan")), {
          name: "witness",
          kind: "BackgroundLoop",
          startImmediately: true
        })
        if (row.stuckTask) yield* TaskRegistry.spawn(Effect.never, { name: "stuck", kind: "BackgroundLoop" })
        if (row.criticalTask) {
          yield* TaskRegistry.spawn(Effect.andThen(Effect.sleep("1 second"), Effect.fail("task failed")), {
            name: "critical",
            kind: "BackgroundLoop",
            critical: true
          })
        }
        yield* step("build")
      })
    )

    const main = yield* Effect.forkChild(
      Main.run(App, {
        preStart: step("preStart"),
        onStart: step("onStart"),
        run: Effect.gen(function* () {
          yield* step("run")
          if (row.request) yield* ShutdownToken.request(ShutdownReason.Requested({ by: "test" }))
          if (!row.runReturns) yield* ShutdownToken.awaitDraining
        }),
        onStop: step("onStop"),
        flush: step("flush"),
        postStop: step("postStop")
      }).pipe(Effect.provideService(Signals.Signals, signals))
    )
    yield* TestClock.adjust("2 seconds")
    if (row.signal) signals.signalUnsafe(row.signal)
    if (row.uncaught) signals.uncaughtUnsafe("uncaughtException", new Error("nobody caught me"))
    yield* TestClock.adjust("1 minute")
    const outcome = yield* Fiber.join(main)
    return { ran, outcome }
  })

describe("the table of the life of a service", () => {
  for (const row of rows) {
    it.effect(`${row.name}: ${row.ran.join(", ")} [S4]`, () =>
      Effect.gen(function* () {
        const { outcome, ran } = yield* play(row)
        assert.deepStrictEqual(ran, row.ran)
        assert.strictEqual(outcome.reason?._tag, row.reason)
        assert.strictEqual(outcome.exitCode, row.exitCode)
      })
    )
  }
})
