/**
 * The count of a service, changed while it serves.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Container from "@selvedge/core/workers/Container"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { answering, begun, completed, ended, stream, Who, workers } from "./operations.ts"
import { crash, lives, on, pass, patient, settle } from "./stage.ts"

const service = { name: "a", program: answering("1", 100) } as const

const started = (count: number) =>
  Effect.gen(function* () {
    const container = yield* Container.make({ capacity: 8 })
    yield* container.run({ ...service, count })
    yield* pass(100)
    return container
  })

describe("scaling a service", () => {
  it.effect("up waits until the new workers are ready, which get no requests before all of them are [W14]", () =>
    Effect.gen(function* () {
      const container = yield* started(1)
      const scaling = yield* begun(container.scale("a", 3))
      yield* pass(99)
      assert.deepStrictEqual([ended(scaling), yield* workers(container)], [false, ["a 0: 0.1"]])
      yield* pass(1)
      const { kept, started: fresh } = yield* Fiber.join(scaling)
      assert.deepStrictEqual([kept.length, fresh.length], [1, 2])
      assert.deepStrictEqual(yield* workers(container), ["a 0: 0.1", "a 1: 1.1", "a 2: 2.1"])
    }).pipe(on())
  )

  it.effect("down stops those with the highest numbers; what they were asked they finish [W14] [W5]", () =>
    Effect.gen(function* () {
      const container = yield* started(3)
      const asked = yield* Effect.forEach([0, 1, 2], (serviceOrdinal) =>
        begun(container.request(Who, 1000, { service: "a", serviceOrdinal }))
      )
      const scaling = yield* begun(container.scale("a", 1))
      assert.deepStrictEqual(yield* workers(container), ["a 0: 0.1"])
      yield* pass(1000)
      assert.deepStrictEqual(yield* Effect.forEach(asked, Fiber.join), ["1 0.1", "1 1.1", "1 2.1"])
      assert.deepStrictEqual([(yield* Fiber.join(scaling)).retired, yield* lives], [2, ["a 0.1"]])
    }).pipe(on())
  )

  it.effect("that fails takes back all that was new [W14]", () =>
    Effect.gen(function* () {
      const container = yield* started(2)
      const scaling = yield* begun(Effect.flip(container.scale("a", 4)))
      yield* crash(3)
      yield* pass(100)
      const error = yield* Fiber.join(scaling)
      assert.include(error.message, "the scale failed and the old workers serve on: a 3 on trial ended by SIGKILL")
      assert.deepStrictEqual([yield* lives, yield* container.size], [["a 0.1", "a 1.1"], 2])
    }).pipe(on())
  )

  it.effect("to nothing leaves it known and the container ready; up again it has its specification [W14]", () =>
    Effect.gen(function* () {
      const container = yield* started(2)
      yield* container.run({ name: "b", program: patient, count: 1 })
      yield* settle
      yield* completed(container.scale("a", 0))
      assert.deepStrictEqual([yield* workers(container), yield* container.isReady], [["b 0: 2.1"], true])
      const error = yield* Effect.flip(container.request(Who, 0, { service: "a" }))
      assert.include(error.message, "NoWorker")
      const failing = yield* begun(Effect.flip(container.scale("a", 1)))
      yield* crash(0)
      assert.strictEqual((yield* Fiber.join(failing))._tag, "RolloutFailed")
      yield* completed(container.scale("a", 1))
      assert.strictEqual(yield* container.request(Who, 0, { service: "a" }), "1 0.3")
    }).pipe(on())
  )

  it.effect("through 1, 8 and 2 fails no request while requests flow, and keeps no ordinal [W14] [W5]", () =>
    Effect.gen(function* () {
      const container = yield* started(1)
      const found = yield* stream(container)
      for (const count of [8, 2, 5, 1, 8, 2]) {
        const scaling = yield* begun(container.scale("a", count))
        for (let i = 0; i < 60 && !ended(scaling); i++) yield* pass(5)
        assert.strictEqual((yield* workers(container)).length, count)
        assert.strictEqual(yield* container.size, count)
      }
      for (let i = 0; i < 10; i++) yield* pass(5)
      assert.deepStrictEqual([found.wrong, found.answered > 50], [[], true])
    }).pipe(on())
  )

  it.effect("refuses what cannot be, before anything changes [W14]", () =>
    Effect.gen(function* () {
      const container = yield* started(2)
      yield* container.spawn({ name: "b", key: "k", program: patient })
      yield* settle
      for (const [name, count, message] of [
        ["c", 2, 'service "workers": service: wanted one of the services "a", "b", found "c"'],
        ["a", -1, 'service "a": count: wanted a whole number from 0 to 1024, found -1'],
        ["a", 1.5, "found 1.5"],
        ["a", Number.NaN, "found NaN"],
        ["a", "2" as never, 'found "2"'],
        ["a", 1025, "found 1025"],
        ["b", 2, 'service "b": key: wanted a service whose workers have no keys, found the key "k"'],
        ["a", 8, "wanted a free ordinal, found all 8 taken"]
      ] as const) {
        assert.include((yield* Effect.flip(container.scale(name, count))).message, message)
      }
      assert.deepStrictEqual([yield* container.size, (yield* container.statistics).spawns], [3, 3])
    }).pipe(on())
  )
})
