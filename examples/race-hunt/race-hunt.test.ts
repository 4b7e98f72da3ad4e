import { assert, describe, it } from "@effect/vitest"
import { hunt } from "./hunt.ts"

describe("examples/race-hunt", () => {
  it("finds the lost value, replays it here and on real threads, and finds none in the corrected form [M4, M7]", async () => {
    const lines: Array<string> = []
    const result = await hunt((line) => lines.push(line))
    assert.isTrue(result.ordinaryTestPassed)
    assert.match(result.schedule, /^[0-9x.]+$/)
    assert.isTrue(result.realThreadsAgree)
    assert.strictEqual(result.fixed, "Exhausted")
    assert.match(lines.join("\n"), /mailbox\.ts:\d+/, "the trace names lines of the mailbox")
  })
})
