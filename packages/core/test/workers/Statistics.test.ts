import { assert, describe, it } from "@effect/vitest"
import { Counts } from "@selvedge/core/workers/Statistics"

describe("Statistics", () => {
  it("counts what happened within the last 60 seconds, and forgets it a second at a time [W9]", () => {
    const counts = new Counts()
    for (const at of [0, 500, 1000, 30_000]) counts.add("failures", at)
    const rateAt = (millis: number) => counts.read(millis).perMinute.failures
    assert.deepStrictEqual(
      [rateAt(30_000), rateAt(59_999), rateAt(60_000), rateAt(61_000), rateAt(90_000)],
      [4, 4, 2, 1, 0]
    )
  })

  it("starts a second anew when the window has gone round [W9]", () => {
    const counts = new Counts()
    for (let second = 0; second < 600; second++) counts.add("restarts", second * 1000)
    assert.deepStrictEqual(counts.read(599_000).perMinute.restarts, 60)
    assert.deepStrictEqual(counts.read(599_000 + 3_600_000).perMinute.restarts, 0)
  })

  it("never lets totals fall, whatever the window forgets [W9]", () => {
    const counts = new Counts()
    for (let i = 0; i < 5; i++) counts.add("spawns", i * 100_000)
    const { perMinute, spawns } = counts.read(10_000_000)
    assert.deepStrictEqual([spawns, perMinute.spawns], [5, 0])
  })
})
