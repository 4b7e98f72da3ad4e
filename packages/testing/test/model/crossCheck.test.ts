/**
 * The explorer against the full search, on as many random programs as fit into a
 * few seconds; `crossCheck.wide.ts` runs the same on thousands.
 */
import { assert, describe, it } from "@effect/vitest"
import { Strategy } from "@selvedge/testing/model"
import { crossCheck, crossCheckAsync, exploreMemories, exploreOutcomes, type Tally } from "./support/crossCheck.ts"
import { fullSearch } from "./support/fullSearch.ts"
import { generateRacy, racesByExploring, racesByLooking } from "./support/raceCheck.ts"
import { generate } from "./support/programs.ts"

const kinds = { waits: false, spins: false, ops: false, crash: false, async: false }
const seeds = function* (from: number, count: number): Generator<number> {
  for (let i = 0; i < count; i++) yield from + i
}
const agrees = (tally: Tally, atLeast: number): void => {
  assert.deepStrictEqual(tally.mismatches, [])
  assert.isAtLeast(tally.programs, atLeast)
  assert.isAbove(tally.outcomes, tally.programs, "the programs have more than one outcome each")
}

describe("the reduced search finds every outcome of the full search, and no other", () => {
  it("for loads, stores, read-modify-writes and choices [M8]", () => {
    agrees(crossCheck(seeds(1, 80), kinds, { threads: 3, length: 4 }), 75)
  })
  it("for wait with and without timeout, and notify [M8]", () => {
    agrees(crossCheck(seeds(2000, 80), { ...kinds, waits: true }, { threads: 3, length: 4 }), 75)
  })
  it("for loops that spin, with Atomics.pause and without, bounded and endless [M8]", () => {
    agrees(crossCheck(seeds(3000, 80), { ...kinds, spins: true }, { threads: 3, length: 3 }), 75)
  })
  it("for timeouts that are only the last resort [M4, M8]", () => {
    const all = { ...kinds, waits: true, spins: true }
    agrees(crossCheck(seeds(7000, 60), all, { threads: 3, length: 4 }, 20_000, true), 55)
  })
  it("for recorded calls and their order in real time [M5, M8]", () => {
    agrees(crossCheck(seeds(4000, 80), { ...kinds, waits: true, ops: true }, { threads: 3, length: 4 }), 75)
  })
  it("for threads that die [M6, M8]", () => {
    agrees(
      crossCheck(seeds(5000, 150), { ...kinds, waits: true, spins: true, crash: true }, { threads: 3, length: 4 }),
      140
    )
  })
  it("for every content of memory an invariant can be shown [M4, M8]", () => {
    for (let seed = 1; seed <= 60; seed++) {
      const program = generate(seed, { ...kinds, waits: true, spins: true }, { threads: 3, length: 3 })
      const full = fullSearch(program, 20_000)
      if (full === undefined) continue
      assert.deepStrictEqual([...exploreMemories(program)].toSorted(), [...full.memories].toSorted(), `seed ${seed}`)
    }
  })
  it("and the data races that two threads standing side by side show [M4, M8]", () => {
    let racy = 0
    for (let seed = 1; seed <= 120; seed++) {
      const program = generateRacy(seed)
      const looked = racesByLooking(program)
      if (looked) racy++
      assert.strictEqual(racesByExploring(program), looked, `seed ${seed}`)
    }
    assert.isAbove(racy, 20)
    assert.isBelow(racy, 100)
  })
  it("for bodies that await waitAsync, several at a time [M4, M8]", async () => {
    agrees(
      await crossCheckAsync(seeds(6000, 100), { ...kinds, waits: true, async: true }, { threads: 3, length: 4 }),
      95
    )
  })
})

describe("the other strategies", () => {
  it("find no outcome the full search does not have, and with enough preemptions all of them [M4, M8]", () => {
    for (let seed = 1; seed <= 25; seed++) {
      const program = generate(seed, { ...kinds, waits: true }, { threads: 2, length: 4 })
      const full = fullSearch(program, 10_000)
      assert.isDefined(full)
      const chess = exploreOutcomes(program, Strategy.chess({ preemptions: 12 }))
      assert.deepStrictEqual([...chess.outcomes].toSorted(), [...(full?.outcomes ?? [])].toSorted(), `seed ${seed}`)
      for (const strategy of [Strategy.pct({ depth: 3, iterations: 30 }), Strategy.random({ iterations: 30 })]) {
        const { outcomes, report } = exploreOutcomes(program, strategy)
        assert.strictEqual(report._tag, "Sampled")
        for (const outcome of outcomes) assert.isTrue(full?.outcomes.has(outcome), `seed ${seed}`)
      }
    }
  })
})
