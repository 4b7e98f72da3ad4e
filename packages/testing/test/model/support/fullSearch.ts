/**
 * Every state of a program, by plain depth-first search: one explicit state, all
 * threads that can move, no reduction. It shares nothing with the explorer: no
 * engine, no order, no clocks; it does not even run JavaScript, but steps through
 * instructions. Equal states are visited once, which makes endless spins finite.
 *
 * The state of a program is its memory, the waiters of each cell, and for each
 * thread where it is, what it has observed and what it last saw. Calls and
 * returns are part of the state as the sequence in which they happened.
 */
import { outcome, type Program, type Statement } from "./programs.ts"

type Instruction =
  | Exclude<Statement, { readonly kind: "if" | "op" | "spin" }>
  /** One turn of a loop: look; leave, or count. */
  | {
      readonly kind: "turn"
      readonly cell: number
      readonly value: number
      readonly turns: number
      readonly loop: number
    }
  /** Local: no step. */
  | { readonly kind: "branch"; readonly equals: number; readonly otherwise: number }
  | { readonly kind: "jump"; readonly to: number }
  | { readonly kind: "call" | "return"; readonly name: string }

const flatten = (statements: ReadonlyArray<Statement>, into: Array<Instruction>): void => {
  for (const s of statements) {
    if (s.kind === "if") {
      const at = into.length
      into.push({ kind: "branch", equals: s.equals, otherwise: 0 })
      flatten(s.then, into)
      const jump = into.length
      into.push({ kind: "jump", to: 0 })
      into[at] = { kind: "branch", equals: s.equals, otherwise: into.length }
      flatten(s.else, into)
      into[jump] = { kind: "jump", to: into.length }
    } else if (s.kind === "op") {
      into.push({ kind: "call", name: s.name })
      flatten(s.body, into)
      into.push({ kind: "return", name: s.name })
    } else if (s.kind === "spin") {
      into.push({ kind: "turn", cell: s.cell, value: s.value, turns: s.turns, loop: into.length })
    } else into.push(s)
  }
}

interface Awaited {
  readonly id: number
  readonly cell: number
  readonly timeout: number
  notified: boolean
}

interface ThreadState {
  /** Waits begun and not ended, and how many were ever begun. */
  awaited: Array<Awaited>
  begun: number
  at: number
  observed: Array<unknown>
  last: unknown
  /** Turns of the loop it is in. */
  turns: number
  steps: number
  asleep: "no" | "asleep" | "notified"
  dead: boolean
}

interface State {
  memory: Array<number>
  /** By cell: the thread, and which of its awaited waits (-1: it sleeps). */
  waiters: Array<Array<readonly [thread: number, id: number]>>
  threads: Array<ThreadState>
  history: Array<string>
}

const clone = (s: State): State => ({
  memory: [...s.memory],
  waiters: s.waiters.map((list) => [...list]),
  threads: s.threads.map((t) => ({ ...t, observed: [...t.observed], awaited: t.awaited.map((one) => ({ ...one })) })),
  history: [...s.history]
})

/** Local instructions take no step: pass over them. */
const settle = (code: ReadonlyArray<Instruction>, t: ThreadState): void => {
  for (;;) {
    const i = code[t.at]
    if (i?.kind === "jump") t.at = i.to
    else if (i?.kind === "branch") t.at = t.last === i.equals ? t.at + 1 : i.otherwise
    else if (i?.kind === "awaitAny" && t.awaited.length === 0) t.at++
    else return
  }
}

const precedence = (history: ReadonlyArray<string>): ReadonlyArray<string> => {
  const pairs: Array<string> = []
  for (let i = 0; i < history.length; i++) {
    const left = history[i] as string
    if (!left.startsWith("r")) continue
    for (const right of history.slice(i + 1))
      if (right.startsWith("c")) pairs.push(`${left.slice(1)}<${right.slice(1)}`)
  }
  return pairs
}

export interface FullResult {
  readonly outcomes: ReadonlySet<string>
  readonly states: number
  /** Every content of memory that is ever reached. */
  readonly memories: ReadonlySet<string>
}

/** All outcomes, or nothing if there are more states than `limit`. */
export const fullSearch = (program: Program, limit: number, lastResort = false): FullResult | undefined => {
  const codes = program.threads.map((statements) => {
    const code: Array<Instruction> = []
    flatten(statements, code)
    return code
  })
  const start: State = {
    memory: Array.from({ length: program.cells }, () => 0),
    waiters: Array.from({ length: program.cells }, () => []),
    threads: codes.map(() => ({
      at: 0,
      observed: [],
      last: undefined,
      turns: 0,
      steps: 0,
      asleep: "no",
      dead: false,
      awaited: [],
      begun: 0
    })),
    history: []
  }
  const seen = new Set<string>()
  const ends = new Set<string>()
  const memories = new Set<string>()
  const stack: Array<State> = [start]
  const visit = (s: State): boolean => {
    s.threads.forEach((t, i) => settle(codes[i] as ReadonlyArray<Instruction>, t))
    const key = JSON.stringify(s)
    if (seen.has(key)) return false
    seen.add(key)
    memories.add(s.memory.join())
    stack.push(s)
    return true
  }
  stack.length = 0
  visit(start)
  while (stack.length > 0) {
    if (seen.size > limit) return undefined
    const s = stack.pop() as State
    const nexts = successors(program, codes, s, !lastResort)
    // A state whose only moves lead back to itself is one where everybody spins for ever.
    const own = JSON.stringify(s)
    const moves = (next: State): boolean => {
      next.threads.forEach((t, i) => settle(codes[i] as ReadonlyArray<Instruction>, t))
      return JSON.stringify(next) !== own
    }
    let moving = nexts.filter(moves)
    if (lastResort && moving.length === 0) moving = successors(program, codes, s, true).filter(moves)
    if (moving.length === 0) ends.add(describe(codes, s))
    for (const next of moving) visit(next)
  }
  return { outcomes: ends, states: seen.size, memories }
}

const describe = (codes: ReadonlyArray<ReadonlyArray<Instruction>>, s: State): string => {
  const ended = s.threads.map((t, i) => {
    if (t.dead) return "died"
    return t.at >= (codes[i] as ReadonlyArray<Instruction>).length ? "ended" : "stuck"
  })
  const observed = s.threads.map((t, i) => (ended[i] === "ended" ? t.observed : []))
  return outcome(s.memory, observed, ended, precedence(s.history))
}

/** `timeouts`: whether a wait may end by its timeout. */
const successors = (
  program: Program,
  codes: ReadonlyArray<ReadonlyArray<Instruction>>,
  s: State,
  timeouts: boolean
): Array<State> => {
  const nexts: Array<State> = []
  for (let i = 0; i < s.threads.length; i++) {
    const t = s.threads[i] as ThreadState
    const code = codes[i] as ReadonlyArray<Instruction>
    const instruction = code[t.at]
    if (t.dead || instruction === undefined) continue
    if (program.crash?.thread === i && program.crash.step === t.steps) {
      const next = clone(s)
      const mine = next.threads[i] as ThreadState
      mine.dead = true
      next.waiters = next.waiters.map((list) => list.filter(([thread]) => thread !== i))
      nexts.push(next)
      continue
    }
    nexts.push(...stepOf(s, i, instruction, timeouts))
  }
  return nexts
}

const stepOf = (s: State, i: number, instruction: Instruction, timeouts: boolean): ReadonlyArray<State> => {
  const next = clone(s)
  const t = next.threads[i] as ThreadState
  const saw = (value: unknown): ReadonlyArray<State> => {
    t.observed.push(value)
    t.last = value
    t.at++
    t.steps++
    return [next]
  }
  const m = next.memory
  switch (instruction.kind) {
    case "load":
      return saw(m[instruction.cell])
    case "store":
      m[instruction.cell] = instruction.value
      t.at++
      t.steps++
      return [next]
    case "add":
    case "sub":
    case "or":
    case "exchange": {
      const old = m[instruction.cell] as number
      const v = instruction.value
      m[instruction.cell] =
        instruction.kind === "add"
          ? old + v
          : instruction.kind === "sub"
            ? old - v
            : instruction.kind === "or"
              ? old | v
              : v
      return saw(old)
    }
    case "cas": {
      const old = m[instruction.cell] as number
      if (old === instruction.expected) m[instruction.cell] = instruction.value
      return saw(old)
    }
    case "choose":
      return Array.from({ length: instruction.n }, (_, value) => {
        const branch = clone(s)
        const mine = branch.threads[i] as ThreadState
        mine.observed.push(value)
        mine.last = value
        mine.at++
        mine.steps++
        return branch
      })
    case "notify": {
      let woken = 0
      const list = next.waiters[instruction.cell] as Array<readonly [number, number]>
      while (list.length > 0 && woken < instruction.count) {
        const [thread, id] = list.shift() as readonly [number, number]
        const sleeper = next.threads[thread] as ThreadState
        if (id < 0) sleeper.asleep = "notified"
        else for (const one of sleeper.awaited) if (one.id === id) one.notified = true
        woken++
      }
      return saw(woken)
    }
    case "waitAsync": {
      if (m[instruction.cell] !== instruction.expected) return saw("not-equal")
      const id = t.begun++
      t.awaited.push({ id, cell: instruction.cell, timeout: instruction.timeout, notified: false })
      next.waiters[instruction.cell]?.push([i, id])
      return saw("async")
    }
    case "awaitAny":
      return awaitStep(s, i, timeouts)
    case "wait":
      return sleepStep(s, next, i, t, instruction, saw, timeouts)
    case "turn": {
      t.steps++
      const looked = m[instruction.cell] !== instruction.value
      if (looked || t.turns + 1 >= instruction.turns) {
        t.turns = 0
        t.observed.push(looked ? "changed" : "gave up")
        t.last = looked ? "changed" : "gave up"
        t.at++
      } else if (instruction.turns !== Infinity) t.turns++
      else t.steps = (s.threads[i] as ThreadState).steps
      return [next]
    }
    case "call":
    case "return":
      next.history.push(
        `${instruction.kind === "call" ? "c" : "r"}${i}.${countOf(s, i, instruction.kind === "call" ? "c" : "r")}`
      )
      t.at++
      t.steps++
      return [next]
    default:
      return []
  }
}

const countOf = (s: State, i: number, letter: string): number =>
  s.history.filter((h) => h.startsWith(`${letter}${i}.`)).length

/** One state for each of the outstanding waits that can end now. */
const awaitStep = (s: State, i: number, timeouts: boolean): ReadonlyArray<State> => {
  const possible = (s.threads[i] as ThreadState).awaited.filter(
    (one) => one.notified || (timeouts && one.timeout !== Infinity)
  )
  return possible.map((one) => {
    const next = clone(s)
    const t = next.threads[i] as ThreadState
    t.awaited = t.awaited.filter((other) => other.id !== one.id)
    if (!one.notified) {
      next.waiters[one.cell] = (next.waiters[one.cell] ?? []).filter(([thread, id]) => thread !== i || id !== one.id)
    }
    t.last = `${one.id}:${one.notified ? "ok" : "timed-out"}`
    t.observed.push(t.last)
    t.at++
    t.steps++
    return next
  })
}

const sleepStep = (
  s: State,
  next: State,
  i: number,
  t: ThreadState,
  instruction: { readonly cell: number; readonly expected: number; readonly timeout: number },
  saw: (value: unknown) => ReadonlyArray<State>,
  timeouts: boolean
): ReadonlyArray<State> => {
  const list = next.waiters[instruction.cell] as Array<readonly [number, number]>
  if (t.asleep === "no") {
    if (s.memory[instruction.cell] !== instruction.expected) return saw("not-equal")
    t.asleep = "asleep"
    t.steps++
    list.push([i, -1])
    return [next]
  }
  if (t.asleep === "notified") {
    t.asleep = "no"
    return saw("ok")
  }
  if (!timeouts || instruction.timeout === Infinity) return []
  next.waiters[instruction.cell] = list.filter(([thread, id]) => thread !== i || id >= 0)
  t.asleep = "no"
  return saw("timed-out")
}
