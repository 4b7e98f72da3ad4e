/**
 * The explorer and the full search on the same random programs: the sets of
 * outcomes must be equal.
 */
import {
  defineModel,
  explore,
  exploreAsync,
  type ExploreOptions,
  type Report,
  type Strategy
} from "../../../src/model/index.ts"
import { fullSearch, type FullResult } from "./fullSearch.ts"
import { compile, compileAsync, generate, type Kinds, outcome, type Program } from "./programs.ts"

const LETTERS = ["t0", "t1", "t2", "t3"]

/** The program as a model that writes its outcomes into a set. */
const modelOf = (
  program: Program,
  outcomes: Set<string>,
  body: typeof compile | typeof compileAsync,
  invariant?: (view: Int32Array) => void
) => {
  const names = program.threads.map((_, i) => LETTERS[i] as string)
  const threads: Record<string, { readonly run: (view: Int32Array) => unknown; readonly daemon: boolean }> = {}
  program.threads.forEach((statements, i) => {
    threads[names[i] as string] = { run: body(statements), daemon: true }
  })
  return defineModel({
    setup: () => new Int32Array(new SharedArrayBuffer(program.cells * 4)),
    threads,
    invariant,
    check: (view, results, info) => {
      const observed = names.map((name) => (results[name] ?? []) as Array<unknown>)
      const ended = names.map((name) => {
        if (info.crashed.includes(name)) return "died"
        return results[name] === undefined ? "stuck" : "ended"
      })
      const counts = new Map<string, number>()
      const calls = info.history.map((call) => {
        const n = counts.get(call.thread) ?? 0
        counts.set(call.thread, n + 1)
        return { id: `${names.indexOf(call.thread)}.${n}`, ...call }
      })
      const order: Array<string> = []
      for (const a of calls)
        for (const b of calls) if (a.returned >= 0 && a.returned < b.called) order.push(`${a.id}<${b.id}`)
      outcomes.add(outcome(Array.from(view), observed, ended, order))
    }
  })
}

const optionsFor = (program: Program, strategy: Strategy | undefined, lastResort = false): ExploreOptions => {
  const { crash } = program
  const at = crash === undefined ? [] : [{ thread: LETTERS[crash.thread] ?? "", step: crash.step }]
  return { strategy, requireExhaustive: false, crash: { at }, timeouts: lastResort ? "lastResort" : "any" }
}

/** All outcomes the explorer finds. */
export const exploreOutcomes = (program: Program, strategy?: Strategy, lastResort = false) => {
  const outcomes = new Set<string>()
  const report = explore(modelOf(program, outcomes, compile), optionsFor(program, strategy, lastResort))
  return { outcomes, report }
}

/** All contents of memory the explorer's invariant is shown. */
export const exploreMemories = (program: Program): ReadonlySet<string> => {
  const memories = new Set<string>()
  const look = (view: Int32Array): void => {
    memories.add(Array.from({ length: program.cells }, (_, i) => Atomics.load(view, i)).join())
  }
  const report = explore(modelOf(program, new Set(), compile, look), optionsFor(program, undefined))
  if (report._tag === "Failed") throw new Error(`${report.failure.kind}: ${report.failure.message}`)
  return memories
}

export const exploreOutcomesAsync = async (program: Program, lastResort = false) => {
  const outcomes = new Set<string>()
  const report = await exploreAsync(
    modelOf(program, outcomes, compileAsync),
    optionsFor(program, undefined, lastResort)
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

type Sizes = { readonly threads: number; readonly length: number }

const emptyTally = (): Tally => ({ programs: 0, skipped: 0, executions: 0, states: 0, outcomes: 0, mismatches: [] })

const compare = (
  tally: Tally,
  seed: number,
  program: Program,
  full: FullResult,
  found: { readonly outcomes: ReadonlySet<string>; readonly report: Report }
): void => {
  const { outcomes, report } = found
  if (report._tag === "Failed") throw new Error(`seed ${seed}: ${report.failure.kind}: ${report.failure.message}`)
  tally.programs++
  tally.executions += report.executions
  tally.states += full.states
  tally.outcomes += full.outcomes.size
  const missing = [...full.outcomes].filter((o) => !outcomes.has(o))
  const extra = [...outcomes].filter((o) => !full.outcomes.has(o))
  if (missing.length > 0 || extra.length > 0) tally.mismatches.push({ seed, program, missing, extra })
}

/** Compare on one program per seed; a program with more than `limit` states is skipped. */
export const crossCheck = (
  seeds: Iterable<number>,
  kinds: Kinds,
  sizes: Sizes,
  limit = 60_000,
  lastResort = false
): Tally => {
  const tally = emptyTally()
  for (const seed of seeds) {
    const program = generate(seed, kinds, sizes)
    const full = fullSearch(program, limit, lastResort)
    if (full === undefined) tally.skipped++
    else compare(tally, seed, program, full, exploreOutcomes(program, undefined, lastResort))
  }
  return tally
}

/** The same with bodies that await. */
export const crossCheckAsync = async (
  seeds: Iterable<number>,
  kinds: Kinds,
  sizes: Sizes,
  limit = 60_000,
  lastResort = false
): Promise<Tally> => {
  const tally = emptyTally()
  for (const seed of seeds) {
    const program = generate(seed, kinds, sizes)
    const full = fullSearch(program, limit, lastResort)
    if (full === undefined) tally.skipped++
    else compare(tally, seed, program, full, await exploreOutcomesAsync(program, lastResort))
  }
  return tally
}
