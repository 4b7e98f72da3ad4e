/**
 * What can be done to the workers of a running container while it serves: restart, reload, scale.
 *
 * Words, time lines and the numbered invariants are in docs/operations.md.
 *
 * Source: async-container's keyed reload (mark, run the set-up, stop the unmarked) and blue-green restart, without its second
 * container: old and new share ordinals, statistics and keys.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type { Child } from "./Child.ts"
import type { ChildSpec, ServiceSpec } from "./ChildSpec.ts"
import type { RolloutFailed, SpawnError } from "./ContainerError.ts"

/**
 * What a set-up asks for workers. A container is one, so the same set-up starts it and reloads it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Spawner {
  readonly spawn: (spec: ChildSpec) => Effect.Effect<unknown, SpawnError>
  readonly run: (spec: ServiceSpec) => Effect.Effect<unknown, SpawnError>
}

/**
 * Asks for everything a container is to consist of.
 *
 * @category models
 * @since 0.1.0
 */
export type SetUp<E = never, R = never> = (spawner: Spawner) => Effect.Effect<unknown, E, R>

/**
 * @category models
 * @since 0.1.0
 */
export interface RestartOptions {
  /** Only the workers of this service. */
  readonly service?: string | undefined
  /** How long the replaced workers may take to finish what they were asked. Default: the container's grace. */
  readonly grace?: Duration.Input | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export interface ReloadOptions {
  /** Keep workers that are asked for again as they are. Default true; with false all are replaced. */
  readonly keep?: boolean | undefined
  readonly grace?: Duration.Input | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export interface ScaleOptions {
  readonly grace?: Duration.Input | undefined
}

/**
 * What an operation has done.
 *
 * @category models
 * @since 0.1.0
 */
export interface Outcome {
  /** New workers; all of them have become ready. */
  readonly started: ReadonlyArray<Child>
  /** Workers that were there before, and still are. */
  readonly kept: ReadonlyArray<Child>
  /** How many workers were told to stop for good. */
  readonly retired: number
  /** Names of retired workers that not even the kill has ended in time. */
  readonly leftBehind: ReadonlyArray<string>
}

/**
 * How an operation can fail; the workers there were serve on.
 *
 * @category errors
 * @since 0.1.0
 */
export type OperationError = SpawnError | RolloutFailed

/**
 * The operations of a container. They run one after the other.
 *
 * @category models
 * @since 0.1.0
 */
export interface Operations {
  /**
   * Replaces all workers, or those of one service, by new ones with the same specification. The old ones serve until the new
   * are ready, and are stopped then.
   *
   * **Errors**
   *
   * - `RolloutFailed`: a new worker ended, or was not ready in time. The old ones serve on.
   * - `InvalidSpec`: there is no such service. `OrdinalsExhausted`: no room for old and new. `StartFailed`: its module is broken.
   * - `ContainerStopping`: the container stops, or the service around it was asked to.
   */
  readonly restart: (options?: RestartOptions) => Effect.Effect<Outcome, OperationError>
  /**
   * Runs a set-up and makes the container what it asks for: keeps what is asked for again unchanged, replaces what has
   * changed, starts what is new and, when all of that is ready, stops what was not asked for.
   *
   * **Errors**
   *
   * - The set-up's own, and those of `restart`. The old ones serve on.
   */
  readonly reload: <E, R>(setUp: SetUp<E, R>, options?: ReloadOptions) => Effect.Effect<Outcome, E | OperationError, R>
  /**
   * Gives a service another number of workers, from 0 to 1024. Up: waits until the new ones are ready. Down: stops those with the
   * highest service ordinals, which finish what they were asked.
   *
   * **Errors**
   *
   * - `InvalidSpec`: there is no such service, it has a key, or the count is not one. Else as `restart`.
   */
  readonly scale: (service: string, count: number, options?: ScaleOptions) => Effect.Effect<Outcome, OperationError>
}
