/**
 * Keyed reload: what is asked for again as it was is kept, what has changed is replaced, the rest goes.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Backend from "@selvedge/core/workers/Backend"
import * as Container from "@selvedge/core/workers/Container"
import type { Spawner } from "@selvedge/core/workers/Operations"
import * as TestContainer from "@selvedge/testing/workers/TestContainer"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { answering, begun, completed, ended, stream, workers } from "./operations.ts"
import { crash, lives, on, pass, patient, settle, slow } from "./stage.ts"

const one = answering("1")
const other = answering("2")

class BadFile extends Data.TaggedError("BadFile")<{ readonly line: number }> {}

/** A service of some, and one by its key. */
const setUp =
  (count: number, program = one, keyed = patient) =>
  (spawner: Spawner) =>
    Effect.andThen(
      spawner.run({ name: "a", program, count }),
      spawner.spawn({ name: "b", key: "writer", program: keyed })
    )

const before = ["a 0: 0.1", "a 1: 1.1", "b 0: 2.1"]

const started = (count = 2) =>
  Effect.gen(function* () {
    const container = yield* Container.make()
    yield* setUp(count)(container)
    yield* settle
    return container
  })

describe("a reload", () => {
  it.effect("keeps what is asked for again unchanged: same ordinal, generation and life; also twice [W11]", () =>
    Effect.gen(function* () {
      const container = yield* started()
      const { spawns } = yield* container.statistics
      for (let round = 0; round < 2; round++) {
        const { kept, retired, started } = yield* completed(container.reload(setUp(2)))
        assert.deepStrictEqual([kept.length, retired, started.length], [3, 0, 0])
      }
      assert.deepStrictEqual([yield* workers(container), yield* lives], [before, ["a 0.1", "a 1.1", "b 2.1"]])
      assert.strictEqual((yield* container.statistics).spawns, spawns)
    }).pipe(on())
  )

  it.effect("replaces what has changed, with the same key while the old one still lives [W11]", () =>
    Effect.gen(function* () {
      const container = yield* started()
      const reload = yield* begun(container.reload(setUp(2, one, slow(500))))
      const { kept, started: fresh } = yield* Fiber.join(reload)
      assert.deepStrictEqual(yield* workers(container), ["a 0: 0.1", "a 1: 1.1", "b 0: 3.1"])
      assert.deepStrictEqual([kept.length, fresh.map(({ key }) => key)], [2, ["writer"]])
      assert.strictEqual((yield* container.find("writer")).valueOrUndefined, fresh[0])
      const again = yield* begun(container.reload(setUp(2)))
      yield* pass(499)
      assert.deepStrictEqual([ended(again), yield* lives], [false, ["a 0.1", "a 1.1", "b 2.2", "b 3.1"]])
      yield* pass(1)
      assert.deepStrictEqual([ended(again), yield* lives], [true, ["a 0.1", "a 1.1", "b 2.2"]])
    }).pipe(on())
  )

  it.effect("stops what is not asked for again, only once everything that was asked for is ready [W11]", () =>
    Effect.gen(function* () {
      const container = yield* started()
      const late = answering("2", 100)
      const reload = yield* begun(container.reload((spawner) => spawner.run({ name: "c", program: late, count: 1 })))
      yield* pass(99)
      assert.deepStrictEqual(yield* workers(container), before)
      yield* pass(1)
      assert.deepStrictEqual([yield* workers(container), yield* lives], [["c 0: 3.1"], ["c 3.1"]])
      assert.strictEqual((yield* Fiber.join(reload)).retired, 3)
    }).pipe(on())
  )

  it.effect("scales a service whose count has changed, the highest numbers go [W11] [W14]", () =>
    Effect.gen(function* () {
      const container = yield* started()
      yield* completed(container.reload(setUp(4)))
      assert.deepStrictEqual(yield* workers(container), [...before, "a 2: 3.1", "a 3: 4.1"])
      yield* completed(container.reload(setUp(1)))
      assert.deepStrictEqual(yield* workers(container), ["a 0: 0.1", "b 0: 2.1"])
    }).pipe(on())
  )

  it.effect("takes over for a kept worker what its life does not depend on [W11]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      yield* container.run({ name: "a", program: patient, count: 1 })
      yield* settle
      const temporary = (spawner: Spawner) =>
        spawner.run({ name: "a", program: patient, count: 1, restart: "temporary", startupTimeout: "1 second" })
      yield* completed(container.reload(temporary))
      assert.deepStrictEqual(yield* lives, ["a 0.1"])
      yield* crash(0)
      yield* pass(1000)
      assert.deepStrictEqual(yield* lives, [])
    }).pipe(on())
  )

  it.effect("replaces a worker whose regions or health timeout have changed: its life was begun with them [W11]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      const memory = new SharedArrayBuffer(8)
      const spec = { name: "a", program: patient, count: 1 }
      const steps = [
        [{ ...spec, regions: { r: memory } }, "a 0: 0.1"],
        [{ ...spec, regions: { r: memory } }, "a 0: 0.1"],
        [{ ...spec, regions: { r: new SharedArrayBuffer(8) } }, "a 0: 1.1"],
        [{ ...spec, healthTimeout: "1 second" }, "a 0: 0.2"],
        [{ ...spec, healthTimeout: "1000 millis" }, "a 0: 0.2"],
        [spec, "a 0: 1.2"]
      ] as const
      for (const [asked, found] of steps) {
        yield* completed(container.reload((spawner) => spawner.run(asked)))
        assert.deepStrictEqual(yield* workers(container), [found])
      }
    }).pipe(on())
  )

  it.effect("of an empty container is its first start; with keep false nothing is kept [W11]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      yield* completed(container.reload(setUp(2)))
      assert.deepStrictEqual(yield* workers(container), before)
      const found = yield* completed(container.reload(setUp(2, other), { keep: false }))
      assert.deepStrictEqual([found.kept, found.retired], [[], 3])
      assert.deepStrictEqual(yield* workers(container), ["a 0: 3.1", "a 1: 4.1", "b 0: 5.1"])
    }).pipe(on())
  )

  it.effect("leaves alone what somebody else started beside it [W11]", () =>
    Effect.gen(function* () {
      const container = yield* started()
      yield* completed(
        container.reload((spawner) =>
          Effect.andThen(container.spawn({ name: "beside", program: patient }), setUp(2)(spawner))
        )
      )
      assert.deepStrictEqual(yield* workers(container), [...before, "beside 0: 3.1"])
    }).pipe(on())
  )

  it.effect("fails no request while requests flow [W11] [W5]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      yield* setUp(2, answering("0", 50))(container)
      yield* pass(50)
      const found = yield* stream(container)
      for (let round = 1; round <= 10; round++) {
        const reload = yield* begun(container.reload(setUp(1 + (round % 3), answering(`${round}`, 50))))
        for (let i = 0; i < 40 && !ended(reload); i++) yield* pass(5)
        assert.isTrue(ended(reload))
      }
      for (let i = 0; i < 10; i++) yield* pass(5)
      const versions = new Set(Array.from(found.by, (by) => by.split(" ")[0]))
      assert.deepStrictEqual([found.wrong, versions.size], [[], 11])
    }).pipe(on())
  )

  it.effect("runs its set-up with the services of who asked [W11]", () =>
    Effect.gen(function* () {
      class Version extends Context.Service<Version, number>()("test/Version") {}
      const container = yield* started()
      const asked = container.reload((spawner) => Effect.flatMap(Version, (count) => setUp(count)(spawner)))
      yield* completed(Effect.provideService(asked, Version, 3))
      assert.strictEqual((yield* workers(container)).length, 4)
    }).pipe(on())
  )
})

describe("a reload that fails leaves everything as it was", () => {
  const bad: ReadonlyArray<
    readonly [string, (container: Container.Container) => Effect.Effect<unknown, { readonly message: string }>, string]
  > = [
    [
      "its set-up fails, with the error of that",
      (container) => container.reload((spawner) => Effect.andThen(setUp(5, other)(spawner), new BadFile({ line: 3 }))),
      "BadFile 3"
    ],
    [
      "its set-up asks for a program that is none",
      (container) =>
        container.reload((spawner) =>
          Effect.andThen(setUp(5, other)(spawner), spawner.run({ name: "c", program: Backend.direct(1), count: 1 }))
        ),
      "no worker was started (NotAProgram)"
    ],
    [
      "it asks for a service twice",
      (container) => container.reload((spawner) => Effect.andThen(setUp(5, other)(spawner), setUp(2)(spawner))),
      'service "a": name: wanted each service once in a set-up, found "a"'
    ],
    [
      "it asks for a key twice",
      (container) =>
        container.reload((spawner) =>
          Effect.andThen(
            spawner.spawn({ name: "b", key: "k", program: patient }),
            spawner.spawn({ name: "c", key: "k", program: patient })
          )
        ),
      'service "c": key: wanted each key once in a set-up, found "k"'
    ],
    [
      "a new worker ends before it is ready",
      (container) =>
        container.reload((spawner) =>
          Effect.andThen(
            setUp(2, other)(spawner),
            spawner.run({ name: "c", program: Backend.direct(Layer.effectDiscard(Effect.fail("planned"))), count: 1 })
          )
        ),
      "the reload failed and the old workers serve on: c 0 on trial failed: string: planned"
    ],
    [
      "its set-up calls an operation of its own container",
      (container) => container.reload(() => container.restart()),
      'service "workers": set-up: wanted no operation of the container it sets up, found restart'
    ],
    [
      "an option is misspelt",
      (container) => container.reload(setUp(5, other), { keeep: true } as {}),
      "keeep: wanted one of the options keep, grace"
    ]
  ]
  for (const [when, asked, message] of bad) {
    it.effect(`when ${when} [W11]`, () =>
      Effect.gen(function* () {
        const container = yield* started()
        const error = yield* completed(Effect.flip(asked(container)))
        assert.include(error instanceof BadFile ? `BadFile ${error.line}` : error.message, message)
        assert.deepStrictEqual([yield* workers(container), yield* container.size], [before, 3])
        // No marks are left: the next one keeps all.
        const { kept } = yield* completed(container.reload(setUp(2)))
        assert.deepStrictEqual([kept.length, yield* workers(container)], [3, before])
      }).pipe(on())
    )
  }

  it.effect("when its set-up dies [W11]", () =>
    Effect.gen(function* () {
      const container = yield* started()
      const exit = yield* Effect.exit(
        container.reload((): Effect.Effect<void> => {
          throw new Error("a mistake")
        })
      )
      assert.strictEqual(exit._tag, "Failure")
      assert.deepStrictEqual(yield* workers(container), before)
      assert.strictEqual((yield* completed(container.reload(setUp(2)))).kept.length, 3)
    }).pipe(on())
  )

  it.effect("when the container stops during its set-up, also one that cannot be interrupted [W11] [W10]", () =>
    Effect.gen(function* () {
      for (const hanging of [Effect.never, Effect.uninterruptible(Effect.never)]) {
        yield* Effect.gen(function* () {
          const container = yield* started()
          const reload = yield* begun(Effect.flip(container.reload((): Effect.Effect<never> => hanging)))
          const stop = yield* begun(container.stop())
          yield* pass(0)
          assert.deepStrictEqual([ended(stop), ended(reload)], [true, true])
          assert.strictEqual((yield* Fiber.join(reload))._tag, "ContainerStopping")
        }).pipe(on())
      }
    })
  )

  it.effect("when who asked gives up during its set-up, which is interrupted [W11]", () =>
    Effect.gen(function* () {
      const container = yield* started()
      let interrupted = false
      const reload = yield* begun(
        container.reload(() => Effect.onInterrupt(Effect.never, () => Effect.sync(() => void (interrupted = true))))
      )
      yield* Fiber.interrupt(reload)
      yield* settle
      assert.isTrue(interrupted)
      assert.strictEqual((yield* completed(container.reload(setUp(2)))).kept.length, 3)
    }).pipe(on())
  )

  it.effect("and no ordinal is kept by workers that were on trial [W11] [W1]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make({ capacity: 5 })
      const handle = yield* TestContainer.TestContainer
      yield* setUp(2)(container)
      yield* settle
      for (let round = 0; round < 5; round++) {
        const late = answering("2", 100)
        const reload = yield* begun(Effect.flip(container.reload(setUp(2, late))))
        assert.strictEqual((yield* handle.running).length, 5)
        yield* crash(4)
        yield* pass(100)
        assert.strictEqual((yield* Fiber.join(reload))._tag, "RolloutFailed")
      }
      assert.deepStrictEqual([yield* workers(container), yield* container.size], [before, 3])
    }).pipe(on())
  )
})
