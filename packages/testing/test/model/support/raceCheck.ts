/**
 * Data races found twice: by the explorer's vector clocks, and by looking, in every
 * state of a program, for two threads about to touch one cell, one of them plainly
 * and one of them writing. The second needs no notion of happens-before.
 */
import { explore } from "../../../src/model/index.ts"
import { random } from "./programs.ts"

interface Access {
  readonly kind: "load" | "store" | "add" | "plainLoad" | "plainStore"
  readonly cell: number
  readonly value: number
  /** Goes on only if the last load saw this value; otherwise the thread ends. */
  readonly only: number | undefined
}

export type RaceProgram = ReadonlyArray<ReadonlyArray<Access>>

export const generateRacy = (seed: number): RaceProgram => {
  const next = random(seed)
  const kinds = ["load", "store", "add", "plainLoad", "plainStore", "load", "store"] as const
  return Array.from({ length: 2 + next(2) }, () =>
    Array.from({ length: 1 + next(4) }, () => {
      const kind = kinds[next(kinds.length)] ?? "load"
      // Cell 2 is mostly data, the others mostly flags.
      const cell = kind.startsWith("plain") ? (next(4) === 0 ? next(3) : 2) : next(3) === 0 ? next(3) : next(2)
      return { kind, cell, value: 1 + next(2), only: next(3) === 0 ? next(2) : undefined }
    })
  )
}

/** Whether two threads can ever stand next to each other at conflicting accesses. */
export const racesByLooking = (program: RaceProgram): boolean => {
  const seen = new Set<string>()
  type State = {
    readonly memory: ReadonlyArray<number>
    readonly at: ReadonlyArray<number>
    readonly last: ReadonlyArray<number>
  }
  const next = (s: State, t: number): Access | undefined => {
    const access = program[t]?.[s.at[t] ?? 0]
    return access === undefined || (access.only !== undefined && access.only !== s.last[t]) ? undefined : access
  }
  const visit = (s: State): boolean => {
    const key = JSON.stringify(s)
    if (seen.has(key)) return false
    seen.add(key)
    const waiting = program.map((_, t) => next(s, t))
    for (let a = 0; a < program.length; a++) {
      for (let b = a + 1; b < program.length; b++) {
        const x = waiting[a]
        const y = waiting[b]
        if (x === undefined || y === undefined || x.cell !== y.cell) continue
        const plain = x.kind.startsWith("plain") || y.kind.startsWith("plain")
        const writes = [x, y].some((one) => one.kind !== "load" && one.kind !== "plainLoad")
        if (plain && writes) return true
      }
    }
    return program.some((_, t) => {
      const access = waiting[t]
      if (access === undefined) return false
      const memory = [...s.memory]
      const last = [...s.last]
      const old = memory[access.cell] ?? 0
      if (access.kind === "store" || access.kind === "plainStore") memory[access.cell] = access.value
      else last[t] = old
      if (access.kind === "add") memory[access.cell] = old + access.value
      return visit({ memory, last, at: s.at.map((n, i) => (i === t ? n + 1 : n)) })
    })
  }
  return visit({ memory: [0, 0, 0], at: program.map(() => 0), last: program.map(() => 0) })
}

const run =
  (accesses: ReadonlyArray<Access>) =>
  (x: Int32Array): void => {
    let last = 0
    for (const { cell, kind, only, value } of accesses) {
      if (only !== undefined && only !== last) return
      if (kind === "load") last = Atomics.load(x, cell)
      else if (kind === "plainLoad") last = x[cell] ?? 0
      else if (kind === "add") last = Atomics.add(x, cell, value)
      else if (kind === "store") Atomics.store(x, cell, value)
      else x[cell] = value
    }
  }

export const racesByExploring = (program: RaceProgram): boolean => {
  const threads = Object.fromEntries(program.map((accesses, t) => [`t${t}`, run(accesses)]))
  const report = explore({ setup: () => new Int32Array(new SharedArrayBuffer(12)), threads })
  if (report._tag === "Failed" && report.failure.kind !== "data-race") throw new Error(report.failure.message)
  return report._tag === "Failed"
}
