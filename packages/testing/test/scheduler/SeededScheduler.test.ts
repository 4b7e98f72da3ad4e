import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import { SeededScheduler } from "@selvedge/testing"

const under = (scheduler: SeededScheduler.SeededScheduler) => Effect.provideService(Scheduler.Scheduler, scheduler)

/** Three fibers that each say their letter four times. */
const letters = Effect.gen(function* () {
  const said: Array<string> = []
  const say = (letter: string) =>
    Effect.repeat(
      Effect.sync(() => said.push(letter)),
      { times: 3 }
    )
  yield* Effect.all([say("a"), say("b"), say("c")], { concurrency: "unbounded" })
  return said.join("")
})

const seeded = (options: SeededScheduler.Options) =>
  Effect.gen(function* () {
    const scheduler = yield* SeededScheduler.make(options)
    const order = yield* letters.pipe(under(scheduler))
    return { order, digest: scheduler.digest(), trace: scheduler.trace(), steps: scheduler.steps() }
  })

describe("one seed, one interleaving", () => {
  it.live("takes the same order for the same seed, whatever ran before [M3]", () =>
    Effect.gen(function* () {
      for (const pick of ["uniform", "ranked"] as const) {
        const first = yield* seeded({ seed: 11, pick })
        yield* Effect.repeat(Effect.forkChild(Effect.yieldNow), { times: 5 })
        assert.deepStrictEqual(yield* seeded({ seed: 11, pick }), first)
      }
    })
  )

  it.live("takes many orders over many seeds, and the digest tells them apart [M3]", () =>
    Effect.gen(function* () {
      const runs = yield* Effect.forEach(
        Array.from({ length: 100 }, (_, seed) => seed),
        (seed) => seeded({ seed })
      )
      assert.isAbove(new Set(runs.map((run) => run.order)).size, 40)
      const ordersByDigest = new Map(runs.map((run) => [run.digest, run.order]))
      for (const run of runs) assert.strictEqual(ordersByDigest.get(run.digest), run.order)
    })
  )

  it.live("lets one fiber fall far behind the others when it picks by rank [M3]", () =>
    Effect.gen(function* () {
      const runs = yield* Effect.forEach(
        Array.from({ length: 100 }, (_, seed) => seed),
        (seed) => seeded({ seed, pick: "ranked", preempt: 0.1 })
      )
      assert.isTrue(runs.some((run) => /^a[bc]{8}aaa$/.test(run.order)))
    })
  )

  it.live("puts a fiber that it preempts behind all others when it picks by rank [M3]", () =>
    Effect.gen(function* () {
      for (let seed = 0; seed < 20; seed++) {
        const { order } = yield* seeded({ seed, pick: "ranked", preempt: 1 })
        assert.notMatch(order, /(.)\1/)
      }
    })
  )

  it.live("draws both ways of picking and every rate of preemption from the seed [M3]", () =>
    Effect.gen(function* () {
      const schedulers = yield* Effect.forEach(
        Array.from({ length: 64 }, (_, seed) => seed),
        (seed) => SeededScheduler.make({ seed })
      )
      assert.deepStrictEqual([...new Set(schedulers.map((s) => s.pick))].toSorted(), ["ranked", "uniform"])
      assert.strictEqual(new Set(schedulers.map((s) => s.preempt)).size, 4)
    })
  )

  it.live("numbers the strands by appearance and counts the steps [M3]", () =>
    Effect.gen(function* () {
      const scheduler = yield* SeededScheduler.make({ seed: 0, preempt: 0, pick: "uniform" })
      yield* Effect.yieldNow.pipe(Effect.andThen(Effect.yieldNow), under(scheduler))
      assert.strictEqual(scheduler.trace(), "0x2")
      assert.strictEqual(scheduler.steps(), 2)
    })
  )
})

describe("the ready-set", () => {
  it.live("runs smaller priority numbers first, across fibers [M3]", () =>
    Effect.gen(function* () {
      for (let seed = 0; seed < 20; seed++) {
        const scheduler = yield* SeededScheduler.make({ seed })
        const order: Array<number> = []
        for (const priority of [5, 0, -1, 3, 0]) {
          scheduler.makeDispatcher().scheduleTask(() => order.push(priority), priority)
        }
        yield* scheduler.awaitIdle
        assert.deepStrictEqual(order, [-1, 0, 0, 3, 5])
      }
    })
  )

  it.live("settles only when nothing else can run [M3]", () =>
    Effect.gen(function* () {
      for (let seed = 0; seed < 20; seed++) {
        const scheduler = yield* SeededScheduler.make({ seed })
        let hops = 0
        const program = Effect.gen(function* () {
          yield* Effect.forkChild(
            Effect.repeat(
              Effect.suspend(() => {
                hops++
                return Effect.yieldNow
              }),
              { times: 9 }
            )
          )
          yield* SeededScheduler.settle
          return hops
        })
        assert.strictEqual(yield* program.pipe(under(scheduler)), 10)
      }
    })
  )

  it.live("makes progress even when it preempts before every operation [M3]", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* seeded({ seed: 1, preempt: 1 })).order.length, 12)
    })
  )

  it.live("never runs the body of a fiber that was interrupted before it started [M3]", () =>
    Effect.gen(function* () {
      let early = 0
      for (let seed = 0; seed < 100; seed++) {
        let ran = false
        const body = Effect.andThen(
          Effect.sync(() => (ran = true)),
          Effect.never
        )
        const program = Effect.gen(function* () {
          const fiber = yield* Effect.forkChild(body)
          const before = ran
          fiber.interruptUnsafe()
          assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(fiber)))
          assert.strictEqual(ran, before)
          if (!before) early++
        })
        const scheduler = yield* SeededScheduler.make({ seed })
        yield* program.pipe(under(scheduler))
      }
      assert.isAbove(early, 20)
    })
  )

  it.live("goes on after a task that threw, and still says when it is idle [M3]", () =>
    Effect.gen(function* () {
      const scheduler = yield* SeededScheduler.make({ seed: 0 })
      const dispatcher = scheduler.makeDispatcher()
      let ran = false
      dispatcher.scheduleTask(() => {
        throw new Error("a task that throws")
      }, 0)
      dispatcher.scheduleTask(() => (ran = true), 1)
      assert.throws(() => dispatcher.flush(), "a task that throws")
      yield* scheduler.awaitIdle
      assert.isTrue(ran)
    })
  )

  it.live("runs nothing after it was halted, nor after its last step [M3]", () =>
    Effect.gen(function* () {
      for (const end of ["Halted", "Exhausted"] as const) {
        const scheduler = yield* SeededScheduler.make({ seed: 0, maxSteps: end === "Exhausted" ? 3 : 100 })
        let ran = 0
        const dispatcher = scheduler.makeDispatcher()
        const again = (): void => {
          ran++
          if (ran === 3 && end === "Halted") scheduler.halt()
          dispatcher.scheduleTask(again, 0)
        }
        again()
        yield* scheduler.awaitIdle
        assert.strictEqual(scheduler.state(), end)
        assert.strictEqual(ran, end === "Halted" ? 3 : 4)
      }
    })
  )
})

describe("the limits", () => {
  it.live("cannot reorder a fiber that starts at once, up to its first preemption [M3]", () =>
    Effect.gen(function* () {
      for (let seed = 0; seed < 50; seed++) {
        const order: Array<string> = []
        const program = Effect.gen(function* () {
          yield* Effect.forkChild(
            Effect.sync(() => order.push("child")),
            { startImmediately: true }
          )
          order.push("parent")
        })
        const scheduler = yield* SeededScheduler.make({ seed, preempt: 0 })
        yield* program.pipe(under(scheduler))
        assert.deepStrictEqual(order, ["child", "parent"])
      }
    })
  )

  it.live("does not preempt before an effect that is a value already, inside a generator [M3]", () =>
    Effect.gen(function* () {
      const program = (step: Effect.Effect<void>) =>
        Effect.gen(function* () {
          let changed = false
          yield* Effect.forkChild(Effect.sync(() => (changed = true)))
          const before = changed
          yield* step
          return changed === before
        })
      const changes = (step: Effect.Effect<void>) =>
        Effect.gen(function* () {
          const unchanged: Array<boolean> = []
          for (let seed = 0; seed < 50; seed++) {
            const scheduler = yield* SeededScheduler.make({ seed, preempt: 0.5 })
            unchanged.push(yield* program(step).pipe(under(scheduler)))
          }
          return unchanged.includes(false)
        })
      assert.isFalse(yield* changes(Effect.void))
      assert.isTrue(yield* changes(Effect.sync(() => {})))
    })
  )

  it.live("cannot reorder promises [M3]", () =>
    Effect.gen(function* () {
      for (let seed = 0; seed < 50; seed++) {
        const order: Array<string> = []
        const say = (word: string) => Effect.promise(async () => void order.push(word))
        const scheduler = yield* SeededScheduler.make({ seed, preempt: 0 })
        yield* Effect.all([say("a"), say("b")], { concurrency: "unbounded" }).pipe(under(scheduler))
        assert.deepStrictEqual(order, ["a", "b"])
      }
    })
  )
})

describe("as a layer", () => {
  it.live("gives its order to what runs inside [M3]", () =>
    Effect.gen(function* () {
      const direct = yield* seeded({ seed: 5 })
      assert.strictEqual(yield* Effect.provide(letters, SeededScheduler.layer({ seed: 5 })), direct.order)
    })
  )

  it.effect("refuses bad options before anything runs [M3]", () =>
    Effect.gen(function* () {
      const bad = [
        { seed: -1 },
        { seed: 2 ** 32 },
        { seed: Number.NaN },
        { seed: 1, preempt: 2 },
        { seed: 1, maxSteps: 0.5 }
      ]
      for (const options of bad) {
        const error = yield* Effect.flip(Effect.provide(Effect.void, SeededScheduler.layer(options)))
        assert.strictEqual(error._tag, "InvalidOption", JSON.stringify(options))
      }
      assert.strictEqual(yield* Clock.currentTimeMillis, 0)
    })
  )
})
