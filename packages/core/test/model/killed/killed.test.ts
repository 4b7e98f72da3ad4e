/**
 * The threads of shipped models as processes under SIGKILL: they hold, and without recovery they do not.
 */
import { assert, describe, it } from "@effect/vitest"
import { type KillOptions, killOnProcesses } from "@selvedge/testing/processes/ModelProcesses"
import * as Effect from "effect/Effect"

const execArgv = ["--conditions=@selvedge/source", "--no-warnings"]

/** Long enough for a busy machine; it ends by the kills. */
const kill = (file: string, name: string, options: Omit<KillOptions, "seconds">) =>
  Effect.runPromise(
    killOnProcesses(
      { module: new URL(`${file}.ts`, import.meta.url).href, name, execArgv },
      { seconds: 60, seed: 1, ...options }
    )
  )

describe("shipped models whose threads are processes", () => {
  it("hold when a producer of the ring is killed and recovered from [M6, M7]", async () => {
    const report = await kill("../ringDeath.model", "one", { kills: 3 })
    assert.deepStrictEqual(report.examples, [])
    assert.strictEqual(report.kills, 3)
    assert.isAbove(report.diedInside + report.diedBefore, 0)
  })

  it("hold when a producer of the notifier is killed beside one who sleeps in another process [M6, M7]", async () => {
    const report = await kill("../notifierMore.model", "deathBesideSleeper", { kills: 3 })
    assert.deepStrictEqual(report.examples, [])
    assert.strictEqual(report.rounds, 3)
  })

  it("fail without the recovery, so that a kill is known to hurt [M7]", async () => {
    const report = await kill("./unrecovered", "ringUnrecovered", { stopAtFirst: true })
    assert.isAbove(report.violations, 0)
    assert.match(report.examples.join(), /^(?:p|q|p and q|q and p) died: .*(?:is left|is a hole)/)
  })
})
