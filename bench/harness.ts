/**
 * What a part of the benchmarks is made of, and helpers for its sides.
 *
 * A _case_ compares one of our operations with the same job done by what a
 * user would pick instead. Each of its _sides_ runs alone in a fresh child
 * process and answers with one _sample_; `run.ts` interleaves the children and
 * takes medians. `README.md` beside this file is the contract.
 */

/** One measurement in the unit of its case; `p50` and `p99` where it is a latency. */
export interface Sample {
  readonly value: number
  readonly p50?: number | undefined
  readonly p99?: number | undefined
}

/** Runs in a child process of its own and answers with a sample. */
export type Side = () => number | Sample | Promise<number | Sample>

/** What a case hopes for, and how to tell whether it was reached. */
export interface Aim {
  readonly text: string
  readonly met: (ours: number, baseline: number) => boolean
}

/** The same job, done the way its own documentation advises. */
export interface Baseline {
  readonly name: string
  readonly run: Side
  readonly aim?: Aim | undefined
}

/** One operation of ours and what it is compared with. */
export interface Case {
  readonly name: string
  readonly unit: string
  readonly ours: Side
  readonly against: ReadonlyArray<Baseline>
  /** For a case without a baseline. */
  readonly aim?: Aim | undefined
  readonly rounds?: number | undefined
  readonly note?: string | undefined
}

/** For costs: ours is at most `limit` times the baseline. */
export const atMostRatio = (limit: number): Aim => ({
  text: `ratio <= ${limit}`,
  met: (ours, baseline) => ours <= baseline * limit
})

/** For throughputs: ours is at least `limit` times the baseline. */
export const atLeastRatio = (limit: number): Aim => ({
  text: `ratio >= ${limit}`,
  met: (ours, baseline) => ours >= baseline * limit
})

/** For sizes: ours is at most `limit` units more than the baseline. */
export const atMostMore = (limit: number): Aim => ({
  text: `ours - baseline <= ${limit}`,
  met: (ours, baseline) => ours - baseline <= limit
})

/** For cases that stand alone: ours is at most `limit` units. */
export const atMost = (limit: number): Aim => ({ text: `ours <= ${limit}`, met: (ours) => ours <= limit })

/** A side that got a wrong answer has measured nothing: it throws, and the case counts as failed. */
export const check: (condition: boolean, message: string) => asserts condition = (condition, message) => {
  if (!condition) throw new Error(`wrong result: ${message}`)
}

/** The middle value; the mean of the two middle ones of an even count. */
export const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const half = sorted.length >> 1
  const upper = sorted[half]
  if (upper === undefined) throw new RangeError("median of no values")
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? upper) + upper) / 2
}

/** `p50` and `p99` by nearest rank; `value` is `p50`. */
export const percentiles = (values: ReadonlyArray<number>): Required<Sample> => {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number): number => {
    const value = sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]
    if (value === undefined) throw new RangeError("percentile of no values")
    return value
  }
  return { value: at(0.5), p50: at(0.5), p99: at(0.99) }
}

/**
 * What a side's time is read from. `wall` is what a user waits. `cpu` is what
 * the main thread computed: on a machine that others use too it repeats far
 * better, and it is the fairer clock for work that never waits. It leaves out
 * what helper threads do, the collector's among them.
 */
export type StopWatch = "wall" | "cpu"

/** Starts a watch; calling it gives the nanoseconds since. */
export const startWatch = (watch: StopWatch): (() => number) => {
  if (watch === "wall") {
    const start = process.hrtime.bigint()
    return () => Number(process.hrtime.bigint() - start)
  }
  const start = process.threadCpuUsage()
  return () => {
    const { system, user } = process.threadCpuUsage(start)
    return (system + user) * 1000
  }
}

/**
 * Nanoseconds per operation: runs `batch` (which does `operations` of them)
 * `warmups` times unmeasured, then `repeats` times, and takes the mean, so that
 * collections count with the batches that caused them.
 */
export const perOperation = async (options: {
  readonly operations: number
  readonly batch: () => unknown
  readonly watch?: StopWatch | undefined
  readonly warmups?: number | undefined
  readonly repeats?: number | undefined
}): Promise<number> => {
  const repeats = options.repeats ?? 15
  for (let i = 0; i < (options.warmups ?? 5); i++) await options.batch()
  const elapsed = startWatch(options.watch ?? "wall")
  for (let i = 0; i < repeats; i++) await options.batch()
  return elapsed() / (repeats * options.operations)
}

/** Bytes of heap in use after full collections. */
export const heapBytes = async (): Promise<number> => {
  const collect = globalThis.gc
  if (collect === undefined) throw new Error("heapBytes needs node --expose-gc, which run.ts gives its children")
  for (let i = 0; i < 3; i++) {
    collect()
    await new Promise((resolve) => setImmediate(resolve))
  }
  return process.memoryUsage().heapUsed
}
