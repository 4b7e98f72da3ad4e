import { assert, describe, it } from "@effect/vitest"
import {
  explore,
  type Model,
  ModelError,
  replayOnThreads,
  stressOnThreads,
  type Threads
} from "@selvedge/testing/model"
import * as models from "./support/onThreads.ts"

const module = new URL("./support/onThreads.ts", import.meta.url).href
const schedule = <S, T extends Threads<S>>(model: Model<S, T>): string => explore(model).failure?.schedule ?? ""

describe("the same models on real threads", () => {
  it("take the turns of a failing schedule and fail in the same way [M7]", async () => {
    const replay = await replayOnThreads({ module, name: "clearAfterRead" }, schedule(models.clearAfterRead))
    assert.deepStrictEqual(
      { ...replay, message: "" },
      { agrees: true, steps: replay.of, of: replay.of, failed: true, expectedToFail: true, message: "" }
    )
    assert.isAbove(replay.of, 5)
  })

  it("sleep, wake and choose as the schedule says [M7]", async () => {
    const failing = schedule(models.everything)
    assert.match(failing, /\?1/)
    const replay = await replayOnThreads({ module, name: "everything" }, failing)
    assert.isTrue(replay.agrees, JSON.stringify(replay))
    assert.isTrue(replay.failed)
  })

  it("die where the schedule says, and whoever needed them stays asleep [M6, M7]", async () => {
    const replay = await replayOnThreads({ module, name: "everything" }, "0.1x2.1!waker@2", { timeoutMillis: 500 })
    assert.strictEqual(replay.message, "stuck")
    assert.isTrue(replay.agrees, JSON.stringify(replay))
  })

  it("let loose, lose the update the explorer predicts, and keep it in the corrected form [M7]", async () => {
    const broken = await stressOnThreads({ module, name: "clearAfterRead" }, { seconds: 10, stopAtFirst: true })
    assert.isAbove(broken.violations, 0)
    const fixed = await stressOnThreads({ module, name: "clearBeforeRead" }, { seconds: 1 })
    assert.strictEqual(fixed.violations, 0, fixed.examples.join())
    assert.isAbove(fixed.runs, 2000)
  })

  it("refuse a model that is not there [M7]", async () => {
    const error = await replayOnThreads({ module, name: "missing" }, "0").then(
      () => undefined,
      (reason: unknown) => reason
    )
    assert.instanceOf(error, ModelError)
  })
})
