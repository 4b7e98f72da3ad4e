/**
 * The benchmark runner on a part of toy cases: what it measures is arranged,
 * so that order, medians, aims and failures can be checked.
 */
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "vitest"
import { median, percentiles } from "../bench/harness.ts"
import { type Ran, temporaryFolder, workspaceRoot, writeFiles } from "./internal/fixture.ts"

const bench = (folder: string, args: ReadonlyArray<string>): Ran => {
  const { NODE_OPTIONS: _, ...env } = process.env
  const script = path.join(workspaceRoot, "bench", "run.ts")
  const ran = spawnSync(process.execPath, [script, "--folder", folder, ...args], { encoding: "utf8", env })
  return { code: ran.status, stdout: ran.stdout, stderr: ran.stderr }
}

const linesOf = (ran: Ran): ReadonlyArray<Record<string, unknown>> =>
  ran.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>)

/** Each side appends its letter to a log; ours takes its samples from how often it ran. */
const part = `
import { appendFileSync, readFileSync } from "node:fs"
const log = new URL("./log", import.meta.url)
const ran = (letter) => {
  appendFileSync(log, letter)
  return [...readFileSync(log, "utf8")].filter((other) => other === letter).length
}
const aim = { text: "ratio <= 1.2", met: (ours, baseline) => ours <= baseline * 1.2 }
export const cases = [
  {
    name: "arranged", unit: "ns", ours: () => [0, 90, 10, 20][ran("a")],
    against: [{ name: "b", run: () => (ran("b"), 10), aim }, { name: "c", run: () => (ran("c"), 40), aim }]
  },
  { name: "latency", unit: "us", ours: () => ({ value: 3, p50: 3, p99: 9 }), against: [] },
  { name: "wrong", unit: "ns", ours: () => { throw new Error("lost a record") }, against: [] },
  { name: "hangs", unit: "ns", ours: () => { for (;;); }, against: [] }
]
`

describe("bench", () => {
  it("runs ours and the baselines in turn and reports medians, ratio, aim and spread [Q5]", () => {
    const folder = temporaryFolder()
    writeFiles(folder, { "toy.bench.ts": part, log: "" })
    const ran = bench(folder, ["toy", "--json", "--rounds", "3", "--only", "arranged"])
    assert.strictEqual(readFileSync(path.join(folder, "log"), "utf8"), "abcabcabc")
    const common = { part: "toy", case: "arranged", unit: "ns", ours: 20, aim: "ratio <= 1.2", rounds: 3 }
    assert.deepStrictEqual(linesOf(ran), [
      { ...common, against: "b", baseline: 10, ratio: 2, met: false, spread: 4 },
      { ...common, against: "c", baseline: 40, ratio: 0.5, met: true, spread: 4 }
    ])
    assert.strictEqual(ran.code, 0)
  })

  it("carries percentiles of a case without a baseline [Q5]", () => {
    const folder = temporaryFolder()
    writeFiles(folder, { "toy.bench.ts": part })
    const [line] = linesOf(bench(folder, ["toy", "--json", "--rounds", "1", "--only", "latency"]))
    assert.include(line, { against: null, baseline: null, ratio: null, met: null, p50: 3, p99: 9 })
  })

  it("reports a side that throws and one that never ends, and exits 1 [Q5]", () => {
    const folder = temporaryFolder()
    writeFiles(folder, { "toy.bench.ts": part })
    const wrong = bench(folder, ["toy", "--json", "--only", "wrong"])
    assert.deepStrictEqual(
      linesOf(wrong).map((line) => line.error),
      ["ours: lost a record"]
    )
    assert.strictEqual(wrong.code, 1)
    const hangs = bench(folder, ["toy", "--json", "--only", "hangs", "--timeout", "0.5"])
    assert.deepStrictEqual(
      linesOf(hangs).map((line) => line.error),
      ["ours: no answer within 0.5 s"]
    )
    assert.strictEqual(hangs.code, 1)
  })

  it("gives its children the built packages, never the sources [Q5]", () => {
    const folder = temporaryFolder()
    const probe = `
      const seen = process.execArgv.concat(process.env.NODE_OPTIONS ?? "").filter((flag) => flag.includes("@selvedge/source"))
      export const cases = [{ name: "flags", unit: "flags", ours: () => seen.length, against: [] }]
    `
    writeFiles(folder, { "probe.bench.ts": probe })
    const [line] = linesOf(bench(folder, ["probe", "--json", "--rounds", "1"]))
    assert.include(line, { ours: 0 })
  })

  it("refuses an unknown part or option with exit code 2 and says what there is [Q5]", () => {
    const folder = temporaryFolder()
    writeFiles(folder, { "toy.bench.ts": part })
    const unknown = bench(folder, ["nothing"])
    assert.deepStrictEqual([unknown.code, unknown.stderr.trim()], [2, 'bench: there is no part "nothing"; parts: toy'])
    assert.strictEqual(bench(folder, ["toy", "--rounds", "0"]).code, 2)
    assert.strictEqual(bench(folder, ["toy", "--fast"]).code, 2)
  })

  it("takes medians and nearest-rank percentiles [Q5]", () => {
    assert.strictEqual(median([3, 1, 2]), 2)
    assert.strictEqual(median([4, 1, 2, 3]), 2.5)
    const hundred = Array.from({ length: 100 }, (_, i) => 100 - i)
    assert.deepStrictEqual(percentiles(hundred), { value: 50, p50: 50, p99: 99 })
    assert.throws(() => median([]), RangeError)
  })
})
