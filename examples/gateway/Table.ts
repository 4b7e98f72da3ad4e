/**
 * The state of the gateway: for every key how many events there were and what their values add up to.
 *
 * Plain and synchronous. It also remembers which keys changed since the last snapshot, so that a snapshot writes only
 * those.
 *
 * **Invariants**
 *
 * 1. `events` is the sum of all counts.
 * 2. There are at most `maxKeys` keys of their own; what comes after goes to `OTHER`, and no event is dropped.
 */
import type { Event } from "./Event.ts"

export interface Aggregate {
  readonly key: string
  readonly count: number
  readonly sum: number
  readonly min: number
  readonly max: number
}

/** The most events first; of equals the first by name. */
export const byCount = (rows: ReadonlyArray<Aggregate>): ReadonlyArray<Aggregate> =>
  rows.toSorted((a, b) => b.count - a.count || (a.key < b.key ? -1 : 1))

/** Rows of several tables; those of the same key become one. */
export const merge = (rows: ReadonlyArray<Aggregate>): ReadonlyArray<Aggregate> => {
  const merged = new Map<string, Aggregate>()
  for (const row of rows) {
    const one = merged.get(row.key)
    merged.set(
      row.key,
      one === undefined
        ? row
        : {
            key: row.key,
            count: one.count + row.count,
            sum: one.sum + row.sum,
            min: Math.min(one.min, row.min),
            max: Math.max(one.max, row.max)
          }
    )
  }
  return Array.from(merged.values())
}

/** Where events go when there are too many keys. */
export const OTHER = "(other)"

export class Table {
  private readonly maxKeys: number
  private readonly rows = new Map<string, Aggregate>()
  private changed = new Set<string>()
  private total = 0

  constructor(maxKeys: number, rows: ReadonlyArray<Aggregate> = []) {
    this.maxKeys = maxKeys
    for (const row of rows) {
      this.rows.set(row.key, row)
      this.total += row.count
    }
  }

  get events(): number {
    return this.total
  }
  get keys(): number {
    return this.rows.size
  }

  add({ key: wanted, value }: Event): void {
    const key = this.rows.has(wanted) || this.rows.size < this.maxKeys ? wanted : OTHER
    const row = this.rows.get(key)
    this.rows.set(
      key,
      row === undefined
        ? { key, count: 1, sum: value, min: value, max: value }
        : {
            key,
            count: row.count + 1,
            sum: row.sum + value,
            min: Math.min(row.min, value),
            max: Math.max(row.max, value)
          }
    )
    this.changed.add(key)
    this.total++
  }

  /** The `n` keys with the most events; of equals the first by name. */
  top(n: number): ReadonlyArray<Aggregate> {
    return byCount(Array.from(this.rows.values())).slice(0, n)
  }

  /** What changed since the last call that was not given back. */
  takeChanges(): ReadonlyArray<Aggregate> {
    const keys = this.changed
    this.changed = new Set()
    return Array.from(keys, (key) => this.rows.get(key)!)
  }

  /** A snapshot could not be written: its changes are still to be written. */
  giveBack(changes: ReadonlyArray<Aggregate>): void {
    for (const { key } of changes) this.changed.add(key)
  }
}
