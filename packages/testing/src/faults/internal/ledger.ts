/**
 * The record of one run with faults: what was passed, what fired, what held.
 *
 * @internal
 */
import type { ClaimKind, FaultReport } from "../FaultReport.ts"
import * as Seed from "../Seed.ts"

/** What a fault point is, apart from being an Effect. */
export interface PointSpec {
  readonly kind: "point"
  readonly name: string
  readonly probability: number
}

/** What a claim is, apart from being an Effect or a function. */
export interface ClaimSpec {
  readonly kind: ClaimKind
  readonly name: string
}

interface PointCount {
  readonly spec: PointSpec
  readonly active: boolean
  passed: number
  fired: number
}

interface ClaimCount {
  readonly spec: ClaimSpec
  passed: number
  held: number
}

export class Ledger {
  readonly seed: number
  readonly #activation: number
  readonly #points = new Map<string, PointCount>()
  readonly #claims = new Map<string, ClaimCount>()

  constructor(seed: number, activation: number, declared: ReadonlyArray<PointSpec | ClaimSpec>) {
    this.seed = seed
    this.#activation = activation
    for (const spec of declared) {
      if (spec.kind === "point") this.#point(spec)
      else this.#claim(spec)
    }
  }

  fires(spec: PointSpec): boolean {
    const point = this.#point(spec)
    const fires = point.active && Seed.keyed(this.seed, spec.name, point.passed) < spec.probability
    point.passed++
    if (fires) point.fired++
    return fires
  }

  check(spec: ClaimSpec, held: boolean): void {
    const claim = this.#claim(spec)
    claim.passed++
    if (held) claim.held++
  }

  report(): FaultReport {
    return {
      seeds: [this.seed],
      points: Array.from(this.#points.values(), ({ fired, passed, spec }) => ({
        name: spec.name,
        probability: spec.probability,
        passed,
        fired
      })),
      claims: Array.from(this.#claims.values(), ({ held, passed, spec }) => ({
        kind: spec.kind,
        name: spec.name,
        passed,
        held
      }))
    }
  }

  #point(spec: PointSpec): PointCount {
    const known = this.#points.get(spec.name)
    if (known !== undefined) return known
    // A name of its own for the draw, so that the first pass is independent of it.
    const active = Seed.keyed(this.seed, `active ${spec.name}`, 0) < this.#activation
    const fresh = { spec, active, passed: 0, fired: 0 }
    this.#points.set(spec.name, fresh)
    return fresh
  }

  #claim(spec: ClaimSpec): ClaimCount {
    const key = `${spec.kind} ${spec.name}`
    const known = this.#claims.get(key)
    if (known !== undefined) return known
    const fresh = { spec, passed: 0, held: 0 }
    this.#claims.set(key, fresh)
    return fresh
  }
}
