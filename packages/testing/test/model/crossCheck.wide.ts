/**
 * The explorer against the full search on thousands of random programs:
 * `npm run model:wide -- [seconds] [seed]`. One JSON line, exit code 1 on a mismatch, 2 for an argument that
 * cannot be.
 */
import { parseArgs } from "node:util"
import { positive, readOrExit, WrongArgument } from "../../../../scripts/internal/arguments.ts"
import { crossCheck, crossCheckAsync, type Tally } from "./support/crossCheck.ts"

const { seconds, seed } = readOrExit("model:wide", () => {
  const [seconds = "60", seed = "1", ...more] = parseArgs({ allowPositionals: true }).positionals
  if (more.length > 0) throw new WrongArgument(`wanted seconds and a seed, found "${more[0]}" after them`)
  return { seconds: positive("seconds", seconds, "any"), seed: positive("seed", seed, "whole") }
})
const all = { waits: true, spins: true, ops: true, crash: false, async: false }
const modes = [
  ["atomics", { waits: false, spins: false, ops: false, crash: false, async: false }],
  ["waits", { ...all, spins: false, ops: false }],
  ["spins", { ...all, waits: false, ops: false }],
  ["everything", all],
  ["crash", { ...all, crash: true }],
  ["async", { ...all, async: true }]
] as const
const totals = { programs: 0, skipped: 0, executions: 0, states: 0, outcomes: 0 }
const mismatches: Array<unknown> = []
const add = (name: string, tally: Tally): void => {
  for (const key of Object.keys(totals) as Array<keyof typeof totals>) totals[key] += tally[key]
  for (const mismatch of tally.mismatches) mismatches.push({ mode: name, ...mismatch })
}
const until = performance.now() + seconds * 1000
for (let round = 0; performance.now() < until; round++) {
  const seeds = Array.from({ length: 50 }, (_, i) => seed * 1_000_000 + round * 50 + i)
  const sizes = { threads: 3, length: 3 + (round % 3) }
  for (const [name, kinds] of modes) {
    // The full search keeps its states as text: beyond this many a program is skipped, and counted.
    add(
      name,
      kinds.async ? await crossCheckAsync(seeds, kinds, sizes, 20_000) : crossCheck(seeds, kinds, sizes, 20_000)
    )
    if (performance.now() > until) break
    if (name === "everything" || name === "crash")
      add(`${name}, last resort`, crossCheck(seeds, kinds, sizes, 20_000, true))
  }
}
console.log(
  JSON.stringify({ name: "model cross-check", seed, seconds, counts: totals, violations: mismatches.slice(0, 3) })
)
process.exitCode = mismatches.length > 0 ? 1 : 0
