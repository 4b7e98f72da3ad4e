/**
 * The arithmetic of a shutdown: settings, and the deadlines of phases under every order of ends, overruns and a force.
 *
 * The oracle is the table of docs/shutdown.md written as formulas over D, not over the code's sums.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Setting from "@selvedge/core/config/Setting"
import * as ShutdownPlan from "@selvedge/core/shutdown/ShutdownPlan"
import * as Seed from "@selvedge/testing/faults/Seed"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"

const SECOND = 1_000_000_000n

const withEnvironment = (record: Record<string, string>) =>
  Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnvRecord(record)))

const make = (options?: ShutdownPlan.Options, environment: Record<string, string> = {}) =>
  withEnvironment(environment)(ShutdownPlan.make(options))

/** The third column of the table, with D and the reserves spelled out. */
const table = (b: ShutdownPlan.Budget, t0: bigint): Record<ShutdownPlan.PhaseName, bigint> => {
  const { close, flush, lastWords, onStop, postStop, workers } = b.reserves
  const D = t0 + b.budgetNanos
  const T = D - lastWords - workers - onStop - flush - close - postStop
  return {
    delay: t0 + b.delayNanos,
    stopAccepting: T,
    tasks: T,
    lastWords: T + lastWords,
    workers: D - onStop - flush - close - postStop,
    onStop: D - flush - close - postStop,
    flush: D - close - postStop,
    close: D - postStop,
    postStop: D
  }
}

const ownOf = (budget: ShutdownPlan.Budget, phase: ShutdownPlan.PhaseName): bigint =>
  phase in budget.reserves ? budget.reserves[phase as ShutdownPlan.ReserveName] : 0n

describe("a budget", () => {
  it.effect("leaves the tasks 20.5 s of the default 25 [S8]", () =>
    Effect.gen(function* () {
      const budget = yield* make()
      const line = ShutdownPlan.timeline(budget, 0n)
      assert.strictEqual(line.deadlineNanos("tasks"), (205n * SECOND) / 10n)
      assert.strictEqual(line.deadlineNanos("lastWords"), (215n * SECOND) / 10n)
      assert.strictEqual(line.deadlineNanos("postStop"), 25n * SECOND)
      assert.strictEqual(line.endNanos(), 25n * SECOND)
    })
  )

  it.effect("is refused when delay and reserves exceed it, with the sum and every part [S8]", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(make({ budget: "5 seconds", drainDelay: "1 second" }))
      assert.isTrue(Setting.isInvalidSetting(error))
      assert.strictEqual(error.option, "budget")
      assert.strictEqual(error.variable, "SELVEDGE_SHUTDOWN_BUDGET")
      assert.include(error.message, "5s")
      assert.include(error.message, "5s 500ms")
      for (const part of ["drainDelay 1s", "lastWords 1s", "workers 0", "onStop 1s", "flush 1s", "close 1s"]) {
        assert.include(error.message, part)
      }
    })
  )

  it.effect("may be used up by the reserves to the last nanosecond [S8]", () =>
    Effect.gen(function* () {
      const budget = yield* make({ budget: 4500 })
      assert.strictEqual(ShutdownPlan.timeline(budget, 7n).deadlineNanos("tasks"), 7n)
    })
  )

  it.effect("reads each part from the environment before the options [S8] [Q7]", () =>
    Effect.gen(function* () {
      const budget = yield* make(
        { budget: "1 minute", reserves: { close: "9 seconds" } },
        {
          SELVEDGE_SHUTDOWN_BUDGET: "30s",
          SELVEDGE_DRAIN_DELAY: "2s",
          SELVEDGE_RESERVE_LAST_WORDS: "100ms",
          SELVEDGE_RESERVE_WORKERS: "5s",
          SELVEDGE_RESERVE_ON_STOP: "200ms",
          SELVEDGE_RESERVE_FLUSH: "300ms",
          SELVEDGE_RESERVE_CLOSE: "400ms",
          SELVEDGE_RESERVE_POST_STOP: "500ms"
        }
      )
      assert.deepStrictEqual(budget, {
        budgetNanos: 30n * SECOND,
        delayNanos: 2n * SECOND,
        reserves: {
          lastWords: 100_000_000n,
          workers: 5n * SECOND,
          onStop: 200_000_000n,
          flush: 300_000_000n,
          close: 400_000_000n,
          postStop: 500_000_000n
        },
        workersChosen: true
      })
    })
  )

  it.effect("names the variable, the value and what is allowed when one is out of range [S8]", () =>
    Effect.gen(function* () {
      for (const [variable, value] of [
        ["SELVEDGE_SHUTDOWN_BUDGET", "0"],
        ["SELVEDGE_SHUTDOWN_BUDGET", "2 days"],
        ["SELVEDGE_DRAIN_DELAY", "-1s"],
        ["SELVEDGE_RESERVE_CLOSE", "soon"]
      ] as const) {
        const error = yield* Effect.flip(make(undefined, { [variable]: value }))
        assert.include(error.message, variable)
        assert.include(error.message, value)
        assert.include(error.message, "a duration from")
      }
    })
  )
})

describe("a time line", () => {
  const seeds = Array.from({ length: 500 }, (_, seed) => seed)

  const randomBudget = (next: () => number): ShutdownPlan.Budget => {
    const some = (): bigint => (next() < 0.2 ? 0n : BigInt(Math.floor(next() * 3e9)))
    const reserves = {
      lastWords: some(),
      workers: some(),
      onStop: some(),
      flush: some(),
      close: some(),
      postStop: some()
    }
    const delayNanos = some()
    const needed = delayNanos + Object.values(reserves).reduce((sum, one) => sum + one, 0n)
    return { budgetNanos: needed + some(), delayNanos, reserves }
  }

  it("has the deadlines of the table while nobody forces, however early or late phases begin [S8]", () => {
    for (const seed of seeds) {
      const next = Seed.stream(seed)
      const budget = randomBudget(next)
      const t0 = BigInt(Math.floor(next() * 1e12))
      const line = ShutdownPlan.timeline(budget, t0)
      const expected = table(budget, t0)
      let now = t0
      for (const phase of ShutdownPlan.phases) {
        line.enter(phase, now)
        for (const other of ShutdownPlan.phases) assert.strictEqual(line.deadlineNanos(other), expected[other])
        now += BigInt(Math.floor(next() * 2e9))
      }
      assert.strictEqual(line.endNanos(), t0 + budget.budgetNanos)
    }
  })

  it("never falls from phase to phase, and leaves each phase its reserve [S8]", () => {
    for (const seed of seeds) {
      const next = Seed.stream(seed)
      const budget = randomBudget(next)
      const line = ShutdownPlan.timeline(budget, 0n)
      let before: bigint | undefined
      for (const phase of ShutdownPlan.phases) {
        const deadline = line.deadlineNanos(phase)
        if (before !== undefined) assert.isTrue(deadline - before >= ownOf(budget, phase), `seed ${seed}, ${phase}`)
        before = deadline
      }
      assert.strictEqual(before, line.endNanos())
    }
  })

  it("gives the running phase min(old, force + reserve) and each later one min(old, begin + reserve) [S8]", () => {
    for (const seed of seeds) {
      const next = Seed.stream(seed)
      const budget = randomBudget(next)
      const line = ShutdownPlan.timeline(budget, 0n)
      const old = table(budget, 0n)
      const forcedIn = Math.floor(next() * ShutdownPlan.phases.length)
      let now = 0n
      for (const [index, phase] of ShutdownPlan.phases.entries()) {
        line.enter(phase, now)
        if (index === forcedIn) {
          now += BigInt(Math.floor(next() * 5e8))
          line.force(now)
          // Only the first force counts.
          line.force(now + 1n)
        }
        if (index >= forcedIn) {
          const own = now + ownOf(budget, phase)
          assert.strictEqual(line.deadlineNanos(phase), own < old[phase] ? own : old[phase], `seed ${seed}, ${phase}`)
        }
        now = next() < 0.5 ? now + 1n : line.deadlineNanos(phase) > now ? line.deadlineNanos(phase) : now
      }
    }
  })

  it("moves the guard's deadline to the earlier of the old one and force + reserves still to come [S8]", () => {
    for (const seed of seeds) {
      const next = Seed.stream(seed)
      const budget = randomBudget(next)
      for (const [index, phase] of ShutdownPlan.phases.entries()) {
        const line = ShutdownPlan.timeline(budget, 0n)
        const now = BigInt(Math.floor(next() * Number(budget.budgetNanos)))
        line.enter(phase, now)
        line.force(now)
        const toCome = ShutdownPlan.phases.slice(index).reduce((sum, one) => sum + ownOf(budget, one), 0n)
        const expected = now + toCome < budget.budgetNanos ? now + toCome : budget.budgetNanos
        assert.strictEqual(line.endNanos(), expected)
      }
    }
  })

  it("ends by its end when every phase uses all it has after a force [S8]", () => {
    for (const seed of seeds) {
      const next = Seed.stream(seed)
      const budget = randomBudget(next)
      const line = ShutdownPlan.timeline(budget, 0n)
      const forcedIn = Math.floor(next() * ShutdownPlan.phases.length)
      let now = 0n
      for (const [index, phase] of ShutdownPlan.phases.entries()) {
        line.enter(phase, now)
        if (index === forcedIn) {
          const left = line.deadlineNanos(phase) - now
          now += left > 0n ? left / 2n : 0n
          line.force(now)
        }
        const deadline = line.deadlineNanos(phase)
        if (deadline > now) now = deadline
      }
      assert.isTrue(now <= line.endNanos(), `seed ${seed}: ended at ${now}, end ${line.endNanos()}`)
    }
  })
})
