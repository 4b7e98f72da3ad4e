/**
 * What is seen of real threads without a message: one that is blocked, many that are not while their supervisor is, how much
 * memory they hold.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Backend from "@selvedge/core/workers/Backend"
import * as Container from "@selvedge/core/workers/Container"
import type { WorkerExit } from "@selvedge/core/workers/WorkerExit"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { fixture, processes, threads } from "./support.ts"

const HEALTH_MILLIS = 800
/** Blocks the thread of the test, and with it the supervisor. */
const holdUp = (millis: number): Effect.Effect<void> =>
  Effect.sync(() => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, millis))

const memoryOf = (exportName: string, atLeast: number) =>
  Effect.gen(function* () {
    const container = yield* Container.make({ grace: "1 second" })
    const program = Backend.module(fixture("asleep"), exportName)
    const child = yield* container.spawn({ name: "heavy", program, restart: "temporary", healthTimeout: "8 seconds" })
    yield* child.awaitReady
    // It is told with a sign of life, and may be one of before it held anything.
    let row = yield* child.status
    while ((row.memoryBytes ?? 0) <= atLeast) {
      yield* Effect.sleep(50)
      row = yield* child.status
    }
    yield* container.stop(0)
    return row
  })

describe("a supervisor of threads", () => {
  it.live("sees one that sleeps on its thread, not before its timeout, names it and kills it [W7]", () => {
    const lines: Array<string> = []
    const told = Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))])
    return Effect.gen(function* () {
      const exits: Array<WorkerExit> = []
      const container = yield* Container.make({
        policy: { exited: ({ exit }) => Effect.sync(() => void exits.push(exit)) }
      })
      const program = Backend.module(fixture("asleep"))
      const healthTimeout = HEALTH_MILLIS
      const began = yield* Clock.currentTimeMillis
      const child = yield* container.spawn({ name: "asleep", program, restart: "temporary", healthTimeout })
      yield* child.awaitReady
      yield* child.awaitEnded
      const took = (yield* Clock.currentTimeMillis) - began
      assert.deepStrictEqual(exits, [{ _tag: "Killed", reason: "health timeout" }])
      assert.isAtLeast(took, HEALTH_MILLIS)
      assert.include(lines, "asleep 0 [thread 0] life 1 gave no sign of life for 800ms")
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(threads, told)))
  })

  it.live("ends one that sleeps on its thread before it is ready when its start has taken too long [W7]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      const program = Backend.module(fixture("asleep"), "stuck")
      const limits = { startupTimeout: "1 second", healthTimeout: "100 millis" } as const
      const child = yield* container.spawn({ name: "stuck", program, restart: "temporary", ...limits })
      assert.deepStrictEqual(yield* child.awaitEnded, { _tag: "Killed", reason: "startup timeout" })
      assert.deepStrictEqual((yield* container.incidents).totals, { "startup timeout": 1 })
    }).pipe(Effect.scoped, Effect.provide(threads))
  )

  it.live("kills nobody when it was itself held up for longer than their timeout, again and again [W7]", () =>
    Effect.gen(function* () {
      const gaps = new SharedArrayBuffer(16)
      const [noted] = [new Float64Array(gaps)]
      /** The longest time it did not turn, that of now included. */
      let waited = 0
      const look = () => {
        waited = Math.max(waited, noted[0]!, noted[1] === 0 ? 0 : Date.now() - noted[1]!)
      }
      const container = yield* Container.make({ grace: "1 second", policy: { exited: () => Effect.sync(look) } })
      const program = Backend.module(fixture("asleep"), "noting")
      yield* container.spawn({ name: "turning", program, healthTimeout: HEALTH_MILLIS, regions: { gaps } })
      yield* container.awaitReady
      for (let i = 0; i < 3; i++) {
        yield* holdUp(1.5 * HEALTH_MILLIS)
        yield* Effect.sleep(i * 100)
      }
      yield* Effect.sleep(HEALTH_MILLIS)
      const { restarts } = yield* container.statistics
      const [row] = yield* container.status
      look()
      // On a machine that lets a thread wait for so long, it was right to be judged.
      if (waited < 0.75 * HEALTH_MILLIS) {
        assert.deepStrictEqual([restarts, row?.state], [0, "Ready"])
        assert.isAtMost(row!.beatAgeMillis!, HEALTH_MILLIS)
      }
      assert.isAbove(waited, 0)
      yield* container.stop(0)
    }).pipe(Effect.scoped, Effect.provide(threads))
  )

  it.live("tells a process whose program gets nowhere from one that is blocked [W7]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      const program = Backend.module(fixture("asleep"), "idle")
      // A busy machine may keep its loop from turning, which is not what this is about.
      const limits = { healthTimeout: "2 minutes", progressTimeout: "1 second" } as const
      const child = yield* container.spawn({ name: "idle", program, restart: "temporary", ...limits })
      yield* child.awaitReady
      assert.deepStrictEqual(yield* child.awaitEnded, { _tag: "Killed", reason: "progress timeout" })
      assert.deepStrictEqual((yield* container.incidents).totals, { "progress timeout": 1 })
    }).pipe(Effect.scoped, Effect.provide(processes))
  )

  it.live("knows what each holds: a thread its isolate, a process what is resident [W7] [W14]", () =>
    Effect.gen(function* () {
      const thread = yield* Effect.provide(memoryOf("heavy", 64 * 1_048_576), threads)
      assert.isBelow(thread.memoryBytes!, 128 * 1_048_576)
      const process = yield* Effect.provide(memoryOf("heavy", 96 * 1_048_576), processes)
      assert.isBelow(process.memoryBytes!, 512 * 1_048_576)
    }).pipe(Effect.scoped)
  )
})
