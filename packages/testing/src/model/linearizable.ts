/**
 * Linearizability: whether calls that overlapped in time could have happened one
 * after another, each at some moment between its call and its return, with the
 * answers they gave.
 *
 * Source: Wing and Gong's search, with Lowe's memory of visited states.
 */
import type { Call } from "./Model.ts"

/**
 * What the object would do if it were used by one thread only. `apply` answers the next state and the result; the state it
 * is given must stay as it is. States are compared as text, see `key`.
 *
 * @category linearizability
 * @since 0.1.0
 */
export interface Sequential<State> {
  readonly initial: State
  readonly apply: (state: State, name: string, arg: unknown) => readonly [state: State, result: unknown]
  /** Two states are equal when these are; default: as JSON. */
  readonly key?: ((state: State) => string) | undefined
  /** Default: equal as JSON. */
  readonly sameResult?: ((expected: unknown, actual: unknown) => boolean) | undefined
}

const text = (value: unknown): string =>
  JSON.stringify(value, (_, v: unknown) => {
    if (typeof v === "bigint") return `${v}n`
    if (v === undefined) return "undefined"
    if (v instanceof Map || v instanceof Set) return [...v]
    return typeof v === "number" && !Number.isFinite(v) ? String(v) : v
  })

/**
 * Whether the recorded calls (`op`) have an order that explains their results. A call that never returned, because its
 * thread died, may have happened or not.
 *
 * **Example**
 *
 * ```ts
 * import { explore, linearizable, op } from "@selvedge/testing/model"
 *
 * const counter = { initial: 0, apply: (n: number) => [n + 1, n] as const }
 * const add = (x: Int32Array) => op("add", undefined, () => Atomics.add(x, 0, 1))
 * const report = explore({
 *   setup: () => new Int32Array(new SharedArrayBuffer(4)),
 *   threads: { a: add, b: add },
 *   check: (_, __, { history }) => linearizable(history, counter)
 * })
 * console.log(report._tag) // "Exhausted"
 * ```
 *
 * @category linearizability
 * @since 0.1.0
 */
export const linearizable = <State>(history: ReadonlyArray<Call>, sequential: Sequential<State>): boolean => {
  const key = sequential.key ?? text
  const same = sequential.sameResult ?? ((a: unknown, b: unknown) => text(a) === text(b))
  const calls = history.map((call) => ({ ...call, end: call.returned < 0 ? Infinity : call.returned }))
  const taken = calls.map(() => false)
  const visited = new Set<string>()
  const search = (state: State): boolean => {
    if (calls.every((call, i) => taken[i] === true || call.end === Infinity)) return true
    const at = `${taken.map(Number).join("")}/${key(state)}`
    if (visited.has(at)) return false
    visited.add(at)
    let firstReturn = Infinity
    for (let i = 0; i < calls.length; i++) {
      if (taken[i] !== true) firstReturn = Math.min(firstReturn, (calls[i] as { readonly end: number }).end)
    }
    for (let i = 0; i < calls.length; i++) {
      const call = calls[i] as (typeof calls)[number]
      if (taken[i] === true || call.called > firstReturn) continue
      const [next, result] = sequential.apply(state, call.name, call.arg)
      if (call.end !== Infinity && !same(result, call.result)) continue
      taken[i] = true
      if (search(next)) return true
      taken[i] = false
    }
    return false
  }
  return search(sequential.initial)
}
