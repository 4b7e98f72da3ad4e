/**
 * The operations of a thread, by number, and what each does to the order of
 * steps: a _footprint_ names what a step read and wrote, and two steps of
 * different threads may be exchanged exactly when their footprints do not meet.
 *
 * @internal
 */

export const LOAD = 1
export const STORE = 2
export const ADD = 3
export const SUB = 4
export const AND = 5
export const OR = 6
export const XOR = 7
export const EXCHANGE = 8
export const COMPARE_EXCHANGE = 9
/** First half of `Atomics.wait`: compare, and join the list of waiters. */
export const WAIT = 10
/** Second half: leave, notified or by timeout. */
export const WAKE = 11
export const NOTIFY = 12
export const CHOOSE = 13
export const CALL = 14
export const RETURN = 15
export const PLAIN_LOAD = 16
export const PLAIN_STORE = 17
/** A step without a footprint: a thread that ends, or stops to spin. */
export const NOTHING = 18
/** Answers that need no step: pause, clocks, chance, allocation. */
export const LOCAL = 19
export const CRASH = 20
export const WAIT_ASYNC = 21
export const WAKE_ASYNC = 22

export const opNames: ReadonlyArray<string> = [
  "",
  "load",
  "store",
  "add",
  "sub",
  "and",
  "or",
  "xor",
  "exchange",
  "compareExchange",
  "wait",
  "wake",
  "notify",
  "choose",
  "call",
  "return",
  "plain read",
  "plain write",
  "goes on",
  "local",
  "dies",
  "waitAsync",
  "resolve"
]

// Flags of a footprint.
export const WRITES = 1
export const LIST_READ = 2
export const LIST_WRITE = 4
/** Changes something the invariant looks at: such steps are all ordered among themselves. */
export const VISIBLE = 8
export const CALLS = 16
export const RETURNS = 32
/** Possible only because nothing else was: ordered with everything. */
export const BARRIER = 64

/** Numbers kept per footprint: address, size, list address, flags. */
export const FOOTPRINT = 4

/** Whether two steps of different threads must keep their order. */
export const dependent = (table: Float64Array, a: number, b: number): boolean => {
  const af = table[a + 3] as number
  const bf = table[b + 3] as number
  if (((af | bf) & BARRIER) !== 0) return true
  if (((af | bf) & WRITES) !== 0) {
    const aSize = table[a + 1] as number
    const bSize = table[b + 1] as number
    if (aSize !== 0 && bSize !== 0) {
      const aAt = table[a] as number
      const bAt = table[b] as number
      if (aAt < bAt + bSize && bAt < aAt + aSize) return true
    }
  }
  if ((af & bf & VISIBLE) !== 0) return true
  if (((af & CALLS) !== 0 && (bf & RETURNS) !== 0) || ((af & RETURNS) !== 0 && (bf & CALLS) !== 0)) return true
  const lists = LIST_READ | LIST_WRITE
  return (af & lists) !== 0 && (bf & lists) !== 0 && ((af | bf) & LIST_WRITE) !== 0 && table[a + 2] === table[b + 2]
}
