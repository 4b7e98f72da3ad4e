/**
 * Workers replaced because they have grown.
 */
import { assert, describe, it } from "@effect/vitest"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as Backend from "@selvedge/core/workers/Backend"
import * as Container from "@selvedge/core/workers/Container"
import { MemoryUse } from "@selvedge/core/workers/MemoryUse"
import * as Effect from "effect/Effect"
import type { Line } from "../service/stage.ts"
import { lives, on, patient, walk } from "./stage.ts"

describe("a worker with a limit of memory", () => {
  it.effect("is replaced as soon as it tells that it has outgrown it [W14] [W7]", () => {
    let used = 5_000_000
    return Effect.gen(function* () {
      const container = yield* Container.make()
      yield* container.run({ name: "a", program: patient, count: 1, recycle: { maxMemory: 5_000_000 } })
      yield* walk(10_000, 500)
      assert.deepStrictEqual(yield* lives, ["a 0.1"])
      used = 5_010_000
      yield* walk(1000, 500)
      used = 100
      assert.deepStrictEqual([yield* lives, (yield* container.statistics).recycles], [["a 1.1"], 1])
      yield* walk(10_000, 500)
      assert.deepStrictEqual(yield* lives, ["a 1.1"])
    }).pipe(
      Effect.provideService(MemoryUse, () => used),
      on()
    )
  })
})

describe("a limit of memory below what a program needs", () => {
  for (const order of ["spawn-first", "stop-first"] as const) {
    const lines: Array<Line> = []
    it.effect(`has it replaced more and more rarely, once a minute in the end, and is told (${order}) [W14]`, () =>
      Effect.gen(function* () {
        const container = yield* Container.make()
        yield* container.run({ name: "a", program: patient, count: 1, recycle: { maxMemory: 1_000_000, order } })
        const times: Array<number> = []
        let before = 0
        for (let second = 1; second <= 300; second++) {
          yield* walk(1000, 500)
          const { recycles } = yield* container.statistics
          if (recycles !== before) times.push(second)
          before = recycles
        }
        // Two are taken for chance, the third begins to wait: 10, 20, 40, and then 60 seconds.
        const gaps = times.slice(1).map((time, at) => time - times[at]!)
        assert.deepStrictEqual(gaps.slice(0, 6), [gaps[0]!, 10, 20, 40, 60, 60])
        assert.isAtMost(gaps[0]!, 2)
        const warned = lines.filter(({ text }) => text.includes("is less than the program needs"))
        assert.strictEqual(warned.length, times.length - 2)
        assert.match(warned[0]!.text, /^a 0.* is the life number 3 in a row above its limit of memory within 10 s/)
      }).pipe(
        Effect.provideService(MemoryUse, () => 5_000_000),
        on(lines)
      )
    )
  }

  it.effect("does not hold a program that grows: each of its lives is replaced as soon as it is above [W14]", () => {
    let isGrown = (): boolean => false
    const growing = Backend.direct(
      Effect.clockWith((clock) =>
        Effect.suspend(() => {
          const bornAt = clock.currentTimeMillisUnsafe()
          isGrown = () => clock.currentTimeMillisUnsafe() - bornAt >= 11_000
          return ShutdownToken.awaitDraining
        })
      )
    )
    return Effect.gen(function* () {
      const container = yield* Container.make()
      yield* container.run({ name: "a", program: growing, count: 1, recycle: { maxMemory: 1_000_000 } })
      yield* walk(6 * 14_000, 500)
      assert.isAtLeast((yield* container.statistics).recycles, 6)
    }).pipe(
      Effect.provideService(MemoryUse, () => (isGrown() ? 5_000_000 : 1)),
      on()
    )
  })
})
