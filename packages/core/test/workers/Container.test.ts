import { assert, describe, it } from "@effect/vitest"
import * as Backend from "@selvedge/core/workers/Backend"
import * as FiberBackend from "@selvedge/core/service/FiberBackend"
import * as Container from "@selvedge/core/workers/Container"
import * as Frame from "@selvedge/core/workers/Frame"
import * as WorkerContext from "@selvedge/core/workers/WorkerContext"
import { AvailableParallelism } from "@selvedge/core/workers/Parallelism"
import type { WorkerExit } from "@selvedge/core/workers/WorkerExit"
import * as ShutdownReason from "@selvedge/core/shutdown/ShutdownReason"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as TestContainer from "@selvedge/testing/workers/TestContainer"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import type { Line } from "../service/stage.ts"
import { asking, crash, Hang, lives, on, pass, patient, settle, slow, states } from "./stage.ts"

const service = { name: "a", program: patient } as const

const countWith = (env: Record<string, string>, count?: number) =>
  Effect.gen(function* () {
    const container = yield* Container.make()
    return (yield* container.run({ ...service, count })).length
  }).pipe(
    Effect.provideService(AvailableParallelism, 6),
    Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnvRecord(env))),
    on()
  )

describe("the count of a service", () => {
  it.effect("is what was given, else SELVEDGE_WORKERS, else what the platform can run at a time [W4]", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* countWith({}), 6)
      assert.strictEqual(yield* countWith({ SELVEDGE_WORKERS: "3" }), 3)
      assert.strictEqual(yield* countWith({ SELVEDGE_WORKERS: "3" }, 2), 2)
    })
  )

  it.effect("below 1 is a typed configuration error that names the variable and what it found [W4]", () =>
    Effect.gen(function* () {
      for (const value of ["0", "-2", "many", "1.5"]) {
        const error = yield* Effect.flip(countWith({ SELVEDGE_WORKERS: value }))
        assert.strictEqual(error._tag, "InvalidSetting")
        assert.include(error.message, "SELVEDGE_WORKERS (option count): wanted a whole number from 1 to 1024")
        assert.include(error.message, JSON.stringify(value))
      }
    })
  )
})

describe("the options of a container", () => {
  it.effect("are refused with what was wanted and found, before anything is there [W6]", () =>
    Effect.gen(function* () {
      for (const [options, message] of [
        [
          { strategy: "one-for-two" },
          'strategy: wanted "one-for-one", "one-for-all" or "rest-for-one", found "one-for-two"'
        ],
        [{ intensity: { max: -1, period: 1 } }, "intensity.max: wanted a whole number of at least 0, found -1"],
        [{ intensity: { max: 1, period: 0 } }, "intensity.period: wanted a duration from"],
        [{ grace: "2 hours" }, "grace: wanted a duration from 0 to 1h"],
        [{ capacity: 0 }, "capacity: wanted a whole number from 1 to 65536, found 0"],
        [{ name: "" }, 'name: wanted a string of 1 to 256 characters, found ""'],
        [{ startegy: "one-for-all" }, "options: wanted name, capacity, strategy"]
      ] as const) {
        const error = yield* Effect.flip(Container.make(options as Container.Options))
        assert.include(error.message, message)
      }
    }).pipe(on())
  )

  it.effect("are refused in a specification as well, with the service and the field [W6]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      for (const [spec, message] of [
        [{ restart: "often" }, 'service "a": restart: wanted "permanent", "transient", "temporary", found "often"'],
        [{ key: "" }, 'service "a": key: wanted a string of 1 to 256 characters, found ""'],
        [{ program: 1 }, 'service "a": program: wanted what Backend.module or Backend.direct gives, found 1'],
        [{ backoff: 5 }, 'service "a": backoff: wanted a Schedule, found 5'],
        [{ regions: { r: new ArrayBuffer(8) } }, 'service "a": regions.r: wanted a SharedArrayBuffer'],
        [{ startupTimeout: 0 }, "SELVEDGE_WORKER_STARTUP_TIMEOUT (option startupTimeout): wanted a duration from 10ms"],
        [{ resart: "permanent" }, 'service "a": fields: wanted name, program']
      ] as const) {
        const error = yield* Effect.flip(container.run({ ...service, count: 1, ...spec } as Container.ServiceSpec))
        assert.include(error.message, message)
      }
      assert.strictEqual((yield* container.statistics).spawns, 0)
    }).pipe(on())
  )

  it.effect("refuse a key that another worker has, until that one has ended [W4]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      const first = yield* container.spawn({ ...service, key: "k" })
      const error = yield* Effect.flip(container.spawn({ ...service, key: "k" }))
      assert.strictEqual(error.message, 'service "a": key: wanted a key that no other worker has, found "k"')
      yield* settle
      assert.strictEqual((yield* container.find("k")).valueOrUndefined, first)
      const stopping = yield* Effect.forkChild(first.stop())
      yield* settle
      yield* Fiber.join(stopping)
      yield* container.spawn({ ...service, key: "k" })
    }).pipe(on())
  )
})

describe("stopping", () => {
  it.effect("warns who asks a second time, and the shorter grace counts [W10]", () => {
    const lines: Array<Line> = []
    return Effect.gen(function* () {
      const container = yield* Container.make({ name: "parsers" })
      yield* container.run({ name: "a", program: slow(100_000), count: 1 })
      yield* settle
      // It hears nothing any more, so only the kill ends it.
      yield* TestContainer.TestContainer.use((workers) => workers.freeze(0))
      const first = yield* Effect.forkChild(container.stop("1 minute"))
      yield* pass(1000)
      const second = yield* Effect.forkChild(container.stop("2 seconds"))
      yield* pass(1999)
      assert.isUndefined(second.pollUnsafe())
      yield* pass(1 + 250)
      assert.deepStrictEqual([yield* Fiber.join(first), yield* Fiber.join(second)], [[], []])
      assert.isTrue(lines.some(({ text }) => text === "parsers was told to stop, and is stopping already"))
    }).pipe(on(lines))
  })

  it.effect(
    "tells the workers of a shorter grace, so that they say how they ended before they would be killed [W10]",
    () =>
      Effect.gen(function* () {
        const exits: Array<WorkerExit["_tag"]> = []
        const container = yield* Container.make({
          policy: { exited: ({ exit }) => Effect.sync(() => void exits.push(exit._tag)) }
        })
        yield* container.run({ name: "a", program: slow(100_000), count: 1 })
        yield* settle
        const first = yield* Effect.forkChild(container.stop("1 minute"))
        yield* pass(1000)
        const second = yield* Effect.forkChild(container.stop("2 seconds"))
        yield* pass(1999)
        assert.deepStrictEqual(exits, ["Stopped"])
        assert.deepStrictEqual([yield* Fiber.join(first), yield* Fiber.join(second)], [[], []])
      }).pipe(on())
  )

  it.effect("goes on when who asked for it gives up waiting [W10]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      yield* container.run({ name: "a", program: slow(1000), count: 1 })
      yield* settle
      const asked = yield* Effect.forkChild(container.stop(), { startImmediately: true })
      yield* Fiber.interrupt(asked)
      yield* pass(1000)
      assert.deepStrictEqual([yield* container.size, yield* lives], [0, []])
    }).pipe(on())
  )

  it.effect(
    "tells one worker after the other with lastFirst, each when the one after it has ended or has had its share [W10]",
    () =>
      Effect.gen(function* () {
        const ended: Array<string> = []
        const container = yield* Container.make({
          lastFirst: true,
          policy: {
            exited: ({ facts }) =>
              Effect.map(
                Effect.clockWith((clock) => clock.currentTimeMillis),
                (now) => void ended.push(`${facts.name} ${now}`)
              )
          }
        })
        yield* container.run({ name: "a", program: slow(100), count: 1 })
        yield* container.run({ name: "b", program: Backend.direct(Effect.uninterruptible(Effect.never)), count: 1 })
        yield* container.run({ name: "c", program: slow(100), count: 1 })
        yield* settle
        const stopping = yield* Effect.forkChild(container.stop("6 seconds"))
        for (let i = 0; i < 80; i++) yield* pass(100)
        assert.deepStrictEqual(yield* Fiber.join(stopping), [])
        // b has half of what is left after c, 2.95 s, and does not end; then a is told beside it.
        assert.deepStrictEqual(
          ended.map((line) => line.split(" ")[0]),
          ["c", "a", "b"]
        )
        const toldAt = Number(ended[1]!.split(" ")[1]) - 100
        assert.isTrue(toldAt >= 3050 && toldAt <= 3150, ended.join(", "))
      }).pipe(on())
  )

  it.effect(
    "ends the requests in flight of those it kills, and starts nothing for those it finds waiting [W10] [W5]",
    () =>
      Effect.gen(function* () {
        const container = yield* Container.make()
        yield* container.run({ name: "a", program: asking, count: 1 })
        yield* settle
        const asked = yield* Effect.forkChild(Effect.flip(container.request(Hang, null)))
        yield* settle
        const stopping = yield* Effect.forkChild(container.stop(0))
        yield* pass(1000)
        assert.strictEqual((yield* Fiber.join(asked)).reason, "WorkerGone")
        assert.deepStrictEqual(yield* Fiber.join(stopping), [])
      }).pipe(on())
  )

  it.effect("dismisses one worker for good and leaves the others [W10] [W6]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      const children = yield* container.run({ ...service, count: 2 })
      yield* settle
      const exits = yield* Effect.forkChild(Effect.all([children[0]!.stop(), children[0]!.stop()], { concurrency: 2 }))
      yield* settle
      const stopped: WorkerExit = { _tag: "Stopped", exitCode: 0, leftBehind: [] }
      assert.deepStrictEqual(yield* Fiber.join(exits), [stopped, stopped])
      yield* pass(60_000)
      assert.deepStrictEqual(yield* lives, ["a 1.1"])
    }).pipe(on())
  )
})

describe("workers inside workers", () => {
  it.effect("have the frames of both, and different parents where their ordinals are the same [W3]", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const inner = Backend.direct(
        Effect.gen(function* () {
          const { frames, ordinal, parent } = yield* WorkerContext.WorkerContext
          seen.push(`${ordinal} in ${parent?.name} ${parent?.ordinal}: ${Frame.path(frames)}`)
          yield* ShutdownToken.awaitDraining
        })
      )
      const outer = Backend.direct(
        Layer.effectDiscard(
          Effect.flatMap(Container.make(), (container) => container.run({ name: "inner", program: inner, count: 2 }))
        ).pipe(Layer.provide(FiberBackend.layer))
      )
      const container = yield* Container.make()
      yield* container.run({ name: "outer", program: outer, count: 2 })
      yield* settle
      assert.deepStrictEqual(seen.toSorted(), [
        "0 in outer 0: [fiber 0, fiber 0]",
        "0 in outer 1: [fiber 1, fiber 0]",
        "1 in outer 0: [fiber 0, fiber 1]",
        "1 in outer 1: [fiber 1, fiber 1]"
      ])
      const stopping = yield* Effect.forkChild(container.stop())
      yield* pass(0)
      assert.deepStrictEqual(yield* Fiber.join(stopping), [])
    }).pipe(on())
  )
})

describe("a worker that stops by itself", () => {
  it.effect(
    "takes no more requests, and is killed when it has not ended a second after its own budget [W10] [W13]",
    () =>
      Effect.gen(function* () {
        const exits: Array<WorkerExit> = []
        const container = yield* Container.make({
          policy: { exited: ({ exit }) => Effect.sync(() => void exits.push(exit)) }
        })
        const workers = yield* TestContainer.TestContainer
        yield* container.run({ name: "a", program: patient, count: 1 })
        yield* settle
        yield* workers.say(0, { _tag: "Stopping", budgetMillis: 3000 })
        yield* settle
        assert.deepStrictEqual(yield* states(container), ["Stopping"])
        assert.strictEqual((yield* Effect.flip(container.request(Hang, null))).reason, "NoWorker")
        yield* pass(3999)
        assert.deepStrictEqual(exits, [])
        yield* pass(1)
        assert.deepStrictEqual(exits, [{ _tag: "Killed", reason: "grace over" }])
        assert.deepStrictEqual(yield* lives, ["a 0.2"])
      }).pipe(on())
  )

  it.effect("is started again by its restart type, whatever it stopped for [W6]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      const leaving = Backend.direct(
        Effect.andThen(Effect.sleep(1000), ShutdownToken.request(ShutdownReason.Requested({ by: "itself" })))
      )
      yield* container.run({ name: "permanent", program: leaving, count: 1 })
      yield* container.run({ name: "transient", program: leaving, count: 1, restart: "transient" })
      yield* settle
      yield* pass(1000)
      assert.deepStrictEqual(yield* lives, ["permanent 0.2"])
    }).pipe(on())
  )
})

describe("readiness", () => {
  it.effect("of a container is one ready worker for each service [W13]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make({ intensity: { max: 100, period: 1 } })
      yield* container.run({ name: "a", program: patient, count: 2 })
      yield* container.run({ name: "b", program: Backend.direct(Effect.never), count: 1 })
      assert.isFalse(yield* container.isReady)
      yield* settle
      assert.isTrue(yield* container.isReady)
      yield* Effect.sync(() => undefined)
      yield* crash(0)
      assert.isTrue(yield* container.isReady)
      const stopping = yield* Effect.forkChild(container.stop(0))
      yield* settle
      assert.isFalse(yield* container.isReady)
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(stopping)
    }).pipe(on())
  )

  it.effect("is not waited for in a container that stops [W4]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      yield* container.run({ name: "a", program: Backend.direct(Effect.never), count: 1 })
      const waiting = yield* Effect.forkChild(Effect.exit(container.awaitReady), { startImmediately: true })
      const stopping = yield* Effect.forkChild(container.stop(0), { startImmediately: true })
      yield* pass(2000)
      assert.isTrue(Exit.isFailure(yield* Fiber.join(waiting)))
      yield* Fiber.join(stopping)
      assert.deepStrictEqual(yield* states(container), [])
    }).pipe(on())
  )
})
