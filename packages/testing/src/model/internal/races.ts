/**
 * Happens-before as JavaScript defines it, and the accesses it leaves unordered.
 *
 * Sequentially consistent atomics on race-free programs behave as if the threads
 * took turns; the explorer only takes turns, so it has to prove the "race-free".
 * Every thread has a vector clock. An atomic write _releases_ it into the cell,
 * an atomic read that reads it _acquires_; a notification does the same with the
 * waiter it wakes, in both directions. Two accesses to one cell, one of them
 * plain and one of them a write, with neither clock covering the other, are a
 * data race: on real hardware the reader may see anything older, or half a value.
 *
 * **Invariants**
 *
 * 1. A thread's own component grows _after_ each release, so that what it does
 *    next is not covered by what it published.
 * 2. A plain store replaces what a cell releases; a read-modify-write has first
 *    acquired it, so replacing keeps the chain.
 * 3. Atomic accesses of different sizes do not synchronise: the two are reported
 *    as `mixed-size` unless something else orders them.
 *
 * Source: Flanagan and Freund, "FastTrack", without its compression of reads.
 *
 * @internal
 */
import type { Cell } from "./memory.ts"

export interface Conflict {
  readonly kind: "data-race" | "mixed-size"
  readonly other: number
  readonly otherAccess: string
  readonly cell: Cell
}

export class Races {
  readonly #threads: number
  readonly #clocks: Int32Array
  enabled = true

  constructor(threads: number) {
    this.#threads = threads
    this.#clocks = new Int32Array(threads * threads)
  }

  begin(): void {
    this.#clocks.fill(0)
    for (let t = 0; t < this.#threads; t++) this.#clocks[t * this.#threads + t] = 1
  }

  /** `follower` starts after `ended` has ended, or was woken by it. */
  join(follower: number, ended: number): void {
    const n = this.#threads
    const clocks = this.#clocks
    for (let t = 0, a = follower * n, b = ended * n; t < n; t++, a++, b++) {
      if ((clocks[b] as number) > (clocks[a] as number)) clocks[a] = clocks[b] as number
    }
  }

  /** The clock of a thread now, as a release: later steps of it are not covered. */
  snapshot(thread: number): Int32Array {
    const n = this.#threads
    const copy = this.#clocks.slice(thread * n, thread * n + n)
    this.tick(thread)
    return copy
  }

  /** Acquire what a snapshot released. */
  joinSnapshot(thread: number, snapshot: Int32Array): void {
    const n = this.#threads
    const clocks = this.#clocks
    for (let t = 0, a = thread * n; t < n; t++, a++) {
      if ((snapshot[t] as number) > (clocks[a] as number)) clocks[a] = snapshot[t] as number
    }
  }

  tick(thread: number): void {
    const own = thread * this.#threads + thread
    this.#clocks[own] = (this.#clocks[own] as number) + 1
  }

  /** An atomic read of the cell, or the read half of a read-modify-write. */
  acquire(thread: number, cell: Cell, size: number): void {
    if (cell.parts !== undefined) {
      for (const part of cell.parts) this.acquire(thread, part, size)
      return
    }
    if (cell.releasedSize !== size) return
    const n = this.#threads
    const clocks = this.#clocks
    const release = cell.release
    for (let t = 0, a = thread * n; t < n; t++, a++) {
      if ((release[t] as number) > (clocks[a] as number)) clocks[a] = release[t] as number
    }
  }

  /** An atomic write; the caller calls `tick` afterwards (invariant 1). */
  release(thread: number, cell: Cell, size: number): void {
    if (cell.parts !== undefined) {
      for (const part of cell.parts) this.release(thread, part, size)
      return
    }
    const n = this.#threads
    const clocks = this.#clocks
    for (let t = 0, a = thread * n; t < n; t++, a++) cell.release[t] = clocks[a] as number
    cell.releasedSize = size
  }

  /** Record an atomic access, and find what it conflicts with. */
  atomic(thread: number, cell: Cell, size: number, reads: boolean, writes: boolean): Conflict | undefined {
    if (cell.parts !== undefined) {
      for (const part of cell.parts) {
        const conflict = this.atomic(thread, part, size, reads, writes)
        if (conflict !== undefined) return conflict
      }
      return undefined
    }
    const clocks = this.#clocks
    const base = thread * this.#threads
    if (cell.plain) {
      const other = this.#unordered(thread, cell.plainWrites)
      if (other >= 0) return { kind: "data-race", other, otherAccess: "a plain write", cell }
      const reader = writes ? this.#unordered(thread, cell.plainReads) : -1
      if (reader >= 0) return { kind: "data-race", other: reader, otherAccess: "a plain read", cell }
    }
    if (cell.region.split) {
      const other = this.#otherSize(thread, cell, size, writes)
      if (other >= 0) return { kind: "mixed-size", other, otherAccess: "an atomic access of another size", cell }
    }
    cell.atomicSizes[thread] = size
    if (reads) cell.atomicReads[thread] = clocks[base + thread] as number
    if (writes) cell.atomicWrites[thread] = clocks[base + thread] as number
    return undefined
  }

  #otherSize(thread: number, cell: Cell, size: number, writes: boolean): number {
    const base = thread * this.#threads
    for (let t = 0; t < this.#threads; t++) {
      if (t === thread || cell.atomicSizes[t] === size) continue
      const known = this.#clocks[base + t] as number
      if ((cell.atomicWrites[t] as number) > known) return t
      if (writes && (cell.atomicReads[t] as number) > known) return t
    }
    return -1
  }

  #unordered(thread: number, accesses: Int32Array): number {
    const n = this.#threads
    for (let t = 0, a = thread * n; t < n; t++, a++) {
      if (t !== thread && (accesses[t] as number) > (this.#clocks[a] as number)) return t
    }
    return -1
  }

  /** Record a plain access, and find what it conflicts with. */
  plain(thread: number, cell: Cell, writes: boolean): Conflict | undefined {
    if (cell.parts !== undefined) {
      for (const part of cell.parts) {
        const conflict = this.plain(thread, part, writes)
        if (conflict !== undefined) return conflict
      }
      return undefined
    }
    let other = this.#unordered(thread, cell.plainWrites)
    if (other >= 0) return { kind: "data-race", other, otherAccess: "a plain write", cell }
    other = this.#unordered(thread, cell.atomicWrites)
    if (other >= 0) return { kind: "data-race", other, otherAccess: "an atomic write", cell }
    if (writes) {
      other = this.#unordered(thread, cell.plainReads)
      if (other >= 0) return { kind: "data-race", other, otherAccess: "a plain read", cell }
      other = this.#unordered(thread, cell.atomicReads)
      if (other >= 0) return { kind: "data-race", other, otherAccess: "an atomic read", cell }
    }
    cell.plain = true
    const own = this.#clocks[thread * this.#threads + thread] as number
    if (writes) cell.plainWrites[thread] = own
    else cell.plainReads[thread] = own
    return undefined
  }
}
