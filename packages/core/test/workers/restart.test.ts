/**
 * Blue-green: the old serve until all the new are ready, and serve on when these cannot be.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Container from "@selvedge/core/workers/Container"
import * as Supervisor from "@selvedge/core/workers/Supervisor"
import * as ShutdownReason from "@selvedge/core/shutdown/ShutdownReason"
import { ShutdownToken } from "@selvedge/core/shutdown/ShutdownToken"
import * as TokenTree from "@selvedge/core/shutdown/TokenTree"
import * as FiberExplorer from "@selvedge/testing/scheduler/FiberExplorer"
import * as TestContainer from "@selvedge/testing/workers/TestContainer"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { quietly } from "../service/stage.ts"
import { answering, begun, completed, ended, oneAfterTheOther, stream, Who, workers } from "./operations.ts"
import { crash, lives, on, pass, patient, settle, slow, starting, states } from "./stage.ts"

const two = { name: "a", program: answering("1", 100), count: 2 } as const

describe("a restart", () => {
  it.effect(
    "replaces all workers when the new are ready; they take over number and order, and have ordinals of their own [W11]",
    () =>
      Effect.gen(function* () {
        const container = yield* Container.make()
        yield* container.run(two)
        yield* container.spawn({ name: "b", key: "k", program: patient })
        yield* pass(100)
        const restart = yield* begun(container.restart())
        yield* pass(99)
        assert.deepStrictEqual(yield* workers(container), ["a 0: 0.1", "a 1: 1.1", "b 0: 2.1"])
        assert.strictEqual(yield* container.request(Who, 0, { service: "a", serviceOrdinal: 0 }), "1 0.1")
        yield* pass(1)
        assert.deepStrictEqual(yield* workers(container), ["a 0: 3.1", "a 1: 4.1", "b 0: 5.1"])
        const { kept, leftBehind, retired, started } = yield* Fiber.join(restart)
        assert.deepStrictEqual(
          [started.map(({ ordinal }) => ordinal), kept, retired, leftBehind],
          [[3, 4, 5], [], 3, []]
        )
        assert.deepStrictEqual(yield* lives, ["a 3.1", "a 4.1", "b 5.1"])
        assert.strictEqual((yield* container.find("k")).valueOrUndefined, started[2])
        yield* container.spawn({ name: "c", program: patient })
        assert.deepStrictEqual((yield* workers(container)).at(-1), "c 0: 0.2")
      }).pipe(on())
  )

  it.effect("promotes nobody before all are ready, also where each service has one that is [W11]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      yield* container.run({ name: "a", program: oneAfterTheOther(100), count: 2 })
      yield* pass(100)
      const restart = yield* begun(container.restart())
      yield* pass(99)
      assert.deepStrictEqual(yield* workers(container), ["a 0: 0.1", "a 1: 1.1"])
      yield* pass(1)
      assert.deepStrictEqual(yield* workers(container), ["a 0: 2.1", "a 1: 3.1"])
      yield* Fiber.join(restart)
    }).pipe(on())
  )

  it.effect("that dies half-way takes its workers back, and the next one works [W11]", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      let reads = 0
      let breaksAt = Infinity
      const breaking: Clock.Clock = Object.assign(Object.create(clock), {
        currentTimeMillisUnsafe: () => {
          if (++reads === breaksAt) throw new Error("the clock is broken")
          return clock.currentTimeMillisUnsafe()
        }
      })
      const container = yield* Effect.provideService(Container.make(), Clock.Clock, breaking)
      yield* container.run({ name: "a", program: patient, count: 2 })
      yield* settle
      // A life reads the clock when it begins: the first of the new ones does, the second dies of it.
      breaksAt = reads + 2
      const exit = yield* Effect.exit(completed(container.restart()))
      assert.isTrue(Exit.hasDies(exit))
      yield* pass(10_000)
      assert.deepStrictEqual(yield* lives, ["a 0.1", "a 1.1"])
      assert.strictEqual(yield* container.size, 2)
      assert.strictEqual((yield* completed(container.restart())).retired, 2)
      assert.strictEqual(yield* container.size, 2)
    }).pipe(on())
  )

  it.effect("fails no request while requests flow, also those that take longer than the restart [W11] [W5]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      yield* container.run(two)
      yield* pass(100)
      const long = yield* begun(container.request(Who, 1500))
      const found = yield* stream(container)
      for (let round = 0; round < 10; round++) {
        const restart = yield* begun(container.restart())
        for (let i = 0; i < 800 && !ended(restart); i++) yield* pass(5)
        assert.isTrue(ended(restart))
      }
      for (let i = 0; i < 10; i++) yield* pass(5)
      assert.match(yield* Fiber.join(long), /^1 [01]\.1$/)
      assert.deepStrictEqual(found.wrong, [])
      assert.isAbove(found.answered, 300)
      assert.strictEqual(found.by.size, 22)
    }).pipe(on())
  )

  it.live(
    "of every order of request and promotion sends no request to a worker that was told to stop [W11] [W5] [M3]",
    () =>
      Effect.gen(function* () {
        for (let seed = 0; seed < 40; seed++) {
          const story = Effect.gen(function* () {
            const container = yield* Container.make()
            yield* container.run({ name: "a", program: answering("1"), count: 2 })
            yield* container.awaitReady
            const asking = Effect.repeat(Effect.andThen(Effect.yieldNow, container.request(Who, 0)), { times: 20 })
            const all = [asking, asking, asking, container.restart(), container.restart()] as const
            yield* Effect.all(all, { concurrency: "unbounded", discard: true })
            yield* container.stop()
            return yield* container.size
          })
          const run = Effect.scoped(story).pipe(Effect.provide(TestContainer.layer), quietly([]))
          const { outcome } = yield* FiberExplorer.run(run, { seed })
          if (outcome._tag !== "Ended" || outcome.exit._tag === "Failure") {
            return assert.fail(`seed ${seed}: ${FiberExplorer.why(outcome)}`)
          }
          assert.strictEqual(outcome.exit.value, 0)
        }
      })
  )

  it.effect("of one service leaves the others alone, and refuses one that is not there [W11]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      yield* container.run({ name: "a", program: patient, count: 1 })
      yield* container.run({ name: "b", program: patient, count: 1 })
      yield* settle
      const { kept } = yield* completed(container.restart({ service: "b" }))
      assert.deepStrictEqual(yield* workers(container), ["a 0: 0.1", "b 0: 2.1"])
      assert.deepStrictEqual(
        kept.map(({ name }) => name),
        ["a"]
      )
      const error = yield* Effect.flip(container.restart({ service: "c" }))
      assert.strictEqual(error.message, 'service "workers": service: wanted one of the services "a", "b", found "c"')
    }).pipe(on())
  )

  it.effect("needs room for old and new, else nothing is begun [W11]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make({ capacity: 3 })
      yield* container.run({ name: "a", program: patient, count: 2 })
      yield* settle
      const error = yield* Effect.flip(container.restart())
      assert.strictEqual(error._tag, "OrdinalsExhausted")
      assert.deepStrictEqual([yield* lives, (yield* container.statistics).spawns], [["a 0.1", "a 1.1"], 2])
    }).pipe(on())
  )

  it.effect("and another, asked for at once, are done one after the other [W11]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make({ capacity: 4 })
      yield* container.run(two)
      yield* pass(100)
      const first = yield* begun(container.restart())
      const second = yield* begun(container.restart())
      yield* pass(99)
      assert.deepStrictEqual(yield* lives, ["a 0.1", "a 1.1", "a 2.1", "a 3.1"])
      yield* pass(1)
      assert.deepStrictEqual(
        [ended(first), ended(second), yield* lives],
        [true, false, ["a 0.2", "a 1.2", "a 2.1", "a 3.1"]]
      )
      yield* pass(100)
      assert.deepStrictEqual([ended(second), yield* workers(container)], [true, ["a 0: 0.2", "a 1: 1.2"]])
    }).pipe(on())
  )

  it.effect("of a supervisor begins the new ones one after the other, in start order [W11] [W6]", () =>
    Effect.gen(function* () {
      const supervisor = yield* completed(
        Supervisor.make({
          children: [
            { name: "store", program: answering("1", 100), count: 1 },
            { name: "cache", program: answering("1", 100), count: 1 }
          ]
        })
      )
      const restart = yield* begun(supervisor.restart())
      yield* pass(99)
      assert.deepStrictEqual(yield* lives, ["cache 1.1", "store 0.1", "store 2.1"])
      yield* pass(101)
      assert.isTrue(ended(restart))
      assert.deepStrictEqual(yield* lives, ["cache 3.1", "store 2.1"])
    }).pipe(on())
  )
})

describe("a restart that fails", () => {
  for (const [what, hurt, message] of [
    ["crashes on trial", crash(2), "restart failed and the old workers serve on: a 0 on trial ended by SIGKILL"],
    [
      "is not ready in time",
      pass(1000),
      "restart failed and the old workers serve on: a 0 on trial killed: startup timeout"
    ],
    ["returns before it is promoted", crash(3, { _tag: "Completed" }), "a 1 on trial completed"]
  ] as const) {
    it.effect(`because a new worker ${what} says so; the old serve on, untouched, and no ordinal is kept [W11]`, () =>
      Effect.gen(function* () {
        const container = yield* Container.make()
        const workersOf = yield* TestContainer.TestContainer
        yield* container.run({ name: "a", program: starting, count: 2, startupTimeout: "1 second" })
        yield* settle
        for (const ordinal of [0, 1]) yield* workersOf.say(ordinal, { _tag: "Ready" })
        const restart = yield* begun(Effect.flip(container.restart()))
        yield* pass(500)
        yield* hurt
        const error = yield* Fiber.join(restart)
        assert.strictEqual(error._tag, "RolloutFailed")
        assert.include(error.message, message)
        assert.deepStrictEqual(
          [yield* lives, yield* states(container)],
          [
            ["a 0.1", "a 1.1"],
            ["Ready", "Ready"]
          ]
        )
        const again = yield* container.spawn({ name: "b", program: patient })
        assert.strictEqual(again.ordinal, 2)
        const { restarts, spawns } = yield* container.statistics
        assert.deepStrictEqual([spawns, restarts], [5, 0])
      }).pipe(on())
    )
  }

  it.effect("counts for no intensity: the container does not give up [W11] [W6]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make({ intensity: { max: 0, period: "1 minute" } })
      yield* container.run(two)
      yield* pass(100)
      for (let round = 0; round < 5; round++) {
        const restart = yield* begun(Effect.flip(container.restart()))
        yield* crash(2)
        yield* pass(100)
        assert.strictEqual((yield* Fiber.join(restart))._tag, "RolloutFailed")
      }
      assert.isTrue(yield* container.isReady)
    }).pipe(on())
  )
})

describe("workers on trial", () => {
  it.effect("get no requests and count for no readiness, though they are ready [W11]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      const handle = yield* TestContainer.TestContainer
      yield* container.run({ name: "a", program: answering("1", 100), count: 1 })
      yield* container.run({ name: "late", program: starting, count: 1 })
      yield* handle.say(1, { _tag: "Ready" })
      yield* pass(100)
      const restart = yield* begun(container.restart())
      yield* pass(100)
      const rows = (yield* container.status).map(({ ordinal, role, state }) => `${ordinal} ${role} ${state}`)
      assert.deepStrictEqual(rows, ["0 Serving Ready", "1 Serving Ready", "2 OnTrial Ready", "3 OnTrial Starting"])
      for (let i = 0; i < 4; i++) assert.strictEqual(yield* container.request(Who, 0, { service: "a" }), "1 0.1")
      const asked = yield* begun(Effect.exit(container.request(Who, 10_000, { service: "a" })))
      yield* crash(0)
      assert.isTrue(ended(asked))
      assert.isFalse(yield* container.isReady)
      const error = yield* Effect.flip(container.request(Who, 0, { service: "a" }))
      assert.include(error.message, "NoWorker")
      yield* handle.say(3, { _tag: "Ready" })
      yield* settle
      assert.strictEqual(yield* container.request(Who, 0, { service: "a" }), "1 2.1")
      yield* pass(100)
      assert.isTrue(ended(restart))
    }).pipe(on())
  )

  it.effect("are not drawn into a restart of their group [W11] [W6]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make({ strategy: "one-for-all" })
      yield* container.run(two)
      yield* pass(100)
      const restart = yield* begun(container.restart())
      yield* pass(50)
      yield* crash(0)
      yield* pass(0)
      assert.deepStrictEqual(yield* lives, ["a 0.2", "a 2.1", "a 3.1"])
      yield* pass(50)
      assert.deepStrictEqual(yield* workers(container), ["a 0: 2.1", "a 1: 3.1"])
      yield* pass(50)
      assert.isTrue(ended(restart))
      yield* pass(1000)
      assert.deepStrictEqual(yield* workers(container), ["a 0: 2.1", "a 1: 3.1"])
      assert.deepStrictEqual(yield* lives, ["a 2.1", "a 3.1"])
    }).pipe(on())
  )

  it.effect("become permanent workers like any other once they are promoted [W11] [W6]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      yield* container.run({ name: "a", program: patient, count: 1 })
      yield* settle
      yield* completed(container.restart())
      yield* crash(1)
      yield* pass(0)
      assert.deepStrictEqual(yield* workers(container), ["a 0: 1.2"])
    }).pipe(on())
  )
})

describe("a restart and a stop", () => {
  it.effect("end together, within the limits of the stop, at whatever point it comes [W11] [W10]", () =>
    Effect.gen(function* () {
      for (let point = 0; point < 30; point++) {
        yield* Effect.gen(function* () {
          const container = yield* Container.make({ grace: "1 second" })
          yield* container.run({ name: "a", program: slow(50), count: 2 })
          yield* container.run({ name: "b", program: answering("1", 100), count: 1 })
          yield* pass(100)
          const first = yield* Effect.forkChild(Effect.exit(container.restart()), { startImmediately: true })
          const second = yield* Effect.forkChild(Effect.exit(container.restart()), { startImmediately: true })
          yield* Effect.repeat(Effect.yieldNow, { times: point })
          if (point > 10) yield* pass((point - 10) * 20)
          const stop = yield* begun(container.stop())
          yield* pass(200)
          assert.deepStrictEqual([ended(stop), ended(first), ended(second)], [true, true, true], `point ${point}`)
          assert.deepStrictEqual([yield* Fiber.join(stop), yield* lives, yield* container.size], [[], [], 0])
          const late = yield* Effect.flip(container.restart())
          assert.strictEqual(late._tag, "ContainerStopping")
        }).pipe(on())
      }
    })
  )

  it.effect("by interruption before the promotion takes everything back, after it goes to its end [W11]", () =>
    Effect.gen(function* () {
      for (let point = 0; point < 30; point++) {
        yield* Effect.gen(function* () {
          const container = yield* Container.make({ capacity: 5 })
          yield* container.run({ name: "a", program: slow(50), count: 1 })
          yield* container.run({ name: "b", program: answering("1", 100), count: 1 })
          yield* pass(100)
          const restart = yield* Effect.forkChild(container.restart(), { startImmediately: true })
          yield* Effect.repeat(Effect.yieldNow, { times: point })
          if (point > 10) yield* pass((point - 10) * 10)
          yield* Fiber.interrupt(restart)
          yield* pass(100)
          const promoted = point >= 20
          assert.deepStrictEqual(
            yield* workers(container),
            promoted ? ["a 0: 2.1", "b 0: 3.1"] : ["a 0: 0.1", "b 0: 1.1"]
          )
          assert.strictEqual(yield* container.size, 2, `point ${point}`)
          // Room for another one: nothing was kept.
          yield* completed(container.restart())
          assert.strictEqual(yield* container.size, 2)
        }).pipe(on())
      }
    })
  )

  it.effect("do not wait for each other when a hook of the policy asks for them [W8] [W11]", () =>
    Effect.gen(function* () {
      let asked = 0
      const container: Container.Container = yield* Container.make({
        policy: {
          spawned: () =>
            Effect.suspend(() => (++asked === 2 ? Effect.andThen(container.restart(), container.stop()) : Effect.void))
        }
      })
      yield* container.run({ name: "a", program: patient, count: 1 })
      yield* settle
      const restart = yield* begun(container.restart())
      yield* pass(100)
      assert.isTrue(ended(restart))
      assert.deepStrictEqual([asked, yield* lives], [3, []])
    }).pipe(on())
  )

  it.effect("the service's own, before the container stops: nothing new is promoted any more [W11] [S8]", () =>
    Effect.gen(function* () {
      const token = new TokenTree.TokenNode()
      const container = yield* Effect.provideService(Container.make(), ShutdownToken, token)
      yield* container.run({ name: "a", program: answering("1", 100), count: 1 })
      yield* pass(100)
      const restart = yield* begun(Effect.flip(container.restart()))
      token.requestUnsafe(ShutdownReason.Requested({ by: "the test" }))
      yield* pass(100)
      assert.strictEqual((yield* Fiber.join(restart))._tag, "ContainerStopping")
      assert.deepStrictEqual(yield* workers(container), ["a 0: 0.1"])
    }).pipe(on())
  )
})
