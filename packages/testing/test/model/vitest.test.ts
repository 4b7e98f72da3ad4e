import { assert, describe } from "@effect/vitest"
import { explore, ModelError } from "@selvedge/testing/model"
import { assertModel, exploreEffect, it, ModelFailed } from "@selvedge/testing/vitest"
import * as Effect from "effect/Effect"

const counter = (add: (x: Int32Array) => void) => ({
  setup: () => new Int32Array(new SharedArrayBuffer(4)),
  threads: { a: add, b: add },
  check: (x: Int32Array) => x[0] === 2
})
const atomically = (x: Int32Array): void => void Atomics.add(x, 0, 1)
const inTwoSteps = (x: Int32Array): void => void Atomics.store(x, 0, Atomics.load(x, 0) + 1)

describe("it.model", () => {
  it.model("passes a model that holds, in its own test [M5]", counter(atomically))

  it.model("takes options before the model [M5]", { maxSteps: 100 }, counter(atomically))

  it.effect("explores as an Effect that composes with it.effect [M5]", () =>
    Effect.gen(function* () {
      const report = yield* exploreEffect(counter(atomically))
      assert.strictEqual(report._tag, "Exhausted")
      assert.strictEqual(report.executions, 2)
    })
  )

  it.effect("dies with the trace and the schedule of a model that fails [M4, M5]", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(assertModel("two steps", counter(inTwoSteps)))
      const error =
        exit._tag === "Failure"
          ? exit.cause.reasons.map((reason) => (reason._tag === "Die" ? reason.defect : undefined))[0]
          : undefined
      assert.instanceOf(error, ModelFailed)
      assert.include((error as Error).message, "MODEL_REPLAY='")
      assert.match((error as Error).message, /vitest\.test\.ts:\d+/)
    })
  )

  it("replays the schedule in MODEL_REPLAY and nothing else [M4, M5]", async () => {
    const report = explore(counter(inTwoSteps))
    assert.strictEqual(report._tag, "Failed")
    const before = process.env["MODEL_REPLAY"]
    process.env["MODEL_REPLAY"] = report.failure?.schedule
    try {
      const again = await Effect.runPromise(exploreEffect(counter(inTwoSteps)))
      assert.strictEqual(again._tag, "Failed")
      assert.strictEqual(again.executions, 1)
      assert.strictEqual(again.failure?.trace, report.failure?.trace)
    } finally {
      if (before === undefined) delete process.env["MODEL_REPLAY"]
      else process.env["MODEL_REPLAY"] = before
    }
  })

  it("refuses a schedule that is none [M4]", () => {
    assert.throws(() => explore(counter(atomically), { replay: "0x5.oops" }), ModelError)
  })
})
