/**
 * What a consumer knows: where it stands, what it has missed, and how it reads.
 *
 * Everything here is synchronous; `Consumer` waits, and turns the answers into errors.
 *
 * **Invariants**
 *
 * 1. What `takeUnsafe` answers is committed by `settle`, or by the next call, so that a fiber interrupted on its way to the caller can
 *    put it back.
 * 2. Copies are checked before any of them is answered (T2 of docs/memory.md).
 *
 * @since 0.1.0
 */
import type { View } from "../memory/Record.ts"
import type { Bed } from "../memory/Waking.ts"
import * as Beds from "./internal/beds.ts"
import * as Epoch from "./internal/epoch.ts"
import * as Gate from "./internal/gate.ts"
import { Stopwatch } from "./internal/latency.ts"
import * as Layout from "./internal/layout.ts"
import * as Read from "./internal/read.ts"
import * as Tally from "./internal/tally.ts"
import type * as Ring from "./Ring.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** 1 to 112 bytes of UTF-8. */
  readonly id: string
  /** Has to be greater than the one before it on a vacant seat; default one more. */
  readonly generation?: number | undefined
  /**
   * Where to begin: the next record, the oldest one that is retained, or a position that was stored. On a vacant seat, never before
   * its own cursor; the default is that cursor there, else `latest`.
   */
  readonly from?: "latest" | "earliest" | number | undefined
  /** Default `block`. */
  readonly whenSlow?: "block" | "dropOldest" | "detach" | undefined
  /** Default `auto`. */
  readonly commit?: "auto" | "manual" | undefined
  /** Count what is taken, gaps, empty polls and the greatest lag; default off, and then it costs nothing. */
  readonly counters?: boolean | undefined
}

/**
 * Answers of `takeUnsafe` and `processUnsafe` beside records: nothing yet (0), everything taken from a closed ring, detached.
 *
 * @category models
 * @since 0.1.0
 */
export const END = -1

/**
 * @category models
 * @since 0.1.0
 */
export const DETACHED = -2

/**
 * Sees a record in place, or a copy if the consumer may be overtaken; the object is used again for the next one.
 *
 * @category models
 * @since 0.1.0
 */
export type Handler<A> = (record: Readonly<A>, position: number, endOfBatch: boolean) => void

/**
 * A consumer of one thread.
 *
 * @category models
 * @since 0.1.0
 */
export class ConsumerState<A> {
  readonly id: string
  readonly ring: Ring.Ring<A>
  /** @internal */
  readonly core: Read.ConsumerCore
  /** @internal */
  readonly bed: Bed
  /** @internal */
  readonly view: View<A>
  /** Where it joined: it gates from here on, unless it drops the oldest. */
  readonly joinedAt: number
  /** Records it asked for that were gone before it joined. */
  readonly gapAtJoin: number
  /** Whether it took over the seat of one that died. */
  readonly tookOver: boolean
  /** Whether something is taken and not committed, and so must not be put back by somebody else. @internal */
  leased = false
  private missed: number
  private readonly auto: boolean
  private readonly counters: boolean
  /** In a ring that measures. @internal */
  readonly stopwatch: Stopwatch | undefined
  private readonly base: number
  /** The sequence whose position was last asked for, and how far from `base` it was. */
  private askedSequence: number
  private asked = 0
  /** First of the records that the last `takeUnsafe` answered. */
  private taken = 0
  private hasTaken = false
  /** Sequences of the records that the last `takeUnsafe` answered. @internal */
  sequences: ReadonlyArray<number> = []
  /** How many sequences of the last copy were overwritten meanwhile. */
  private overtaken = 0

  /** @internal */
  constructor(ring: Ring.Ring<A>, seat: number, options: Options) {
    const { core } = ring
    this.id = options.id
    this.ring = ring
    this.bed = Beds.ofReaders(core)
    this.view = ring.record.view(core.memory)
    this.tookOver = core.tookOver
    this.auto = options.commit !== "manual"
    this.counters = options.counters ?? false
    this.stopwatch = core.layout.measures ? new Stopwatch(core, seat, ring.now) : undefined
    const joined = Atomics.load(core.words, seat + Layout.SEAT_CURSOR)
    this.joinedAt = Epoch.position(core, joined)
    this.base = this.joinedAt
    this.askedSequence = joined
    const state = Atomics.load(core.words, seat + Layout.SEAT_STATE)
    const from = this.startOf(options)
    this.gapAtJoin = Math.max(0, from.position - from.asked)
    this.missed = this.gapAtJoin
    const first = (joined + (from.position - this.joinedAt)) | 0
    this.core = new Read.ConsumerCore(core, seat, joined, first, state !== Gate.GATING)
    if (this.core.history && from.position > this.joinedAt) this.core.history = false
  }

  /** Where to begin, and what was asked for. */
  private startOf({ from }: Options): { readonly position: number; readonly asked: number } {
    const at = this.joinedAt
    if (this.tookOver) {
      const claim = Epoch.position(this.ring.core, Atomics.load(this.ring.core.words, Layout.CLAIM_WORD))
      const asked = from === "latest" ? claim : typeof from === "number" ? from : at
      return { position: Math.min(Math.max(asked, at), claim), asked }
    }
    if (from === undefined || from === "latest") return { position: at, asked: at }
    const oldest = Math.max(this.ring.core.layout.start, at - this.ring.capacity)
    const asked = from === "earliest" ? oldest : from
    return { position: Math.min(Math.max(asked, oldest), at), asked: Math.min(asked, at) }
  }

  /** The 53-bit position of the next record to take. */
  get position(): number {
    return this.base + this.ahead(this.core.position)
  }

  /** The 53-bit position of the first record that is not committed. */
  get committedAt(): number {
    return this.base + this.ahead(this.core.committed)
  }

  /** Records this consumer has missed: lapped, overwritten while it copied, or gone before it joined. */
  get gaps(): number {
    return this.missed
  }

  /** Widens by difference to the last one asked for, which is less than 2^31 away. */
  private ahead(sequence: number): number {
    this.asked += Layout.distance(this.askedSequence, sequence)
    this.askedSequence = sequence
    return this.asked
  }

  /** Whether a take would answer something now. @internal */
  readonly hasAnswer = (): boolean =>
    Read.isEjected(this.core) ||
    (Read.mustCopy(this.core) && this.skip() > 0) ||
    Read.poll(this.core, 1) > 0 ||
    Read.isAtEnd(this.core)

  /** Before a take that may be put back. @internal */
  begin(): void {
    this.settle()
    this.hasTaken = false
  }

  /** Puts back what the take since `begin` answered, if it did. @internal */
  putBack(): void {
    if (this.hasTaken) this.core.position = this.taken
    this.hasTaken = false
  }

  /** Commits what was taken, if that is how this consumer commits. @internal */
  settle(): void {
    if (this.auto && !this.leased) this.commitSequence(this.core.position)
  }

  private commitSequence(sequence: number): void {
    if (Read.commit(this.core, sequence) !== 0) this.ring.waking.rang(this.ring.core.words)
  }

  /** Commits everything before a position that was taken; see `commit`. */
  commitUnsafe(position: number): void {
    this.commitSequence((this.core.position - (this.position - position)) | 0)
  }

  private skip(): number {
    const gone = Read.skipLost(this.core)
    this.miss(gone)
    return gone
  }

  private miss(n: number): void {
    if (n === 0) return
    this.missed += n
    if (this.counters) Tally.add(this.ring.core, this.core.seat + Layout.SEAT_GAPS, n)
  }

  /** How many sequences may be taken now, at most `limit`; or 0, `END`, `DETACHED`. @internal */
  ready(limit: number): number {
    const { core } = this
    if (core.copies && Read.isEjected(core)) return DETACHED
    if (Read.mustCopy(core)) this.skip()
    const n = Read.poll(core, Math.min(limit, this.ring.capacity))
    if (n > 0) {
      if (this.counters) this.tallyLag()
      return n
    }
    if (this.counters) Tally.add(this.ring.core, core.seat + Layout.SEAT_EMPTY_POLLS, 1)
    return Read.isAtEnd(core) ? END : 0
  }

  private tallyLag(): void {
    const { core, ring } = this
    const lag = Layout.distance(core.position, Atomics.load(ring.core.words, Layout.CLAIM_WORD))
    Tally.raise(ring.core, core.seat + Layout.SEAT_GREATEST_LAG, lag)
  }

  /** Counts records that are handed out, and measures how long ago they were published, if that was read. @internal */
  handOut(records: number, times: ReadonlyArray<number> | undefined): void {
    if (this.counters) Tally.add(this.ring.core, this.core.seat + Layout.SEAT_CONSUMED, records)
    if (times !== undefined) this.stopwatch?.tookAll(times)
  }

  /** When those records were published, which are held; `undefined` in a ring that does not measure. @internal */
  timesOf(sequences: ReadonlyArray<number>): ReadonlyArray<number> | undefined {
    const { stopwatch } = this
    return stopwatch === undefined ? undefined : sequences.map((at) => stopwatch.publishedAt(at))
  }

  /** Takes up to `limit` records now, as copies; or 0, `END`, `DETACHED`. What was taken before is committed first. */
  takeUnsafe(limit: number): ReadonlyArray<A> | number {
    this.settle()
    for (;;) {
      const n = this.ready(limit)
      if (n <= 0) return n
      const from = this.core.position
      const taken = this.copy(n)
      this.core.position = (from + n) | 0
      if (taken.length > 0) {
        this.taken = (from + this.overtaken) | 0
        this.hasTaken = true
        return taken
      }
      // Nothing but tombstones, or all of it overwritten meanwhile.
      this.settle()
    }
  }

  /** Copies of the records among `n` sequences from the position on, without those that were overwritten. */
  private copy(n: number): ReadonlyArray<A> {
    const { core } = this
    const found: Array<A> = []
    const sequences: Array<number> = []
    const first = core.position
    for (let i = 0; i < n; i++) {
      const at = (core.position + i) | 0
      if (Read.isTombstone(core, at)) continue
      this.standAt(at)
      found.push(this.view.read())
      sequences.push(at)
    }
    const times = this.timesOf(sequences)
    const gone = Read.mustCopy(core) ? Read.lost(core, n) : 0
    this.overtaken = gone
    this.miss(gone)
    // The copies of those that were overtaken are at the beginning.
    let torn = 0
    while (torn < found.length && Layout.distance(first, sequences[torn] ?? first) < gone) torn++
    this.sequences = torn === 0 ? sequences : sequences.slice(torn)
    this.handOut(found.length - torn, times?.slice(torn))
    return torn === 0 ? found : found.slice(torn)
  }

  /** @internal */
  standAt(sequence: number): void {
    const { layout, mask } = this.ring.core
    this.view.moveTo(layout.slotsByte + (sequence & mask) * layout.slotBytes)
  }

  /**
   * Hands up to `limit` records to a synchronous handler, in place, and commits them at once; answers how many sequences were
   * passed, or 0, `END`, `DETACHED`. If the handler throws, the consumer stands at that record and the error is thrown on. (A consumer that
   * may be overtaken hands out checked copies.)
   */
  processUnsafe(handler: Handler<A>, limit: number): number {
    if (Read.mustCopy(this.core) || this.core.copies) return this.processCopies(handler, limit)
    this.settle()
    const n = this.ready(limit)
    if (n <= 0) return n
    const { core, view } = this
    const { layout, mask } = this.ring.core
    const first = core.position
    const position = this.position
    const last = core.marked ? this.lastRecord(first, n) : n - 1
    const handle = this.stopwatch === undefined ? handler : this.timed(this.stopwatch, handler, first, last)
    let i = 0
    let skipped = 0
    try {
      for (; i <= last; i++) {
        const at = (first + i) | 0
        if (core.marked && Read.isTombstone(core, at)) {
          skipped++
          continue
        }
        view.moveTo(layout.slotsByte + (at & mask) * layout.slotBytes)
        handle(view.slot, position + i, i === last)
      }
      // Those after the last record, if there are any, are tombstones.
      core.position = (first + n) | 0
    } catch (error) {
      core.position = (first + i) | 0
      throw error
    } finally {
      this.handOut(i - skipped, undefined)
      this.settle()
    }
    return n
  }

  /** Index of the last of `n` sequences that is no tombstone, or -1. */
  private lastRecord(first: number, n: number): number {
    let last = n - 1
    while (last >= 0 && Read.isTombstone(this.core, (first + last) | 0)) last--
    return last
  }

  /** Measures the records up to index `last` as taken, and answers a handler that is measured. */
  private timed(stopwatch: Stopwatch, handler: Handler<A>, first: number, last: number): Handler<A> {
    const sequences = Array.from({ length: last + 1 }, (_, i) => (first + i) | 0)
    stopwatch.tookAll(this.timesOf(sequences.filter((at) => !Read.isTombstone(this.core, at))) ?? [])
    return stopwatch.handler(handler)
  }

  private processCopies(handler: Handler<A>, limit: number): number {
    const taken = this.takeUnsafe(limit)
    if (typeof taken === "number") return taken
    const handle = this.stopwatch === undefined ? handler : this.stopwatch.handler(handler)
    let i = 0
    try {
      for (; i < taken.length; i++) handle(taken[i] as A, this.positionOf(i), i === taken.length - 1)
    } finally {
      if (i < taken.length) this.standBefore(i)
      this.settle()
    }
    return taken.length
  }

  /** The 53-bit position of a record of the last `takeUnsafe`. @internal */
  positionOf(index: number): number {
    return this.position - Layout.distance(this.sequences[index] ?? this.core.position, this.core.position)
  }

  /** Puts back a record of the last `takeUnsafe`, and those after it. @internal */
  standBefore(index: number): void {
    this.core.position = this.sequences[index] ?? this.core.position
    this.hasTaken = false
  }
}
