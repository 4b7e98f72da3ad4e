/**
 * Moments that workers which behave do not produce: one that not even a kill ends, one that is gone in the very turn in which its
 * replacement serves, a policy that says something nobody asked for.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Backend from "@selvedge/core/workers/Backend"
import * as Container from "@selvedge/core/workers/Container"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Line } from "../service/stage.ts"
import { answering, begun, completed, ended, Who } from "./operations.ts"
import * as Puppets from "./puppets.ts"
import { lives, on, pass, patient, starting } from "./stage.ts"

/** Runs a test with puppets, and lets all of them be gone at the end of it. */
const withPuppets = <A, E, R>(
  test: (puppets: ReturnType<typeof Puppets.stage>) => Effect.Effect<A, E, R>,
  lines: Array<Line> = []
) =>
  Effect.suspend(() => {
    const puppets = Puppets.stage()
    const gone = Effect.sync(() => {
      for (const puppet of puppets.puppets) puppet.end(Puppets.stopped)
    })
    return Effect.ensuring(test(puppets), gone).pipe(Effect.provideService(Backend.Backend, puppets.backend), on(lines))
  })

const rows = (container: Container.Container) =>
  Effect.map(container.status, (all) =>
    all.map(({ generation, ordinal, role, state }) => `${ordinal}.${generation} ${role} ${state}`)
  )

const walk = (millis: number) => Effect.repeat(pass(25), { times: millis / 25 - 1 })

describe("a worker that not even a kill ends", () => {
  it.effect("does not keep its key from those that replace it, again and again [W11] [W10]", () =>
    withPuppets((puppets) =>
      Effect.gen(function* () {
        const container = yield* Container.make({ grace: 100 })
        yield* container.spawn({ name: "a", key: "k", program: Puppets.program })
        yield* puppets.isReady(0)
        for (const next of [1, 2]) {
          const restart = yield* begun(Effect.exit(container.restart()))
          yield* puppets.isReady(next)
          yield* pass(100)
          yield* pass(1000)
          assert.isTrue(ended(restart))
          assert.strictEqual((yield* container.find("k")).valueOrUndefined?.ordinal, next)
        }
        assert.deepStrictEqual(yield* rows(container), [
          "0.1 Retired Killing",
          "1.1 Retired Killing",
          "2.1 Serving Ready"
        ])
        const error = yield* Effect.flip(container.spawn({ name: "a", key: "k", program: Puppets.program }))
        assert.include(error.message, "a key that no other worker has")
      })
    )
  )

  it.effect("keeps nobody waiting for its answers [W5] [W10]", () =>
    withPuppets((puppets) =>
      Effect.gen(function* () {
        const container = yield* Container.make({ grace: 100 })
        yield* container.run({ name: "a", count: 1, program: Puppets.program })
        yield* puppets.isReady(0)
        const asked = yield* begun(Effect.flip(container.request(Who, 0)))
        yield* Effect.forkChild(container.stop())
        yield* pass(100)
        yield* pass(999)
        assert.isFalse(ended(asked))
        yield* pass(1)
        assert.strictEqual((yield* Fiber.join(asked)).reason, "WorkerGone")
      })
    )
  )

  it.effect("on trial does not hold up the operations after it: its own has failed, in time [W11] [W7]", () =>
    withPuppets((puppets) =>
      Effect.gen(function* () {
        const container = yield* Container.make({ grace: 100 })
        yield* container.run({ name: "a", count: 1, program: Puppets.program, startupTimeout: "1 second" })
        yield* puppets.isReady(0)
        const failing = yield* begun(Effect.flip(container.restart()))
        const next = yield* begun(Effect.exit(container.restart()))
        yield* pass(1000)
        yield* pass(100)
        yield* pass(1000)
        const error = yield* Fiber.join(failing)
        assert.include(error.message, "a 0 on trial killed: startup timeout")
        yield* puppets.isReady(2)
        yield* puppets.act(() => puppets.at(0).end(Puppets.stopped))
        assert.isTrue(ended(next))
        assert.deepStrictEqual(yield* rows(container), ["2.1 Serving Ready", "1.1 Retired Killing"])
      })
    )
  )

  it.effect(
    "and leaves late, with a recovery after it, has another life all the same when it was recycled [W14] [W10]",
    () =>
      withPuppets((puppets) =>
        Effect.gen(function* () {
          const container = yield* Container.make({ grace: 100, recover: () => Effect.sleep(900) })
          const recycle = { maxLifetime: "1 second", order: "stop-first" } as const
          yield* container.run({ name: "a", count: 1, program: Puppets.program, recycle })
          yield* puppets.isReady(0)
          yield* pass(1000)
          yield* pass(100)
          assert.strictEqual(puppets.at(0).kills, 1)
          yield* pass(500)
          yield* puppets.act(() => puppets.at(0).end(Puppets.crashed))
          // Now the recycling has waited long enough for it, and the recovery goes on.
          yield* pass(500)
          assert.deepStrictEqual(yield* rows(container), ["0.1 Serving BackingOff"])
          yield* pass(400)
          assert.deepStrictEqual(yield* rows(container), ["0.2 Serving Starting"])
        })
      )
  )
})

describe("a restart of the group", () => {
  it.effect("is none of those that came to serve in the turn in which an old one failed [W11] [W6]", () =>
    withPuppets((puppets) =>
      Effect.gen(function* () {
        const container = yield* Container.make({ grace: 100, strategy: "one-for-all" })
        yield* container.run({ name: "a", count: 2, program: Puppets.program })
        yield* puppets.isReady(0, 1)
        const restart = yield* begun(container.restart())
        yield* puppets.act(() => {
          puppets.at(0).end(Puppets.crashed)
          puppets.at(2).say(Puppets.ready)
          puppets.at(3).say(Puppets.ready)
        })
        yield* puppets.act(() => puppets.at(1).end(Puppets.stopped))
        yield* pass(100)
        assert.isTrue(ended(restart))
        assert.deepStrictEqual(yield* rows(container), ["2.1 Serving Ready", "3.1 Serving Ready"])
        assert.deepStrictEqual([puppets.at(2).heard, puppets.at(3).heard], [[], []])
      })
    )
  )
})

describe("a failure behind the one whose group is being begun", () => {
  it.effect("does not make it forget those in between [W6]", () =>
    withPuppets((puppets) =>
      Effect.gen(function* () {
        const container = yield* Container.make({ grace: 100, strategy: "rest-for-one" })
        for (const name of ["a", "b", "c"]) yield* container.run({ name, count: 1, program: Puppets.program })
        yield* puppets.isReady(0, 1, 2)
        yield* puppets.act(() => puppets.at(0).end(Puppets.crashed))
        yield* puppets.act(() => puppets.at(1).end(Puppets.stopped))
        yield* pass(100)
        yield* pass(1000)
        assert.deepStrictEqual(yield* rows(container), [
          "0.2 Serving Starting",
          "1.1 Serving BackingOff",
          "2.1 Serving Killing"
        ])
        // It was killed and is gone only now, when the first of its group is on its way again.
        yield* puppets.act(() => puppets.at(2).end(Puppets.crashed))
        yield* puppets.isReady(0)
        yield* puppets.isReady(1)
        yield* puppets.isReady(2)
        assert.deepStrictEqual(yield* rows(container), ["0.2 Serving Ready", "1.2 Serving Ready", "2.2 Serving Ready"])
      })
    )
  )
})

describe("a worker that is kept, and is down when another goes", () => {
  const scaled = (puppets: ReturnType<typeof Puppets.stage>) =>
    Effect.gen(function* () {
      const container = yield* Container.make({ grace: 100 })
      const spec = { name: "a", program: Puppets.program, startupTimeout: "1 second" } as const
      yield* container.run({ ...spec, count: 2 })
      yield* puppets.isReady(1)
      return { container, scale: yield* begun(Effect.exit(container.scale("a", 1))) }
    })

  it.effect("is waited for: its service is never without a ready one [W14] [W11]", () =>
    withPuppets((puppets) =>
      Effect.gen(function* () {
        const { container, scale } = yield* scaled(puppets)
        yield* pass(500)
        assert.deepStrictEqual(yield* rows(container), ["0.1 Serving Starting", "1.1 Serving Ready"])
        yield* puppets.isReady(0)
        assert.deepStrictEqual(yield* rows(container), ["0.1 Serving Ready", "1.1 Retired Stopping"])
        yield* pass(100)
        yield* pass(1000)
        assert.isTrue(ended(scale))
      })
    )
  )

  it.effect(
    "is waited for as long as a start may take; then the other serves on, and the error names it [W14] [W11]",
    () =>
      withPuppets((puppets) =>
        Effect.gen(function* () {
          const { container, scale } = yield* scaled(puppets)
          yield* walk(1000)
          const exit = yield* Fiber.join(scale)
          assert.include(String(exit), "the scale failed and the old workers serve on: a 0 is kept and not ready")
          assert.deepStrictEqual((yield* rows(container))[1], "1.1 Serving Ready")
          // The next one finds it ready again, and has its way at once.
          yield* puppets.act(() => puppets.at(0).end(Puppets.crashed))
          yield* puppets.isReady(0)
          yield* begun(Effect.exit(container.scale("a", 1)))
          assert.deepStrictEqual(yield* rows(container), ["0.2 Serving Ready", "1.1 Retired Stopping"])
        })
      )
  )
})

describe("a decision about a worker's health", () => {
  it.effect("that comes when it was told to stop kills nobody: its requests have the grace [W7] [W8] [W11]", () =>
    withPuppets((puppets) =>
      Effect.gen(function* () {
        const healthFailed = () => Effect.as(Effect.sleep(800), "kill" as const)
        const container = yield* Container.make({ grace: "5 seconds", policy: { healthFailed } })
        yield* container.run({ name: "a", count: 1, program: Puppets.program, healthTimeout: 100 })
        yield* puppets.isReady(0)
        yield* walk(200)
        yield* begun(container.restart())
        yield* puppets.isReady(1)
        yield* walk(1000)
        assert.deepStrictEqual([puppets.at(0).heard, puppets.at(0).kills], [["Beat", "Stop"], 0])
      })
    )
  )

  it.effect("is told once, however often it was asked for meanwhile [W7] [W8]", () =>
    withPuppets((puppets) =>
      Effect.gen(function* () {
        const healthFailed = () => Effect.as(Effect.sleep(800), "kill" as const)
        const container = yield* Container.make({ policy: { healthFailed } })
        yield* container.run({ name: "a", count: 1, program: Puppets.program, healthTimeout: 100 })
        yield* puppets.isReady(0)
        yield* walk(2000)
        assert.deepStrictEqual((yield* container.incidents).totals, { "health timeout": 1 })
      })
    )
  )
})

describe("a policy that decides on something else", () => {
  for (const said of [undefined, null, "Kill", 42, {}]) {
    it.effect(`is told so, and the default holds, where it says ${JSON.stringify(said)} [W8] [W7]`, () => {
      const lines: Array<Line> = []
      return Effect.gen(function* () {
        const startupFailed = () => Effect.succeed(said as "kill")
        const container = yield* Container.make({ policy: { startupFailed } })
        const spec = { name: "a", program: starting, startupTimeout: "1 second", restart: "temporary" } as const
        yield* container.spawn(spec)
        yield* pass(1000)
        assert.deepStrictEqual(yield* lives, [])
        const [incident] = (yield* container.incidents).latest
        assert.strictEqual(incident?.detail, "not ready within 1s: killed")
        assert.isTrue(lines.some(({ text }) => text.includes('wanted "kill" or "wait", found ')))
      }).pipe(on(lines))
    })
  }
})

describe("what a kept worker takes over", () => {
  it.effect("includes a shorter lifetime, counted from when it became ready, and a longer one [W11] [W14]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      const living = (maxLifetime: "1 hour" | "10 seconds") => ({
        name: "a",
        program: patient,
        count: 1,
        recycle: { maxLifetime }
      })
      yield* container.run(living("10 seconds"))
      yield* pass(1000)
      yield* completed(container.reload((spawner) => spawner.run(living("1 hour"))))
      yield* pass(60_000)
      assert.deepStrictEqual(yield* lives, ["a 0.1"])
      yield* completed(container.reload((spawner) => spawner.run(living("10 seconds"))))
      yield* pass(0)
      assert.deepStrictEqual(yield* lives, ["a 1.1"])
      assert.strictEqual((yield* container.statistics).recycles, 1)
    }).pipe(on())
  )
})

describe("a fiber that a set-up left running", () => {
  it.effect("may operate on its container once the set-up has ended [W11]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      yield* container.run({ name: "a", program: patient, count: 1 })
      yield* pass(0)
      const later = yield* completed(
        container.reload((spawner) =>
          Effect.andThen(
            spawner.run({ name: "a", program: patient, count: 1 }),
            Effect.forkDetach(Effect.andThen(Effect.sleep("1 minute"), container.restart()))
          )
        )
      )
      assert.strictEqual(later.kept.length, 1)
      yield* pass(60_000)
      assert.deepStrictEqual(yield* lives, ["a 1.1"])
    }).pipe(on())
  )
})

describe("options of an operation from code without types", () => {
  for (const options of [null, "all", 5]) {
    it.effect(`are refused where they are ${JSON.stringify(options)} [W11] [W14]`, () =>
      Effect.gen(function* () {
        const container = yield* Container.make()
        yield* container.run({ name: "a", program: patient, count: 1 })
        yield* pass(0)
        const given = options as never
        for (const operation of [
          container.restart(given),
          container.reload(() => Effect.void, given),
          container.scale("a", 0, given)
        ]) {
          const error = yield* Effect.flip(operation)
          assert.match(error.message, /^options: wanted an object with .*grace, found /)
        }
        assert.deepStrictEqual(yield* lives, ["a 0.1"])
      }).pipe(on())
    )
  }
})

describe("requests to two services, one after the other", () => {
  it.effect("reach all workers of both [W5] [W4]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      for (const name of ["a", "b"]) yield* container.run({ name, program: answering(name), count: 2 })
      yield* pass(0)
      const by: Array<string> = []
      for (const service of ["a", "b", "a", "b"]) by.push(yield* container.request(Who, 0, { service }))
      assert.deepStrictEqual(by, ["a 0.1", "b 2.1", "a 1.1", "b 3.1"])
    }).pipe(on())
  )
})

describe("what a crashed worker says of its end", () => {
  it.effect("is kept as an incident of bounded length [W8]", () =>
    withPuppets((puppets) =>
      Effect.gen(function* () {
        const container = yield* Container.make()
        yield* container.run({ name: "a", count: 1, program: Puppets.program })
        const errors = [{ kind: "Fail", name: "Error", message: "x".repeat(1_000_000), stack: "" }] as const
        yield* puppets.act(() => puppets.at(0).end({ _tag: "Failed", exitCode: 1, errors } as never))
        const [incident] = (yield* container.incidents).latest
        assert.strictEqual(incident?.what, "crashed")
        assert.isBelow(incident?.detail.length ?? Infinity, 2001)
      })
    )
  )
})
