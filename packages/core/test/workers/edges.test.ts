import { assert, describe, it } from "@effect/vitest"
import * as Backend from "@selvedge/core/workers/Backend"
import * as Container from "@selvedge/core/workers/Container"
import * as Supervisor from "@selvedge/core/workers/Supervisor"
import * as FiberBackend from "@selvedge/core/service/FiberBackend"
import * as WorkerProgram from "@selvedge/core/service/WorkerProgram"
import { StartFailed } from "@selvedge/core/workers/ContainerError"
import * as TestContainer from "@selvedge/testing/workers/TestContainer"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Scheduler from "effect/Scheduler"
import { asking, crash, Hang, lives, on, pass, patient, settle, slow, starting, states } from "./stage.ts"

const never = Effect.uninterruptible(Effect.never)

/** Ends before it is ready. */
const stillborn = Backend.direct(WorkerProgram.make({ ready: "manual", main: Effect.fail("planned") }))

const one = (name: string, program: Backend.ProgramRef = patient, more: Partial<Container.ServiceSpec> = {}) => ({
  name,
  program,
  count: 1,
  ...more
})

describe("two workers of a group that crash at once", () => {
  it.effect("are one restart of the group, and count once [W6]", () =>
    Effect.gen(function* () {
      const workers = yield* TestContainer.TestContainer
      const supervisor = yield* Supervisor.make({
        strategy: "one-for-all",
        intensity: { max: 1, period: "1 minute" },
        children: [one("a"), one("b"), one("c")]
      })
      yield* workers.crash(2)
      yield* workers.crash(0)
      yield* settle
      assert.deepStrictEqual(yield* states(supervisor), ["Ready", "Ready", "Ready"])
      assert.deepStrictEqual(yield* lives, ["a 0.2", "b 1.2", "c 2.2"])
    }).pipe(on())
  )
})

describe("the making of a supervisor", () => {
  it.effect(
    "fails when a temporary child ends before it is ready, starts nobody after it, and leaves nothing [W6]",
    () =>
      Effect.gen(function* () {
        const spawned: Array<string> = []
        const error = yield* Effect.flip(
          Supervisor.make({
            children: [one("a"), one("b", stillborn, { restart: "temporary" }), one("c")],
            policy: { spawned: ({ facts }) => Effect.sync(() => void spawned.push(facts.name)) }
          })
        )
        assert.strictEqual(error._tag, "NotReady")
        assert.deepStrictEqual(spawned, ["a", "b"])
        assert.deepStrictEqual(yield* lives, [])
      }).pipe(on())
  )

  it.effect("that is interrupted stops what it has started, though its scope stays open [W6] [W10]", () =>
    Effect.gen(function* () {
      const making = yield* Effect.forkChild(Supervisor.make({ children: [one("a"), one("b", starting)] }))
      yield* settle
      assert.deepStrictEqual(yield* lives, ["a 0.1", "b 1.1"])
      yield* Effect.forkChild(Fiber.interrupt(making))
      yield* pass(10_000)
      assert.deepStrictEqual(yield* lives, [])
    }).pipe(on())
  )

  it.effect("refuses children that are no objects [W6]", () =>
    Effect.gen(function* () {
      const children = [one("a"), null] as unknown as ReadonlyArray<Container.ServiceSpec>
      const error = yield* Effect.flip(Supervisor.make({ children }))
      assert.strictEqual(error._tag, "InvalidSpec")
    }).pipe(on())
  )
})

describe("a hook of a policy", () => {
  it.effect("stops the container from a crash while there is something to recover first [W8] [W2]", () =>
    Effect.gen(function* () {
      const order: Array<string> = []
      const container: Container.Container = yield* Container.make({
        policy: {
          exited: () =>
            Effect.andThen(
              Effect.sync(() => void order.push("exited")),
              container.stop()
            )
        },
        recover: ({ ordinal }) =>
          Effect.andThen(
            Effect.sleep(10),
            Effect.sync(() => void order.push(`recovered ${ordinal}`))
          )
      })
      const child = yield* container.spawn({ name: "worker", program: asking })
      yield* child.awaitReady
      const asked = yield* Effect.forkChild(Effect.exit(container.request(Hang, null)))
      yield* settle
      yield* crash(0)
      yield* pass(10)
      assert.deepStrictEqual(order, ["exited", "recovered 0"])
      assert.strictEqual((yield* states(container)).length, 0)
      assert.isTrue(Exit.isFailure((yield* Fiber.join(asked)) as Exit.Exit<unknown, unknown>))
    }).pipe(on())
  )

  it.effect("that decides nothing and cannot be interrupted is not waited for longer than a second [W8] [W7]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make({ policy: { startupFailed: () => never } })
      yield* container.spawn({ name: "worker", program: starting, startupTimeout: "1 second" })
      yield* pass(1000)
      assert.deepStrictEqual(yield* lives, ["worker 0.1"])
      yield* pass(1000)
      assert.deepStrictEqual(yield* lives, ["worker 0.2"])
    }).pipe(on())
  )

  it.effect("hears of a life that could not be started after it has heard of its start [W8]", () =>
    Effect.gen(function* () {
      const told: Array<string> = []
      const backend = FiberBackend.make()
      const refusing: Backend.Shape = {
        ...backend,
        start: () => Effect.fail(new StartFailed({ reason: "SpawnRefused", wanted: "a fiber", found: "none" }))
      }
      const container = yield* Effect.provideService(
        Container.make({
          policy: {
            spawned: () => Effect.sync(() => void told.push("spawned")),
            exited: () => Effect.sync(() => void told.push("exited"))
          }
        }),
        Backend.Backend,
        refusing
      )
      yield* container.spawn({ name: "worker", program: patient, restart: "temporary" })
      yield* settle
      assert.deepStrictEqual(told, ["spawned", "exited"])
    }).pipe(on())
  )
})

describe("a recovery", () => {
  it.effect("that cannot be interrupted is given up after a second all the same [W2]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make({ recover: () => never })
      yield* container.run(one("worker"))
      yield* settle
      yield* crash(0)
      yield* pass(1000)
      assert.deepStrictEqual(yield* lives, ["worker 0.2"])
    }).pipe(on())
  )
})

describe("a child", () => {
  it.effect("that was ready and has ended since has been ready [W13]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      const job = { name: "job", program: Backend.direct(Effect.void), restart: "temporary" } as const
      const child = yield* container.spawn(job)
      yield* child.awaitReady
      yield* child.awaitEnded
      yield* child.awaitReady
    }).pipe(on())
  )
})

describe("a group whose cause was stopped for good", () => {
  it.effect("begins without it, though its back-off has come to its end [W6]", () =>
    Effect.gen(function* () {
      const supervisor = yield* Supervisor.make({
        strategy: "one-for-all",
        children: [one("a"), one("b", patient, { backoff: Schedule.recurs(0) }), one("c", slow(1000))]
      })
      yield* crash(1)
      const [, b] = yield* supervisor.children
      yield* b!.stop()
      yield* pass(1000)
      assert.deepStrictEqual(yield* lives, ["a 0.2", "c 2.2"])
    }).pipe(on())
  )
})

describe("the start of a service", () => {
  it.effect(
    "that is interrupted at any step has started all of its workers or none, and keeps no place [W2] [W4]",
    () =>
      Effect.gen(function* () {
        // The operations between two turns, and the turn of the interruption.
        for (const [operations, step] of [2, 3, 5, 7].flatMap((one) =>
          Array.from({ length: 20 }, (_, at) => [one, at])
        )) {
          const container = yield* Container.make()
          const running = yield* container
            .run({ name: "a", program: patient, count: 2 })
            .pipe(Effect.provideService(Scheduler.MaxOpsBeforeYield, operations!), Effect.forkChild)
          for (let one = 0; one < step!; one++) yield* Effect.yieldNow
          yield* Fiber.interrupt(running)
          assert.include([0, 2], yield* container.size)
          assert.strictEqual(yield* container.running, yield* container.size)
          yield* container.stop()
        }
      }).pipe(on())
  )
})

describe("a group whose first worker crashes before the others have begun", () => {
  for (const strategy of ["one-for-all", "rest-for-one"] as const) {
    it.effect(`begins all of them in their order once it is ready, ${strategy} [W6]`, () =>
      Effect.gen(function* () {
        const workers = yield* TestContainer.TestContainer
        const making = yield* Effect.forkChild(
          Supervisor.make({ strategy, children: [one("a", starting), one("b"), one("c")] })
        )
        yield* settle
        yield* crash(0)
        assert.deepStrictEqual(yield* lives, ["a 0.2"])
        yield* workers.say(0, { _tag: "Ready" })
        yield* settle
        yield* Fiber.join(making)
        assert.deepStrictEqual(yield* lives, ["a 0.2", "b 1.1", "c 2.1"])
      }).pipe(on())
    )
  }
})
