/**
 * The explorer and the full search on the same random programs: the sets of
 * outcomes must be equal.
 */
import { explore, type ExploreOptions, type Strategy } from "../../../src/model/index.ts"
import { fullSearch } from "./fullSearch.ts"
import { compile, generate, type Kinds, outcome, type Program } from "./programs.ts"

const LETTERS = ["t0", "t1", "t2", "t3"]

/** All outcomes the explorer finds. */
export const exploreOutcomes = (program: Program, strategy?: Strategy) => {
  const outcomes = new Set<string>()
  const threads: Record<string, { readonly run: (view: Int32Array) => unknown; readonly daemon: boolean }> = {}
  program.threads.forEach((statements, i) => {
    threads[LETTERS[i] as string] = { run: compile(statements), daemon: true }
  })
  const at =
    program.crash === undefined ? [] : [{ thread: LETTERS[program.crash.thread] ?? "", step: program.crash.step }]
  const options: ExploreOptions = { strategy, requireExhaustive: false, crash: { at } }
  const report = explore(
    {
      setup: () => new Int32Array(new SharedArrayBuffer(program.cells * 4)),
      threads,
      check: (view, results, info) => {
        const names = Object.keys(threads)
        const observed = names.map((name) => results[name] ?? [])
        const ended = names.map((name) =>
          info.crashed.includes(name) ? "died" : results[name] === undefined ? "stuck" : "ended"
        )
        const counts = new Map<string, number>()
        const calls = info.history.map((call) => {
          const n = counts.get(call.thread) ?? 0
          counts.set(call.thread, n + 1)
          return { id: `${names.indexOf(call.thread)}.${n}`, ...call }
        })
        const order: Array<string> = []
        for (const a of calls)
          for (const b of calls) if (a.returned >= 0 && a.returned < b.called) order.push(`${a.id}<${b.id}`)
        outcomes.add(outcome(Array.from(view), observed as Array<Array<unknown>>, ended, order))
      }
    },
    options
  )
  return { outcomes, report }
}

export interface Tally {
  programs: number
  skipped: number
  executions: number
  states: number
  outcomes: number
  readonly mismatches: Array<{
    readonly seed: number
    readonly program: Program
    readonly missing: ReadonlyArray<string>
    readonly extra: ReadonlyArray<string>
  }>
}

/** Compare on one program per seed. */
export const crossCheck = (
  seeds: Iterable<number>,
  kinds: Kinds,
  sizes: { readonly threads: number; readonly length: number },
  limit = 60_000
): Tally => {
  const tally: Tally = { programs: 0, skipped: 0, executions: 0, states: 0, outcomes: 0, mismatches: [] }
  for (const seed of seeds) {
    const program = generate(seed, kinds, sizes)
    const full = fullSearch(program, limit)
    if (full === undefined) {
      tally.skipped++
      continue
    }
    const { outcomes, report } = exploreOutcomes(program)
    if (report._tag === "Failed") throw new Error(`seed ${seed}: ${report.failure.kind}: ${report.failure.message}`)
    tally.programs++
    tally.executions += report.executions
    tally.states += full.states
    tally.outcomes += full.outcomes.size
    const missing = [...full.outcomes].filter((o) => !outcomes.has(o))
    const extra = [...outcomes].filter((o) => !full.outcomes.has(o))
    if (missing.length > 0 || extra.length > 0) tally.mismatches.push({ seed, program, missing, extra })
  }
  return tally
}
