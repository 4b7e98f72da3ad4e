/**
 * One worker seen from above: a place in a container, whoever is in it now.
 *
 * The states and their moves are drawn in docs/workers.md; `internal/place.ts` makes the moves.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type { Frame } from "./Frame.ts"
import type { NotReady } from "./ContainerError.ts"
import type { Facts } from "./WorkerContext.ts"
import type { WorkerExit } from "./WorkerExit.ts"

/**
 * @category models
 * @since 0.1.0
 */
export type State = Data.TaggedEnum<{
  /** A life has begun, its program is not ready. */
  Starting: {}
  /** Takes requests. */
  Ready: {}
  /** Was told to stop; the grace runs. */
  Stopping: {}
  /** The backend ends it. */
  Killing: {}
  /** Its life is over, the next one waits for a delay or for others of its group. */
  BackingOff: { readonly exit: WorkerExit }
  /** Its last life is over. */
  Ended: { readonly exit: WorkerExit }
}>

/**
 * @category constructors
 * @since 0.1.0
 */
export const State = Data.taggedEnum<State>()

/**
 * Whether a place is one of the container's workers: `OnTrial` until its rollout is promoted, `Retired` once it was told to go for
 * good. Drawn in docs/operations.md.
 *
 * @category models
 * @since 0.1.0
 */
export type Role = "OnTrial" | "Serving" | "Retired"

/**
 * One row of a container's status.
 *
 * @category models
 * @since 0.1.0
 */
export interface Row {
  readonly name: string
  readonly key: string | null
  readonly ordinal: number
  readonly serviceOrdinal: number
  /** Of the present life, or of the last. */
  readonly generation: number
  /** Outermost first, this worker last; empty before the first life. */
  readonly frames: ReadonlyArray<Frame>
  readonly state: State["_tag"]
  readonly role: Role
  /** When the present life began, in milliseconds since 1970. */
  readonly startedAt: number | undefined
  /** The last line of status the present life sent. */
  readonly text: string | undefined
  /** What the present life says it is doing, until it says that it is ready or healthy again. */
  readonly word: "reloading" | "restarting" | undefined
  /** How many requests were sent to the present life. */
  readonly requests: number
  /** Where the present life runs: `pid 4711`, `thread 3`. */
  readonly place: string | undefined
  /** How long ago the present life gave a sign that its loop turns; `undefined` where it is not asked for any, or not ready. */
  readonly beatAgeMillis: number | undefined
  /** How much memory the present life uses, as of its last beat; `undefined` where it is not asked for any. */
  readonly memoryBytes: number | undefined
  /** How the last life that ended did so. */
  readonly lastExit: WorkerExit | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Child {
  readonly name: string
  readonly key: string | undefined
  readonly ordinal: number
  readonly serviceOrdinal: number
  readonly status: Effect.Effect<Row>
  readonly statusUnsafe: () => Row
  /** Who the present life is, or the last one was. */
  readonly facts: Effect.Effect<Facts>
  /** Waits until the present life, or one after it, is ready; fails once the last one has ended without. */
  readonly awaitReady: Effect.Effect<void, NotReady>
  /** Waits for the end of the last life. */
  readonly awaitEnded: Effect.Effect<WorkerExit>
  /**
   * Stops this worker for good: interrupt, wait the grace, kill, wait. Asking twice waits for the first. The last known exit
   * if not even the kill has ended it in time.
   */
  readonly stop: (grace?: Duration.Input) => Effect.Effect<WorkerExit>
}
