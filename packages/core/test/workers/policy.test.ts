import { assert, describe, it } from "@effect/vitest"
import * as Container from "@selvedge/core/workers/Container"
import type { Policy, Said } from "@selvedge/core/workers/Policy"
import * as TestContainer from "@selvedge/testing/workers/TestContainer"
import * as Effect from "effect/Effect"
import type { Line } from "../service/stage.ts"
import { crash, lives, on, pass, settle, starting, patient, states } from "./stage.ts"

const late = { name: "late", program: starting, count: 1, startupTimeout: "1 second" } as const

/** What lives half a second after the startup timeout, by what the policy says. */
const afterTimeout = (policy: Policy, lines: Array<Line> = []) =>
  Effect.gen(function* () {
    const container = yield* Container.make({ policy })
    yield* container.run(late)
    yield* pass(999)
    assert.deepStrictEqual(yield* lives, ["late 0.1"])
    yield* pass(2)
    return yield* lives
  }).pipe(on(lines))

describe("a worker that does not become ready in time", () => {
  it.effect("is killed and started again, with a warning that says how long it had [W7]", () => {
    const lines: Array<Line> = []
    return Effect.gen(function* () {
      assert.deepStrictEqual(yield* afterTimeout({}, lines), ["late 0.2"])
      assert.isTrue(lines.some(({ level, text }) => level === "Warn" && text.includes("was not ready within 1s")))
    })
  })

  it.effect("lives as long again when its policy wants to wait [W7] [W8]", () =>
    Effect.gen(function* () {
      let asked = 0
      const startupFailed = () => Effect.sync(() => (asked++ === 0 ? ("wait" as const) : ("kill" as const)))
      yield* Effect.gen(function* () {
        const container = yield* Container.make({ policy: { startupFailed } })
        yield* container.run(late)
        yield* pass(1999)
        assert.deepStrictEqual([asked, yield* lives], [1, ["late 0.1"]])
        yield* pass(1)
        assert.deepStrictEqual([asked, yield* lives], [2, ["late 0.2"]])
      }).pipe(on())
    })
  )

  it.effect("is killed when its policy throws, or cannot make up its mind within a second [W7] [W8]", () =>
    Effect.gen(function* () {
      const throwing = yield* afterTimeout({
        startupFailed: () => {
          throw new Error("a policy that throws")
        }
      })
      assert.deepStrictEqual(throwing, ["late 0.2"])
      assert.deepStrictEqual(yield* afterTimeout({ startupFailed: () => Effect.never }), ["late 0.1"])
      yield* Effect.gen(function* () {
        const container = yield* Container.make({ policy: { startupFailed: () => Effect.never } })
        yield* container.run(late)
        yield* pass(2000)
        assert.deepStrictEqual(yield* lives, ["late 0.2"])
      }).pipe(on())
    })
  )

  it.effect("is left alone when it became ready while its policy was thinking [W7]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make({
        policy: { startupFailed: () => Effect.as(Effect.sleep(500), "kill" as const) }
      })
      const workers = yield* TestContainer.TestContainer
      yield* container.run(late)
      yield* pass(1200)
      yield* workers.say(0, { _tag: "Ready" })
      yield* pass(5000)
      assert.deepStrictEqual([yield* lives, yield* states(container)], [["late 0.1"], ["Ready"]])
    }).pipe(on())
  )

  it.effect("is left alone from the moment it is ready, however long it lives [W7]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      const workers = yield* TestContainer.TestContainer
      yield* container.run(late)
      yield* pass(999)
      yield* workers.say(0, { _tag: "Ready" })
      yield* pass(3_600_000)
      assert.deepStrictEqual(yield* lives, ["late 0.1"])
    }).pipe(on())
  )

  it.effect("gains nothing by talking [W7]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      const workers = yield* TestContainer.TestContainer
      yield* container.run(late)
      for (let i = 0; i < 10; i++) {
        yield* pass(100)
        yield* workers.say(0, { _tag: "StatusText", text: `step ${i}` })
        yield* workers.say(0, { _tag: "Healthy" })
      }
      yield* settle
      assert.deepStrictEqual(yield* lives, ["late 0.2"])
    }).pipe(on())
  )
})

describe("a worker that says something of itself", () => {
  it.effect("is kept in its row with the first 1000 characters of it [W13]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      const workers = yield* TestContainer.TestContainer
      yield* container.run({ ...late, program: patient })
      yield* settle
      yield* workers.say(0, { _tag: "StatusText", text: "x".repeat(1_000_000) })
      yield* settle
      assert.deepStrictEqual(
        (yield* container.status).map(({ text }) => text?.length),
        [1000]
      )
    }).pipe(on())
  )

  it.effect("is heard by the policy, word for word, and its problem is a warning too [W7]", () => {
    const lines: Array<Line> = []
    return Effect.gen(function* () {
      const heard: Array<unknown> = []
      const container = yield* Container.make({
        policy: { said: ({ facts, message }) => Effect.sync(() => void heard.push([facts.ordinal, message])) }
      })
      const workers = yield* TestContainer.TestContainer
      yield* container.run({ name: "w", program: patient, count: 1 })
      yield* settle
      const words = [
        { _tag: "StatusText", text: "loading" },
        { _tag: "Reloading" },
        { _tag: "Problem", message: "no index" },
        { _tag: "Restarting" }
      ] as const
      for (const word of words) yield* workers.say(0, word)
      yield* workers.say(0, { _tag: "Healthy" })
      yield* settle
      assert.deepStrictEqual(
        heard,
        words.map((word) => [0, word])
      )
      assert.isTrue(lines.some(({ level, text }) => level === "Warn" && text === "w 0 [fiber 0] life 1: no index"))
    }).pipe(on(lines))
  })
})

/** So many status texts in one go. */
const flood = (from: number, to: number) =>
  TestContainer.TestContainer.use((workers) =>
    Effect.forEach(
      Array.from({ length: to - from }, (_, i) => from + i),
      (i) => workers.say(0, { _tag: "StatusText", text: `step ${i}` }),
      { discard: true }
    )
  )

describe("a worker that says more than its policy hears", () => {
  it.effect("is heard one word at a time, and the last of each kind is heard, the newest last [W8] [W13]", () =>
    Effect.gen(function* () {
      const heard: Array<string> = []
      let atOnce = 0
      const said = ({ message }: { readonly message: Said }) =>
        Effect.acquireUseRelease(
          Effect.sync(() => assert.strictEqual(++atOnce, 1)),
          () => Effect.sleep(1000),
          () => Effect.sync(() => atOnce--)
        ).pipe(Effect.andThen(Effect.sync(() => heard.push("text" in message ? message.text : message._tag))))
      const container = yield* Container.make({ policy: { said } })
      const workers = yield* TestContainer.TestContainer
      yield* container.run({ name: "w", program: patient, count: 1 })
      yield* settle
      yield* flood(0, 500)
      yield* workers.say(0, { _tag: "Problem", message: "no index" })
      yield* workers.say(0, { _tag: "Reloading" })
      yield* flood(500, 1000)
      yield* pass(10_000)
      assert.deepStrictEqual(heard, ["step 0", "Problem", "Reloading", "step 999"])
      yield* flood(1000, 1001)
      yield* pass(1000)
      assert.deepStrictEqual(heard.slice(4), ["step 1000"])
    }).pipe(on())
  )

  it.effect("costs one call of a hook that hangs, over all its lives, and the others are heard [W8] [W13]", () =>
    Effect.gen(function* () {
      const heard: Array<number> = []
      const container = yield* Container.make({
        policy: {
          said: ({ facts }) =>
            Effect.andThen(
              Effect.sync(() => heard.push(facts.ordinal)),
              facts.ordinal === 0 ? Effect.never : Effect.void
            )
        }
      })
      const workers = yield* TestContainer.TestContainer
      yield* container.run({ name: "w", program: patient, count: 2 })
      yield* settle
      yield* flood(0, 1000)
      yield* crash(0)
      yield* flood(0, 1000)
      yield* workers.say(1, { _tag: "Reloading" })
      yield* settle
      assert.deepStrictEqual(
        [heard, yield* lives],
        [
          [0, 1],
          ["w 0.2", "w 1.1"]
        ]
      )
    }).pipe(on())
  )

  it.effect("is judged once for all it sends until that is decided, when it is no message [W8]", () => {
    const lines: Array<Line> = []
    return Effect.gen(function* () {
      let asked = 0
      const container = yield* Container.make({
        policy: { invalidMessage: () => Effect.as(Effect.sleep(++asked * 600), "keep" as const) }
      })
      const workers = yield* TestContainer.TestContainer
      yield* container.run({ name: "w", program: patient, count: 1 })
      yield* settle
      const wrong = Effect.replicateEffect(workers.say(0, { _tag: "StatusText", text: 42 }), 100)
      yield* wrong
      yield* pass(599)
      yield* wrong
      assert.strictEqual(asked, 1)
      yield* pass(1)
      assert.deepStrictEqual(yield* lives, ["w 0.1"])
      // Asked anew; this time it takes a second, which is too long.
      yield* wrong
      yield* pass(1001)
      assert.deepStrictEqual([asked, yield* lives, (yield* container.statistics).invalid], [2, ["w 0.2"], 300])
      assert.strictEqual(lines.filter(({ level }) => level === "Error").length, 2)
    }).pipe(on(lines))
  })
})

const watched = { name: "w", program: patient, count: 1, healthTimeout: "1 second" } as const

describe("a worker that is asked for signs of life", () => {
  it.effect("lives on while its loop turns [W7]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      yield* container.run(watched)
      yield* pass(60_000)
      assert.deepStrictEqual(yield* lives, ["w 0.1"])
    }).pipe(on())
  )

  it.effect("is killed when it gives none for its timeout, told in one line, and started again [W7]", () => {
    const lines: Array<Line> = []
    return Effect.gen(function* () {
      const exits: Array<string> = []
      const container = yield* Container.make({
        policy: { exited: ({ exit }) => Effect.sync(() => void exits.push(JSON.stringify(exit))) }
      })
      const workers = yield* TestContainer.TestContainer
      yield* container.run(watched)
      yield* pass(10_000)
      yield* workers.freeze(0)
      // Its last sign was at ten seconds.
      yield* pass(999)
      assert.deepStrictEqual(yield* lives, ["w 0.1"])
      yield* pass(1)
      yield* settle
      assert.deepStrictEqual(exits, ['{"_tag":"Killed","reason":"health timeout"}'])
      assert.deepStrictEqual(yield* lives, ["w 0.2"])
      assert.isTrue(lines.some(({ text }) => text === "w 0 [fiber 0] life 1 gave no sign of life for 1s"))
    }).pipe(on(lines))
  })

  it.effect("is given as long again when its policy wants to wait, and lives on if it thaws [W7] [W8]", () =>
    Effect.gen(function* () {
      let asked = 0
      const container = yield* Container.make({
        policy: { healthFailed: () => Effect.sync(() => (asked++, "wait" as const)) }
      })
      const workers = yield* TestContainer.TestContainer
      yield* container.run(watched)
      yield* pass(1000)
      yield* workers.freeze(0)
      yield* pass(2500)
      assert.strictEqual(asked, 2)
      yield* workers.thaw(0)
      yield* pass(60_000)
      assert.deepStrictEqual([asked, yield* lives], [2, ["w 0.1"]])
    }).pipe(on())
  )
})

describe("a policy", () => {
  it.effect("stops the container from the hook of a crash before the worker is started again [W8]", () =>
    Effect.gen(function* () {
      const heard: Array<string> = []
      let container: Container.Container | undefined
      const exited: NonNullable<Policy["exited"]> = ({ facts }) =>
        Effect.gen(function* () {
          heard.push(`exited ${facts.ordinal}.${facts.generation}`)
          if (facts.ordinal === 0) heard.push(`left behind ${(yield* container!.stop()).length}`)
        })
      container = yield* Container.make({ policy: { exited } })
      yield* container.run({ name: "a", program: patient, count: 2 })
      yield* settle
      yield* crash(0)
      assert.deepStrictEqual(heard, ["exited 0.1", "exited 1.1", "left behind 0"])
      assert.strictEqual((yield* container.statistics).restarts, 0)
    }).pipe(on())
  )

  it.effect("stops the container from the hook of a spawn [W8]", () =>
    Effect.gen(function* () {
      let container: Container.Container | undefined
      container = yield* Container.make({ policy: { spawned: () => Effect.suspend(() => container!.stop()) } })
      yield* container.run({ name: "a", program: patient, count: 3 })
      yield* settle
      assert.deepStrictEqual([yield* container.size, (yield* container.statistics).spawns], [0, 1])
    }).pipe(on())
  )

  it.effect("that fails is logged with the name of its hook [W8]", () => {
    const lines: Array<Line> = []
    return Effect.gen(function* () {
      const container = yield* Container.make({ policy: { exited: () => Effect.fail("no disk") } })
      yield* container.run({ name: "a", program: patient, count: 1 })
      yield* settle
      yield* crash(0)
      assert.isTrue(lines.some(({ text }) => text === "policy hook exited failed: no disk"))
      assert.deepStrictEqual(yield* lives, ["a 0.2"])
    }).pipe(on(lines))
  })
})
