import { assert, describe, it } from "@effect/vitest"
import * as Container from "@selvedge/core/workers/Container"
import * as Supervisor from "@selvedge/core/workers/Supervisor"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Line } from "../service/stage.ts"
import { crash, lives, on, pass, patient, settle, states } from "./stage.ts"

/** Recovers in half a second, and says when. */
const slowly =
  (told: Array<string>): NonNullable<Container.Options["recover"]> =>
  (dead) =>
    Effect.gen(function* () {
      told.push(`begin ${dead.name} ${dead.ordinal}.${dead.generation}`)
      yield* Effect.sleep(500)
      told.push(`end ${dead.name} ${dead.ordinal}.${dead.generation}`)
    })

describe("the recovery from a life that has ended", () => {
  it.effect("is over before the next life of its ordinal begins [W2]", () =>
    Effect.gen(function* () {
      const told: Array<string> = []
      const container = yield* Container.make({ recover: slowly(told) })
      yield* container.run({ name: "a", program: patient, count: 1 })
      yield* settle
      yield* crash(0)
      yield* pass(499)
      assert.deepStrictEqual([told, yield* lives, yield* states(container)], [["begin a 0.1"], [], ["BackingOff"]])
      yield* pass(1)
      assert.deepStrictEqual([told.length, yield* lives], [2, ["a 0.2"]])
    }).pipe(on())
  )

  it.effect("is over before its ordinal is given to anybody else, and before a stop ends [W2] [W10]", () =>
    Effect.gen(function* () {
      const told: Array<string> = []
      const container = yield* Container.make({ recover: slowly(told) })
      const child = yield* container.spawn({ name: "a", program: patient, restart: "temporary" })
      yield* settle
      const dismissing = yield* Effect.forkChild(child.stop())
      yield* settle
      const second = yield* container.spawn({ name: "b", program: patient })
      yield* pass(500)
      yield* Fiber.join(dismissing)
      const third = yield* container.spawn({ name: "c", program: patient })
      assert.deepStrictEqual([second.ordinal, third.ordinal], [1, 0])
      yield* settle
      const stopping = yield* Effect.forkChild(container.stop())
      yield* pass(499)
      assert.isUndefined(stopping.pollUnsafe())
      yield* pass(1)
      assert.deepStrictEqual(yield* Fiber.join(stopping), [])
      assert.strictEqual(told.length, 6)
    }).pipe(on())
  )

  it.effect("holds up its group as well [W2] [W6]", () =>
    Effect.gen(function* () {
      const told: Array<string> = []
      yield* Supervisor.make({
        strategy: "one-for-all",
        recover: slowly(told),
        children: ["a", "b"].map((name) => ({ name, program: patient, count: 1 }))
      })
      yield* crash(1)
      yield* pass(500)
      assert.deepStrictEqual(yield* lives, [])
      yield* pass(500)
      assert.deepStrictEqual(yield* lives, ["a 0.2", "b 1.2"])
    }).pipe(on())
  )

  it.effect("that fails, dies or hangs is told, and the worker goes on a second later at the latest [W2]", () => {
    const lines: Array<Line> = []
    return Effect.gen(function* () {
      const recoveries = [
        Effect.fail("no memory"),
        Effect.sync(() => {
          throw new Error("a mistake")
        }),
        Effect.never
      ]
      let at = 0
      const container = yield* Container.make({ recover: () => recoveries[at++] ?? Effect.void })
      yield* container.run({ name: "a", program: patient, count: 1 })
      yield* settle
      yield* crash(0)
      yield* crash(0)
      assert.deepStrictEqual(yield* lives, ["a 0.3"])
      yield* crash(0)
      yield* pass(1000)
      assert.deepStrictEqual(yield* lives, ["a 0.4"])
      const told = lines
        .filter(({ text }) => text.startsWith("recovery from a 0 [fiber 0]"))
        .map(({ text }) => text.split("\n")[0])
      assert.deepStrictEqual(told, [
        "recovery from a 0 [fiber 0] life 1 failed: no memory",
        "recovery from a 0 [fiber 0] life 2 failed",
        "recovery from a 0 [fiber 0] life 3 failed: not done within 1000 ms"
      ])
    }).pipe(on(lines))
  })
})
