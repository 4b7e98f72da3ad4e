import { assert, describe, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Scheduler from "effect/Scheduler"
import { FaultReport, Faults, SeededScheduler } from "@selvedge/testing"

const lose = Faults.point("lose write", { probability: 0.5 })
const delay = Faults.point("delay", { probability: 0.5 })

const answers = (point: Faults.Point, times: number) => Effect.forEach(Array.from({ length: times }), () => point)

const on = (options: Faults.Options) => Effect.provide(Faults.layer({ print: () => {}, ...options }))

describe("off", () => {
  it.effect("no point answers yes, and nothing is recorded [M2]", () =>
    Effect.gen(function* () {
      const certain = Faults.point("certain", { probability: 1 })
      assert.isFalse(yield* certain)
      assert.isFalse(certain.now())
      assert.deepStrictEqual(yield* Faults.report, FaultReport.empty)
    })
  )

  it.effect("no condition of a claim is evaluated [M2]", () =>
    Effect.gen(function* () {
      let evaluated = 0
      const condition = () => {
        evaluated++
        return false
      }
      yield* Faults.always("a")(condition)
      yield* Faults.sometimes("b")(condition)
      yield* Faults.unreachable("c")
      assert.strictEqual(evaluated, 0)
    })
  )

  it("plain code outside any fiber gets no [M2]", () => {
    assert.isFalse(Faults.point("certain", { probability: 1 }).now())
  })
})

describe("a point", () => {
  it.effect("answers the same for the same seed, and otherwise for another [M2]", () =>
    Effect.gen(function* () {
      const first = yield* answers(lose, 64).pipe(on({ seed: 7 }))
      assert.deepStrictEqual(yield* answers(lose, 64).pipe(on({ seed: 7 })), first)
      assert.notDeepEqual(yield* answers(lose, 64).pipe(on({ seed: 8 })), first)
    })
  )

  it.effect("is not disturbed by other points in between [M2]", () =>
    Effect.gen(function* () {
      const alone = yield* answers(lose, 64).pipe(on({ seed: 7 }))
      const mixed = yield* Effect.forEach(Array.from({ length: 64 }), () =>
        Effect.andThen(answers(delay, 3), lose)
      ).pipe(on({ seed: 7 }))
      assert.deepStrictEqual(mixed, alone)
    })
  )

  it.live("is not disturbed by the order of the fibers [M2]", () =>
    Effect.gen(function* () {
      const both = Effect.all([answers(delay, 20), answers(lose, 20)], { concurrency: "unbounded" })
      const calm = yield* both.pipe(on({ seed: 7 }))
      for (let seed = 0; seed < 10; seed++) {
        const scheduler = yield* SeededScheduler.make({ seed })
        const shaken = yield* both.pipe(on({ seed: 7 }), Effect.provideService(Scheduler.Scheduler, scheduler))
        assert.deepStrictEqual(shaken, calm)
      }
    })
  )

  it.effect("fires as often as its probability says, over passes and over seeds [M2]", () =>
    Effect.gen(function* () {
      for (const probability of [0, 0.05, 0.5, 0.9, 1]) {
        const point = Faults.point(`p ${probability}`, { probability })
        const passes = (yield* answers(point, 4000).pipe(on({ seed: 1 }))).filter(Boolean).length / 4000
        assert.approximately(passes, probability, 0.03)
        const firsts = yield* Effect.forEach(Array.from({ length: 2000 }), (_, seed) => point.pipe(on({ seed })))
        assert.approximately(firsts.filter(Boolean).length / 2000, probability, 0.04)
      }
    })
  )

  it.effect("answers plain code that a fiber is running, from the same count [M2]", () =>
    Effect.gen(function* () {
      const asEffect = yield* answers(lose, 32).pipe(on({ seed: 3 }))
      const plain = yield* Effect.sync(() => Array.from({ length: 32 }, () => lose.now())).pipe(on({ seed: 3 }))
      assert.deepStrictEqual(plain, asEffect)
    })
  )

  it.effect("takes part in a run or not, as activation draws [M2]", () =>
    Effect.gen(function* () {
      const certain = Faults.point("certain", { probability: 1 })
      const runs = yield* Effect.forEach(Array.from({ length: 1000 }), (_, seed) =>
        answers(certain, 3).pipe(on({ seed, activation: 0.25 }))
      )
      for (const run of runs) assert.isTrue(run.every((fired) => fired === run[0]))
      assert.approximately(runs.filter((run) => run[0]).length, 250, 50)
    })
  )

  it.effect("is in the report with what it did [M2]", () =>
    Effect.gen(function* () {
      const report = yield* Effect.andThen(answers(lose, 10), Faults.report).pipe(on({ seed: 7, declared: [delay] }))
      const fired = (yield* answers(lose, 10).pipe(on({ seed: 7 }))).filter(Boolean).length
      assert.deepStrictEqual(report.seeds, [7])
      assert.deepStrictEqual(report.points, [
        { name: "delay", probability: 0.5, passed: 0, fired: 0 },
        { name: "lose write", probability: 0.5, passed: 10, fired }
      ])
    })
  )
})

describe("claims", () => {
  const claims = {
    balanced: Faults.always("balanced"),
    broken: Faults.always("broken"),
    unchecked: Faults.always("unchecked"),
    retried: Faults.sometimes("retried"),
    full: Faults.sometimes("full"),
    recovery: Faults.reachable("recovery"),
    dead: Faults.reachable("dead code"),
    impossible: Faults.unreachable("impossible"),
    fine: Faults.unreachable("fine")
  }
  const program = Effect.gen(function* () {
    yield* claims.balanced(() => true)
    yield* claims.broken(() => true)
    yield* claims.broken(() => false)
    yield* claims.retried(() => false)
    yield* claims.retried(() => true)
    yield* claims.full(() => false)
    yield* claims.recovery
    yield* claims.impossible
    return yield* Faults.report
  })
  const names = (rows: ReadonlyArray<FaultReport.ClaimRow>) => rows.map((row) => row.name)

  it.effect("tell which failed and which were never hit [M2]", () =>
    Effect.gen(function* () {
      const report = yield* program.pipe(on({ seed: 1, declared: Object.values(claims) }))
      assert.deepStrictEqual(names(FaultReport.claims(report, "Failed")), ["broken", "impossible"])
      assert.deepStrictEqual(names(FaultReport.claims(report, "NeverHit")), ["unchecked", "full", "dead code"])
      assert.deepStrictEqual(names(FaultReport.claims(report, "Held")), ["balanced", "retried", "recovery", "fine"])
    })
  )

  it.effect("are readable [M2]", () =>
    Effect.gen(function* () {
      const report = yield* program.pipe(on({ seed: 1, declared: [claims.dead] }))
      assert.strictEqual(
        FaultReport.format(report),
        [
          '  FAILED     always "broken" (true 1 of 2)',
          '  FAILED     unreachable "impossible" (passed 1 times)',
          '  never hit  reachable "dead code" (passed 0 times)',
          '  never hit  sometimes "full" (true 0 of 1)'
        ].join("\n")
      )
    })
  )

  it("add up over runs [M2]", () => {
    const row = { kind: "sometimes", name: "a", passed: 1 } as const
    const first = {
      seeds: [1],
      points: [{ name: "p", probability: 0.5, passed: 2, fired: 1 }],
      claims: [{ ...row, held: 0 }]
    }
    const second = {
      seeds: [2],
      points: [{ name: "p", probability: 0.5, passed: 3, fired: 3 }],
      claims: [{ ...row, held: 1 }]
    }
    assert.deepStrictEqual(FaultReport.merge(first, second), {
      seeds: [1, 2],
      points: [{ name: "p", probability: 0.5, passed: 5, fired: 4 }],
      claims: [{ kind: "sometimes", name: "a", passed: 2, held: 1 }]
    })
  })
})

const environment = (env: Record<string, string>) =>
  Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnvRecord(env))

describe("turning faults on", () => {
  it.effect("prints seed, replay and report when the program fails, and nothing when it does not [M2]", () =>
    Effect.gen(function* () {
      const printed: Array<string> = []
      const options = { seed: 42, print: (text: string) => printed.push(text) }
      yield* lose.pipe(on(options))
      assert.deepStrictEqual(printed, [])
      yield* Effect.exit(Effect.andThen(lose, Effect.fail("no")).pipe(on(options)))
      assert.strictEqual(printed.length, 1)
      assert.include(printed[0], "failed under fault seed 42; replay: SELVEDGE_FAULT_SEED=42")
      assert.include(printed[0], 'point      "lose write" fired')
    })
  )

  it.effect("takes the seed from SELVEDGE_FAULT_SEED [M2]", () =>
    Effect.gen(function* () {
      const run = answers(lose, 64).pipe(Effect.provide(Faults.layerConfig(Faults.fromEnvironment)))
      const fixed = yield* answers(lose, 64).pipe(on({ seed: 99 }))
      assert.deepStrictEqual(yield* run.pipe(environment({ SELVEDGE_FAULT_SEED: "99" })), fixed)
    })
  )

  it.effect("draws a seed from Random when none is given, and tells it [M2]", () =>
    Effect.gen(function* () {
      const seeds = Effect.map(Faults.report, (report) => report.seeds)
      const run = seeds.pipe(Effect.provide(Faults.layerConfig(Faults.fromEnvironment)), environment({}))
      const drawn = yield* run.pipe(Random.withSeed("a"))
      assert.strictEqual(drawn.length, 1)
      assert.deepStrictEqual(yield* run.pipe(Random.withSeed("a")), drawn)
      assert.notDeepEqual(yield* run.pipe(Random.withSeed("b")), drawn)
    })
  )

  it.effect("takes every option from Config [M2]", () =>
    Effect.gen(function* () {
      const options = { seed: Config.Int("SEED"), activation: Config.Number("ACTIVATION") }
      const certain = Faults.point("certain", { probability: 1 })
      const run = certain.pipe(Effect.provide(Faults.layerConfig(options)))
      assert.isFalse(yield* run.pipe(environment({ SEED: "1", ACTIVATION: "0" })))
      assert.isTrue(yield* run.pipe(environment({ SEED: "1", ACTIVATION: "1" })))
    })
  )
})

describe("bad input", () => {
  it("a probability outside 0 … 1 and an empty name are refused where they are declared [M2]", () => {
    for (const probability of [-0.1, 1.01, Number.NaN]) {
      assert.throws(
        () => Faults.point("p", { probability }),
        /probability of "p" must be a probability in 0 … 1, found/
      )
    }
    for (const make of [Faults.always, Faults.sometimes, Faults.reachable, Faults.unreachable]) {
      assert.throws(() => make(""), /name must be some text/)
    }
    assert.throws(() => Faults.point("", { probability: 0 }), /name must be some text/)
  })

  it.effect("a seed that is no whole number in range, and a bad activation, are typed errors [M2]", () =>
    Effect.gen(function* () {
      let ran = false
      const program = Effect.sync(() => (ran = true))
      for (const options of [
        { seed: 1.5 },
        { seed: -1 },
        { seed: 2 ** 32 },
        { activation: 2 },
        { activation: Number.NaN }
      ]) {
        const error = yield* Effect.flip(program.pipe(on(options)))
        assert.strictEqual(error._tag, "InvalidOption", JSON.stringify(options))
      }
      assert.isFalse(ran)
    })
  )

  it.effect(
    "a seed in the environment that is no number, or out of range, is an error that names the variable [M2]",
    () =>
      Effect.gen(function* () {
        const run = lose.pipe(Effect.provide(Faults.layerConfig(Faults.fromEnvironment)))
        for (const found of ["seven", "-7", "1.5", "4294967296"]) {
          const error = yield* Effect.flip(run.pipe(environment({ SELVEDGE_FAULT_SEED: found })))
          assert.strictEqual(error._tag, "ConfigError")
          assert.include(String(error.message), "SELVEDGE_FAULT_SEED")
        }
      })
  )

  it.effect("one name with two meanings is refused [M2]", () =>
    Effect.gen(function* () {
      const twice = [Faults.sometimes("x"), Faults.reachable("x")]
      const error = yield* Effect.flip(Effect.void.pipe(on({ seed: 1, declared: twice })))
      assert.include(error.message, '"x" is already: sometimes')
      yield* Effect.void.pipe(on({ seed: 1, declared: [lose, lose] }))
    })
  )
})
