/**
 * Runs one test in many fiber orders and finds the one that breaks it.
 *
 * A test written as an Effect passes under Effect's fair scheduler, for ever, in
 * one and the same order. `explore` runs it once per seed under `SeededScheduler`,
 * each time with a `TestClock` and a scope of its own, and reports the first seed
 * that makes it fail, with what is needed to run that order again.
 *
 * Virtual time moves by itself: when nothing is runnable and the test has not
 * ended, time goes to the next timer. When there is no timer either, the test is
 * given a little real time (for a promise, a socket) and is then reported as a
 * `Deadlock`.
 *
 * **How a run ends**
 *
 * | outcome     | meaning                                                       |
 * | ----------- | ------------------------------------------------------------- |
 * | `Ended`     | the test ended; it passed if its exit is a success            |
 * | `Deadlock`  | nothing runnable, no timer, and real time did not help        |
 * | `Exhausted` | still running after `maxSteps` tasks: a livelock              |
 *
 * **Invariants**
 *
 * 1. A failing seed is run once more before it is reported; `replayed` tells
 *    whether it took the same order and ended the same way.
 * 2. Nothing is shared between runs but what the test itself shares.
 *
 * The limits are those of `SeededScheduler`: read them before trusting a clean
 * result for code that waits on promises. A test that is to be explored must not
 * keep state outside itself.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scheduler from "effect/Scheduler"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { checkInteger, type InvalidOption } from "../faults/InvalidOption.ts"
import * as Seed from "../faults/Seed.ts"
import * as TestTime from "../time/TestTime.ts"
import type { NoTestClock } from "../time/TestTimeError.ts"
import * as SeededScheduler from "./SeededScheduler.ts"

/**
 * - `preempt`, `pick`, `maxSteps`: as for `SeededScheduler`.
 * - `patience`: real time to wait for something outside before a standstill is
 *   called a deadlock; 100 ms when absent.
 *
 * @category models
 * @since 0.1.0
 */
export interface RunOptions extends SeededScheduler.Options {
  readonly patience?: Duration.Input | undefined
}

/**
 * - `seeds`: how many; 100 when absent. `from`: the first one; 0 when absent.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Omit<RunOptions, "seed"> {
  readonly seeds?: number | undefined
  readonly from?: number | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export type Outcome<A, E> = Data.TaggedEnum<{
  Ended: { readonly exit: Exit.Exit<A, E> }
  Deadlock: {}
  Exhausted: {}
}>

/**
 * One run of the test. `digest` identifies the interleaving, `trace` shows it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Run<A, E> {
  readonly seed: number
  readonly outcome: Outcome<A, E>
  readonly steps: number
  readonly digest: number
  readonly trace: string
}

/**
 * - `Clean`: no seed broke the test.
 * - `Broken`: this run did; `runs` is how many it took, `replayed` whether the same
 *   seed took the same order again and ended the same way.
 *
 * @category models
 * @since 0.1.0
 */
export type Report<A, E> =
  | { readonly _tag: "Clean"; readonly runs: number; readonly from: number }
  | { readonly _tag: "Broken"; readonly runs: number; readonly run: Run<A, E>; readonly replayed: boolean }

/**
 * A fiber order that breaks the test.
 *
 * @category errors
 * @since 0.1.0
 */
export class OrderBug extends Data.TaggedError("OrderBug")<{
  readonly seed: number
  readonly runs: number
  readonly steps: number
  readonly trace: string
  readonly replayed: boolean
  readonly why: string
}> {
  override get message(): string {
    const again = this.replayed ? "run again, it broke the same way" : "run again, it did NOT take the same order"
    return [
      `fiber order of seed ${this.seed} breaks the test (run ${this.runs}, ${this.steps} steps; ${again})`,
      `  why:    ${this.why}`,
      `  replay: ${SEED_VARIABLE}=${this.seed}, or FiberExplorer.run(test, { seed: ${this.seed} })`,
      `  order:  ${this.trace}`
    ].join("\n")
  }
}

const TOOL = "FiberExplorer"
const SEED_VARIABLE = "SELVEDGE_FIBER_SEED"

/**
 * `SELVEDGE_FIBER_SEED`: when set, `explore` and `verify` run this seed only.
 *
 * @category models
 * @since 0.1.0
 */
export const replaySeed: Config.Config<Option.Option<number>> = Seed.fromVariable(SEED_VARIABLE)

// -----------------------------------------------------------------------------
// Exploring
// -----------------------------------------------------------------------------

/**
 * Runs the test under one seed. This is also the replay.
 *
 * **Errors**
 *
 * - `InvalidOption`: an option out of range. How the test ends is in the result.
 *
 * @category operations
 * @since 0.1.0
 */
export const run = <A, E, R>(
  test: Effect.Effect<A, E, R>,
  options: RunOptions
): Effect.Effect<Run<A, E>, InvalidOption | NoTestClock, Exclude<R, Scope.Scope>> =>
  Effect.gen(function* () {
    const scheduler = yield* SeededScheduler.make(options)
    const outcome = yield* runWith(test, scheduler, options.patience ?? PATIENCE)
    const { seed } = options
    return { seed, outcome, steps: scheduler.steps(), digest: scheduler.digest(), trace: scheduler.trace() }
  })

/**
 * Runs the test under seed after seed until one breaks it.
 *
 * **Errors**
 *
 * - `InvalidOption`: an option out of range. `ConfigError`: `SELVEDGE_FIBER_SEED`
 *   is no whole number. How the test ends is in the report.
 *
 * **Example** (A lost update, found and shown)
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Ref from "effect/Ref"
 * import { FiberExplorer } from "@selvedge/testing"
 *
 * const test = Effect.gen(function* () {
 *   const count = yield* Ref.make(0)
 *   const add = Effect.flatMap(Ref.get(count), (before) => Ref.set(count, before + 1))
 *   yield* Effect.all([add, add], { concurrency: "unbounded" })
 *   const sum = yield* Ref.get(count)
 *   if (sum !== 2) return yield* Effect.fail(`lost an update: ${sum}`)
 * })
 *
 * const report = await Effect.runPromise(FiberExplorer.explore(test))
 * console.log(report._tag) // "Broken"
 * ```
 *
 * @category operations
 * @since 0.1.0
 */
export const explore = <A, E, R>(
  test: Effect.Effect<A, E, R>,
  options?: Options
): Effect.Effect<Report<A, E>, InvalidOption | NoTestClock | Config.ConfigError, Exclude<R, Scope.Scope>> =>
  Effect.gen(function* () {
    const { from, seeds } = yield* range(options)
    for (let runs = 1; runs <= seeds; runs++) {
      const first = yield* run(test, { ...options, seed: from + runs - 1 })
      if (passed(first.outcome)) continue
      const second = yield* run(test, { ...options, seed: first.seed })
      const replayed = first.digest === second.digest && why(first.outcome) === why(second.outcome)
      return { _tag: "Broken", runs, run: first, replayed }
    }
    return { _tag: "Clean", runs: seeds, from }
  })

/**
 * As `explore`, and fails with the order that breaks the test. Use it in `it.live`
 * or `it.effect`; the message has the replay.
 *
 * **Errors**
 *
 * - `OrderBug`: a seed broke the test. Else as for `explore`.
 *
 * @category operations
 * @since 0.1.0
 */
export const verify = <A, E, R>(
  test: Effect.Effect<A, E, R>,
  options?: Options
): Effect.Effect<void, OrderBug | InvalidOption | NoTestClock | Config.ConfigError, Exclude<R, Scope.Scope>> =>
  Effect.flatMap(explore(test, options), (report) => {
    if (report._tag === "Clean") return Effect.void
    const { outcome, seed, steps, trace } = report.run
    return Effect.fail(
      new OrderBug({ seed, steps, trace, why: why(outcome), runs: report.runs, replayed: report.replayed })
    )
  })

/**
 * Why a run did not pass, in one line; empty when it did.
 *
 * @category operations
 * @since 0.1.0
 */
export const why = (outcome: Outcome<unknown, unknown>): string => {
  switch (outcome._tag) {
    case "Deadlock":
      return "deadlock: nothing is runnable, nothing sleeps, and the test has not ended"
    case "Exhausted":
      return "livelock: still running after the most steps allowed"
    case "Ended":
      return outcome.exit._tag === "Success" ? "" : Cause.prettyErrors(outcome.exit.cause).map(String).join("; ")
  }
}

const passed = (outcome: Outcome<unknown, unknown>): boolean =>
  outcome._tag === "Ended" && outcome.exit._tag === "Success"

const range = (options: Options | undefined) =>
  Effect.gen(function* () {
    const seeds = options?.seeds ?? 100
    const from = options?.from ?? 0
    const problem =
      checkInteger(TOOL, "seeds", seeds, { minimum: 1, maximum: Seed.MAX_SEED }) ??
      checkInteger(TOOL, "from", from, { minimum: 0, maximum: Seed.MAX_SEED - seeds + 1 })
    if (problem !== undefined) return yield* problem
    return Option.match(yield* replaySeed, {
      onNone: () => ({ from, seeds }),
      onSome: (seed) => ({ from: seed, seeds: 1 })
    })
  })

// -----------------------------------------------------------------------------
// One run
// -----------------------------------------------------------------------------

const PATIENCE = Duration.millis(100)

/** Turns of the event loop in which a settled promise can still make something runnable. */
const GRACE_TURNS = 3

const runWith = <A, E, R>(
  test: Effect.Effect<A, E, R>,
  scheduler: SeededScheduler.SeededScheduler,
  patience: Duration.Input
): Effect.Effect<Outcome<A, E>, NoTestClock, Exclude<R, Scope.Scope>> =>
  Effect.gen(function* () {
    let clock: TestClock.TestClock | undefined
    const inside = Effect.andThen(
      TestClock.testClockWith((current) => Effect.sync(() => (clock = current))),
      Effect.scoped(test)
    )
    // The scheduler goes outside: TestClock wraps the one that is current when it is built.
    const world = inside.pipe(
      Effect.provide(TestClock.layer(), { local: true }),
      Effect.provideService(Scheduler.Scheduler, scheduler)
    ) as Effect.Effect<A, E, Exclude<R, Scope.Scope>>
    const fiber = yield* Effect.forkDetach(world, { startImmediately: true })
    // At once, not when the driver gets round to it: what is left over must not add steps to the record.
    fiber.addObserver(() => scheduler.halt())
    return yield* drive(fiber, scheduler, () => clock, patience).pipe(Effect.onExit(() => abandon(fiber, scheduler)))
  })

const drive = <A, E>(
  fiber: Fiber.Fiber<A, E>,
  scheduler: SeededScheduler.SeededScheduler,
  clock: () => TestClock.TestClock | undefined,
  patience: Duration.Input
): Effect.Effect<Outcome<A, E>, NoTestClock> =>
  Effect.gen(function* () {
    while (true) {
      yield* scheduler.awaitIdle
      const exit = fiber.pollUnsafe()
      if (exit !== undefined) return { _tag: "Ended", exit }
      if (scheduler.state() === "Exhausted") return { _tag: "Exhausted" }
      const steps = scheduler.steps()
      const unmoved = () => scheduler.steps() === steps && fiber.pollUnsafe() === undefined
      for (let turn = 0; turn < GRACE_TURNS && unmoved(); turn++) yield* Effect.yieldNow
      if (!unmoved()) continue
      if (yield* wakeNext(clock())) continue
      yield* outside(unmoved, patience)
      if (unmoved()) return { _tag: "Deadlock" }
    }
  })

/** Goes to the next timer. `false`: there is none. */
const wakeNext = (clock: TestClock.TestClock | undefined): Effect.Effect<boolean, NoTestClock> =>
  clock === undefined
    ? Effect.succeed(false)
    : Effect.flatMap(TestTime.timersOf(clock), ([next]) =>
        next === undefined ? Effect.succeed(false) : Effect.as(clock.setTime(next), true)
      )

/** Lets real time pass, in small steps, while nothing moves. */
const outside = (unmoved: () => boolean, patience: Duration.Input): Effect.Effect<void> => {
  const steps = Math.ceil(Duration.toMillis(patience) / PATIENCE_STEP)
  const pause = Effect.provideService(Effect.sleep(PATIENCE_STEP), Clock.Clock, LIVE)
  let step = 0
  return Effect.whileLoop({ while: () => unmoved() && step < steps, body: () => pause, step: () => step++ })
}

const PATIENCE_STEP = 5

/** What a context gives that nobody put a clock into. */
const LIVE: Clock.Clock = Context.get(Context.empty(), Clock.Clock)

/** Lets the finalizers of a test that did not end run, then stops everything. */
const abandon = <A, E>(fiber: Fiber.Fiber<A, E>, scheduler: SeededScheduler.SeededScheduler): Effect.Effect<void> =>
  Effect.gen(function* () {
    fiber.interruptUnsafe()
    yield* scheduler.awaitIdle
    scheduler.halt()
  })
