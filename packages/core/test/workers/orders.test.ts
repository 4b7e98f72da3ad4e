/**
 * Many orders of start, crash, request, dismissal and stop, with faults: whatever happens, nothing is left over.
 *
 * Each run has a seed for the order of its fibers and for its faults; a run that failed fails again with its number.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Container from "@selvedge/core/workers/Container"
import * as Faults from "@selvedge/testing/faults/Faults"
import * as FiberExplorer from "@selvedge/testing/scheduler/FiberExplorer"
import * as TestContainer from "@selvedge/testing/workers/TestContainer"
import * as Seed from "@selvedge/testing/faults/Seed"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import { quietly } from "../service/stage.ts"
import { asking, Echo, Hang, patient, slow } from "./stage.ts"

const strategies = ["one-for-one", "one-for-all", "rest-for-one"] as const

/** How a run came out: what must be empty, and what shows that it was worth running. */
interface Finding {
  readonly wrong: ReadonlyArray<string>
  readonly restarts: number
  readonly answered: number
  readonly gone: number
  readonly gaveUp: boolean
}

const story = (seed: number): Effect.Effect<Finding> =>
  Effect.scoped(
    Effect.gen(function* () {
      const next = Seed.integers(seed)
      const workers = yield* TestContainer.TestContainer
      const container = yield* Container.make({
        strategy: strategies[seed % 3],
        intensity: { max: next(4) === 0 ? 2 : 1000, period: "10 seconds" },
        lastFirst: next(2) === 0,
        recover: next(2) === 0 ? () => Effect.sleep(next(50)) : undefined,
        grace: "2 seconds"
      })
      const backoff = next(2) === 0 ? Schedule.spaced("100 millis") : undefined
      yield* container.run({ name: "asking", program: asking, count: 2, backoff, restart: "transient" })
      yield* container.run({ name: "patient", program: patient, count: 1, healthTimeout: "400 millis" })
      yield* container.run({ name: "slow", program: slow(300), count: 1, backoff })
      let answered = 0
      let gone = 0
      const crashing = Effect.gen(function* () {
        for (let i = 0; i < 6; i++) {
          yield* Effect.sleep(next(200))
          // One whose loop is blocked is found by its health timeout, if it has one, or killed at the end.
          yield* next(4) === 0 ? workers.freeze(next(5)) : workers.crash(next(5))
        }
      })
      const requesting = Effect.gen(function* () {
        for (let i = 0; i < 6; i++) {
          yield* Effect.sleep(next(150))
          const ask: Effect.Effect<unknown, { readonly reason: string }> =
            next(3) === 0 ? container.request(Hang, null) : container.request(Echo, `${i}`)
          const reason = yield* Effect.match(Effect.timeoutOption(ask, "500 millis"), {
            onSuccess: () => "answered",
            onFailure: (error) => error.reason
          })
          if (reason === "answered") answered++
          if (reason === "WorkerGone") gone++
        }
      })
      const coming = Effect.gen(function* () {
        for (let i = 0; i < 3; i++) {
          yield* Effect.sleep(next(200))
          const child = yield* container.spawn({ name: "extra", program: patient, restart: "temporary" })
          yield* Effect.sleep(next(100))
          yield* child.stop("1 second")
        }
      })
      const all = yield* Effect.forEach([crashing, requesting, Effect.ignore(coming)], (one) => Effect.forkChild(one))
      yield* Effect.sleep(300 + next(1200))
      const wrong: Array<string> = []
      if (next(2) === 0) {
        // Every place is given up one by one; after that the lowest ordinal must be free again.
        yield* Fiber.awaitAll(all)
        yield* Effect.forEach(yield* container.children, (child) => child.stop("1 second"), {
          concurrency: "unbounded"
        })
        const again = yield* Effect.option(container.spawn({ name: "again", program: patient }))
        if (again._tag === "Some" && again.value.ordinal !== 0)
          wrong.push(`ordinal ${again.value.ordinal} for the only one`)
      }
      const left = yield* container.stop()
      if (left.length > 0) wrong.push(`left behind: ${left.join(", ")}`)
      yield* Fiber.awaitAll(all)
      const gaveUp = (yield* Effect.exit(container.awaitEnded))._tag === "Failure"
      const { restarts } = yield* container.statistics
      if ((yield* container.size) > 0) wrong.push(`size ${yield* container.size}`)
      const running = yield* workers.running
      if (running.length > 0) wrong.push(`running: ${running.map(({ facts }) => facts.name).join(", ")}`)
      const overlaps = yield* workers.overlaps
      if (overlaps.length > 0)
        wrong.push(`two lives at once of ordinal ${overlaps.map((facts) => facts.ordinal).join()}`)
      const lives = (yield* workers.lives).map(({ facts }) => `${facts.ordinal}.${facts.generation}`)
      if (new Set(lives).size < lives.length) wrong.push(`a generation twice: ${lives.join()}`)
      return { wrong, restarts, answered, gone, gaveUp }
    })
  ).pipe(Effect.provide(TestContainer.layer), Effect.orDie, quietly([]))

/** One seed: its order, its faults. */
const explore = (seed: number, withFaults: boolean) =>
  Effect.gen(function* () {
    const active = withFaults ? yield* Faults.make({ seed, print: () => undefined }) : undefined
    const { outcome } = yield* FiberExplorer.run(Effect.provideService(story(seed), Faults.Current, active), { seed })
    if (outcome._tag !== "Ended" || outcome.exit._tag === "Failure") {
      return assert.fail(`seed ${seed}: ${FiberExplorer.why(outcome)}`)
    }
    assert.deepStrictEqual(outcome.exit.value.wrong, [], `seed ${seed}`)
    return outcome.exit.value
  })

const SEEDS = 30

describe("many orders of start, crash, request and stop", () => {
  for (const [withFaults, title] of [
    [false, "leave no ordinal taken, no worker running, and no two lives of one ordinal at once [W1] [W2] [W10] [M3]"],
    [true, "also with faults at start, ready, message and stop [W1] [W2] [W10] [M2]"]
  ] as const) {
    it.live(title, () =>
      Effect.gen(function* () {
        const total = { restarts: 0, answered: 0, gone: 0, gaveUp: 0 }
        for (let seed = 0; seed < SEEDS; seed++) {
          const found = yield* explore(seed, withFaults)
          total.restarts += found.restarts
          total.answered += found.answered
          total.gone += found.gone
          total.gaveUp += found.gaveUp ? 1 : 0
        }
        // The runs did what they are for.
        assert.isAbove(total.restarts, SEEDS)
        assert.isAbove(total.answered, SEEDS)
        assert.isAbove(total.gone, 0)
        assert.isAbove(total.gaveUp, 0)
      })
    )
  }
})
