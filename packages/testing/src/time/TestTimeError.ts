/**
 * What can go wrong when a test moves virtual time.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * The clock in the context is no `TestClock` whose sleepers can be seen: the test
 * runs live (`it.live`), or Effect changed how it stores them.
 *
 * @category errors
 * @since 0.1.0
 */
export class NoTestClock extends Data.TaggedError("NoTestClock")<{ readonly why: "live" | "opaque" }> {
  override get message(): string {
    return this.why === "live"
      ? "TestTime wanted a TestClock in the context (it.effect, or TestClock.layer()), found a live clock"
      : "TestTime wanted to see the sleepers of TestClock, found that this version of effect keeps them elsewhere"
  }
}

/**
 * The program did not come to rest: something kept running, or kept going back to
 * sleep, until the bound was reached.
 *
 * - `bound`: which bound, `turns` of the event loop, `wakes` or virtual `limit`.
 * - `timersMillis`: virtual times of the sleepers left, soonest first.
 *
 * @category errors
 * @since 0.1.0
 */
export class NeverIdle extends Data.TaggedError("NeverIdle")<{
  readonly bound: "turns" | "wakes" | "limit"
  readonly most: number
  readonly nowMillis: number
  readonly timersMillis: ReadonlyArray<number>
}> {
  override get message(): string {
    const unit = this.bound === "limit" ? "ms of virtual time" : this.bound
    const left = this.timersMillis.length === 0 ? "no sleeper left" : `sleepers left: ${listTimes(this.timersMillis)}`
    return `not idle after ${this.most} ${unit}, at ${this.nowMillis} ms (${left})`
  }
}

/**
 * An effect had not ended when its virtual limit was over.
 *
 * - `waiting`: the fibers it had started and that were still alive, each by the
 *   name of its span, or of the `Effect.fn` that started it.
 *
 * @category errors
 * @since 0.1.0
 */
export class StillWaiting extends Data.TaggedError("StillWaiting")<{
  readonly name: string
  readonly limitMillis: number
  readonly nowMillis: number
  readonly timersMillis: ReadonlyArray<number>
  readonly waiting: ReadonlyArray<string>
}> {
  override get message(): string {
    const timers =
      this.timersMillis.length === 0 ? "no timer would wake it" : `timers at ${listTimes(this.timersMillis)}`
    return (
      `"${this.name}" had not ended after ${this.limitMillis} ms of virtual time, at ${this.nowMillis} ms; ` +
      `still waiting: ${this.waiting.join(", ")}; ${timers}`
    )
  }
}

const SHOWN = 8

const listTimes = (times: ReadonlyArray<number>): string => {
  const shown = times.slice(0, SHOWN).map((time) => `${time} ms`)
  return times.length > SHOWN ? `${shown.join(", ")} and ${times.length - SHOWN} more` : shown.join(", ")
}
