/**
 * Workers replaced because they have lived long or were asked much.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Container from "@selvedge/core/workers/Container"
import * as TestContainer from "@selvedge/testing/workers/TestContainer"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type { Line } from "../service/stage.ts"
import { answering, begun, ended, stream, Who, workers } from "./operations.ts"
import { crash, lives, on, pass, patient, settle, slow, starting, walk } from "./stage.ts"

const spec = { name: "a", program: answering("1", 100), count: 1 } as const

describe("a worker with a lifetime", () => {
  it.effect("is replaced when it has been ready for so long; the old one serves until the new one is ready [W14]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      yield* container.run({ ...spec, recycle: { maxLifetime: "10 seconds" } })
      yield* pass(100)
      yield* pass(9999)
      assert.deepStrictEqual(yield* lives, ["a 0.1"])
      yield* pass(1)
      assert.deepStrictEqual([yield* lives, yield* workers(container)], [["a 0.1", "a 1.1"], ["a 0: 0.1"]])
      yield* pass(100)
      assert.deepStrictEqual([yield* lives, yield* workers(container)], [["a 1.1"], ["a 0: 1.1"]])
      const { failures, recycles, perMinute, restarts, spawns } = yield* container.statistics
      assert.deepStrictEqual([spawns, restarts, failures, recycles, perMinute.recycles], [2, 0, 0, 1, 1])
      yield* walk(60_000, 100)
      assert.strictEqual((yield* container.statistics).recycles, 6)
      assert.strictEqual((yield* container.statistics).perMinute.recycles, 5)
    }).pipe(on())
  )

  it.effect(
    "with stop-first ends before the next life of the same place begins, which is no restart for the intensity [W14]",
    () =>
      Effect.gen(function* () {
        const container = yield* Container.make({ capacity: 1, intensity: { max: 0, period: "1 hour" } })
        yield* container.run({
          name: "a",
          program: slow(200),
          count: 1,
          recycle: { maxLifetime: "1 second", order: "stop-first" }
        })
        yield* pass(1000)
        assert.deepStrictEqual((yield* container.status)[0]?.state, "Stopping")
        yield* pass(200)
        assert.deepStrictEqual([yield* lives, yield* container.isReady], [["a 0.2"], true])
        const { failures, recycles, restarts } = yield* container.statistics
        assert.deepStrictEqual([failures, recycles, restarts], [0, 1, 1])
      }).pipe(on())
  )

  it.effect("counts on from the start that made it ready: time on trial is part of it [W14]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      const handle = yield* TestContainer.TestContainer
      yield* container.run({ name: "a", program: patient, count: 1, recycle: { maxLifetime: "1 second" } })
      yield* container.run({ name: "b", program: starting, count: 1 })
      yield* settle
      yield* handle.say(1, { _tag: "Ready" })
      const restart = yield* begun(container.restart())
      // The old one is due meanwhile, and its recycling waits its turn and finds it gone.
      yield* pass(1500)
      yield* handle.say(3, { _tag: "Ready" })
      yield* settle
      assert.isTrue(ended(restart))
      assert.deepStrictEqual(
        [(yield* container.statistics).recycles, yield* workers(container)],
        [1, ["a 0: 0.2", "b 0: 3.1"]]
      )
    }).pipe(on())
  )

  it.effect(
    "with stop-first begins its next life after a restart of the group that runs, also one it is not part of [W14] [W6]",
    () =>
      Effect.gen(function* () {
        const container = yield* Container.make({ strategy: "rest-for-one" })
        const recycle = { maxLifetime: "1 second", order: "stop-first" } as const
        yield* container.run({ name: "a", program: slow(200), count: 1, recycle })
        yield* container.run({ name: "b", program: answering("1", 500), count: 1 })
        yield* pass(1000)
        yield* crash(1)
        yield* pass(499)
        assert.deepStrictEqual(yield* lives, ["b 1.2"])
        yield* pass(1)
        assert.deepStrictEqual(yield* lives, ["a 0.2", "b 1.2"])
      }).pipe(on())
  )

  it.effect("that a reload has changed goes by the new one, counted from the same start [W14] [W11]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      const service = { name: "a", program: patient, count: 1 }
      yield* container.run({ ...service, recycle: { maxLifetime: "1 hour" } })
      yield* pass(1000)
      yield* container.reload((spawner) => spawner.run({ ...service, recycle: { maxLifetime: "3 seconds" } }))
      yield* pass(1999)
      assert.deepStrictEqual(yield* lives, ["a 0.1"])
      yield* pass(1)
      assert.deepStrictEqual(yield* lives, ["a 1.1"])
      yield* container.reload((spawner) => spawner.run(service))
      yield* pass(3_600_000)
      assert.deepStrictEqual(yield* lives, ["a 1.1"])
    }).pipe(on())
  )

  it.effect("lives shorter by a random part with jitter, so that not all are due at once [W14]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      yield* container.run({
        name: "a",
        program: patient,
        count: 20,
        recycle: { maxLifetime: "10 seconds", jitter: 0.5 }
      })
      const seen: Array<number> = []
      for (let at = 0; at < 10_000; at += 1000) {
        yield* pass(1000)
        seen.push((yield* container.statistics).recycles)
      }
      assert.strictEqual(seen[4], 0)
      assert.isAbove(new Set(seen).size, 4)
      assert.isAtLeast(seen[9]!, 20)
    }).pipe(Random.withSeed("jitter"), on())
  )
})

describe("a worker with a number of requests", () => {
  it.effect("is replaced after so many, of which none fails [W14] [W5]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      yield* container.run({ ...spec, recycle: { maxRequests: 5 } })
      yield* pass(100)
      const asked = []
      for (let i = 0; i < 5; i++) asked.push(yield* begun(container.request(Who, 300)))
      assert.deepStrictEqual(
        (yield* container.status).map(({ requests, role }) => [requests, role]),
        [
          [5, "Serving"],
          [0, "OnTrial"]
        ]
      )
      yield* pass(100)
      assert.strictEqual(yield* container.request(Who, 0), "1 1.1")
      yield* pass(200)
      for (const one of asked) assert.isTrue(ended(one))
      assert.deepStrictEqual(yield* lives, ["a 1.1"])
    }).pipe(on())
  )

  it.effect("of a service is recycled one at a time: never fewer ready than the count [W14]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      yield* container.run({ ...spec, count: 3, recycle: { maxRequests: 10 } })
      yield* pass(100)
      const found = yield* stream(container)
      let [least, most] = [9, 0]
      for (let i = 0; i < 400; i++) {
        yield* pass(5)
        const rows = yield* container.status
        least = Math.min(least, rows.filter(({ role, state }) => role === "Serving" && state === "Ready").length)
        most = Math.max(most, rows.filter(({ role }) => role === "OnTrial").length)
      }
      assert.deepStrictEqual([least, most, found.wrong], [3, 1, []])
      assert.isAbove((yield* container.statistics).recycles, 10)
      yield* pass(100)
    }).pipe(on())
  )

  it.effect("with stop-first has at most one of its service away [W14]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make({ capacity: 3 })
      yield* container.run({ ...spec, count: 3, recycle: { maxRequests: 10, order: "stop-first" } })
      yield* pass(100)
      const found = yield* stream(container)
      let least = 9
      for (let i = 0; i < 400; i++) {
        yield* pass(5)
        least = Math.min(least, (yield* container.status).filter(({ state }) => state === "Ready").length)
      }
      assert.deepStrictEqual([least, found.wrong], [2, []])
      assert.isAbove((yield* container.statistics).recycles, 10)
      yield* pass(100)
    }).pipe(on())
  )
})

describe("a replacement that does not become ready", () => {
  it.effect("leaves the old one serving, is told, and tried again after 1, 2, 4 seconds and so on [W14]", () => {
    const lines: Array<Line> = []
    return Effect.gen(function* () {
      const container = yield* Container.make()
      const handle = yield* TestContainer.TestContainer
      yield* container.run({
        name: "a",
        program: starting,
        count: 1,
        startupTimeout: "500 millis",
        recycle: { maxLifetime: "10 seconds" }
      })
      yield* settle
      yield* handle.say(0, { _tag: "Ready" })
      yield* walk(10_000, 100)
      yield* walk(20_000, 100)
      assert.deepStrictEqual(yield* workers(container), ["a 0: 0.1"])
      const { recycles, spawns } = yield* container.statistics
      // At 0, then each time 500 ms and a rest later: 1.5, 4, 8.5, 17.
      assert.deepStrictEqual([recycles, spawns], [0, 6])
      const warned = lines.filter(({ text }) => text.includes("was not recycled and serves on: the recycle failed"))
      assert.strictEqual(warned.length, 5)
      assert.strictEqual(warned[0]?.level, "Warn")
      yield* walk(13_700, 100)
      yield* handle.say(1, { _tag: "Ready" })
      yield* settle
      assert.deepStrictEqual(yield* workers(container), ["a 0: 1.6"])
    }).pipe(on(lines))
  })
})

describe("the policy of a recycling", () => {
  it.effect("hears which limit was reached, and may let the worker be for a while [W14] [W8]", () =>
    Effect.gen(function* () {
      const heard: Array<string> = []
      const container = yield* Container.make({
        policy: {
          recycling: ({ facts, limit }) =>
            Effect.sync(() => {
              heard.push(`${facts.ordinal} ${limit}`)
              return heard.length < 3 ? ("wait" as const) : ("recycle" as const)
            })
        }
      })
      yield* container.run({ name: "a", program: patient, count: 1, recycle: { maxLifetime: "10 seconds" } })
      yield* pass(10_000)
      assert.deepStrictEqual([heard.length, yield* lives], [1, ["a 0.1"]])
      yield* pass(1000)
      assert.deepStrictEqual([heard.length, yield* lives], [2, ["a 0.1"]])
      yield* pass(2000)
      assert.deepStrictEqual([heard, yield* lives], [["0 lifetime", "0 lifetime", "0 lifetime"], ["a 1.1"]])
    }).pipe(on())
  )

  it.effect("that throws, or cannot make up its mind within a second, recycles [W14] [W8]", () =>
    Effect.gen(function* () {
      for (const recycling of [
        () => {
          throw new Error("a policy that throws")
        },
        () => Effect.never
      ]) {
        yield* Effect.gen(function* () {
          const container = yield* Container.make({ policy: { recycling } })
          yield* container.run({ name: "a", program: patient, count: 1, recycle: { maxLifetime: "10 seconds" } })
          yield* pass(10_000)
          yield* pass(1000)
          assert.deepStrictEqual(yield* lives, ["a 1.1"])
        }).pipe(on())
      }
    })
  )

  it.effect("may scale or stop from inside: nobody waits for nobody [W14] [W8]", () =>
    Effect.gen(function* () {
      const container: Container.Container = yield* Container.make({
        policy: { recycling: () => Effect.as(container.scale("a", 2), "recycle" as const) }
      })
      yield* container.run({ name: "a", program: patient, count: 1, recycle: { maxLifetime: "10 seconds" } })
      yield* pass(10_000)
      assert.deepStrictEqual(yield* workers(container), ["a 0: 2.1", "a 1: 1.1"])
      const stopping: Container.Container = yield* Container.make({
        policy: { recycling: () => Effect.as(stopping.stop(), "recycle" as const) }
      })
      yield* stopping.run({ name: "b", program: patient, count: 1, recycle: { maxRequests: 1 } })
      yield* settle
      yield* Effect.exit(stopping.request(Who, 0))
      yield* pass(2000)
      assert.strictEqual(yield* stopping.size, 0)
    }).pipe(on())
  )
})

describe("operations that somebody asks for", () => {
  it.effect("come before recyclings that wait, which then find their workers replaced [W14] [W11]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      yield* container.run({ ...spec, count: 4, recycle: { maxLifetime: "10 seconds" } })
      yield* pass(100)
      yield* pass(10_000)
      // The first recycling has its turn, three wait.
      const restart = yield* begun(container.restart())
      yield* pass(100)
      yield* pass(100)
      assert.isTrue(ended(restart))
      yield* pass(1000)
      assert.strictEqual((yield* container.statistics).recycles, 1)
    }).pipe(on())
  )
})

describe("limits that cannot be", () => {
  it.effect("are refused before anything starts, with both sides named where two contradict each other [W14]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make({ capacity: 2 })
      const base = { name: "a", program: patient, count: 1 }
      for (const [extra, message] of [
        [
          { recycle: {} },
          'service "a": recycle: wanted at least one of maxLifetime, maxRequests, maxMemory, found none'
        ],
        [{ recycle: 5 }, 'service "a": recycle: wanted an object with at least one limit, found 5'],
        [{ recycle: { maxRequest: 5 } }, "recycle.maxRequest: wanted one of the options maxLifetime, jitter"],
        [{ recycle: { maxRequests: 0 } }, "recycle.maxRequests: wanted a whole number of at least 1, found 0"],
        [{ recycle: { maxRequests: "5" } }, 'recycle.maxRequests: wanted a whole number of at least 1, found "5"'],
        [{ recycle: { maxMemory: Number.NaN } }, "recycle.maxMemory: wanted a whole number of at least 1, found NaN"],
        [{ recycle: { maxMemory: 1.5 } }, "found 1.5"],
        [{ recycle: { maxLifetime: 0 } }, "recycle.maxLifetime: wanted a duration from 100ms"],
        [{ recycle: { maxLifetime: Number.NaN } }, "recycle.maxLifetime: wanted a duration from 100ms"],
        [{ recycle: { maxLifetime: 1000, jitter: 1 } }, "recycle.jitter: wanted a number from 0 to 0.9, found 1"],
        [{ recycle: { maxRequests: 5, jitter: 0.1 } }, "recycle.jitter: wanted a maxLifetime beside it, found none"],
        [
          { recycle: { maxRequests: 5, order: "first" } },
          'recycle.order: wanted "spawn-first" or "stop-first", found "first"'
        ],
        [
          { recycle: { maxRequests: 5 }, restart: "temporary" },
          "wanted a permanent or transient worker, found a temporary one"
        ],
        [
          { recycle: { maxLifetime: "10 seconds", jitter: 0.5 }, healthTimeout: "5 seconds" },
          "recycle.maxLifetime: wanted a lifetime longer than the healthTimeout of 5s, found at the shortest 5s"
        ],
        [
          { recycle: { maxRequests: 5 }, count: 2 },
          'recycle.order: wanted "stop-first", or a capacity of more than 2 for 2 worker(s)'
        ],
        [{ count: "2" }, 'SELVEDGE_WORKERS (option count): wanted a whole number from 1 to 1024, found "2"']
      ] as const) {
        const error = yield* Effect.flip(container.run({ ...base, ...extra } as Container.ServiceSpec))
        assert.include(error.message, message)
      }
      yield* container.run({ ...base, recycle: { maxRequests: 5 } })
      const late = yield* Effect.flip(container.run({ ...base, name: "b" }))
      assert.include(late.message, 'service "a": recycle.order: wanted "stop-first", or a capacity of more than 2')
      assert.strictEqual((yield* container.statistics).spawns, 1)
    }).pipe(on())
  )
})
