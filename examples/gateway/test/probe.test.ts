/**
 * The readiness probe: what it makes of its answers, and what it refuses to be asked.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Options from "../probe/Options.ts"
import { judge, type Sample } from "../probe/verdict.ts"

const rules = { threshold: 3, needs503: false }
const each = (...answers: ReadonlyArray<Sample["answer"]>): ReadonlyArray<Sample> =>
  answers.map((answer, at) => ({ atMillis: at * 1000, answer }))
const gone = { goneAtMillis: 3500, inFlight: 2, answered: 2 }

describe("a readiness probe", () => {
  it("finds a service not ready after three failures in a row, and not after two [W13]", () => {
    assert.deepStrictEqual(judge(each(200, 503, "timeout", 204), undefined, rules).violations, [])
    const { mostFailuresInARow, unready, violations } = judge(each(200, 503, "refused", 500, 200), undefined, rules)
    assert.deepStrictEqual([mostFailuresInARow, unready], [3, 1])
    assert.deepStrictEqual(violations, ["became not ready 1 time(s) by 3 failures in a row"])
    assert.deepStrictEqual(judge(each(503, 503), undefined, rules).violations, ["never ready"])
  })

  it("wants the first probe after a SIGTERM to fail, what was in flight answered, and the process gone [W13] [S8]", () => {
    const term = { ...gone, atMillis: 1200 }
    const good = judge(each(200, 200, 503, "refused"), term, { ...rules, needs503: true })
    assert.deepStrictEqual(good.violations, [])
    assert.deepStrictEqual([good.notReadyAfterMillis, good.notReadyBy, good.goneAfterMillis], [800, "503", 2300])
    assert.deepStrictEqual(judge(each(200, 200, 200, 503), term, rules).violations, [
      "the first probe after the SIGTERM was a success"
    ])
    const bad = judge(
      each(200, 200, "refused"),
      { ...term, answered: 1, goneAtMillis: undefined },
      { ...rules, needs503: true }
    )
    assert.deepStrictEqual(bad.violations, [
      "no 503 after the SIGTERM",
      "1 of 2 request(s) in flight at the SIGTERM were not answered",
      "the process was still there at the end of the grace"
    ])
  })

  it.effect("refuses arguments that make no sense with one line that says what was wanted and found [Q7]", () =>
    Effect.gen(function* () {
      const url = ["--url", "http://127.0.0.1:1"]
      const why = (...args: ReadonlyArray<string>) =>
        Effect.map(Effect.flip(Options.make(args)), ({ message }) => message)
      assert.match(yield* why(), /--url: wanted an http address .*, found none/)
      assert.match(yield* why("--url", "ftp://x"), /found "ftp:\/\/x"/)
      assert.match(yield* why(...url, "--seconds", "0"), /--seconds: wanted a whole number from 1 to 86400, found "0"/)
      assert.match(yield* why(...url, "--threshold", "many"), /--threshold: .* found "many"/)
      assert.match(yield* why(...url, "--term-after", "3"), /wanted a --pid/)
      assert.match(yield* why(...url, "--in-flight", "1"), /wanted a --term-after/)
      assert.match(yield* why(...url, "--pid", "77", "--term-after", "30"), /fewer than the 30 seconds/)
      assert.match(yield* why(...url, "--bogus"), /^probe: .*--bogus/)
      const options = yield* Options.make([...url, "--pid", "77", "--term-after", "3", "--needs-503"])
      assert.deepInclude(options, { pid: 77, termAfter: 3, seconds: 30, periodMillis: 1000, needs503: true })
    })
  )
})
