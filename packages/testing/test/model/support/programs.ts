/**
 * Small random programs over a few shared cells, in two forms: functions that call
 * `Atomics`, for the explorer, and lists of instructions, for the full search.
 *
 * A thread observes what its operations answer. The outcome of an execution is
 * what every thread observed, what is left in memory, and which recorded call
 * ended before which began. Loops observe only how they ended, not how often
 * they turned.
 */
import { choose, op } from "../../../src/model/index.ts"

export type Statement =
  | { readonly kind: "load"; readonly cell: number }
  | { readonly kind: "store"; readonly cell: number; readonly value: number }
  | { readonly kind: "add" | "sub" | "or" | "exchange"; readonly cell: number; readonly value: number }
  | { readonly kind: "cas"; readonly cell: number; readonly expected: number; readonly value: number }
  | { readonly kind: "wait"; readonly cell: number; readonly expected: number; readonly timeout: number }
  | { readonly kind: "waitAsync"; readonly cell: number; readonly expected: number; readonly timeout: number }
  /** Waits for the first end among all outstanding `waitAsync`s. */
  | { readonly kind: "awaitAny" }
  | { readonly kind: "notify"; readonly cell: number; readonly count: number }
  | { readonly kind: "choose"; readonly n: number }
  /** Turns while the cell holds `value`, at most `turns` times. */
  | {
      readonly kind: "spin"
      readonly cell: number
      readonly value: number
      readonly turns: number
      readonly pause: boolean
    }
  | {
      readonly kind: "if"
      readonly equals: number
      readonly then: ReadonlyArray<Statement>
      readonly else: ReadonlyArray<Statement>
    }
  | { readonly kind: "op"; readonly name: string; readonly body: ReadonlyArray<Statement> }

export interface Program {
  readonly cells: number
  readonly threads: ReadonlyArray<ReadonlyArray<Statement>>
  /** This thread dies before that step. */
  readonly crash: { readonly thread: number; readonly step: number } | undefined
}

export interface Kinds {
  readonly waits: boolean
  readonly spins: boolean
  readonly ops: boolean
  readonly crash: boolean
  readonly async: boolean
}

/** A linear congruential generator: nothing of the explorer's. */
export const random = (seed: number) => {
  let state = BigInt(seed) * 2862933555777941757n + 3037000493n
  return (n: number): number => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn
    return Number((state >> 33n) % BigInt(n))
  }
}

const statement = (next: (n: number) => number, cells: number, kinds: Kinds, depth: number): Statement => {
  const cell = next(cells)
  const value = next(3)
  const roll = next(100)
  if (roll < 18) return { kind: "load", cell }
  if (roll < 36) return { kind: "store", cell, value }
  if (roll < 50) return { kind: (["add", "sub", "or", "exchange"] as const)[next(4)] ?? "add", cell, value: value + 1 }
  if (roll < 60) return { kind: "cas", cell, expected: next(2), value }
  if (roll < 66) return { kind: "choose", n: 2 }
  if (roll < 76 && kinds.waits) {
    if (kinds.async && next(3) === 0) return { kind: "awaitAny" }
    const kind = kinds.async && next(4) !== 0 ? "waitAsync" : "wait"
    return { kind, cell, expected: next(2), timeout: next(2) === 0 ? Infinity : 10 }
  }
  if (roll < 86 && kinds.waits) return { kind: "notify", cell, count: next(3) === 0 ? 1 : Infinity }
  if (roll < 92 && kinds.spins) {
    const turns = [2, 3, 12, kinds.crash ? 4 : Infinity][next(4)] ?? 2
    return { kind: "spin", cell, value: next(2), turns, pause: next(2) === 0 }
  }
  if (depth > 0 && roll < 97) {
    const block = () =>
      Array.from({ length: 1 + next(2) }, () => statement(next, cells, { ...kinds, async: false }, depth - 1))
    return { kind: "if", equals: next(2), then: block(), else: next(2) === 0 ? block() : [] }
  }
  if (depth > 0 && kinds.ops) {
    const body = Array.from({ length: 1 + next(2) }, () =>
      statement(next, cells, { ...kinds, ops: false, async: false }, 0)
    )
    return { kind: "op", name: `f${cell}`, body }
  }
  return { kind: "load", cell }
}

export const generate = (
  seed: number,
  kinds: Kinds,
  sizes: { readonly threads: number; readonly length: number }
): Program => {
  const next = random(seed)
  const cells = 1 + next(2)
  const count = 2 + next(sizes.threads - 1)
  const threads = Array.from({ length: count }, () =>
    Array.from({ length: 1 + next(sizes.length) }, () => statement(next, cells, kinds, 1))
  )
  const crash = kinds.crash && next(2) === 0 ? { thread: next(count), step: next(4) } : undefined
  return { cells, threads, crash }
}

/** What an execution left behind, as text. */
export const outcome = (
  memory: ReadonlyArray<number>,
  observed: ReadonlyArray<ReadonlyArray<unknown>>,
  ended: ReadonlyArray<string>,
  order: ReadonlyArray<string>
): string => JSON.stringify([memory, observed, ended, [...order].toSorted()])

// ---- the form for the explorer

type Observe = (value: unknown) => void

type Plain = Exclude<Statement, { readonly kind: "waitAsync" | "awaitAny" }>

const runOne = (view: Int32Array, s: Plain, observe: Observe, last: { value: unknown }): void => {
  const saw = (value: unknown) => {
    last.value = value
    observe(value)
  }
  switch (s.kind) {
    case "load":
      return saw(Atomics.load(view, s.cell))
    case "store":
      return void Atomics.store(view, s.cell, s.value)
    case "add":
      return saw(Atomics.add(view, s.cell, s.value))
    case "sub":
      return saw(Atomics.sub(view, s.cell, s.value))
    case "or":
      return saw(Atomics.or(view, s.cell, s.value))
    case "exchange":
      return saw(Atomics.exchange(view, s.cell, s.value))
    case "cas":
      return saw(Atomics.compareExchange(view, s.cell, s.expected, s.value))
    case "wait":
      return saw(Atomics.wait(view, s.cell, s.expected, s.timeout))
    case "notify":
      return saw(Atomics.notify(view, s.cell, s.count))
    case "choose":
      return saw(choose(s.n))
    case "spin":
      return saw(spinAt(s)(view, s))
    case "if":
      for (const inner of last.value === s.equals ? s.then : s.else) runOne(view, inner as Plain, observe, last)
      return
    case "op":
      return op(s.name, undefined, () => {
        for (const inner of s.body) runOne(view, inner as Plain, observe, last)
      })
  }
}

const spin = (view: Int32Array, s: Extract<Statement, { readonly kind: "spin" }>): string => {
  for (let turn = 0; turn < s.turns; turn++) {
    if (Atomics.load(view, s.cell) !== s.value) return "changed"
    if (s.pause) (Atomics as unknown as { pause(): void }).pause()
  }
  return "gave up"
}

type Spinning = (view: Int32Array, s: Extract<Statement, { readonly kind: "spin" }>) => string

/** As in real code, every loop has a place of its own in the source. */
const places: ReadonlyArray<Spinning> = [
  (view, s) => spin(view, s),
  (view, s) => spin(view, s),
  (view, s) => spin(view, s),
  (view, s) => spin(view, s),
  (view, s) => spin(view, s),
  (view, s) => spin(view, s)
]
const placeOf = new WeakMap<Statement, Spinning>()
let placed = 0

const spinAt = (s: Statement): Spinning => {
  const known = placeOf.get(s) ?? (places[placed++ % places.length] as Spinning)
  placeOf.set(s, known)
  return known
}

/** The thread as a function of memory; it answers what it observed. */
export const compile =
  (statements: ReadonlyArray<Statement>) =>
  (view: Int32Array): ReadonlyArray<unknown> => {
    const observed: Array<unknown> = []
    const last = { value: undefined as unknown }
    for (const s of statements) runOne(view, s as Plain, (value) => observed.push(value), last)
    return observed
  }

interface Outstanding {
  readonly id: number
  readonly ended: Promise<string>
}

/** The same for programs that await: nothing is awaited inside `if` and `op`. */
export const compileAsync =
  (statements: ReadonlyArray<Statement>) =>
  async (view: Int32Array): Promise<ReadonlyArray<unknown>> => {
    const observed: Array<unknown> = []
    const last = { value: undefined as unknown }
    const outstanding: Array<Outstanding> = []
    let id = 0
    const saw = (value: unknown): void => {
      last.value = value
      observed.push(value)
    }
    for (const s of statements) {
      if (s.kind === "waitAsync") {
        const answer = Atomics.waitAsync(view, s.cell, s.expected, s.timeout)
        saw(answer.async ? "async" : answer.value)
        if (answer.async) outstanding.push({ id: id++, ended: answer.value })
      } else if (s.kind === "awaitAny") {
        if (outstanding.length === 0) continue
        const first = await Promise.race(outstanding.map((one) => one.ended.then((value) => ({ one, value }))))
        outstanding.splice(outstanding.indexOf(first.one), 1)
        saw(`${first.one.id}:${first.value}`)
      } else runOne(view, s, saw, last)
    }
    return observed
  }
