/**
 * What fault points did and which claims held.
 *
 * A report belongs to one run, or to several that were merged: a `sometimes` that
 * one run in a hundred satisfies is satisfied. It is plain data.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * `passed`: how often the program came by. `fired`: how often the answer was yes.
 *
 * @category models
 * @since 0.1.0
 */
export interface PointRow {
  readonly name: string
  readonly probability: number
  readonly passed: number
  readonly fired: number
}

/**
 * @category models
 * @since 0.1.0
 */
export type ClaimKind = "always" | "sometimes" | "reachable" | "unreachable"

/**
 * `passed`: how often the program came by. `held`: how often the condition was
 * true; for `reachable` and `unreachable` the same as `passed`.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClaimRow {
  readonly kind: ClaimKind
  readonly name: string
  readonly passed: number
  readonly held: number
}

/**
 * @category models
 * @since 0.1.0
 */
export interface FaultReport {
  readonly seeds: ReadonlyArray<number>
  readonly points: ReadonlyArray<PointRow>
  readonly claims: ReadonlyArray<ClaimRow>
}

/**
 * - `Held`: nothing more is needed.
 * - `Failed`: it was false once; no further run can mend it.
 * - `NeverHit`: nothing showed it yet; another run may.
 *
 * @category models
 * @since 0.1.0
 */
export type Verdict = "Held" | "Failed" | "NeverHit"

/**
 * How a claim stands.
 *
 * @category operations
 * @since 0.1.0
 */
export const verdict = (claim: ClaimRow): Verdict => {
  switch (claim.kind) {
    case "always":
      if (claim.held < claim.passed) return "Failed"
      return claim.passed > 0 ? "Held" : "NeverHit"
    case "sometimes":
    case "reachable":
      return claim.held > 0 ? "Held" : "NeverHit"
    case "unreachable":
      return claim.passed > 0 ? "Failed" : "Held"
  }
}

/**
 * The claims that stand as asked.
 *
 * @category operations
 * @since 0.1.0
 */
export const claims = (report: FaultReport, standing: Verdict): ReadonlyArray<ClaimRow> =>
  report.claims.filter((claim) => verdict(claim) === standing)

/**
 * Adds two reports up. Rows of the same kind and name become one.
 *
 * @category operations
 * @since 0.1.0
 */
export const merge = (left: FaultReport, right: FaultReport): FaultReport => ({
  seeds: [...left.seeds, ...right.seeds],
  points: addUp([...left.points, ...right.points], (point) => point.name, addPoints),
  claims: addUp([...left.claims, ...right.claims], (claim) => `${claim.kind} ${claim.name}`, addClaims)
})

/**
 * The report of no run.
 *
 * @category constructors
 * @since 0.1.0
 */
export const empty: FaultReport = { seeds: [], points: [], claims: [] }

/**
 * The report as text: one line per claim that did not hold, then one per point.
 *
 * @category operations
 * @since 0.1.0
 */
export const format = (report: FaultReport): string =>
  [
    ...claims(report, "Failed").map((claim) => `  FAILED     ${claim.kind} "${claim.name}" (${tally(claim)})`),
    ...claims(report, "NeverHit").map((claim) => `  never hit  ${claim.kind} "${claim.name}" (${tally(claim)})`),
    ...report.points.map((point) => `  point      "${point.name}" fired ${point.fired} of ${point.passed}`)
  ].join("\n")

/**
 * A run with faults failed, or a claim did not hold.
 *
 * - `seed`: the run to repeat; absent when the claims fail only over all runs.
 * - `why`: how the program failed; empty when it did not.
 *
 * @category errors
 * @since 0.1.0
 */
export class FaultsFailed extends Data.TaggedError("FaultsFailed")<{
  readonly seed: number | undefined
  readonly why: string
  readonly report: FaultReport
}> {
  override get message(): string {
    const { report, seed, why } = this
    const what = why === "" ? "claims did not hold" : why
    const where = seed === undefined ? `over ${report.seeds.length} run(s)` : `under fault seed ${seed}`
    const lines = [`${where}: ${what}`, format(report)]
    if (seed !== undefined) lines.push(`  replay:    ${replay(seed)}`)
    return lines.filter((line) => line !== "").join("\n")
  }
}

/**
 * How to run a seed again.
 *
 * @category operations
 * @since 0.1.0
 */
export const replay = (seed: number): string => `${SEED_VARIABLE}=${seed}`

/**
 * The environment variable that holds a fault seed.
 *
 * @category models
 * @since 0.1.0
 */
export const SEED_VARIABLE = "SELVEDGE_FAULT_SEED"

const tally = (claim: ClaimRow): string =>
  claim.kind === "always" || claim.kind === "sometimes"
    ? `true ${claim.held} of ${claim.passed}`
    : `passed ${claim.passed} times`

const addPoints = (a: PointRow, b: PointRow): PointRow => ({
  ...a,
  passed: a.passed + b.passed,
  fired: a.fired + b.fired
})

const addClaims = (a: ClaimRow, b: ClaimRow): ClaimRow => ({ ...a, passed: a.passed + b.passed, held: a.held + b.held })

const addUp = <Row>(rows: ReadonlyArray<Row>, key: (row: Row) => string, add: (a: Row, b: Row) => Row): Array<Row> => {
  const byKey = new Map<string, Row>()
  for (const row of rows) {
    const known = byKey.get(key(row))
    byKey.set(key(row), known === undefined ? row : add(known, row))
  }
  return Array.from(byKey.values())
}
