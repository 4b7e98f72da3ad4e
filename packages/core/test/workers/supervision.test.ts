import { assert, describe, it } from "@effect/vitest"
import * as Backend from "@selvedge/core/workers/Backend"
import * as Container from "@selvedge/core/workers/Container"
import * as Supervisor from "@selvedge/core/workers/Supervisor"
import * as TestContainer from "@selvedge/testing/workers/TestContainer"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/testing/TestClock"
import type { Line } from "../service/stage.ts"
import { crash, failingAfter, killed, lives, on, pass, patient, settle, slow, starting, states } from "./stage.ts"

const one = (name: string, program: Backend.ProgramRef = patient, more: Partial<Container.ServiceSpec> = {}) => ({
  name,
  program,
  count: 1,
  ...more
})

/** Has no next step, and no end either. */
const dying = Schedule.fromStep(Effect.succeed(() => Effect.die(new Error("planned defect"))))

/** Its step is no step: as of a schedule that was made of plain JavaScript. */
const malformed = Schedule.fromStep(Effect.succeed(() => Effect.succeed(undefined as never)))

/** Three workers in order, and what happens to them as it happens. */
const three = (options: Partial<Supervisor.Options> = {}) =>
  Effect.gen(function* () {
    const told: Array<string> = []
    const supervisor = yield* Supervisor.make({
      children: [one("a"), one("b"), one("c")],
      policy: {
        spawned: ({ facts }) => Effect.sync(() => void told.push(`+${facts.name}${facts.generation}`)),
        exited: ({ facts }) => Effect.sync(() => void told.push(`-${facts.name}${facts.generation}`))
      },
      ...options
    })
    assert.deepStrictEqual(told.splice(0), ["+a1", "+b1", "+c1"])
    return { supervisor, told }
  })

describe("a strategy", () => {
  it.effect("one-for-one starts again only the worker that failed [W6]", () =>
    Effect.gen(function* () {
      const { told } = yield* three()
      yield* crash(1)
      assert.deepStrictEqual(told, ["-b1", "+b2"])
      assert.deepStrictEqual(yield* lives, ["a 0.1", "b 1.2", "c 2.1"])
    }).pipe(on())
  )

  it.effect("one-for-all stops the others, the last first, and starts all in their order [W6]", () =>
    Effect.gen(function* () {
      const { told } = yield* three({ strategy: "one-for-all" })
      yield* crash(1)
      assert.deepStrictEqual(told, ["-b1", "-c1", "-a1", "+a2", "+b2", "+c2"])
    }).pipe(on())
  )

  it.effect(
    "rest-for-one stops those started after the one that failed, and starts it and them in their order [W6]",
    () =>
      Effect.gen(function* () {
        const { told } = yield* three({ strategy: "rest-for-one" })
        yield* crash(1)
        assert.deepStrictEqual(told, ["-b1", "-c1", "+b2", "+c2"])
      }).pipe(on())
  )

  it.effect("starts a group's next worker when the one before it is ready, also at first [W6]", () =>
    Effect.gen(function* () {
      const workers = yield* TestContainer.TestContainer
      const making = yield* Effect.forkChild(
        Supervisor.make({ strategy: "one-for-all", children: [one("a", starting), one("b")] })
      )
      yield* settle
      assert.deepStrictEqual(yield* lives, ["a 0.1"])
      yield* workers.say(0, { _tag: "Ready" })
      yield* settle
      const supervisor = yield* Fiber.join(making)
      assert.deepStrictEqual(yield* lives, ["a 0.1", "b 1.1"])
      yield* crash(1)
      assert.deepStrictEqual(yield* lives, ["a 0.2"])
      assert.deepStrictEqual(yield* states(supervisor), ["Starting", "BackingOff"])
      yield* workers.say(0, { _tag: "Ready" })
      yield* settle
      assert.deepStrictEqual(yield* lives, ["a 0.2", "b 1.2"])
    }).pipe(on())
  )

  it.effect("begins a group anew, from the first that failed, when another one fails meanwhile [W6]", () =>
    Effect.gen(function* () {
      const { supervisor, told } = yield* three({
        strategy: "rest-for-one",
        intensity: { max: 10, period: "1 minute" },
        children: [one("a"), one("b"), one("c", slow(1000))]
      })
      // While c still stops for b's sake, a fails too.
      yield* crash(1)
      yield* crash(0)
      assert.deepStrictEqual(told, ["-b1", "-a1"])
      yield* pass(1000)
      assert.deepStrictEqual(told, ["-b1", "-a1", "-c1", "+a2", "+b2", "+c2"])
      assert.deepStrictEqual(yield* states(supervisor), ["Ready", "Ready", "Ready"])
    }).pipe(on())
  )

  it.effect("does not start again a temporary worker that was stopped with its group [W6]", () =>
    Effect.gen(function* () {
      const { supervisor, told } = yield* three({
        strategy: "one-for-all",
        children: [one("a"), one("b", patient, { restart: "temporary" }), one("c")]
      })
      yield* crash(2)
      assert.deepStrictEqual(told, ["-c1", "-b1", "-a1", "+a2", "+c2"])
      yield* crash(1)
      assert.strictEqual(yield* supervisor.size, 2)
    }).pipe(on())
  )

  it.effect("leaves the others alone when a transient worker has done what it was for [W6]", () =>
    Effect.gen(function* () {
      const { told } = yield* three({
        strategy: "one-for-all",
        children: [one("a"), one("b", Backend.direct(Effect.sleep(1000)), { restart: "transient" }), one("c")]
      })
      yield* pass(1000)
      assert.deepStrictEqual(told, ["-b1"])
    }).pipe(on())
  )

  it.effect("has no restarts any more once it is stopping, also in the middle of a group's [W6]", () =>
    Effect.gen(function* () {
      const { supervisor, told } = yield* three({
        strategy: "one-for-all",
        children: [one("a"), one("b"), one("c", slow(1000))]
      })
      yield* crash(0)
      const stopping = yield* Effect.forkChild(supervisor.stop())
      yield* pass(1000)
      assert.deepStrictEqual(yield* Fiber.join(stopping), [])
      yield* pass(60_000)
      assert.deepStrictEqual(told, ["-a1", "-c1", "-b1"])
      assert.strictEqual(yield* supervisor.size, 0)
    }).pipe(on())
  )
})

describe("intensity", () => {
  it.effect(
    "bears so many restarts within its period, and not one more; one period later the first no longer counts [W6]",
    () =>
      Effect.gen(function* () {
        const container = yield* Container.make({ intensity: { max: 3, period: "5 seconds" } })
        yield* container.run(one("a"))
        yield* settle
        for (const wait of [0, 1000, 1000, 3000, 1000]) {
          yield* pass(wait)
          yield* crash(0)
          assert.strictEqual((yield* states(container))[0], "Ready")
        }
        // Restarts at 2, 5 and 6 s count; the one at 7 s is too many.
        yield* pass(1000 - 1)
        yield* crash(0)
        const error = yield* Effect.flip(container.awaitEnded)
        assert.deepStrictEqual(
          [error._tag, error.why, error.max, error.periodMillis],
          ["RestartIntensityExceeded", "intensity", 3, 5000]
        )
        assert.deepStrictEqual(error.exit, killed)
        assert.include(error.message, "at most 3 restart(s) within 5000 ms")
      }).pipe(on())
  )

  it.effect("runs through a day of restarts without giving up, in milliseconds each [W6] [W9]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make({ intensity: { max: 3, period: "30 minutes" } })
      yield* container.run(one("a", failingAfter(600_000)))
      yield* settle
      const began = process.threadCpuUsage()
      yield* TestClock.adjust("1 day")
      const { failures, perMinute, restarts } = yield* container.statistics
      assert.deepStrictEqual([restarts, failures, perMinute.restarts], [144, 144, 1])
      const { system, user } = process.threadCpuUsage(began)
      assert.isBelow((system + user) / 1000 / restarts, 100, "milliseconds of a processor for a restart")
    }).pipe(on())
  )

  it.effect("counts a group's restart once [W6]", () =>
    Effect.gen(function* () {
      const { supervisor } = yield* three({ strategy: "one-for-all", intensity: { max: 2, period: "1 hour" } })
      yield* crash(0)
      yield* crash(0)
      assert.deepStrictEqual(yield* states(supervisor), ["Ready", "Ready", "Ready"])
      yield* crash(0)
      assert.strictEqual(Exit.isFailure(yield* Effect.exit(supervisor.awaitEnded)), true)
    }).pipe(on())
  )

  it.effect("is over for all services of a container, whose others are stopped, the last started first [W6]", () =>
    Effect.gen(function* () {
      const { supervisor, told } = yield* three({ intensity: { max: 0, period: "1 second" } })
      yield* crash(1)
      const error = yield* Effect.flip(supervisor.awaitEnded)
      assert.strictEqual(error.service, "b")
      assert.deepStrictEqual(told, ["-b1", "-c1", "-a1"])
      assert.deepStrictEqual(yield* supervisor.stop(), [])
    }).pipe(on())
  )

  it.effect("fails the making of a supervisor whose first child keeps failing, and leaves nothing [W6]", () =>
    Effect.gen(function* () {
      const making = Supervisor.make({
        children: [one("a"), one("b", failingBuild)],
        intensity: { max: 2, period: "1 minute" }
      })
      const error = yield* Effect.flip(making)
      assert.strictEqual(error._tag, "RestartIntensityExceeded")
      yield* settle
      assert.deepStrictEqual(yield* lives, [])
    }).pipe(on())
  )
})

const failingBuild = Backend.direct(Layer.effectDiscard(Effect.die("a mistake")))

describe("a back-off", () => {
  it.effect("delays restarts by its schedule, and begins anew after a life that was ready [W6]", () =>
    Effect.gen(function* () {
      const starts: Array<number> = []
      const container = yield* Container.make({
        intensity: { max: 100, period: "1 second" },
        policy: { spawned: () => Effect.map(Clock.currentTimeMillis, (now) => void starts.push(now)) }
      })
      const backoff = Schedule.exponential("1 second")
      yield* container.run(one("a", starting, { backoff }))
      const workers = yield* TestContainer.TestContainer
      yield* settle
      for (const wait of [1000, 2000, 4000]) {
        yield* crash(0)
        assert.deepStrictEqual(yield* states(container), ["BackingOff"])
        yield* pass(wait)
      }
      yield* workers.say(0, { _tag: "Ready" })
      yield* crash(0)
      yield* pass(0)
      // A message that was still on its way counts for nothing; this life was not ready.
      yield* pass(8000)
      yield* workers.say(0, { _tag: "Ready" })
      yield* settle
      yield* crash(0)
      yield* pass(1000)
      assert.deepStrictEqual(starts, [0, 1000, 3000, 7000, 15_000, 16_000])
    }).pipe(on())
  )

  it.effect("that ends gives up the container [W6]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make({ intensity: { max: 100, period: "1 second" } })
      yield* container.run(one("a", starting, { backoff: Schedule.recurs(1) }))
      yield* settle
      yield* crash(0)
      yield* crash(0)
      const error = yield* Effect.flip(container.awaitEnded)
      assert.deepStrictEqual([error._tag, error.why], ["RestartIntensityExceeded", "back-off"])
    }).pipe(on())
  )

  it.effect("that dies is logged and gives up the container: nobody waits for it for ever [W6]", () =>
    Effect.gen(function* () {
      const stories = [
        ["one-for-one", dying, /^the back-off of a 0 .*\n.*planned defect/],
        ["one-for-all", dying, /^the back-off of a 0 .*\n.*planned defect/],
        ["one-for-one", malformed, /^the restart of a 0 .*\n.*TypeError/],
        ["one-for-all", malformed, /^the restart of a 0 .*\n.*TypeError/]
      ] as const
      for (const [strategy, backoff, line] of stories) {
        const lines: Array<Line> = []
        const story = Effect.gen(function* () {
          const supervisor = yield* Supervisor.make({ strategy, children: [one("a", patient, { backoff }), one("b")] })
          yield* settle
          yield* crash(0)
          const error = yield* Effect.flip(supervisor.awaitEnded)
          assert.deepStrictEqual([error._tag, error.why], ["RestartIntensityExceeded", "defect"])
          assert.deepStrictEqual(yield* lives, [])
        })
        yield* story.pipe(on(lines))
        const told = lines.filter(({ text }) => text.includes("died\n"))
        assert.strictEqual(told.length, 1, JSON.stringify(lines))
        assert.match(told[0]!.text, line)
      }
    })
  )

  it.effect("keeps the ordinal of a worker that waits for its next life from everybody else [W2] [flaw W2]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      yield* container.run(one("a", patient, { backoff: Schedule.spaced("1 minute") }))
      yield* settle
      yield* crash(0)
      const other = yield* container.spawn({ name: "b", program: patient })
      yield* pass(60_000)
      assert.deepStrictEqual([other.ordinal, yield* lives], [1, ["a 0.2", "b 1.1"]])
    }).pipe(on())
  )

  it.effect("is cut short by a stop, of the container or of the worker; its place is free again [W6] [W10] [W2]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      const backoff = Schedule.spaced("1 hour")
      const children = yield* container.run({ name: "a", program: patient, count: 2, backoff })
      yield* settle
      yield* crash(0)
      yield* crash(1)
      assert.deepStrictEqual(yield* children[0]!.stop(), killed)
      const next = yield* container.spawn({ name: "b", program: patient })
      assert.deepStrictEqual([next.ordinal, (yield* next.facts).generation], [0, 2])
      yield* settle
      const stopping = yield* Effect.forkChild(container.stop())
      yield* settle
      assert.deepStrictEqual(yield* Fiber.join(stopping), [])
      assert.strictEqual(yield* container.size, 0)
    }).pipe(on())
  )
})
