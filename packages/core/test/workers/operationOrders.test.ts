/**
 * Many orders of restart, reload, scale, recycling, crash, interruption and stop, with faults: whatever happens, nothing is left
 * over, and who serves is whole.
 *
 * Each run has a seed for the order of its fibers and for its faults; a run that failed fails again with its number.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Container from "@selvedge/core/workers/Container"
import type { Spawner } from "@selvedge/core/workers/Operations"
import * as Faults from "@selvedge/testing/faults/Faults"
import * as FiberExplorer from "@selvedge/testing/scheduler/FiberExplorer"
import * as TestContainer from "@selvedge/testing/workers/TestContainer"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { quietly } from "../service/stage.ts"
import { answering, Who } from "./operations.ts"
import { patient, slow } from "./stage.ts"

const numbers = (seed: number): ((below: number) => number) => {
  let state = seed | 0
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    return Math.floor(((state >>> 0) / 4294967296) * below)
  }
}

const CAPACITY = 12
const programs = [answering("1"), answering("2", 50)] as const

/** What a container of this story consists of, as it was last asked for. */
const setUp = (next: (below: number) => number) => (spawner: Spawner) =>
  Effect.gen(function* () {
    const order = next(2) === 0 ? "spawn-first" : "stop-first"
    yield* spawner.run({
      name: "a",
      program: programs[next(2)]!,
      count: 1 + next(3),
      recycle: next(2) === 0 ? undefined : { maxRequests: 3, maxLifetime: "400 millis", jitter: 0.5, order }
    })
    yield* spawner.spawn({ name: "b", key: "b", program: next(3) === 0 ? slow(100) : patient })
    if (next(3) === 0) yield* spawner.run({ name: "c", program: patient, count: 1 })
    if (next(6) === 0) return yield* Effect.fail("a bad file")
  })

/** Nobody in it is recycled. */
const calm = (spawner: Spawner) => spawner.run({ name: "a", program: patient, count: 2 })

/** How a run came out: what must be empty, and what shows that it was worth running. */
interface Finding {
  readonly wrong: ReadonlyArray<string>
  readonly worked: number
  readonly failed: number
  readonly recycles: number
}

const story = (seed: number): Effect.Effect<Finding> =>
  Effect.scoped(
    Effect.gen(function* () {
      const next = numbers(seed)
      const workers = yield* TestContainer.TestContainer
      const wrong: Array<string> = []
      const container = yield* Container.make({
        capacity: CAPACITY,
        strategy: (["one-for-one", "one-for-all", "rest-for-one"] as const)[seed % 3],
        intensity: { max: 1000, period: "1 second" },
        recover: next(2) === 0 ? () => Effect.sleep(next(30)) : undefined,
        lastFirst: next(2) === 0,
        grace: "1 second"
      })
      yield* Effect.ignore(setUp(() => 1)(container))
      const counts = { worked: 0, failed: 0 }
      const operating = Effect.gen(function* () {
        for (let i = 0; i < 4; i++) {
          yield* Effect.sleep(next(200))
          const which = next(4)
          const operation: Effect.Effect<unknown, unknown> =
            which === 0
              ? container.restart()
              : which === 1
                ? container.scale("a", next(5))
                : container.reload(setUp(next), { keep: next(4) > 0 })
          // Some are given up after a while.
          const asked = next(4) === 0 ? Effect.timeout(operation, next(100)) : operation
          yield* Effect.match(asked, {
            onSuccess: () => void counts.worked++,
            onFailure: () => void counts.failed++
          })
          const served = (yield* container.status).filter(({ role }) => role === "Serving")
          const names = served.map(({ name, serviceOrdinal }) => `${name} ${serviceOrdinal}`)
          if (new Set(names).size < names.length) wrong.push(`served twice: ${names.join()}`)
        }
      })
      const crashing = Effect.gen(function* () {
        for (let i = 0; i < 5; i++) {
          yield* Effect.sleep(next(200))
          yield* workers.crash(next(8))
        }
      })
      const requesting = Effect.gen(function* () {
        for (let i = 0; i < 20; i++) {
          yield* Effect.sleep(next(40))
          yield* Effect.ignore(container.request(Who, next(20), { service: "a" }))
        }
      })
      const all = yield* Effect.forEach([operating, operating, crashing, requesting], (one) => Effect.forkChild(one))
      const isEarly = next(2) === 0
      if (isEarly) yield* Effect.sleep(next(600))
      else {
        yield* Fiber.awaitAll(all)
        yield* Effect.retry(container.reload(calm), { times: 50 })
        yield* Effect.sleep("5 seconds")
        // Everybody has come to rest: who is left serves, and every ordinal but theirs is free.
        const rows = yield* container.status
        const idle = rows.filter(({ role }) => role !== "Serving").length
        if (idle > 0) wrong.push(`${idle} on trial or retired for ever`)
        const free = CAPACITY - rows.length
        const more = yield* Effect.exit(container.run({ name: "more", program: patient, count: free }))
        if (more._tag === "Failure") wrong.push(`an ordinal is kept: ${String(more.cause)}`)
      }
      const { recycles } = yield* container.statistics
      const left = yield* container.stop()
      if (left.length > 0) wrong.push(`left behind: ${left.join(", ")}`)
      yield* Fiber.awaitAll(all)
      if ((yield* container.size) > 0) wrong.push(`size ${yield* container.size}`)
      const running = (yield* workers.running).map(({ facts }) => facts.name)
      if (running.length > 0) wrong.push(`running: ${running.join(", ")}`)
      const overlaps = (yield* workers.overlaps).map(({ ordinal }) => ordinal)
      if (overlaps.length > 0) wrong.push(`two lives at once of ordinal ${overlaps.join()}`)
      const late = yield* Effect.flip(container.restart())
      if (late._tag !== "ContainerStopping") wrong.push(`a late restart: ${late._tag}`)
      return { wrong, recycles, ...counts }
    })
  ).pipe(Effect.provide(TestContainer.layer), Effect.orDie, quietly([]))

/** One seed: its order, its faults. */
const explore = (seed: number, withFaults: boolean) =>
  Effect.gen(function* () {
    // Two in three change fibers between any two of their operations; the others only where these wait themselves.
    const order = seed % 3 !== 0 ? { seed, maxSteps: 1_000_000 } : { seed, maxSteps: 1_000_000, preempt: 0 }
    const active = withFaults ? yield* Faults.make({ seed, print: () => undefined }) : undefined
    const { outcome } = yield* FiberExplorer.run(Effect.provideService(story(seed), Faults.Current, active), order)
    if (outcome._tag !== "Ended" || outcome.exit._tag === "Failure") {
      return assert.fail(`seed ${seed}: ${FiberExplorer.why(outcome)}`)
    }
    assert.deepStrictEqual(outcome.exit.value.wrong, [], `seed ${seed}`)
    return outcome.exit.value
  })

const SEEDS = 42

describe("many orders of restart, reload, scale, recycling, crash and stop", () => {
  for (const [withFaults, title] of [
    [false, "leave no ordinal taken, nobody on trial for ever, and no two who serve as one [W11] [W14] [W1] [M3]"],
    [true, "also with faults at start, ready, message and stop [W11] [W14] [W1] [M2]"]
  ] as const) {
    it.live(title, () =>
      Effect.gen(function* () {
        const total = { worked: 0, failed: 0, recycles: 0 }
        for (let seed = 0; seed < SEEDS; seed++) {
          const found = yield* explore(seed, withFaults)
          total.worked += found.worked
          total.failed += found.failed
          total.recycles += found.recycles
        }
        // The runs did what they are for.
        assert.isAbove(total.worked, SEEDS)
        assert.isAbove(total.failed, SEEDS / 2)
        assert.isAbove(total.recycles, 0)
      })
    )
  }
})
