/**
 * Runs one part of the benchmarks: `npm run bench -- <part> [--json] …`.
 *
 * Every side of every case runs in fresh child processes, ours and the
 * baselines in turn, round after round, so that a noisy minute of the machine
 * hits all of them alike. Reported are medians over the rounds. `README.md`
 * beside this file describes options, output and how a part is written.
 *
 * **Invariants**
 *
 * 1. Children run without the `@selvedge/source` condition: they measure what
 *    is built and would be published.
 * 2. Every case ends: a child is killed at its timeout, and past the budget no
 *    further round begins.
 */
import { fork } from "node:child_process"
import { existsSync, readdirSync } from "node:fs"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import { parseArgs } from "node:util"
import { explain, folder, positive, WrongArgument } from "../scripts/internal/arguments.ts"
import { type Aim, type Baseline, type Case, median, type Sample } from "./harness.ts"
import type { Answer } from "./internal/protocol.ts"

const DEFAULT_ROUNDS = 5
const HEAP_LIMIT_MEGABYTES = 6144

interface Options {
  readonly part: string
  readonly file: string
  readonly json: boolean
  readonly rounds: number | undefined
  readonly only: string
  readonly budgetSeconds: number
  readonly timeoutSeconds: number
}

interface Line {
  readonly part: string
  readonly case: string
  readonly unit: string
  readonly ours: number
  readonly against: string | null
  readonly baseline: number | null
  readonly ratio: number | null
  readonly aim: string | null
  readonly met: boolean | null
  readonly rounds: number
  readonly spread: number
  readonly p50?: number
  readonly p99?: number
  readonly baselineP50?: number
  readonly baselineP99?: number
  readonly note?: string
}

interface Failure {
  readonly part: string
  readonly case: string
  readonly against: string | null
  readonly error: string
}

const parts = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder)
    .filter((name) => name.endsWith(".bench.ts"))
    .map((name) => name.slice(0, -".bench.ts".length))
    .toSorted()

const readOptions = (): Options => {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: "boolean", default: false },
      rounds: { type: "string" },
      only: { type: "string", default: "" },
      budget: { type: "string", default: "300" },
      timeout: { type: "string", default: "120" },
      folder: { type: "string", default: import.meta.dirname }
    }
  })
  const [part, ...rest] = positionals
  const known = `parts: ${parts(folder("folder", values.folder)).join(", ") || "none yet"}`
  if (part === undefined || rest.length > 0)
    throw new WrongArgument(`wanted one part, found ${positionals.length}; ${known}`)
  const file = path.join(values.folder, `${part}.bench.ts`)
  if (!/^[\w-]+$/.test(part) || !existsSync(file)) throw new WrongArgument(`there is no part "${part}"; ${known}`)
  return {
    part,
    file,
    json: values.json,
    only: values.only,
    rounds: values.rounds === undefined ? undefined : positive("rounds", values.rounds, "whole"),
    budgetSeconds: positive("budget", values.budget, "any"),
    timeoutSeconds: positive("timeout", values.timeout, "any")
  }
}

/** One child process; never rejects. */
const runSide = (options: Options, caseName: string, sideName: string): Promise<Answer> =>
  new Promise((resolve) => {
    const { NODE_OPTIONS: _, ...env } = process.env
    const child = fork(path.join(import.meta.dirname, "internal", "child.ts"), [options.file, caseName, sideName], {
      execArgv: ["--expose-gc", "--no-warnings", `--max-old-space-size=${HEAP_LIMIT_MEGABYTES}`],
      env,
      stdio: ["ignore", "ignore", "inherit", "ipc"]
    })
    let answer: Answer | undefined
    const timer = setTimeout(() => {
      answer ??= { error: `no answer within ${options.timeoutSeconds} s` }
      child.kill("SIGKILL")
    }, options.timeoutSeconds * 1000)
    child.on("message", (message) => {
      answer ??= message as Answer
    })
    child.on("error", (error) => {
      answer ??= { error: error.message }
    })
    child.on("close", (code, signal) => {
      clearTimeout(timer)
      resolve(answer ?? { error: `ended without an answer (${signal ?? `exit code ${code}`})` })
    })
  })

/** Round after round, each side once per round; stops at the first failure of a side for all of them. */
const measure = async (
  options: Options,
  one: Case,
  deadline: number
): Promise<ReadonlyMap<string, ReadonlyArray<Sample>>> => {
  const sides = ["", ...one.against.map((baseline) => baseline.name)]
  const samples = new Map<string, Array<Sample>>(sides.map((side) => [side, []]))
  const rounds = options.rounds ?? one.rounds ?? DEFAULT_ROUNDS
  for (let round = 0; round < rounds; round++) {
    if (round > 0 && performance.now() > deadline) break
    for (const side of sides) {
      if (process.stderr.isTTY) {
        process.stderr.write(`\r\x1b[K${one.name}: round ${round + 1}/${rounds}, ${side === "" ? "ours" : side}`)
      }
      const answer = await runSide(options, one.name, side)
      if ("error" in answer) throw new Error(`${side === "" ? "ours" : side}: ${answer.error}`)
      samples.get(side)?.push(answer.sample)
    }
  }
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K")
  return samples
}

const rounded = (value: number): number => Number(value.toPrecision(5))

const spreadOf = (values: ReadonlyArray<number>): number =>
  rounded((Math.max(...values) - Math.min(...values)) / Math.abs(median(values)))

const medianOf = (samples: ReadonlyArray<Sample>, field: keyof Sample): number | undefined => {
  const values = samples.flatMap((sample) => sample[field] ?? [])
  return values.length === 0 ? undefined : rounded(median(values))
}

const percentileFields = (ours: ReadonlyArray<Sample>, baseline: ReadonlyArray<Sample>) =>
  Object.fromEntries(
    [
      ["p50", medianOf(ours, "p50")],
      ["p99", medianOf(ours, "p99")],
      ["baselineP50", medianOf(baseline, "p50")],
      ["baselineP99", medianOf(baseline, "p99")]
    ].filter(([, value]) => value !== undefined)
  )

const summarise = (
  options: Options,
  one: Case,
  baseline: Baseline | undefined,
  samples: ReadonlyMap<string, ReadonlyArray<Sample>>
): Line => {
  const ours = samples.get("") ?? []
  const theirs = baseline === undefined ? [] : (samples.get(baseline.name) ?? [])
  const oursMedian = median(ours.map((sample) => sample.value))
  const theirsMedian = baseline === undefined ? null : median(theirs.map((sample) => sample.value))
  const perRound = ours.map((sample, i) => sample.value / (theirs[i]?.value ?? 1))
  const aim: Aim | undefined = baseline === undefined ? one.aim : baseline.aim
  return {
    part: options.part,
    case: one.name,
    unit: one.unit,
    ours: rounded(oursMedian),
    against: baseline?.name ?? null,
    baseline: theirsMedian === null ? null : rounded(theirsMedian),
    ratio: theirsMedian === null ? null : rounded(oursMedian / theirsMedian),
    aim: aim?.text ?? null,
    met: aim === undefined ? null : aim.met(oursMedian, theirsMedian ?? Number.NaN),
    rounds: ours.length,
    spread: spreadOf(perRound),
    ...percentileFields(ours, theirs),
    ...(one.note === undefined ? {} : { note: one.note })
  }
}

const show = (lines: ReadonlyArray<Line>): string => {
  const header = ["case", "against", "ours", "baseline", "unit", "ratio", "aim", "met", "rounds", "spread"]
  const rows = lines.map((line) => [
    line.case,
    line.against ?? "-",
    String(line.ours),
    line.baseline === null ? "-" : String(line.baseline),
    line.unit,
    line.ratio === null ? "-" : line.ratio.toFixed(2),
    line.aim ?? "-",
    line.met === null ? "-" : line.met ? "yes" : "NO",
    String(line.rounds),
    `${(line.spread * 100).toFixed(0)} %`
  ])
  const widths = header.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)))
  return [header, widths.map((width) => "-".repeat(width)), ...rows]
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join("  ")
        .trimEnd()
    )
    .join("\n")
}

const main = async (): Promise<number> => {
  const options = readOptions()
  const { cases } = (await import(pathToFileURL(options.file).href)) as { readonly cases: ReadonlyArray<Case> }
  const chosen = cases.filter((one) => one.name.includes(options.only))
  if (chosen.length === 0) {
    throw new WrongArgument(`no case contains "${options.only}"; cases: ${cases.map((one) => one.name).join("; ")}`)
  }
  const deadline = performance.now() + options.budgetSeconds * 1000
  const lines: Array<Line> = []
  const failures: Array<Failure> = []
  const emit = (line: Line | Failure): void => {
    if ("error" in line) failures.push(line)
    else lines.push(line)
    if (options.json) console.log(JSON.stringify(line))
  }
  for (const one of chosen) {
    const baselines = one.against.length === 0 ? [undefined] : one.against
    try {
      const samples = await measure(options, one, deadline)
      for (const baseline of baselines) emit(summarise(options, one, baseline, samples))
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      emit({ part: options.part, case: one.name, against: null, error: message })
    }
  }
  if (!options.json) {
    if (lines.length > 0) console.log(show(lines))
    for (const failure of failures) console.log(`could not be measured: ${failure.case}: ${failure.error}`)
  }
  return failures.length === 0 ? 0 : 1
}

try {
  process.exitCode = await main()
} catch (error) {
  const why = explain(error)
  if (why === undefined) throw error
  console.error(`bench: ${why}`)
  process.exitCode = 2
}
