/**
 * A ring looked at from outside: its positions, its seats and what it has counted.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Core from "./internal/core.ts"
import * as Epoch from "./internal/epoch.ts"
import * as Gate from "./internal/gate.ts"
import * as Layout from "./internal/layout.ts"
import * as Membership from "./internal/membership.ts"
import * as Tally from "./internal/tally.ts"
import * as Ring from "./Ring.ts"

/**
 * One consumer as others see it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Seat {
  readonly id: string
  readonly state: "Attached" | "Vacant" | "DropOldest" | "Detached"
  readonly generation: number
  readonly owner: number
  /** Position of the first record it has not committed. */
  readonly position: number
  /** Records between that and what is claimed. */
  readonly lag: number
  /** It sleeps in a blocking call of its own, and is not stuck. */
  readonly isParked: boolean
  /**
   * Records that were handed out; those put back and taken again, twice. This and the rest is counted only if the consumer was
   * made with `counters`; the heir of a vacant seat goes on counting.
   */
  readonly consumed: number
  readonly gaps: number
  readonly emptyPolls: number
  readonly greatestLag: number
}

/**
 * One producer as others see it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Line {
  readonly owner: number
  /** It sleeps in a blocking call of its own, and is not stuck. */
  readonly isParked: boolean
}

/**
 * A ring at a moment. Each number is exact; they are not of one instant.
 *
 * @category models
 * @since 0.1.0
 */
export interface Snapshot {
  readonly closed: boolean
  /** Position of the next record. */
  readonly claimed: number
  readonly seats: ReadonlyArray<Seat>
  readonly producers: ReadonlyArray<Line>
  /** This and the next two are counted always, where nobody is held up by it. */
  readonly tombstones: number
  /** Records that passed while nobody was seated. */
  readonly unobserved: number
  /** Records that consumers whose seats were given up will not have seen. */
  readonly givenUp: number
  /** Counted only by producers made with `counters`. */
  readonly published: number
  readonly fullWaits: number
}

const wordOf = (state: number): Seat["state"] =>
  state === Gate.VACANT
    ? "Vacant"
    : state === Gate.READING
      ? "DropOldest"
      : state === Gate.EJECTED
        ? "Detached"
        : "Attached"

const linesOf = (core: Core.RingCore): ReadonlyArray<Line> =>
  Membership.linesOf(core).map(({ line, owner }) => ({
    owner,
    isParked: Tally.isParked(core, line + Layout.PRODUCER_PARKED)
  }))

/**
 * Looks at a ring; nothing is changed.
 *
 * @category operations
 * @since 0.1.0
 */
export const snapshot = <A>(ring: Ring.Ring<A>): Effect.Effect<Snapshot> =>
  Effect.map(Ring.list(ring), (seated) => {
    const { core } = ring
    const claim = Core.claimed(core)
    return {
      closed: Core.isClosed(core),
      claimed: Epoch.position(core, claim),
      seats: seated.map(({ cursor, generation, id, owner, seat, state }) => ({
        id: Ring.textOf(id),
        state: wordOf(state),
        generation,
        owner,
        position: Epoch.position(core, claim) - Math.max(0, Layout.distance(cursor, claim)),
        lag: Math.max(0, Layout.distance(cursor, claim)),
        isParked: Tally.isParked(core, seat + Layout.SEAT_PARKED),
        consumed: Tally.read(core, seat + Layout.SEAT_CONSUMED),
        gaps: Tally.read(core, seat + Layout.SEAT_GAPS),
        emptyPolls: Tally.read(core, seat + Layout.SEAT_EMPTY_POLLS),
        greatestLag: Tally.readWord(core, seat + Layout.SEAT_GREATEST_LAG)
      })),
      producers: linesOf(core),
      tombstones: Tally.readCommon(core, Layout.TOMBSTONES_WORD),
      unobserved: Tally.readCommon(core, Layout.UNOBSERVED_WORD),
      givenUp: Tally.readCommon(core, Layout.GIVEN_UP_WORD),
      published: Tally.sumOfProducers(core, Layout.PRODUCER_PUBLISHED),
      fullWaits: Tally.sumOfProducers(core, Layout.PRODUCER_FULL_WAITS)
    }
  })
