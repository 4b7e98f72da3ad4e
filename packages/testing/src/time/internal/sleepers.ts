/**
 * The sleepers of a `TestClock`.
 *
 * Effect's `TestClock` keeps who sleeps until when in an array of its own and
 * gives no way to read it, so "how far is it to the next timer" has no public
 * answer, and guessing (advance a little, look, advance more) overshoots. This
 * file finds that array once per clock: it lets a sleeper of its own lie down, and
 * watches which array receives it. The watch replaces `Array.prototype.splice`
 * for that one synchronous call, inside which only the clock runs.
 *
 * **Invariants**
 *
 * 1. The array is only read here, never changed.
 * 2. The patch is gone when `find` returns or throws.
 * 3. When Effect stores its sleepers otherwise, `find` answers `undefined` and
 *    every caller says so; nothing is guessed.
 *
 * @internal
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

interface Sleeper {
  readonly timestamp: number
}

const known = new WeakMap<Clock.Clock, ReadonlyArray<Sleeper>>()

/** The virtual times, in milliseconds, at which sleepers wake, soonest first. */
export const timers = (clock: Clock.Clock): ReadonlyArray<number> | undefined => {
  const sleepers = known.get(clock) ?? find(clock)
  if (sleepers === undefined) return undefined
  known.set(clock, sleepers)
  return sleepers.map((sleeper) => sleeper.timestamp).toSorted((a, b) => a - b)
}

const find = (clock: Clock.Clock): ReadonlyArray<Sleeper> | undefined => {
  let found: ReadonlyArray<Sleeper> | undefined
  const original = Array.prototype.splice
  const watching = function (this: Array<unknown>, ...args: [number, number, ...Array<unknown>]): Array<unknown> {
    if (args.length === 3 && isSleeper(args[2])) found ??= this as unknown as ReadonlyArray<Sleeper>
    return original.apply(this, args)
  }
  let probe: Fiber.Fiber<void> | undefined
  try {
    // Not enumerable, as the original: a `for in` over an array must not see it.
    // oxlint-disable-next-line no-extend-native -- for one synchronous call, see the header
    Object.defineProperty(Array.prototype, "splice", { value: watching, writable: true, configurable: true })
    probe = Effect.runFork(clock.sleep(Duration.millis(1)))
  } finally {
    // oxlint-disable-next-line no-extend-native -- puts the original back
    Object.defineProperty(Array.prototype, "splice", { value: original, writable: true, configurable: true })
    probe?.interruptUnsafe()
  }
  return found
}

const isSleeper = (value: unknown): value is Sleeper =>
  typeof value === "object" && value !== null && "timestamp" in value && "latch" in value
