/**
 * Where containers enrol with the service around them, so that it knows whether they serve, and so that
 * its plan can drain them (phase _workers_ of docs/shutdown.md).
 *
 * `Main` provides one; without it nobody drains a container but its own scope.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Row } from "./Child.ts"
import type { Incidents } from "./Incidents.ts"

/**
 * How long a stop may take, from whoever asks for it. All of it may become shorter while it runs.
 *
 * @category models
 * @since 0.1.0
 */
export interface Limits {
  /** What is left of the grace, in milliseconds. */
  readonly graceMillis: () => number
  /** Waits until the grace is over. */
  readonly graceOver: Effect.Effect<void>
  /** Waits until nobody waits for anybody any more. */
  readonly waitOver: Effect.Effect<void>
  /** Waits until the stop is forced. */
  readonly forced: Effect.Effect<unknown>
  /** For the workers' reports. */
  readonly reason: string
}

/**
 * One container, as the plan sees it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Member {
  readonly name: string
  /** One row for each of its workers, for dumps. */
  readonly rowsUnsafe: () => ReadonlyArray<Row>
  /** What it had to do about them, for dumps and the report. */
  readonly incidentsUnsafe: () => Incidents
  /** Whether each of its services has a ready worker. */
  readonly isReadyUnsafe: () => boolean
  /**
   * Whether each of its services has a worker that owes no sign of life. A container that gave up, or a service whose last
   * worker failed for good, is not alive.
   */
  readonly isAliveUnsafe: () => boolean
  /** Stops all of its workers; gives the names of those left behind. Ends by the limits whatever the workers do. */
  readonly drain: (limits: Limits) => Effect.Effect<ReadonlyArray<string>>
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Shape {
  /** Enrols; what it returns takes the member out again. */
  readonly enrolUnsafe: (member: Member) => () => void
  /** A member calls it after every change of its workers. */
  readonly changedUnsafe: () => void
}

/**
 * The workforce of the surrounding service.
 *
 * @category services
 * @since 0.1.0
 */
export const Workforce: Context.Reference<Shape> = Context.Reference<Shape>("@selvedge/core/Workforce", {
  defaultValue: () => ({ enrolUnsafe: () => () => undefined, changedUnsafe: () => undefined })
})
