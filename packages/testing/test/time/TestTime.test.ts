import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/testing/TestClock"
import { TestTime } from "@selvedge/testing"

const hops = (n: number) => Effect.repeat(Effect.yieldNow, { times: n })

describe("looking", () => {
  it.effect("sees who sleeps, also sleepers from before the first look [M1]", () =>
    Effect.gen(function* () {
      const early = yield* Effect.forkChild(Effect.sleep(30), { startImmediately: true })
      assert.deepStrictEqual(yield* TestTime.timers, [30])
      yield* Effect.forkChild(Effect.sleep(10), { startImmediately: true })
      assert.deepStrictEqual(yield* TestTime.timers, [10, 30])
      yield* Fiber.interrupt(early)
      assert.deepStrictEqual(yield* TestTime.timers, [10])
    })
  )

  it.effect("leaves Array.prototype and the sleepers as they were [M1]", () =>
    Effect.gen(function* () {
      const splice = Object.getOwnPropertyDescriptor(Array.prototype, "splice")
      assert.deepStrictEqual(yield* TestTime.timers, [])
      assert.deepStrictEqual(Object.getOwnPropertyDescriptor(Array.prototype, "splice"), splice)
    })
  )

  it.live("refuses a live clock with a typed error [M1]", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(TestTime.advanceToNext)
      assert.strictEqual(error._tag, "NoTestClock")
      assert.include(error.message, "found a live clock")
    })
  )

  it.effect("settles once a fiber that is many turns from its sleep has reached it [M1]", () =>
    Effect.gen(function* () {
      yield* Effect.forkChild(Effect.andThen(hops(50), Effect.sleep(10)))
      yield* TestTime.settle
      assert.deepStrictEqual(yield* TestTime.timers, [10])
    })
  )

  it.effect("settles after promises that are already settled [M1]", () =>
    Effect.gen(function* () {
      const steps: Array<string> = []
      yield* Effect.forkChild(
        Effect.promise(async () => {
          for (let i = 0; i < 20; i++) await Promise.resolve()
        }).pipe(Effect.andThen(hops(3)), Effect.andThen(Effect.sync(() => steps.push("done"))))
      )
      yield* TestTime.settle
      assert.deepStrictEqual(steps, ["done"])
    })
  )

  it.effect("says so when something runs for ever [M1]", () =>
    Effect.gen(function* () {
      yield* Effect.forkChild(Effect.forever(Effect.yieldNow))
      const error = yield* Effect.flip(TestTime.settle)
      assert.strictEqual(error.bound, "turns")
      assert.include(error.message, "not idle after 10000 turns")
    })
  )
})

describe("the next timer", () => {
  it.effect("goes exactly to it, fractions of a millisecond included, and tells how far [M1]", () =>
    Effect.gen(function* () {
      const times: Array<number> = []
      for (const millis of [7, 2.5, 100]) {
        yield* Effect.sleep(Duration.millis(millis)).pipe(
          Effect.andThen(Effect.map(Clock.currentTimeMillis, (now) => times.push(now))),
          Effect.forkChild
        )
      }
      assert.deepStrictEqual(Option.map(yield* TestTime.advanceToNext, Duration.toMillis), Option.some(2.5))
      assert.deepStrictEqual(times, [2.5])
      assert.deepStrictEqual(Option.map(yield* TestTime.advanceToNext, Duration.toMillis), Option.some(4.5))
      yield* TestTime.advanceToNext
      assert.deepStrictEqual(times, [2.5, 7, 100])
      assert.deepStrictEqual(yield* TestTime.advanceToNext, Option.none())
      assert.strictEqual(yield* Clock.currentTimeMillis, 100)
    })
  )

  it.effect("wakes everyone who is due at the same instant [M1]", () =>
    Effect.gen(function* () {
      let woken = 0
      const sleeper = Effect.andThen(
        Effect.sleep("1 second"),
        Effect.sync(() => woken++)
      )
      yield* Effect.forkChild(Effect.all([sleeper, sleeper, sleeper], { concurrency: "unbounded" }))
      yield* TestTime.advanceToNext
      assert.strictEqual(woken, 3)
    })
  )

  it.effect("moves the monotonic clock by as much [M1]", () =>
    Effect.gen(function* () {
      yield* Effect.forkChild(Effect.sleep("2 seconds"))
      yield* TestTime.advanceToNext
      assert.strictEqual(yield* Clock.monotonicTimeNanos, 2_000_000_000n)
    })
  )
})

describe("until idle", () => {
  it.effect("walks through a whole back-off and tells how long it took [M1]", () =>
    Effect.gen(function* () {
      const policy = Schedule.max([Schedule.exponential("1 second"), Schedule.recurs(3)])
      const fiber = yield* Effect.forkChild(Effect.exit(Effect.retry(Effect.fail("no"), policy)))
      assert.strictEqual(Duration.toMillis(yield* TestTime.advanceUntilIdle()), 7000)
      assert.isDefined(fiber.pollUnsafe())
    })
  )

  it.effect("ends a loop that sleeps for ever at its limit, and does not pass it [M1]", () =>
    Effect.gen(function* () {
      yield* Effect.forkChild(Effect.forever(Effect.sleep("1 minute")))
      const error = yield* Effect.flip(TestTime.advanceUntilIdle({ limit: "90 seconds" }))
      assert.strictEqual(error._tag, "NeverIdle")
      assert.strictEqual(yield* Clock.currentTimeMillis, 60_000)
      assert.include(error.message, "not idle after 90000 ms of virtual time, at 60000 ms (sleepers left: 120000 ms)")
    })
  )

  it.effect("ends it after so many wakes [M1]", () =>
    Effect.gen(function* () {
      yield* Effect.forkChild(Effect.forever(Effect.sleep(1)))
      const error = yield* Effect.flip(TestTime.advanceUntilIdle({ wakes: 5 }))
      assert.strictEqual(error._tag === "NeverIdle" && error.bound, "wakes")
      assert.strictEqual(yield* Clock.currentTimeMillis, 5)
    })
  )

  it.effect("is idle at exactly the last wake it was allowed [M1]", () =>
    Effect.gen(function* () {
      yield* Effect.forkChild(Effect.repeat(Effect.sleep(10), { times: 2 }))
      assert.strictEqual(Duration.toMillis(yield* TestTime.advanceUntilIdle({ wakes: 3 })), 30)
    })
  )

  it.effect("wakes a sleeper on the limit itself [M1]", () =>
    Effect.gen(function* () {
      yield* Effect.forkChild(Effect.sleep("1 minute"))
      assert.strictEqual(Duration.toMillis(yield* TestTime.advanceUntilIdle({ limit: "1 minute" })), 60_000)
    })
  )

  it.effect("refuses a negative limit and a broken number of wakes before time moves [M1]", () =>
    Effect.gen(function* () {
      yield* Effect.forkChild(Effect.sleep(10))
      for (const options of [{ limit: -1 }, { limit: Number.NaN }, { wakes: 0 }, { wakes: 1.5 }]) {
        const error = yield* Effect.flip(TestTime.advanceUntilIdle(options))
        assert.strictEqual(error._tag, "InvalidOption", JSON.stringify(options))
      }
      assert.strictEqual(yield* Clock.currentTimeMillis, 0)
    })
  )
})

describe("past a deadline", () => {
  it.effect("gives the result of an effect that ends in time, and stops the clock there [M1]", () =>
    Effect.gen(function* () {
      const work = Effect.as(Effect.sleep("3 seconds"), "done")
      assert.strictEqual(yield* TestTime.completeWithin("10 seconds")(work), "done")
      assert.strictEqual(yield* Clock.currentTimeMillis, 3000)
    })
  )

  it.effect("lets a timer on the limit itself still fire [M1]", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* TestTime.completeWithin("3 seconds")(Effect.as(Effect.sleep("3 seconds"), 1)), 1)
    })
  )

  it.effect("passes on how the effect failed [M1]", () =>
    Effect.gen(function* () {
      const failing = Effect.andThen(Effect.sleep(5), Effect.fail("no" as const))
      assert.strictEqual(yield* Effect.flip(TestTime.completeWithin("1 second")(failing)), "no")
    })
  )

  it.effect("names what was still waiting, and moves to the limit, not further [M1]", () =>
    Effect.gen(function* () {
      const work = Effect.gen(function* () {
        yield* Effect.forkChild(Effect.withSpan(Effect.never, "drain connections"))
        yield* Effect.forkChild(Effect.withSpan(Effect.never, "drain connections"))
        yield* Effect.withSpan(Effect.sleep("1 hour"), "flush snapshot")
      })
      const error = yield* Effect.flip(TestTime.completeWithin("10 seconds", { name: "shutdown" })(work))
      assert.strictEqual(error._tag, "StillWaiting")
      assert.strictEqual(yield* Clock.currentTimeMillis, 10_000)
      assert.strictEqual(
        error.message,
        '"shutdown" had not ended after 10000 ms of virtual time, at 10000 ms; still waiting: ' +
          '"flush snapshot", "drain connections" × 2; timers at 3600000 ms'
      )
    })
  )

  it.effect("does not wait for an effect that cannot be interrupted [M1]", () =>
    Effect.gen(function* () {
      const stubborn = Effect.uninterruptible(Effect.never)
      const error = yield* Effect.flip(TestTime.completeWithin("1 second")(stubborn))
      assert.strictEqual(error._tag, "StillWaiting")
    })
  )

  it.effect("interrupts what it gave up on [M1]", () =>
    Effect.gen(function* () {
      let finalized = false
      const work = Effect.onInterrupt(Effect.never, () => Effect.sync(() => (finalized = true)))
      yield* Effect.flip(TestTime.completeWithin("1 second")(work))
      yield* TestTime.settle
      assert.isTrue(finalized)
    })
  )

  it.effect("counts from now, not from zero [M1]", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("1 minute")
      yield* TestTime.completeWithin("2 seconds")(Effect.sleep("1 second"))
      assert.strictEqual(yield* Clock.currentTimeMillis, 61_000)
    })
  )
})
