/**
 * Every way to wait passes the same suite.
 */
import { assert, describe, it } from "@effect/vitest"
import * as WaitStrategy from "@selvedge/core/memory/WaitStrategy"
import * as Waking from "@selvedge/core/memory/Waking"
import * as WaitStrategyContract from "@selvedge/testing/contracts/WaitStrategyContract"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

const subjects = [
  WaitStrategyContract.thread(WaitStrategy.spin),
  WaitStrategyContract.thread(WaitStrategy.backoff),
  WaitStrategyContract.thread(WaitStrategy.sleep(5)),
  WaitStrategyContract.thread(WaitStrategy.park),
  WaitStrategyContract.fibersOfThread,
  WaitStrategyContract.fiberHere("a fiber of this thread", Layer.empty),
  WaitStrategyContract.fiberHere("a fiber that is woken locally", Waking.layerLocal)
]

for (const subject of subjects) {
  describe(`waiting by ${subject.name}`, () => {
    for (const { needs, run, title } of WaitStrategyContract.cases) {
      if (needs === "sleep" && !subject.sleeps) continue
      it.live(`${title} [R10] [M9]`, () => Effect.scoped(run(subject)))
    }
  })
}

describe("the suite itself", () => {
  it.live("finds one that spins although it says it sleeps [M9]", () =>
    Effect.gen(function* () {
      const spinning = { ...WaitStrategyContract.thread(WaitStrategy.spin), sleeps: true }
      const idle = WaitStrategyContract.cases.find(({ needs }) => needs === "sleep")!
      const error = yield* Effect.flip(Effect.scoped(idle.run(spinning)))
      assert.match(String(error), /it was idle/)
    })
  )
})
