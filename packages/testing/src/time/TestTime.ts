/**
 * Moving virtual time by what the program does, not by numbers.
 *
 * `TestClock.adjust("10 seconds")` makes a test know how long things take. These
 * helpers ask the program instead: go to the _next timer_, go on until nothing is
 * left to do (_idle_), give an effect a _limit_ and let it end. All of them work
 * inside `it.effect`, and under `SeededScheduler`.
 *
 * _Idle_ means: nothing is runnable. It is read from the event loop, which knows
 * every task a scheduler has queued, so no number of turns has to be guessed.
 * Promises that are already settled count as runnable; sockets, files and live
 * timers do not, and an effect waiting for one of these looks idle.
 *
 * **Invariants**
 *
 * 1. Time never passes a sleeper without waking it.
 * 2. Every helper is bounded, and fails with `NeverIdle` at its bound.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as TestClock from "effect/testing/TestClock"
import { checkInteger, InvalidOption } from "../faults/InvalidOption.ts"
import * as LiveFibers from "../leaks/LiveFibers.ts"
import { timers as readTimers } from "./internal/sleepers.ts"
import { NeverIdle, NoTestClock, StillWaiting } from "./TestTimeError.ts"

/**
 * - `limit`: virtual time to pass at most; one day when absent.
 * - `wakes`: timers to go through at most; 10 000 when absent.
 *
 * @category models
 * @since 0.1.0
 */
export interface IdleOptions {
  readonly limit?: Duration.Input | undefined
  readonly wakes?: number | undefined
}

const TURNS = 10_000
const WAKES = 10_000

// -----------------------------------------------------------------------------
// Looking
// -----------------------------------------------------------------------------

/**
 * The virtual times, in milliseconds, at which sleepers wake, soonest first.
 *
 * **Errors**
 *
 * - `NoTestClock`: the clock in the context is live, or cannot be looked into.
 *
 * @category operations
 * @since 0.1.0
 */
export const timers: Effect.Effect<ReadonlyArray<number>, NoTestClock> = Effect.suspend(() =>
  Effect.flatMap(testClock, timersOf)
)

/**
 * As `timers`, for a clock at hand.
 *
 * @category operations
 * @since 0.1.0
 */
export const timersOf = (clock: TestClock.TestClock): Effect.Effect<ReadonlyArray<number>, NoTestClock> =>
  Effect.suspend(() => {
    const times = readTimers(clock)
    return times === undefined ? Effect.fail(new NoTestClock({ why: "opaque" })) : Effect.succeed(times)
  })

/**
 * Waits, without moving time, until nothing is runnable any more.
 *
 * **Errors**
 *
 * - `NeverIdle`: something was still running after 10 000 turns of the event loop.
 *
 * @category operations
 * @since 0.1.0
 */
export const settle: Effect.Effect<void, NeverIdle> = Effect.suspend(() => {
  let turns = 0
  let quiet = 0
  // Two quiet turns: settled promises run between them and may make something runnable.
  return Effect.whileLoop({
    while: () => quiet < 2 && turns < TURNS,
    body: () => Effect.yieldNowWith(Number.MAX_SAFE_INTEGER),
    step: () => {
      turns++
      quiet = queued() ? 0 : quiet + 1
    }
  }).pipe(Effect.andThen(Effect.suspend(() => (quiet < 2 ? never("turns", TURNS) : Effect.void))))
})

/** Whether any task is queued on the event loop; the one that is running is not. */
const queued = (): boolean => process.getActiveResourcesInfo().includes("Immediate")

// -----------------------------------------------------------------------------
// Moving
// -----------------------------------------------------------------------------

/**
 * Goes to the next timer, wakes whoever sleeps until then, and waits until idle.
 * Answers how far it was; `None` when nobody sleeps.
 *
 * **Errors**
 *
 * - `NoTestClock`, `NeverIdle` (as for `settle`).
 *
 * **Example** (The second attempt comes after the first back-off)
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Schedule from "effect/Schedule"
 * import { TestTime } from "@selvedge/testing"
 *
 * const test = Effect.gen(function* () {
 *   let attempts = 0
 *   const attempt = Effect.suspend(() => Effect.fail(++attempts))
 *   yield* Effect.forkChild(Effect.retry(attempt, Schedule.exponential("1 second")))
 *   yield* TestTime.advanceToNext // Some(1 second)
 *   return attempts // 2
 * })
 * ```
 *
 * @category operations
 * @since 0.1.0
 */
export const advanceToNext: Effect.Effect<Option.Option<Duration.Duration>, NoTestClock | NeverIdle> = Effect.suspend(
  () => step(Infinity)
)

/**
 * Goes from timer to timer until nothing is runnable and nobody sleeps. Answers
 * how much virtual time has passed.
 *
 * **Errors**
 *
 * - `NeverIdle`: a timer lay beyond `limit`, or `wakes` were used up; a loop that
 *   sleeps for ever ends this way. `NoTestClock`; `InvalidOption`.
 *
 * @category operations
 * @since 0.1.0
 */
export const advanceUntilIdle = (
  options?: IdleOptions
): Effect.Effect<Duration.Duration, NoTestClock | NeverIdle | InvalidOption> =>
  Effect.gen(function* () {
    const limitMillis = yield* toMillis("advanceUntilIdle", options?.limit ?? "1 day")
    const wakes = options?.wakes ?? WAKES
    const problem = checkInteger("advanceUntilIdle", "wakes", wakes, { minimum: 1, maximum: Number.MAX_SAFE_INTEGER })
    if (problem !== undefined) return yield* problem
    const start = yield* Clock.currentTimeMillis
    for (let woken = 0; woken < wakes; woken++) {
      if (Option.isNone(yield* step(start + limitMillis))) {
        if ((yield* timers).length > 0) return yield* never("limit", limitMillis)
        return Duration.millis((yield* Clock.currentTimeMillis) - start)
      }
    }
    // The last wake may have been the one that was needed.
    if ((yield* timers).length > 0) return yield* never("wakes", wakes)
    return Duration.millis((yield* Clock.currentTimeMillis) - start)
  })

/**
 * Runs an effect in a fiber of its own and moves time for it, timer by timer,
 * until it ended or the limit of virtual time is over. The limit itself belongs to
 * the effect: a timer that falls on it still fires.
 *
 * **Details**
 *
 * When the limit is over the effect is told to stop and is not waited for: an
 * effect that cannot be interrupted would take the test with it.
 *
 * **Errors**
 *
 * - `StillWaiting`: the limit was over; names the fibers that were still alive.
 * - `NeverIdle`, `NoTestClock`, `InvalidOption`; and what the effect fails with.
 *
 * **Example** (A shutdown that must end)
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { TestTime } from "@selvedge/testing"
 *
 * const shutdown = Effect.sleep("8 seconds")
 * const test = shutdown.pipe(TestTime.completeWithin("10 seconds", { name: "shutdown" }))
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const completeWithin =
  (limit: Duration.Input, options?: { readonly name?: string | undefined }) =>
  <A, E, R>(
    self: Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | StillWaiting | NeverIdle | NoTestClock | InvalidOption, R> =>
    Effect.gen(function* () {
      const limitMillis = yield* toMillis("completeWithin", limit)
      const name = options?.name ?? "effect"
      const end = (yield* Clock.currentTimeMillis) + limitMillis
      return yield* LiveFibers.watch((fibers) =>
        Effect.gen(function* () {
          const fiber = yield* Effect.forkDetach(self)
          const stillWaiting = Effect.flatMap(snapshot, (now) =>
            Effect.fail(new StillWaiting({ ...now, name, limitMillis, waiting: fibers.names() }))
          )
          return yield* Effect.flatMap(
            drive(fiber, end),
            (exit): Effect.Effect<A, E | StillWaiting> => exit ?? stillWaiting
          ).pipe(Effect.onExit(() => Effect.sync(() => fiber.interruptUnsafe())))
        })
      )
    })

const drive = <A, E>(fiber: Fiber.Fiber<A, E>, endMillis: number) =>
  Effect.gen(function* () {
    yield* settle
    let woke = true
    while (woke && fiber.pollUnsafe() === undefined) woke = Option.isSome(yield* step(endMillis))
    if (fiber.pollUnsafe() === undefined && Number.isFinite(endMillis)) {
      const clock = yield* testClock
      yield* clock.setTime(endMillis)
      yield* settle
    }
    return fiber.pollUnsafe()
  })

/** One timer, if there is one at or before `endMillis`. */
const step = (endMillis: number): Effect.Effect<Option.Option<Duration.Duration>, NoTestClock | NeverIdle> =>
  Effect.gen(function* () {
    const clock = yield* testClock
    yield* settle
    const next = (yield* timersOf(clock))[0]
    if (next === undefined || next > endMillis) return Option.none()
    const far = next - clock.currentTimeMillisUnsafe()
    yield* clock.setTime(next)
    yield* settle
    return Option.some(Duration.millis(far))
  })

// -----------------------------------------------------------------------------
// Internals
// -----------------------------------------------------------------------------

const testClock: Effect.Effect<TestClock.TestClock, NoTestClock> = Effect.flatMap(Clock.Clock, (clock) =>
  "adjust" in clock && "setTime" in clock
    ? Effect.succeed(clock as TestClock.TestClock)
    : Effect.fail(new NoTestClock({ why: "live" }))
)

const snapshot = Effect.map(Clock.Clock, (clock) => ({
  nowMillis: clock.currentTimeMillisUnsafe(),
  timersMillis: readTimers(clock) ?? []
}))

const never = (bound: NeverIdle["bound"], most: number): Effect.Effect<never, NeverIdle> =>
  Effect.flatMap(snapshot, (now) => Effect.fail(new NeverIdle({ ...now, bound, most })))

const toMillis = (tool: string, limit: Duration.Input): Effect.Effect<number, InvalidOption> => {
  // Duration reads NaN as zero, which would hide a miscalculated limit.
  const input = Number.isNaN(limit) ? Option.none() : Duration.fromInput(limit)
  const millis = Option.match(input, { onNone: () => Number.NaN, onSome: Duration.toMillis })
  return millis >= 0
    ? Effect.succeed(millis)
    : Effect.fail(new InvalidOption({ tool, option: "limit", wanted: "a duration of 0 ms or more", found: limit }))
}
