/**
 * What a ring that measures does beside moving records: producers write the time of publication beside each slot, consumers
 * record how long ago that was, and how long their handler took.
 *
 * **Invariants**
 *
 * 1. Times are written after the records and before they are published, and read by whoever may read the records: in place by a
 *    consumer that gates, as a copy that is checked (T2 of docs/memory.md) by others.
 * 2. A batch has one time, and the clock is read once for it; a run of records with the same time is recorded at once.
 *
 * @internal
 */
import * as Histogram from "../../memory/internal/histogram.ts"
import type { RingCore } from "./core.ts"
import * as Layout from "./layout.ts"

/** Writes the time of publication of `n` records. */
export class PublicationTimes {
  private readonly times: Float64Array
  private readonly mask: number
  private readonly now: () => number

  constructor(core: RingCore, now: () => number) {
    this.times = timesOf(core)
    this.mask = core.mask
    this.now = now
  }

  write(sequence: number, n: number): void {
    const at = this.now()
    for (let i = 0; i < n; i++) this.times[(sequence + i) & this.mask] = at
  }
}

/** Reads times of publication, and records how long ago they were, and how long handlers take. */
export class Stopwatch {
  readonly now: () => number
  private readonly core: RingCore
  private readonly times: Float64Array
  private readonly take: number
  private readonly handlers: number

  constructor(core: RingCore, seat: number, now: () => number) {
    this.now = now
    this.core = core
    this.times = timesOf(core)
    this.take = Layout.takeHistogramWord(core.layout, seat)
    this.handlers = Layout.handlerHistogramWord(core.layout, seat)
  }

  /** When a record was published. */
  publishedAt(sequence: number): number {
    return this.times[sequence & this.core.mask] ?? 0
  }

  /** Records that were published at these times are taken now. */
  tookAll(times: ReadonlyArray<number>): void {
    const now = this.now()
    let first = 0
    for (let i = 1; i <= times.length; i++) {
      if (times[i] === times[first]) continue
      Histogram.record(this.core.words, this.take, now - (times[first] ?? now), i - first)
      first = i
    }
  }

  /** A handler took so many nanoseconds. */
  handled(nanos: number): void {
    Histogram.record(this.core.words, this.handlers, nanos, 1)
  }

  /** The same handler, measured; also when it throws. */
  handler<P extends ReadonlyArray<unknown>>(handler: (...args: P) => void): (...args: P) => void {
    return (...args) => {
      const begin = this.now()
      try {
        handler(...args)
      } finally {
        this.handled(this.now() - begin)
      }
    }
  }
}

const timesOf = ({ layout, memory }: RingCore): Float64Array =>
  new Float64Array(memory, layout.timesByte, layout.capacity)

/** What the histograms of a seat say, from any thread. */
export const ofSeat = ({ layout, words }: RingCore, seat: number) => ({
  publishToTake: Histogram.summary(words, Layout.takeHistogramWord(layout, seat)),
  handler: Histogram.summary(words, Layout.handlerHistogramWord(layout, seat))
})
