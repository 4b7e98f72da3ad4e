/**
 * What a thread of its own does while there is nothing to do.
 *
 * A thread that runs fibers never blocks: its fibers sleep through `Waking`. A worker that is declared `dedicated` runs a
 * synchronous loop and may do more:
 *
 * | strategy  | between two looks                                      | idle CPU | wakes within |
 * | --------- | ------------------------------------------------------ | -------- | ------------ |
 * | `spin`    | `Atomics.pause`, for ever                              | one core | < 1 µs       |
 * | `backoff` | pauses that double, then sleeps of up to a millisecond | little   | 1 ms         |
 * | `sleep`   | sleeps for a fixed time, or until it is rung           | none     | that time    |
 * | `park`    | spins for a learned budget, then sleeps until it is rung | none   | a few µs     |
 *
 * The budget of `park` doubles after a spin that found something and halves after one that had to sleep.
 *
 * @since 0.1.0
 */
import * as Bell from "./internal/bell.ts"
import type { Bed } from "./Waking.ts"

/**
 * @category models
 * @since 0.1.0
 */
export type WaitStrategy =
  | { readonly _tag: "Spin" }
  | { readonly _tag: "Backoff" }
  | { readonly _tag: "Sleep"; readonly millis: number }
  | { readonly _tag: "Park" }

/**
 * @category constructors
 * @since 0.1.0
 */
export const spin: WaitStrategy = { _tag: "Spin" }

/**
 * @category constructors
 * @since 0.1.0
 */
export const backoff: WaitStrategy = { _tag: "Backoff" }

/**
 * **Errors**: throws `RangeError` for a time that is not above 0.
 *
 * @category constructors
 * @since 0.1.0
 */
export const sleep = (millis: number): WaitStrategy => {
  if (!(millis > 0)) throw new RangeError(`sleep: wanted milliseconds above 0, found ${String(millis)}`)
  return { _tag: "Sleep", millis }
}

/**
 * @category constructors
 * @since 0.1.0
 */
export const park: WaitStrategy = { _tag: "Park" }

/** Bounds of the learned budget, in pauses. */
const LEAST_BUDGET = 5
const MOST_BUDGET = 2000

const GATHERING_PAUSES = 128

/**
 * One waiting place of a dedicated thread; it keeps what the strategy has learned.
 *
 * @category models
 * @since 0.1.0
 */
export class BlockingWait {
  readonly strategy: WaitStrategy
  /** Of how many records a taker wants to find; see `gathering`. */
  readonly gather: number
  private budget = 100

  constructor(strategy: WaitStrategy, gather = 1) {
    this.strategy = strategy
    this.gather = gather
  }

  /**
   * Leaves the others alone for a while (some two microseconds) if there is not yet what `gather` asks for: a taker at the heels of a
   * producer has the words they share travel between their processors for every record.
   */
  gathering(isEnough: () => boolean): void {
    if (this.gather <= 1 || isEnough()) return
    for (let i = 0; i < GATHERING_PAUSES; i++) Bell.pause()
  }

  /** Blocks this thread until `isReady`. `mark` is told before it goes to sleep and after. */
  until(bed: Bed, isReady: () => boolean, mark: (asleep: boolean) => void): void {
    switch (this.strategy._tag) {
      case "Spin":
        while (!isReady()) Bell.pause()
        return
      case "Backoff":
        return this.backingOff(bed, isReady, mark)
      case "Sleep":
        while (!isReady()) this.asleep(bed, isReady, mark, this.strategy.millis)
        return
      case "Park":
        return this.parking(bed, isReady, mark)
    }
  }

  private backingOff(bed: Bed, isReady: () => boolean, mark: (asleep: boolean) => void): void {
    for (let pauses = 1; !isReady(); pauses = Math.min(pauses * 2, 1024)) {
      if (pauses === 1024) this.asleep(bed, isReady, mark, 1)
      else for (let i = 0; i < pauses; i++) Bell.pause()
    }
  }

  private parking(bed: Bed, isReady: () => boolean, mark: (asleep: boolean) => void): void {
    for (let i = 0; i < this.budget; i++) {
      if (isReady()) {
        if (i > 0) this.budget = Math.min(this.budget * 2, MOST_BUDGET)
        return
      }
      Bell.pause()
    }
    this.budget = Math.max(this.budget >> 1, LEAST_BUDGET)
    while (!isReady()) this.asleep(bed, isReady, mark, Infinity)
  }

  private asleep(bed: Bed, isReady: () => boolean, mark: (asleep: boolean) => void, millis: number): void {
    const seen = Bell.prepare(bed.words, bed.stateWord, bed.bit, bed.bellWord)
    if (isReady()) return
    mark(true)
    Bell.sleep(bed.words, bed.bellWord, seen, millis)
    mark(false)
  }
}
