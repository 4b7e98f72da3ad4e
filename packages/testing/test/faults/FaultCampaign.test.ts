import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import { FaultCampaign, FaultReport, Faults } from "@selvedge/testing"

const lose = Faults.point("lose", { probability: 0.1 })
const retried = Faults.sometimes("a write is retried")
const gaveUp = Faults.reachable("gave up after three")
const bounded = Faults.always("at most three attempts")

/** Writes with at most `most` attempts; the wrong one counts one attempt too many before it gives up. */
const write = (most: number) =>
  Effect.gen(function* () {
    for (let attempt = 1; attempt <= most; attempt++) {
      yield* bounded(() => attempt <= 3)
      const lost = yield* lose
      yield* retried(() => attempt > 1)
      if (!lost) return
    }
    yield* gaveUp
  })

const environment = (env: Record<string, string>) =>
  Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnvRecord(env))

const campaign = <E>(program: Effect.Effect<void, E>, options: FaultCampaign.Options) =>
  FaultCampaign.run(program, options).pipe(environment({}))

describe("a campaign", () => {
  it.effect("adds the runs up: what one in a thousand shows is shown [M2]", () =>
    Effect.gen(function* () {
      const report = yield* campaign(write(3), { seeds: 3000, declared: [retried, gaveUp, bounded] })
      assert.strictEqual(report.seeds.length, 3000)
      assert.strictEqual(FaultReport.claims(report, "Held").length, 3)
      const rare = report.claims.find((claim) => claim.name === "gave up after three")
      assert.isBelow(rare?.passed ?? Infinity, 30)
    })
  )

  it.effect("fails at its end when a declared claim was never hit, and names it [M2]", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(campaign(write(3), { seeds: 5, declared: [gaveUp] }))
      if (error._tag !== "FaultsFailed") return assert.fail(error._tag)
      assert.isUndefined(error.seed)
      assert.include(error.message, "over 5 run(s): claims did not hold")
      assert.include(error.message, 'never hit  reachable "gave up after three"')
    })
  )

  it.effect("stops at the first run in which an always is false, and its seed repeats it [M2]", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(campaign(write(4), { seeds: 10_000 }))
      if (error._tag !== "FaultsFailed" || error.seed === undefined) return assert.fail(String(error))
      assert.include(error.message, `under fault seed ${error.seed}: claims did not hold`)
      assert.include(error.message, 'FAILED     always "at most three attempts" (true 3 of 4)')
      assert.include(error.message, `replay:    SELVEDGE_FAULT_SEED=${error.seed}`)
      assert.strictEqual(error.report.seeds.length, 1)
      const again = yield* Effect.flip(campaign(write(4), { seeds: 1, from: error.seed }))
      assert.deepStrictEqual(again, error)
    })
  )

  it.effect("stops at the first run that fails or dies, and says how [M2]", () =>
    Effect.gen(function* () {
      for (const broken of [Effect.fail("disk full"), Effect.die(new Error("disk full"))]) {
        const program = Effect.flatMap(lose, (lost) => (lost ? broken : Effect.void))
        const error = yield* Effect.flip(campaign(program, {}))
        assert.include(error.message, "disk full")
        assert.match(error.message, /under fault seed \d+/)
      }
    })
  )

  it.effect("runs the seed of SELVEDGE_FAULT_SEED alone, and does not ask one run for everything [M2]", () =>
    Effect.gen(function* () {
      const report = yield* FaultCampaign.run(write(3), { seeds: 50, declared: [gaveUp] }).pipe(
        environment({ SELVEDGE_FAULT_SEED: "17" })
      )
      assert.deepStrictEqual(report.seeds, [17])
    })
  )

  it.effect("refuses seeds below one and a bad first seed before anything runs [M2]", () =>
    Effect.gen(function* () {
      let ran = false
      const program = Effect.sync(() => void (ran = true))
      for (const options of [
        { seeds: 0 },
        { seeds: -3 },
        { seeds: 2.5 },
        { from: -1 },
        { from: 0.5 },
        { activation: 3 }
      ]) {
        const error = yield* Effect.flip(campaign(program, options))
        assert.strictEqual(error._tag, "InvalidOption", JSON.stringify(options))
      }
      assert.isFalse(ran)
    })
  )
})
