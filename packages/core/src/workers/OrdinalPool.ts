/**
 * Small durable numbers for the places of a container: the lowest released one first, else the next.
 *
 * An ordinal is what a worker's files, seats and counters are called by, so it must be small, must be kept while the worker
 * in its place is restarted, and must not be anybody else's meanwhile. A _claim_ is the right to one: only who holds it can
 * give it back, and only once. The generation is counted per ordinal and outlives the claim: whoever gets the ordinal next
 * goes on counting, so a pair of ordinal and generation never names two lives.
 *
 * **Invariants**
 *
 * 1. No two live claims have the same ordinal.
 * 2. `acquire` gives the lowest ordinal that is free.
 * 3. A release counts once; a second one changes nothing, also after the ordinal has a new owner.
 * 4. The generation of an ordinal never falls and is never given twice.
 *
 * Source: async-container's pull request 61 (worker indices), without its reuse of a number for a second writer.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Setting from "../config/Setting.ts"
import { OrdinalsExhausted } from "./ContainerError.ts"

/**
 * The right to one ordinal.
 *
 * @category models
 * @since 0.1.0
 */
export interface Claim {
  readonly ordinal: number
  /** Counts a start, now: 1 for the first life that this ordinal ever had in this pool. */
  readonly nextGenerationUnsafe: () => number
  /** Gives the ordinal back, now; `true` only for the call that did it. */
  readonly releaseUnsafe: () => boolean
}

/**
 * @category models
 * @since 0.1.0
 */
export interface OrdinalPool {
  /** How many there are at most; `undefined` without a bound. */
  readonly capacity: number | undefined
  /** Takes the lowest free ordinal until the scope closes. */
  readonly acquire: Effect.Effect<Claim, OrdinalsExhausted, Scope.Scope>
  /** The same now, for a holder that gives it back itself; `undefined` when all are taken. */
  readonly acquireUnsafe: () => Claim | undefined
  /** How many are taken. */
  readonly takenUnsafe: () => number
}

/**
 * Makes a pool.
 *
 * **Errors**
 *
 * - `InvalidSetting`: the capacity is not a whole number of at least 1.
 *
 * **Example** (Two workers, and the place of the first used again)
 *
 * ```ts
 * import { OrdinalPool } from "@selvedge/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const pool = yield* OrdinalPool.make()
 *   const first = pool.acquireUnsafe()
 *   pool.acquireUnsafe()
 *   first?.releaseUnsafe()
 *   return pool.acquireUnsafe()?.ordinal // 0
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options?: {
  readonly capacity?: number | undefined
}): Effect.Effect<OrdinalPool, Setting.InvalidSetting> =>
  Effect.map(
    Effect.andThen(
      Setting.refuseUnknown(options === undefined ? {} : options, { capacity: true }),
      Effect.suspend(() => checkCapacity(options?.capacity))
    ),
    () => makeUnsafe(options?.capacity)
  )

const checkCapacity = Setting.option(
  "capacity",
  "a whole number from 1 to 65536",
  (value) => value === undefined || (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 65_536)
)

/**
 * Makes a pool of a capacity that was checked before.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeUnsafe = (capacity?: number): OrdinalPool => {
  /** Released ordinals, the lowest last. */
  const free: Array<number> = []
  const generations: Array<number> = []
  const acquireUnsafe = (): Claim | undefined => {
    const released = free.pop()
    if (released === undefined && generations.length === capacity) return undefined
    const ordinal = released ?? generations.push(0) - 1
    let held = true
    return {
      ordinal,
      nextGenerationUnsafe: () => ++generations[ordinal]!,
      releaseUnsafe: () => {
        if (!held) return false
        held = false
        insert(free, ordinal)
        return true
      }
    }
  }
  return {
    capacity,
    acquireUnsafe,
    acquire: Effect.acquireRelease(
      Effect.suspend(() => {
        const claim = acquireUnsafe()
        return claim === undefined ? Effect.fail(new OrdinalsExhausted({ capacity: capacity! })) : Effect.succeed(claim)
      }),
      (claim) => Effect.sync(claim.releaseUnsafe)
    ),
    takenUnsafe: () => generations.length - free.length
  }
}

/** Into a list whose lowest comes last. */
const insert = (free: Array<number>, ordinal: number): void => {
  let [low, high] = [0, free.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (free[middle]! > ordinal) low = middle + 1
    else high = middle
  }
  free.splice(low, 0, ordinal)
}
