import { assert, describe, it } from "@effect/vitest"
import * as FiberBackend from "@selvedge/core/service/FiberBackend"
import * as Backend from "@selvedge/core/workers/Backend"
import * as Container from "@selvedge/core/workers/Container"
import * as WorkerExit from "@selvedge/core/workers/WorkerExit"
import * as WorkerProgram from "@selvedge/core/service/WorkerProgram"
import * as WorkerRequest from "@selvedge/core/workers/WorkerRequest"
import * as LiveFibers from "@selvedge/testing/leaks/LiveFibers"
import * as TestContainer from "@selvedge/testing/workers/TestContainer"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { asking, crash, Echo, Hang, lives, on, pass, patient, settle, slow, starting } from "./stage.ts"

/** Closes a scope, however long that takes, and says how many fibers are left then. */
const leftAfter = (scope: Scope.Closeable, fibers: LiveFibers.LiveFibers) =>
  Effect.gen(function* () {
    const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
    yield* pass(20_000)
    yield* Fiber.join(closing)
    return fibers.names()
  })

describe("the closing of a container's scope leaves no fiber", () => {
  it.effect("of hooks that never return [W8]", () =>
    LiveFibers.watch((fibers) =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const policy = { spawned: () => Effect.never, exited: () => Effect.never }
        const container = yield* Scope.provide(Container.make({ policy }), scope)
        yield* container.run({ name: "worker", program: patient, count: 2 })
        yield* settle
        yield* crash(0)
        assert.deepStrictEqual(yield* leftAfter(scope, fibers), [])
      })
    ).pipe(on())
  )

  it.effect("and lets a hook finish what takes less than a second [W8]", () =>
    Effect.gen(function* () {
      const told: Array<string> = []
      const scope = yield* Scope.make()
      const exited = () =>
        Effect.andThen(
          Effect.sleep(900),
          Effect.sync(() => void told.push("exited"))
        )
      const container = yield* Scope.provide(Container.make({ policy: { exited } }), scope)
      yield* container.spawn({ name: "worker", program: patient })
      yield* settle
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* pass(900)
      yield* Fiber.join(closing)
      assert.deepStrictEqual(told, ["exited"])
    }).pipe(on())
  )

  it.effect("of a frozen worker that has ended unheard, which nobody abandoned [W10]", () =>
    LiveFibers.watch((fibers) =>
      Effect.gen(function* () {
        const workers = yield* TestContainer.TestContainer
        const scope = yield* Scope.make()
        const container = yield* Scope.provide(Container.make(), scope)
        yield* container.run({ name: "worker", program: Backend.direct(Effect.sleep(1000)), count: 1 })
        yield* settle
        yield* workers.freeze(0)
        yield* pass(1000)
        assert.deepStrictEqual(yield* leftAfter(scope, fibers), [])
        assert.deepStrictEqual(yield* workers.abandoned, [])
      })
    ).pipe(on())
  )

  it.effect("of a group restart, requests and waits that were interrupted, and a supervisor that gave up [W6]", () =>
    LiveFibers.watch((fibers) =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const intensity = { max: 1, period: "1 hour" } as const
        const container = yield* Scope.provide(Container.make({ strategy: "one-for-all", intensity }), scope)
        yield* container.run({ name: "asking", program: asking, count: 2, healthTimeout: "1 second" })
        yield* container.run({ name: "starting", program: starting, count: 1 })
        yield* container.run({ name: "slow", program: slow(900), count: 1 })
        yield* settle
        const asked = yield* Effect.forkChild(container.request(Hang, null))
        yield* settle
        yield* Fiber.interrupt(asked)
        yield* crash(0)
        const waiting = yield* Effect.forkChild(container.awaitReady)
        yield* pass(1000)
        yield* Fiber.interrupt(waiting)
        yield* crash(1)
        yield* pass(100)
        assert.deepStrictEqual(yield* leftAfter(scope, fibers), [])
        assert.strictEqual((yield* Effect.flip(container.awaitEnded))._tag, "RestartIntensityExceeded")
      })
    ).pipe(on())
  )
})

const withProperty = (name: string, property: PropertyDescriptor): Error =>
  Object.defineProperty(new Error("planned"), name, property)

const thrower = {
  get: () => {
    throw new Error("looked at")
  }
}

describe("a program that fails with an error nobody can read", () => {
  for (const [title, error, message] of [
    ["whose message throws", withProperty("message", thrower), "an error that throws when it is read"],
    ["whose stack throws", withProperty("stack", thrower), "an error that throws when it is read"],
    ["whose name is a number", withProperty("name", { value: 5 }), "planned"]
  ] as const) {
    it.effect(`has failed all the same, with one ${title} [W8]`, () =>
      Effect.gen(function* () {
        assert.strictEqual(WorkerExit.errorRow("Fail", error).message, message)
        const program = Backend.direct(Effect.andThen(Effect.sleep(10), Effect.fail(error)))
        const container = yield* Container.make()
        const child = yield* container.spawn({ name: "worker", program, restart: "temporary" })
        yield* pass(10)
        yield* pass(10_000)
        const exit = yield* child.awaitEnded
        assert.strictEqual(exit._tag, "Failed")
      }).pipe(on())
    )
  }
})

describe("a backend that throws where it should start a life", () => {
  it.effect("makes a life that failed, with what it threw [W8]", () =>
    Effect.gen(function* () {
      const throwing: Backend.Shape = {
        ...FiberBackend.make(),
        start: () => {
          throw new Error("planned")
        }
      }
      const container = yield* Effect.provideService(Container.make(), Backend.Backend, throwing)
      const child = yield* container.spawn({ name: "worker", program: patient, restart: "temporary" })
      yield* settle
      const exit = yield* child.awaitEnded
      assert.deepStrictEqual(exit._tag === "Failed" && exit.errors.map(({ message }) => message), ["planned"])
    }).pipe(on())
  )
})

describe("options from code without types", () => {
  for (const [field, options] of [
    ["options", null],
    ["options", 5],
    ["intensity", { intensity: 5 }],
    ["intensity", { intensity: { max: 1, peroid: "1 hour" } }],
    ["policy", { policy: 5 }],
    ["policy", { policy: { onExit: () => Effect.void } }],
    ["policy", { policy: { exited: "stop" } }],
    ["recover", { recover: "all" }],
    ["lastFirst", { lastFirst: "yes" }],
    ["critical", { critical: "no" }]
  ] as const) {
    it.effect(`are refused where ${JSON.stringify(options)} cannot be [W6]`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Container.make(options as unknown as Container.Options))
        assert.strictEqual(error.option, field)
      }).pipe(on())
    )
  }

  it.effect("are refused as regions that are no object [W5]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      for (const regions of [null, 5]) {
        const spec = { name: "worker", program: patient, regions } as unknown as Container.ServiceSpec
        const error = yield* Effect.flip(container.run(spec))
        assert.include(error.message, "regions: wanted an object")
      }
    }).pipe(on())
  )
})

const Wide = WorkerRequest.make("Wide", { payload: Schema.Any, success: Schema.Any, error: Schema.Any })

/** Answers with what it is told to, and goes on answering. */
const answering = (run: () => unknown): Backend.ProgramRef =>
  Backend.direct(
    WorkerProgram.make({
      handlers: [
        WorkerRequest.handler(Wide, () => run() as Effect.Effect<unknown, unknown>),
        WorkerRequest.handler(Echo, Effect.succeed)
      ]
    })
  )

const circle: { self?: unknown } = {}
circle.self = circle

describe("a handler", () => {
  for (const [what, run, detail] of [
    ["a promise", () => Promise.resolve("late"), "Not a valid effect: [object Promise]"],
    ["nothing", () => undefined, "Not a valid effect: undefined"],
    ["no effect in a later step", () => Effect.flatMap(Effect.void, () => 5 as never), "Not a valid effect: 5"],
    ["what its schema allows and no link carries", () => Effect.succeed(new Map()), "its answer cannot be sent"],
    ["a circle", () => Effect.succeed(circle), "its answer cannot be sent"],
    ["a failure that no link carries", () => Effect.fail(10n), 'its answer cannot be sent: Expected JSON value at ["']
  ] as const) {
    it.effect(`that gives ${what} has died, for whoever asked; the worker goes on [W5]`, () =>
      Effect.gen(function* () {
        const container = yield* Container.make()
        yield* container.spawn({ name: "worker", program: answering(run) })
        yield* settle
        const asked = yield* Effect.forkChild(Effect.flip(container.request(Wide, null)))
        yield* settle
        const error = asked.pollUnsafe()
        assert.isTrue(error !== undefined && Exit.isSuccess(error), "whoever asked still waits")
        const failed = (yield* Fiber.join(asked)) as { readonly reason: string; readonly detail: string }
        assert.strictEqual(failed.reason, "HandlerDied")
        assert.include(failed.detail, detail)
        assert.strictEqual(yield* container.request(Echo, "still here"), "still here")
        assert.deepStrictEqual(yield* lives, ["worker 0.1"])
      }).pipe(on())
    )
  }
})

describe("a request", () => {
  for (const [what, payload] of [
    ["a map", new Map()],
    ["a circle", circle],
    ["a function", () => 1],
    ["not a number", NaN]
  ] as const) {
    it.effect(`with ${what} is refused before anything is sent, where its schema allows anything [W5]`, () =>
      Effect.gen(function* () {
        const container = yield* Container.make()
        const child = yield* container.spawn({ name: "worker", program: answering(() => Effect.succeed("fine")) })
        yield* settle
        const error = yield* Effect.flip(container.request(Wide, payload))
        assert.strictEqual(error.reason, "InvalidPayload")
        assert.strictEqual(error.detail, 'it cannot be sent: Expected JSON value at ["payload"]')
        assert.strictEqual(child.statusUnsafe().requests, 0)
        assert.strictEqual(yield* container.request(Wide, null), "fine")
      }).pipe(on())
    )
  }
})
