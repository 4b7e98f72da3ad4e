/**
 * Runs a program under many fault seeds and judges its claims over all of them.
 *
 * The first run that fails ends the campaign, and so does an `always` or an
 * `unreachable` that did not hold: its seed repeats it. A `sometimes` or a
 * `reachable` is judged at the end, over all runs together.
 *
 * With `SELVEDGE_FAULT_SEED` set, only that seed is run, and only what one run can
 * show is judged.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FaultReport from "./FaultReport.ts"
import * as Faults from "./Faults.ts"
import { checkInteger, type InvalidOption } from "./InvalidOption.ts"
import * as Seed from "./Seed.ts"

/**
 * - `seeds`: how many; 100 when absent. `from`: the first one; 0 when absent.
 * - `activation`, `declared`: as for `Faults.layer`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Omit<Faults.Options, "seed" | "print"> {
  readonly seeds?: number | undefined
  readonly from?: number | undefined
}

/**
 * Runs the campaign and gives the merged report.
 *
 * **Errors**
 *
 * - `FaultsFailed`: a run failed, or a claim did not hold; has the seed.
 * - `InvalidOption`; `ConfigError`: `SELVEDGE_FAULT_SEED` is no whole number.
 *
 * **Example** (Does the retry survive lost writes, and is it ever used?)
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { FaultCampaign, Faults } from "@selvedge/testing"
 *
 * const lose = Faults.point("lose write", { probability: 0.2 })
 * const retried = Faults.reachable("a lost write is retried")
 *
 * const write = Effect.flatMap(lose, (lost) => (lost ? Effect.fail("lost") : Effect.void))
 * const program = write.pipe(
 *   Effect.catch(() => retried),
 *   Effect.asVoid
 * )
 *
 * const test = FaultCampaign.run(program, { seeds: 50, declared: [retried] })
 * ```
 *
 * @category operations
 * @since 0.1.0
 */
export const run = <A, E, R>(
  program: Effect.Effect<A, E, R>,
  options?: Options
): Effect.Effect<FaultReport.FaultReport, FaultReport.FaultsFailed | InvalidOption | Config.ConfigError, R> =>
  Effect.gen(function* () {
    const { from, seeds } = yield* range(options)
    const only = (yield* Faults.fromEnvironment).seed
    if (only !== undefined) return yield* runSeed(program, only, options)
    let total = FaultReport.empty
    for (let seed = from; seed < from + seeds; seed++) {
      total = FaultReport.merge(total, yield* runSeed(program, seed, options))
    }
    if (FaultReport.claims(total, "NeverHit").length === 0) return total
    return yield* new FaultReport.FaultsFailed({ seed: undefined, why: "", report: total })
  })

const range = (options: Options | undefined) =>
  Effect.gen(function* () {
    const seeds = options?.seeds ?? 100
    const from = options?.from ?? 0
    const problem =
      checkInteger("FaultCampaign", "seeds", seeds, { minimum: 1, maximum: Seed.MAX_SEED }) ??
      checkInteger("FaultCampaign", "from", from, { minimum: 0, maximum: Seed.MAX_SEED - seeds + 1 })
    return problem === undefined ? { from, seeds } : yield* problem
  })

const runSeed = <A, E, R>(program: Effect.Effect<A, E, R>, seed: number, options: Options | undefined) =>
  Effect.gen(function* () {
    const active = yield* Faults.make({ ...options, seed })
    const exit = yield* Effect.exit(Effect.provideService(program, Faults.Current, active))
    const report = active.report()
    if (Exit.isFailure(exit)) {
      const why = Cause.prettyErrors(exit.cause).map(String).join("; ")
      return yield* new FaultReport.FaultsFailed({ seed, why, report })
    }
    if (FaultReport.claims(report, "Failed").length === 0) return report
    return yield* new FaultReport.FaultsFailed({ seed, why: "", report })
  })
