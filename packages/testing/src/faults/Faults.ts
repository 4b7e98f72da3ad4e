/**
 * Fault points: places where a test may make something go wrong, and claims about
 * what a program does while it goes wrong.
 *
 * A _point_ is a named yes or no in the program: "drop this write?". Normally it is
 * off and answers no at the price of one branch. Under a seed it answers yes with
 * its probability. A _claim_ says what must hold in a whole campaign of such runs:
 *
 * | claim         | holds when, over all runs                     | finds                     |
 * | ------------- | --------------------------------------------- | ------------------------- |
 * | `always`      | it was passed, and its condition never false  | a broken invariant        |
 * | `sometimes`   | its condition was true at least once          | a test that tests nothing |
 * | `reachable`   | the place was passed at least once            | dead recovery code        |
 * | `unreachable` | the place was never passed                    | a state thought impossible |
 *
 * Points and claims are values. Those given as `declared` are in the report even
 * when the program never came near them; the others appear when they are passed.
 *
 * **Invariants**
 *
 * 1. The answer to the n-th pass of a point depends on seed, name and n alone, so
 *    neither another point nor another order of fibers changes it.
 * 2. Off, no point answers yes, no condition of a claim is evaluated, and nothing
 *    is recorded.
 *
 * Source: points with a per-run activation follow FoundationDB's `BUGGIFY`; the four
 * claims follow Antithesis's test properties.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as FaultReport from "./FaultReport.ts"
import { checkProbability, InvalidOption } from "./InvalidOption.ts"
import { type ClaimSpec, Ledger, type PointSpec } from "./internal/ledger.ts"
import * as Seed from "./Seed.ts"

// -----------------------------------------------------------------------------
// Models
// -----------------------------------------------------------------------------

/**
 * A fault point. As an Effect it answers whether to fail here; `now` answers the
 * same to plain code that a fiber is running.
 *
 * @category models
 * @since 0.1.0
 */
export interface Point extends PointSpec, Effect.Effect<boolean> {
  now(): boolean
}

/**
 * A claim about a condition. The condition is only evaluated when faults are on.
 *
 * @category models
 * @since 0.1.0
 */
export interface Condition {
  (condition: () => boolean): Effect.Effect<void>
  readonly spec: ClaimSpec
}

/**
 * A claim about a place.
 *
 * @category models
 * @since 0.1.0
 */
export interface Place extends Effect.Effect<void> {
  readonly spec: ClaimSpec
}

/**
 * What can be `declared`.
 *
 * @category models
 * @since 0.1.0
 */
export type Declaration = Point | Condition | Place

/**
 * - `seed`: a whole number in `0 … 2^32 - 1`; drawn from `Random` when absent.
 * - `activation`: chance, `0 … 1`, that a point takes part in a run at all; 1 when
 *   absent. With few active points each run hurts in its own way.
 * - `declared`: points and claims that belong in the report even if never passed.
 * - `print`: where a failing run says its seed and report; standard error when absent.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly seed?: number | undefined
  readonly activation?: number | undefined
  readonly declared?: ReadonlyArray<Declaration> | undefined
  readonly print?: ((text: string) => void) | undefined
}

/**
 * A run with faults on.
 *
 * @category models
 * @since 0.1.0
 */
export interface Active {
  readonly seed: number
  fires(point: PointSpec): boolean
  check(claim: ClaimSpec, held: boolean): void
  report(): FaultReport.FaultReport
}

/**
 * The faults of the surrounding program. `undefined`, the default, is off.
 *
 * @category services
 * @since 0.1.0
 */
export const Current: Context.Reference<Active | undefined> = Context.Reference<Active | undefined>(
  "@selvedge/testing/Faults",
  { defaultValue: () => undefined }
)

// -----------------------------------------------------------------------------
// Points and claims
// -----------------------------------------------------------------------------

const TOOL = "Faults"
const no: Effect.Effect<boolean> = Effect.succeed(false)
const yes: Effect.Effect<boolean> = Effect.succeed(true)

/**
 * Declares a fault point. Make it once, beside the code that may fail.
 *
 * **Errors**
 *
 * Throws `InvalidOption` when the probability is outside `0 … 1` or the name is
 * empty: the mistake is in the source, and is found when the module is loaded.
 *
 * **Example** (A write that a test can lose)
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { Faults } from "@selvedge/testing"
 *
 * const loseWrite = Faults.point("lose write", { probability: 0.2 })
 *
 * const write = (line: string) =>
 *   Effect.flatMap(loseWrite, (lost) => (lost ? Effect.fail("disk full") : Effect.log(line)))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const point = (name: string, options: { readonly probability: number }): Point => {
  const problem = checkName(name) ?? checkProbability(TOOL, `probability of "${name}"`, options.probability)
  if (problem !== undefined) throw problem
  const spec: PointSpec = { kind: "point", name, probability: options.probability }
  const answer = Effect.withFiber((fiber) => {
    const active = fiber.getRef(Current)
    return active === undefined ? no : active.fires(spec) ? yes : no
  })
  return Object.assign(answer, spec, { now: () => active()?.fires(spec) ?? false })
}

/**
 * Claims that a condition holds whenever the program comes by.
 *
 * @category constructors
 * @since 0.1.0
 */
export const always = (name: string): Condition => condition("always", name)

/**
 * Claims that a condition holds at least once in a campaign: that the test really
 * brings about what it is meant to try.
 *
 * @category constructors
 * @since 0.1.0
 */
export const sometimes = (name: string): Condition => condition("sometimes", name)

/**
 * Claims that the program comes by at least once in a campaign.
 *
 * @category constructors
 * @since 0.1.0
 */
export const reachable = (name: string): Place => place("reachable", name)

/**
 * Claims that the program never comes by.
 *
 * @category constructors
 * @since 0.1.0
 */
export const unreachable = (name: string): Place => place("unreachable", name)

const condition = (kind: "always" | "sometimes", name: string): Condition => {
  const spec = claimSpec(kind, name)
  const check = (condition: () => boolean): Effect.Effect<void> =>
    Effect.withFiber((fiber) => {
      fiber.getRef(Current)?.check(spec, condition())
      return Effect.void
    })
  return Object.assign(check, { spec })
}

const place = (kind: "reachable" | "unreachable", name: string): Place => {
  const spec = claimSpec(kind, name)
  const pass = Effect.withFiber((fiber) => {
    fiber.getRef(Current)?.check(spec, true)
    return Effect.void
  })
  return Object.assign(pass, { spec })
}

const claimSpec = (kind: ClaimSpec["kind"], name: string): ClaimSpec => {
  const problem = checkName(name)
  if (problem !== undefined) throw problem
  return { kind, name }
}

const checkName = (name: string): InvalidOption | undefined =>
  name.length > 0 ? undefined : new InvalidOption({ tool: TOOL, option: "name", wanted: "some text", found: name })

/** One name is one row of the report: it cannot be two kinds of thing, nor have two probabilities. */
const checkDeclared = (declared: ReadonlyArray<PointSpec | ClaimSpec>): InvalidOption | undefined => {
  const known = new Map<string, string>()
  for (const spec of declared) {
    const meaning = spec.kind === "point" ? `point of probability ${spec.probability}` : spec.kind
    const before = known.get(spec.name) ?? meaning
    if (before !== meaning) {
      const wanted = `of one meaning per name ("${spec.name}" is already: ${before})`
      return new InvalidOption({ tool: TOOL, option: "declared", wanted, found: meaning })
    }
    known.set(spec.name, meaning)
  }
  return undefined
}

const active = (): Active | undefined => Fiber.getCurrent()?.getRef(Current)

// -----------------------------------------------------------------------------
// Turning them on
// -----------------------------------------------------------------------------

/**
 * Turns faults on, in a record of its own.
 *
 * **Errors**
 *
 * - `InvalidOption`: seed or activation out of range, or one name declared as two
 *   different things.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options?: Options): Effect.Effect<Active, InvalidOption> =>
  Effect.gen(function* () {
    const activation = options?.activation ?? 1
    const declared = (options?.declared ?? []).map((it) => ("spec" in it ? it.spec : it))
    const problem =
      (options?.seed === undefined ? undefined : Seed.check(TOOL, options.seed)) ??
      checkProbability(TOOL, "activation", activation) ??
      checkDeclared(declared)
    if (problem !== undefined) return yield* problem
    const seed = options?.seed ?? Math.floor((yield* Random.next) * (Seed.MAX_SEED + 1))
    return new Ledger(seed, activation, declared)
  })

/**
 * Turns faults on for what runs inside. When that fails, the seed and the report
 * are printed.
 *
 * **Example** (The same faults in every run of a test)
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { Faults } from "@selvedge/testing"
 *
 * const lose = Faults.point("lose", { probability: 0.5 })
 * const program = Effect.all([lose, lose, lose])
 * const run = Effect.runSync(program.pipe(Effect.provide(Faults.layer({ seed: 7 }))))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<never, InvalidOption> =>
  Layer.effect(
    Current,
    Effect.acquireRelease(make(options), (active, exit) =>
      Exit.isFailure(exit) ? Effect.sync(() => printFailure(active, options?.print)) : Effect.void
    )
  )

/**
 * As `layer`, with options from `Config`. `fromEnvironment` is one for the usual case.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (options: Config.Wrap<Options>): Layer.Layer<never, InvalidOption | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layer))

/**
 * `SELVEDGE_FAULT_SEED`, a whole number: the seed to use; drawn when not set.
 *
 * @category models
 * @since 0.1.0
 */
export const fromEnvironment: Config.Config<Options> = Config.map(
  Seed.fromVariable(FaultReport.SEED_VARIABLE),
  (seed) => ({ seed: Option.getOrUndefined(seed) })
)

/**
 * What the faults of the surrounding program did so far; empty when they are off.
 *
 * @category operations
 * @since 0.1.0
 */
export const report: Effect.Effect<FaultReport.FaultReport> = Effect.map(
  Current,
  (active) => active?.report() ?? FaultReport.empty
)

const printFailure = (active: Active, print: Options["print"]): void => {
  const text = FaultReport.format(active.report())
  const lines = [`failed under fault seed ${active.seed}; replay: ${FaultReport.replay(active.seed)}`, text]
  ;(print ?? console.error)(lines.filter((line) => line !== "").join("\n"))
}
