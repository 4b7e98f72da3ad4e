/**
 * The time line of a whole service: random combinations of phases that end early, overrun or hang, with a force at a
 * random moment. The oracle is a small simulation of the table in docs/shutdown.md, in milliseconds.
 */
import { assert, describe, it } from "@effect/vitest"
import type * as Main from "@selvedge/core/service/Main"
import type { PhaseName } from "@selvedge/core/shutdown/ShutdownPlan"
import * as ShutdownReason from "@selvedge/core/shutdown/ShutdownReason"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as TaskRegistry from "@selvedge/core/tasks/TaskRegistry"
import * as Seed from "@selvedge/testing/faults/Seed"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { makeStage, pass } from "./stage.ts"

type Length = number | "for ever" | "for ever, uninterruptible"
type Hooked = "onStop" | "flush" | "close" | "postStop"
const hooked: ReadonlyArray<Hooked> = ["onStop", "flush", "close", "postStop"]

interface Play {
  readonly delay: number
  readonly budget: number
  readonly reserves: { readonly [K in "lastWords" | "workers" | Hooked]: number }
  readonly task: Length
  readonly hooks: { readonly [K in Hooked]: Length }
  readonly forceAt: number | undefined
}

interface Row {
  readonly phase: PhaseName
  readonly start: number
  readonly end: number
  readonly overran: boolean
  readonly deadlineAtStart: number
}

const asMillis = (length: Length): number => (typeof length === "number" ? length : Infinity)

const simulate = (play: Play): ReadonlyArray<Row> => {
  const { close, flush, lastWords, onStop, postStop, workers } = play.reserves
  const D = play.budget
  const T = D - lastWords - workers - onStop - flush - close - postStop
  const unforced: Record<PhaseName, number> = {
    delay: play.delay,
    stopAccepting: T,
    tasks: T,
    lastWords: T + lastWords,
    workers: T + lastWords + workers,
    onStop: D - flush - close - postStop,
    flush: D - close - postStop,
    close: D - postStop,
    postStop: D
  }
  const rows: Array<Row> = []
  let now = 0
  const phase = (name: PhaseName, length: number): Row => {
    const own = name in play.reserves ? play.reserves[name as Hooked] : 0
    const force = play.forceAt ?? Infinity
    const start = now
    const deadlineAtStart = force <= start ? Math.min(unforced[name], start + own) : unforced[name]
    let end = Math.min(start + length, Math.max(start, deadlineAtStart))
    if (end > force && force > start)
      end = Math.min(start + length, Math.max(force, Math.min(unforced[name], force + own)))
    const row = { phase: name, start, end, overran: start + length > end, deadlineAtStart }
    now = end
    rows.push(row)
    return row
  }
  phase("delay", Infinity)
  phase("stopAccepting", 0)
  // Forced before its turn, the task is interrupted while it still waits for it.
  const before = play.forceAt !== undefined && play.forceAt <= now
  if (phase("tasks", before ? Infinity : asMillis(play.task)).overran) {
    phase("lastWords", play.task === "for ever, uninterruptible" && !before ? Infinity : 0)
  }
  phase("workers", 0)
  for (const name of hooked) phase(name, asMillis(play.hooks[name]))
  return rows
}

const lasting = (length: Length): Effect.Effect<void> =>
  length === "for ever"
    ? Effect.never
    : length === "for ever, uninterruptible"
      ? Effect.uninterruptible(Effect.never)
      : length === 0
        ? Effect.void
        : Effect.sleep(length)

const perform = (play: Play) =>
  Effect.gen(function* () {
    const remaining: Partial<Record<Hooked | "task", number>> = {}
    const look = (name: Hooked | "task") =>
      Effect.map(ShutdownToken.remaining, (left) => void (remaining[name] = Duration.toMillis(left)))
    const step = (name: Hooked) => Effect.andThen(look(name), lasting(play.hooks[name]))
    const App = Layer.effectDiscard(
      Effect.gen(function* () {
        // The layer's own token shows the budget of the phase in a finalizer.
        const token = yield* ShutdownToken.ShutdownToken
        yield* Effect.addFinalizer(() => Effect.provideService(step("close"), ShutdownToken.ShutdownToken, token))
        yield* TaskRegistry.spawn(
          ShutdownToken.awaitDraining.pipe(Effect.andThen(look("task")), Effect.andThen(lasting(play.task))),
          { name: "task", kind: "BackgroundLoop", startImmediately: true }
        )
      })
    )
    const options: Main.Options = {
      budget: play.budget,
      drainDelay: play.delay,
      reserves: play.reserves,
      onStop: step("onStop"),
      flush: step("flush"),
      postStop: step("postStop"),
      run: Effect.gen(function* () {
        yield* ShutdownToken.request(ShutdownReason.Requested({ by: "test" }))
        if (play.forceAt === undefined) return
        const token = yield* ShutdownToken.ShutdownToken
        yield* Effect.forkDetach(
          Effect.delay(
            Effect.sync(() => token.forceUnsafe(ShutdownReason.Requested({ by: "test" }))),
            play.forceAt
          ),
          { startImmediately: true }
        )
      })
    }
    const stage = yield* makeStage
    const main = yield* stage.launch(App, options)
    yield* pass(play.budget + 100, 1000)
    assert.isDefined(main.pollUnsafe(), "the service has not ended")
    return { stage, outcome: yield* Effect.orDie(Fiber.join(main)), remaining }
  })

/** Lengths are whole tens and forces end in 5, so that nothing happens at the same time by chance. */
const randomPlay = (seed: number): Play => {
  const next = Seed.stream(seed)
  const tens = (most: number): number => Math.floor(next() * (most / 10)) * 10
  const length = (most: number): Length => {
    const which = next()
    return which < 0.2 ? 0 : which < 0.6 ? tens(most) : which < 0.8 ? "for ever" : "for ever, uninterruptible"
  }
  const reserve = (): number => (next() < 0.1 ? 0 : 10 + tens(1500))
  const reserves = {
    lastWords: reserve(),
    workers: reserve(),
    onStop: reserve(),
    flush: reserve(),
    close: reserve(),
    postStop: reserve()
  }
  const delay = next() < 0.5 ? 0 : tens(2000)
  const budget = Object.values(reserves).reduce((sum, one) => sum + one, delay) + 10 + tens(5000)
  return {
    delay,
    budget,
    reserves,
    task: length(5000),
    hooks: { onStop: length(2500), flush: length(2500), close: length(2500), postStop: length(2500) },
    forceAt: next() < 0.4 ? undefined : tens(budget) + 5
  }
}

const check = (play: Play, seed: number) =>
  Effect.gen(function* () {
    const { outcome, remaining, stage } = yield* perform(play)
    const hint = `seed ${seed}: ${JSON.stringify(play)}`
    const expected = simulate(play)
    const report = outcome.report!
    assert.deepStrictEqual(
      report.phases.map((row) => ({
        phase: row.phase,
        start: row.startedMillis,
        end: Math.round((row.startedMillis + row.durationMillis) * 1e3) / 1e3
      })),
      expected.map(({ end, phase, start }) => ({ phase, start, end })),
      hint
    )
    // D holds, and nobody was ever told of a negative or a later end.
    assert.isAtMost(report.durationMillis, play.budget, hint)
    const end = expected.at(-1)!.end
    const forced = play.forceAt !== undefined && play.forceAt <= end
    const late = expected.some((row) => row.overran && (row.phase === "tasks" || hooked.includes(row.phase as Hooked)))
    assert.strictEqual(outcome.exitCode, late ? 124 : 0, hint)
    assert.strictEqual(report.forcedBy, forced ? "code" : null, hint)
    const named = expected.filter(
      (row) => row.overran && (row.phase === "lastWords" || hooked.includes(row.phase as Hooked))
    )
    assert.deepStrictEqual(
      report.leftBehind.map((row) => row.phase),
      named.map((row) => row.phase),
      hint
    )
    for (const row of expected) {
      const name = row.phase === "tasks" ? "task" : row.phase
      const seen = remaining[name as Hooked]
      if (name !== "task" && !hooked.includes(name as Hooked)) continue
      if (name === "task" && play.forceAt !== undefined && play.forceAt <= row.start) continue
      // A hook that begins when the time is over is started all the same, and sees nothing left.
      assert.strictEqual(seen, Math.max(0, row.deadlineAtStart - row.start), `${hint}: remaining in ${name}`)
    }
    const deadlines = stage.guarded.map((state) => Number(state.deadlineNanos) / 1e6)
    for (let i = 1; i < deadlines.length; i++) assert.isAtMost(deadlines[i]!, deadlines[i - 1]!, `${hint}: guard`)
    assert.strictEqual(deadlines[0], play.budget, hint)
    assert.isAtLeast(deadlines.at(-1)!, end, hint)
  })

describe("the time line of a service", () => {
  for (let block = 0; block < 4; block++) {
    it.effect(`has the phases of the simulation, seeds ${block * 50} to ${block * 50 + 49} [S8]`, () =>
      Effect.gen(function* () {
        for (let seed = block * 50; seed < block * 50 + 50; seed++) {
          yield* Effect.provide(check(randomPlay(seed), seed), TestClock.layer(), { local: true })
        }
      })
    )
  }

  it.effect("begins every phase in its turn when everything hangs, and ends at D [S8]", () =>
    check(
      {
        delay: 100,
        budget: 10_000,
        reserves: { lastWords: 1000, workers: 500, onStop: 1000, flush: 1000, close: 1000, postStop: 500 },
        task: "for ever, uninterruptible",
        hooks: {
          onStop: "for ever, uninterruptible",
          flush: "for ever, uninterruptible",
          close: "for ever, uninterruptible",
          postStop: "for ever, uninterruptible"
        },
        forceAt: undefined
      },
      -1
    )
  )

  for (const [phase, forceAt] of [
    ["delay", 55],
    ["tasks", 2005],
    ["lastWords", 5105],
    ["onStop", 6505],
    ["flush", 7505],
    ["close", 8505],
    ["postStop", 9705]
  ] as const) {
    it.effect(`is forced in ${phase}: what follows gets at most its reserve [S8]`, () =>
      check(
        {
          delay: 100,
          budget: 10_000,
          reserves: { lastWords: 1000, workers: 500, onStop: 1000, flush: 1000, close: 1000, postStop: 500 },
          task: "for ever, uninterruptible",
          hooks: { onStop: "for ever", flush: "for ever", close: "for ever", postStop: "for ever" },
          forceAt
        },
        -1
      )
    )
  }
})
