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
 * 3. The position never goes back behind what is committed: that may be overwritten. (History is read by copy and excepted.)
 * 4. Nothing that is held, by a lease or by a handler that is running, is committed.
 * 5. Once it has left its seat it writes nothing, and answers `END`.
 *
 * @since 0.1.0
 */
import type { View } from "../memory/Record.ts"
import type { Bed } from "../memory/Waking.ts"
import * as Beds from "./internal/beds.ts"
import * as Core from "./internal/core.ts"
import * as Epoch from "./internal/epoch.ts"
import { Stopwatch } from "./internal/latency.ts"
import * as Layout from "./internal/layout.ts"
import * as Membership from "./internal/membership.ts"
import * as Read from "./internal/read.ts"
import * as Tally from "./internal/tally.ts"
import { badLimit, type Handler, isLimit, type Options, startOf, type Takes } from "./ConsumerOptions.ts"
import type * as Ring from "./Ring.ts"
import { InvalidArgument } from "./RingError.ts"

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
  /** Where it began to read: before that if it reads history, at or after it on the seat of one that died. */
  readonly beganAt: number
  /** Records it asked for that were gone before it joined. */
  readonly gapAtJoin: number
  /** Whether it took over the seat of one that died. */
  readonly tookOver: boolean
  /** First sequence that is held: nothing from there on is committed. @internal */
  held: number | undefined = undefined
  /** Ends a lease when the seat is left. @internal */
  endLease: (() => void) | undefined = undefined
  /** Whether its scope is closed. @internal */
  hasLeft = false
  /** @internal */
  readonly takes: Takes<A> = { one: undefined, batch: undefined, limit: 0 }
  private missed: number
  private readonly auto: boolean
  private readonly counters: boolean
  /** In a ring that measures. @internal */
  readonly stopwatch: Stopwatch | undefined
  /** Whether it goes on with a gap when it was overtaken, at its present position. */
  private readonly drops: boolean
  /** First of the records that the last `takeUnsafe` answered, and the sequence after them. */
  private taken = 0
  private takenEnd = 0
  private hasTaken = false
  /** Their sequences, unless they are one after the other from `taken` on. */
  private scattered: ReadonlyArray<number> | undefined = undefined
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
    const joined = Membership.cursorOf(core, seat)
    this.joinedAt = Epoch.position(core, joined)
    this.drops = options.whenSlow === "dropOldest"
    const copies = this.drops || options.whenSlow === "detach"
    const from = startOf(options, core, this.joinedAt, this.tookOver)
    this.gapAtJoin = Math.max(0, from.position - from.asked)
    this.missed = this.gapAtJoin
    this.beganAt = from.position
    const first = (joined + (from.position - this.joinedAt)) | 0
    this.core = new Read.ConsumerCore(core, seat, joined, first, copies)
    if (this.core.history && from.position > this.joinedAt) this.core.history = false
  }

  /** The 53-bit position of the next record to take. */
  get position(): number {
    return this.core.positionOf(this.core.position)
  }

  /** The 53-bit position of the first record that is not committed. */
  get committedAt(): number {
    return this.core.positionOf(this.core.committed)
  }

  /** Up to which position may be committed: what is held may not. @internal */
  get committableTo(): number {
    return this.core.positionOf(this.held ?? this.core.position)
  }

  /** Records this consumer has missed: lapped, overwritten while it copied, or gone before it joined. */
  get gaps(): number {
    return this.missed
  }

  /** Whether a take would answer something now. @internal */
  readonly hasAnswer = (): boolean =>
    this.hasLeft ||
    (this.core.copies && Read.isEjected(this.core)) ||
    (this.mayMiss() && this.skip() > 0) ||
    Read.poll(this.core, 1) > 0 ||
    Read.isAtEnd(this.core)

  /** Its seat is given back, and may be somebody else's. @internal */
  leave(): void {
    this.hasLeft = true
    this.endLease?.()
  }

  /** Puts back what was taken last, if it is not committed and nothing was taken since. @internal */
  putBack(): void {
    if (this.hasTaken && this.core.position === this.takenEnd) Read.standAt(this.core, this.taken)
    this.hasTaken = false
  }

  /** Commits what was taken, if that is how this consumer commits. @internal */
  settle(): void {
    if (!this.auto || this.held !== undefined) return
    this.commitSequence(this.core.position)
    this.hasTaken = false
  }

  private commitSequence(sequence: number): void {
    if (!this.hasLeft && Read.commit(this.core, sequence) !== 0) this.ring.waking.rang(this.ring.core.words)
  }

  /** What is wrong with committing up to a position, if anything is. @internal */
  problemWithCommit(position: number): InvalidArgument | undefined {
    const to = this.committableTo
    const least = this.committedAt === this.joinedAt ? this.beganAt : this.committedAt
    if (Number.isInteger(position) && position >= Math.min(least, this.committedAt) && position <= to) return undefined
    return new InvalidArgument({
      argument: "position",
      wanted: `a position from ${least} to ${to}`,
      found: String(position)
    })
  }

  /**
   * Commits everything before a position that was taken, and the tombstones that follow. Throws `InvalidArgument` for a position that
   * cannot be; see `commit`.
   */
  commitUnsafe(position: number): void {
    const problem = this.problemWithCommit(position)
    if (problem !== undefined) throw problem
    const { core } = this
    let sequence = (core.position - (this.position - position)) | 0
    const end = this.held ?? core.position
    while (sequence !== end && Read.isTombstone(core, sequence)) sequence = (sequence + 1) | 0
    this.commitSequence(sequence)
  }

  /** Commits what was passed from `first` on, if nothing before it waits for a commit by hand. @internal */
  pass(first: number): void {
    if (this.auto) this.settle()
    else if (this.held === undefined && this.core.committed === first) this.commitSequence(this.core.position)
  }

  private mayMiss(): boolean {
    return this.drops || this.core.history
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
    if (!isLimit(limit)) throw badLimit(limit)
    if (this.hasLeft) return END
    if (core.copies && Read.isEjected(core)) return DETACHED
    if (this.mayMiss()) this.skip()
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
    const lag = Layout.distance(core.position, Core.claimed(ring.core))
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

  /**
   * Takes up to `limit` records now, as copies; or 0, `END`, `DETACHED`. What was taken before is committed first. Throws
   * `InvalidArgument` for a limit that is no whole number above 0.
   */
  takeUnsafe(limit: number): ReadonlyArray<A> | number {
    this.settle()
    for (;;) {
      const n = this.ready(limit)
      if (n <= 0) return n
      const from = this.core.position
      const taken = this.copy(n)
      if (taken === undefined) return DETACHED
      this.core.position = (from + n) | 0
      if (taken.length > 0) {
        this.taken = (from + this.overtaken) | 0
        this.takenEnd = this.core.position
        this.hasTaken = true
        return taken
      }
      // Nothing but tombstones, or all of it overwritten meanwhile.
      this.pass(from)
    }
  }

  /**
   * Copies of the records among `n` sequences from the position on, without those that were overwritten; `undefined` if any was that
   * should have been kept from the producers: it was detached.
   */
  private copy(n: number): ReadonlyArray<A> | undefined {
    const { core } = this
    if (!core.marked && this.stopwatch === undefined && !Read.mustCopy(core)) return this.copyAll(n)
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
    if (gone > 0 && !this.mayMiss()) return undefined
    this.overtaken = gone
    this.miss(gone)
    // The copies of those that were overtaken are at the beginning.
    let torn = 0
    while (torn < found.length && Layout.distance(first, sequences[torn] ?? first) < gone) torn++
    this.scattered = torn === 0 ? sequences : sequences.slice(torn)
    this.handOut(found.length - torn, times?.slice(torn))
    return torn === 0 ? found : found.slice(torn)
  }

  /** Copies of `n` records from the position on, of which none is a tombstone or may be overwritten. */
  private copyAll(n: number): ReadonlyArray<A> {
    const first = this.core.position
    const found: Array<A> = []
    for (let i = 0; i < n; i++) {
      this.standAt((first + i) | 0)
      found.push(this.view.read())
    }
    this.overtaken = 0
    this.scattered = undefined
    this.handOut(n, undefined)
    return found
  }

  /** Sequences of the records that the last `takeUnsafe` answered. @internal */
  get sequences(): ReadonlyArray<number> {
    const length = Layout.distance(this.taken, this.takenEnd)
    return this.scattered ?? Array.from({ length }, (_, i) => (this.taken + i) | 0)
  }

  /** @internal */
  standAt(sequence: number): void {
    const { layout, mask } = this.ring.core
    this.view.moveTo(layout.slotsByte + (sequence & mask) * layout.slotBytes)
  }

  /**
   * Hands up to `limit` records to a synchronous handler, in place, and commits them at once; answers how many sequences were
   * passed, or 0, `END`, `DETACHED`. If the handler throws, the consumer stands at that record and the error is thrown on. (A consumer that
   * may be overtaken hands out checked copies.) Throws `InvalidArgument` for a limit that is no whole number above 0.
   */
  processUnsafe(handler: Handler<A>, limit: number): number {
    if (Read.mustCopy(this.core)) return this.processCopies(handler, limit)
    this.settle()
    const n = this.ready(limit)
    if (n <= 0) return n
    const { core, view } = this
    const { layout, mask } = this.ring.core
    const first = core.position
    const position = this.position
    const last = core.marked ? Read.lastRecord(core, n) : n - 1
    const handle = this.stopwatch === undefined ? handler : this.timed(this.stopwatch, handler, first, last)
    const { held } = this
    let i = 0
    let skipped = 0
    this.held = held ?? first
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
      Read.standAt(core, (first + n) | 0)
    } catch (error) {
      Read.standAt(core, (first + i) | 0)
      throw error
    } finally {
      this.held = held
      this.handOut(i - skipped, undefined)
      this.settle()
    }
    return n
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
    const { core, sequences } = this
    let i = 0
    try {
      for (; i < taken.length; i++) handle(taken[i] as A, core.positionOf(sequences[i] ?? 0), i === taken.length - 1)
    } finally {
      if (i < taken.length) this.standBefore(sequences[i] ?? core.position)
      this.settle()
    }
    return taken.length
  }

  /** Puts back a record that was taken, and those after it. @internal */
  standBefore(sequence: number): void {
    Read.standAt(this.core, sequence)
    this.hasTaken = false
  }
}
