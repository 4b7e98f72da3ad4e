import { assert, describe, it } from "@effect/vitest"
import * as ShutdownPlan from "@selvedge/core/shutdown/ShutdownPlan"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"

const second = 1_000_000_000n

const withEnvironment = (env: Record<string, string>) =>
  Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnvRecord(env))

describe("budget", () => {
  it.effect("leaves the tasks 20.5 of 25 seconds without workers [S8]", () =>
    Effect.gen(function* () {
      const budget = yield* ShutdownPlan.make()
      const line = ShutdownPlan.timeline(budget, 0n)
      assert.strictEqual(line.deadlineNanos("tasks"), 20_500_000_000n)
      assert.strictEqual(line.deadlineNanos("lastWords"), 21_500_000_000n)
      assert.strictEqual(line.deadlineNanos("postStop"), 25n * second)
      assert.strictEqual(line.endNanos(), 25n * second)
    }).pipe(withEnvironment({}))
  )

  it.effect("takes workers' reserve from the tasks when a service has workers [S8]", () =>
    Effect.gen(function* () {
      const budget = yield* ShutdownPlan.make({ reserves: { workers: "5 seconds" } })
      assert.strictEqual(ShutdownPlan.timeline(budget, 0n).deadlineNanos("tasks"), 15_500_000_000n)
    }).pipe(withEnvironment({}))
  )

  it.effect("refuses reserves and a delay that exceed the budget, and says how much they need [S8]", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(ShutdownPlan.make({ budget: "4 seconds" }))
      assert.strictEqual(error._tag, "InvalidSetting")
      assert.strictEqual(error.variable, "SELVEDGE_SHUTDOWN_BUDGET")
      assert.include(error.message, "at least 4s 500ms")
      assert.include(error.message, "lastWords 1s")
      assert.include(error.message, "found 4s")
      const delayed = yield* Effect.flip(ShutdownPlan.make({ budget: "5 seconds", drainDelay: "600 millis" }))
      assert.include(delayed.message, "at least 5s 100ms")
      yield* ShutdownPlan.make({ budget: "5 seconds", drainDelay: "500 millis" })
    }).pipe(withEnvironment({}))
  )

  it.effect("goes by the environment before the options, and names the variable that is wrong [S8] [Q7]", () =>
    Effect.gen(function* () {
      const budget = yield* ShutdownPlan.make({ budget: "20 seconds" })
      assert.strictEqual(budget.budgetNanos, 30n * second)
    }).pipe(withEnvironment({ SELVEDGE_SHUTDOWN_BUDGET: "30 seconds" }))
  )

  it.effect("refuses a wrong reserve by its variable [S8] [Q7]", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(ShutdownPlan.make())
      assert.strictEqual(error.variable, "SELVEDGE_RESERVE_FLUSH")
      assert.include(error.message, 'found "soon"')
    }).pipe(withEnvironment({ SELVEDGE_RESERVE_FLUSH: "soon" }))
  )
})

/** A small generator, so that a failing case can be named by its seed. */
const numbers = (seed: number): ((below: number) => number) => {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state % below
  }
}

describe("timeline", () => {
  it("keeps its invariants for a thousand random budgets, forced at a random moment of a random phase [S8]", () => {
    for (let seed = 1; seed <= 1000; seed++) {
      const next = numbers(seed)
      const reserves = {
        lastWords: BigInt(next(3000)),
        workers: BigInt(next(3000)),
        onStop: BigInt(next(3000)),
        flush: BigInt(next(3000)),
        close: BigInt(next(3000)),
        postStop: BigInt(next(3000))
      }
      const total = Object.values(reserves).reduce((sum, one) => sum + one, 0n)
      const delayNanos = BigInt(next(2000))
      const budgetNanos = total + delayNanos + BigInt(next(5000))
      const start = BigInt(next(10_000))
      const line = ShutdownPlan.timeline({ budgetNanos, delayNanos, reserves }, start)
      const forcedAt = next(ShutdownPlan.phases.length)
      let now = start
      let before = start
      let unforced = start
      for (const [i, phase] of ShutdownPlan.phases.entries()) {
        line.enter(phase, now)
        if (i === forcedAt) {
          const ends = line.endNanos()
          line.force(now)
          assert.isTrue(line.endNanos() <= ends, `seed ${seed}: a force made the end later`)
          line.force(now + 1_000_000n)
        }
        const deadline = line.deadlineNanos(phase)
        const own = phase in reserves ? reserves[phase as keyof typeof reserves] : 0n
        assert.isTrue(deadline >= before || i >= forcedAt, `seed ${seed}: ${phase} ends before the phase before it`)
        if (i < forcedAt) {
          assert.isTrue(deadline >= unforced + own, `seed ${seed}: ${phase} has less than its reserve`)
          unforced = deadline
        } else assert.isTrue(deadline <= now + own, `seed ${seed}: forced ${phase} has more than its reserve`)
        assert.isTrue(deadline <= line.endNanos(), `seed ${seed}: ${phase} ends after the whole`)
        assert.isTrue(line.endNanos() <= start + budgetNanos, `seed ${seed}: the end is later than the budget`)
        before = deadline
        // Phases may end early, and the next starts at once.
        now = now > deadline ? now : now + BigInt(next(Number(deadline - now) + 1))
      }
    }
  })
})
