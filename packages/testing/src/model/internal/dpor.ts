/**
 * Exhaustive search that visits each order of _dependent_ steps once, more or
 * less: dynamic partial-order reduction with source sets and sleep sets.
 *
 * A step of one thread and a step of another are dependent when exchanging them
 * could matter (`op.ts`). While an execution runs, vector clocks say which steps
 * are ordered by a chain of dependent ones. Two dependent steps that are
 * neighbours in that order are a _race_: the search must also try them the other
 * way round, so the state before the first gets another thread to continue with.
 *
 * **Invariants**
 *
 * 1. `backtrack` of a node is a source set of its state, once the search is done
 *    with it: every execution from there starts, up to exchange of independent
 *    steps, with a thread of that set.
 * 2. A thread _sleeps_ at a node when continuing with it is covered by a sibling
 *    explored before; it wakes at the first step dependent with its own.
 * 3. Where the thread a race asks for cannot run (it spins, and would find
 *    nothing changed), all threads that can are tried: a full set is a source set.
 * 4. A step that was possible only because nothing else was (`BARRIER`) is
 *    ordered with every other, and all its rivals are tried.
 * 5. The given steps touch what they touched before, with the same threads able
 *    to step: a body that behaves otherwise remembers something, and is reported.
 *
 * Source: Abdulla, Aronis, Jonsson and Sagonas, "Source Sets: A Foundation for
 * Optimal Dynamic Partial Order Reduction"; sleep sets are Godefroid's.
 *
 * @internal
 */
import type { Cell } from "./memory.ts"
import { BARRIER, CALLS, dependent, FOOTPRINT, LIST_WRITE, RETURNS, VISIBLE, WRITES } from "./op.ts"
import { DIVERGED, lowest, PRUNE, type Touched, type Walker } from "./walker.ts"

export class Dpor implements Walker {
  readonly name = "dpor"
  readonly exhaustive = true
  readonly #threads: number

  // ---- the path, by step
  readonly #thread: Int32Array
  readonly #alternative: Int32Array
  readonly #alternatives: Int32Array
  readonly #backtrack: Int32Array
  readonly #done: Int32Array
  readonly #sleep: Int32Array
  readonly #enabled: Int32Array
  /** Footprints of sleeping, done and executed threads, by step and thread. */
  readonly #prints: Float64Array
  /** Steps that are given; the one before is the one that differs from last time. */
  #prefix = 0
  /** A given step touched something else than last time: a body remembers something (invariant 5). */
  #strayed = false

  // ---- the order of this execution
  readonly #clocks: Int32Array
  readonly #index: Int32Array
  readonly #now: Int32Array
  readonly #counts: Int32Array
  readonly #lastCalls: Int32Array
  readonly #lastReturns: Int32Array
  readonly #lastVisible: Int32Array
  readonly #first: Int32Array
  #sleeping = 0
  readonly #races: Array<number> = []

  constructor(threads: number, maxSteps: number) {
    const n = maxSteps + 2
    this.#threads = threads
    this.#thread = new Int32Array(n)
    this.#alternative = new Int32Array(n)
    this.#alternatives = new Int32Array(n)
    this.#backtrack = new Int32Array(n)
    this.#done = new Int32Array(n)
    this.#sleep = new Int32Array(n)
    this.#enabled = new Int32Array(n)
    this.#prints = new Float64Array(n * threads * FOOTPRINT)
    this.#clocks = new Int32Array(n * threads)
    this.#index = new Int32Array(n)
    this.#now = new Int32Array(threads * threads)
    this.#counts = new Int32Array(threads)
    this.#lastCalls = new Int32Array(threads)
    this.#lastReturns = new Int32Array(threads)
    this.#lastVisible = new Int32Array(1)
    this.#first = new Int32Array(threads)
  }

  begin(): void {
    this.#now.fill(0)
    this.#counts.fill(0)
    this.#lastCalls.fill(-1)
    this.#lastReturns.fill(-1)
    this.#lastVisible.fill(-1)
    this.#sleeping = 0
    this.#strayed = false
  }

  pick(step: number, enabled: number, current: number, barrier: boolean): number {
    if (step < this.#prefix) {
      // The same steps, so the same threads can go on.
      return this.#strayed || enabled !== this.#enabled[step] ? DIVERGED : (this.#thread[step] as number)
    }
    const sleeping = this.#sleeping
    const candidates = enabled & ~sleeping
    if (candidates === 0) return PRUNE
    const thread = current >= 0 && ((candidates >> current) & 1) === 1 ? current : lowest(candidates)
    this.#thread[step] = thread
    this.#alternative[step] = 0
    this.#alternatives[step] = 1
    this.#backtrack[step] = barrier ? enabled : 1 << thread
    this.#done[step] = 0
    this.#sleep[step] = sleeping
    this.#enabled[step] = enabled
    return thread
  }

  choose(step: number, n: number): number {
    this.#alternatives[step] = n
    return this.#alternative[step] as number
  }

  follows(follower: number, ended: number): void {
    const n = this.#threads
    for (let t = 0; t < n; t++) {
      const theirs = this.#now[ended * n + t] as number
      if (theirs > (this.#now[follower * n + t] as number)) this.#now[follower * n + t] = theirs
    }
  }

  executed(step: number, thread: number, touched: Touched): void {
    const races = this.#races
    races.length = 0
    const { cell, list, flags } = touched
    if ((flags & BARRIER) !== 0) this.#joinEverything(thread)
    if (cell !== undefined) this.#meetCell(thread, cell, (flags & WRITES) !== 0, step)
    if (list !== undefined) this.#meet(thread, list, (flags & LIST_WRITE) !== 0)
    if ((flags & VISIBLE) !== 0) this.#consider(thread, this.#lastVisible[0] as number)
    if ((flags & CALLS) !== 0) for (const s of this.#lastReturns) this.#consider(thread, s)
    if ((flags & RETURNS) !== 0) for (const s of this.#lastCalls) this.#consider(thread, s)
    if (touched.notifiedAt >= 0 && touched.couldTimeOut) this.#consider(thread, touched.notifiedAt)

    this.#order(step, thread, touched)
    if (step >= this.#prefix - 1) {
      for (let i = 0; i < races.length; i++) this.#reverse(races[i] as number, step, thread)
      this.#fallAsleep(step, thread, touched)
    } else if (!this.#asBefore(step, thread, touched)) this.#strayed = true
  }

  #asBefore(step: number, thread: number, { cell, flags, list }: Touched): boolean {
    const own = (step * this.#threads + thread) * FOOTPRINT
    const prints = this.#prints
    return (
      prints[own] === (cell === undefined ? 0 : cell.address) &&
      prints[own + 1] === (cell === undefined ? 0 : cell.size) &&
      prints[own + 2] === (list === undefined ? 0 : list.address) &&
      prints[own + 3] === flags
    )
  }

  /** Note that an earlier step may race with the one of `thread` now being executed. */
  #consider(thread: number, step: number): void {
    if (step < 0) return
    const other = this.#thread[step] as number
    if (other === thread) return
    if ((this.#now[thread * this.#threads + other] as number) >= (this.#index[step] as number)) return
    this.#races.push(step)
  }

  #meetCell(thread: number, cell: Cell, writes: boolean, step: number): void {
    if (cell.parts !== undefined) {
      for (const part of cell.parts) this.#meetCell(thread, part, writes, step)
      return
    }
    this.#meet(thread, cell, writes)
  }

  #meet(thread: number, cell: Cell, writes: boolean): void {
    let read = false
    if (writes) {
      const reads = cell.lastReads
      for (let t = 0; t < reads.length; t++) {
        const at = reads[t] as number
        if (at < 0 || t === thread) continue
        read = true
        this.#consider(thread, at)
      }
    }
    if (!read) this.#consider(thread, cell.lastWrite)
  }

  #join(thread: number, step: number): void {
    if (step < 0) return
    const n = this.#threads
    const now = this.#now
    const clocks = this.#clocks
    for (let t = 0, a = thread * n, b = step * n; t < n; t++, a++, b++) {
      if ((clocks[b] as number) > (now[a] as number)) now[a] = clocks[b] as number
    }
  }

  #joinEverything(thread: number): void {
    const n = this.#threads
    for (let other = 0; other < n; other++) this.follows(thread, other)
  }

  #touch(thread: number, cell: Cell, writes: boolean, step: number): void {
    if (cell.parts !== undefined) {
      for (const part of cell.parts) this.#touch(thread, part, writes, step)
      return
    }
    this.#join(thread, cell.lastWrite)
    if (writes) {
      const reads = cell.lastReads
      for (let t = 0; t < reads.length; t++) {
        if ((reads[t] as number) >= 0) this.#join(thread, reads[t] as number)
        reads[t] = -1
      }
      cell.lastWrite = step
    } else cell.lastReads[thread] = step
  }

  /** Join the clocks of all steps this one depends on, and become one of them. */
  #order(step: number, thread: number, touched: Touched): void {
    const { cell, list, flags } = touched
    const n = this.#threads
    if (cell !== undefined) this.#touch(thread, cell, (flags & WRITES) !== 0, step)
    if (list !== undefined) this.#touch(thread, list, (flags & LIST_WRITE) !== 0, step)
    if ((flags & VISIBLE) !== 0) {
      this.#join(thread, this.#lastVisible[0] as number)
      this.#lastVisible[0] = step
    }
    if ((flags & CALLS) !== 0) {
      for (const s of this.#lastReturns) this.#join(thread, s)
      this.#lastCalls[thread] = step
    }
    if ((flags & RETURNS) !== 0) {
      for (const s of this.#lastCalls) this.#join(thread, s)
      this.#lastReturns[thread] = step
    }
    this.#join(thread, touched.notifiedAt)
    const index = (this.#counts[thread] as number) + 1
    this.#counts[thread] = index
    this.#index[step] = index
    this.#now[thread * n + thread] = index
    for (let t = 0, a = step * n, b = thread * n; t < n; t++) this.#clocks[a++] = this.#now[b++] as number
    // Whatever comes after a barrier comes after it, in every thread.
    if ((flags & BARRIER) !== 0) for (let t = 0; t < n; t++) this.follows(t, thread)
  }

  /** Make sure that some execution has the step `late` before the step `early`. */
  #reverse(early: number, late: number, thread: number): void {
    const n = this.#threads
    const first = this.#first
    const earlyThread = this.#thread[early] as number
    const earlyIndex = this.#index[early] as number
    let seen = 0
    let initials = 0
    for (let s = early + 1; s <= late; s++) {
      const t = s === late ? thread : (this.#thread[s] as number)
      const at = s * n
      if (s !== late && (this.#clocks[at + earlyThread] as number) >= earlyIndex) continue
      if (((seen >> t) & 1) === 1) continue
      let led = true
      for (let m = seen; m !== 0; m &= m - 1) {
        const q = lowest(m)
        if ((this.#clocks[at + q] as number) >= (first[q] as number)) {
          led = false
          break
        }
      }
      if (led) initials |= 1 << t
      seen |= 1 << t
      first[t] = this.#index[s] as number
    }
    if ((initials & ((this.#backtrack[early] as number) | (this.#sleep[early] as number))) !== 0) return
    const enabled = this.#enabled[early] as number
    const possible = initials & enabled
    // Invariant 3.
    if (possible === 0) this.#backtrack[early] = (this.#backtrack[early] as number) | enabled
    else {
      const chosen = ((possible >> thread) & 1) === 1 ? thread : lowest(possible)
      this.#backtrack[early] = (this.#backtrack[early] as number) | (1 << chosen)
    }
  }

  /** Who sleeps after this step: those who slept or were done, and do not depend on it. */
  #fallAsleep(step: number, thread: number, touched: Touched): void {
    const n = this.#threads
    const prints = this.#prints
    const own = (step * n + thread) * FOOTPRINT
    const { cell, list, flags } = touched
    prints[own] = cell === undefined ? 0 : cell.address
    prints[own + 1] = cell === undefined ? 0 : cell.size
    prints[own + 2] = list === undefined ? 0 : list.address
    prints[own + 3] = flags
    let sleeping = 0
    const before = ((this.#sleep[step] as number) | (this.#done[step] as number)) & ~(1 << thread)
    for (let m = before; m !== 0; m &= m - 1) {
      const t = lowest(m)
      const theirs = (step * n + t) * FOOTPRINT
      if (dependent(prints, theirs, own)) continue
      sleeping |= 1 << t
      const next = ((step + 1) * n + t) * FOOTPRINT
      for (let k = 0; k < FOOTPRINT; k++) prints[next + k] = prints[theirs + k] as number
    }
    this.#sleeping = sleeping
  }

  next(steps: number): boolean {
    for (let step = steps - 1; step >= 0; step--) {
      const alternative = (this.#alternative[step] as number) + 1
      if (alternative < (this.#alternatives[step] as number)) {
        this.#alternative[step] = alternative
        this.#prefix = step + 1
        return true
      }
      const done = (this.#done[step] as number) | (1 << (this.#thread[step] as number))
      this.#done[step] = done
      const left = (this.#backtrack[step] as number) & ~done & ~(this.#sleep[step] as number)
      if (left !== 0) {
        this.#thread[step] = lowest(left)
        this.#alternative[step] = 0
        this.#alternatives[step] = 1
        this.#prefix = step + 1
        return true
      }
    }
    return false
  }
}
