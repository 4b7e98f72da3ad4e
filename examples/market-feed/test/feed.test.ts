import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { run } from "../feed.ts"

it.live("a feed conflates per symbol and loses the last tick of none [N2] [N5] [N6] [N8]", () =>
  Effect.gen(function* () {
    let drawn = 0
    const result = yield* run({
      symbols: 40,
      ticksPerSecond: 200_000,
      seconds: 0.4,
      draw: (quotes, changed) => {
        assert.isAtMost(changed, quotes.length)
        drawn += changed
      }
    })
    assert.strictEqual(result.lost, 0)
    assert.strictEqual(result.updatesOut, drawn)
    assert.isAbove(result.ticksIn, result.updatesOut)
    // Whatever was not conflated was queued, and what was queued was handed out, once.
    assert.strictEqual(result.ticksIn - result.conflated, result.updatesOut)
  })
)
