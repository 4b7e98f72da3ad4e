/**
 * How often something happened within the last 60 seconds: one bucket per second, no memory of anything older.
 *
 * Pure but for its buckets: the caller brings monotonic time.
 *
 * **Invariants**
 *
 * 1. What happened less than 59 seconds ago is counted, what happened 60 seconds ago or more is not.
 * 2. Memory is 60 numbers, however often something happens.
 *
 * @internal
 */
export const WINDOW_SECONDS = 60

export class Rate {
  private readonly counts = new Float64Array(WINDOW_SECONDS)
  /** The second each bucket counts for. */
  private readonly seconds = new Float64Array(WINDOW_SECONDS).fill(-1)

  add(nowMillis: number): void {
    const second = Math.floor(nowMillis / 1000)
    const at = second % WINDOW_SECONDS
    if (this.seconds[at] !== second) {
      this.seconds[at] = second
      this.counts[at] = 0
    }
    this.counts[at]! += 1
  }

  /** Within the last 60 seconds. */
  perMinute(nowMillis: number): number {
    const second = Math.floor(nowMillis / 1000)
    let total = 0
    for (let at = 0; at < WINDOW_SECONDS; at++) {
      if (this.seconds[at]! >= 0 && second - this.seconds[at]! < WINDOW_SECONDS) total += this.counts[at]!
    }
    return total
  }
}
