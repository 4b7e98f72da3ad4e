/**
 * What users can ask of a registry, over the machine that does it.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Setting from "../../config/Setting.ts"
import * as ShutdownReason from "../../shutdown/ShutdownReason.ts"
import type { ShutdownToken } from "../../shutdown/ShutdownToken.ts"
import * as Spawn from "../SpawnOptions.ts"
import type { SpawnOptions } from "../SpawnOptions.ts"
import type { Task, TaskInfo } from "../Task.ts"
import type { RegistryJoining, ShutdownDeadlineExceeded, SpawnError } from "../TaskRegistryError.ts"
import type * as Registry from "./registry.ts"

/**
 * The operations of a registry. Most callers use the functions of `TaskRegistry`, which take the registry from the
 * context.
 *
 * @category models
 * @since 0.1.0
 */
export interface Shape {
  readonly spawn: <A, E, R>(
    effect: Effect.Effect<A, E, R>,
    options: SpawnOptions<E>
  ) => Effect.Effect<Task<A, E>, SpawnError, Exclude<R, ShutdownToken>>
  readonly snapshot: Effect.Effect<ReadonlyArray<TaskInfo>>
  readonly size: Effect.Effect<number>
  readonly isEmpty: Effect.Effect<boolean>
  readonly stats: Effect.Effect<Registry.Stats>
  readonly find: (idOrName: number | string) => Effect.Effect<ReadonlyArray<Task>>
  readonly abort: (idOrName: number | string) => Effect.Effect<number>
  readonly close: Effect.Effect<void>
  readonly isClosed: Effect.Effect<boolean>
  readonly reopen: Effect.Effect<void, RegistryJoining>
  readonly awaitEmpty: Effect.Effect<void>
  readonly joinAll: (deadline: Duration.Input) => Effect.Effect<void, ShutdownDeadlineExceeded | Setting.InvalidSetting>
  /** The rows of `snapshot`, now, for plain callbacks. */
  readonly snapshotUnsafe: () => ReadonlyArray<TaskInfo>
  /** `stats`, now. */
  readonly statsUnsafe: () => Registry.Stats
  /** The fiber of a live task, for who looks at tasks; none once it has ended and the task waits for its children. */
  readonly fiberUnsafe: (id: number) => Fiber.Fiber<unknown, unknown> | undefined
}

/** The operations of one registry. */
export const shapeOf = (registry: Registry.Registry): Shape => ({
  spawn: (effect, options) => {
    const problem = Spawn.check(options)
    if (problem !== undefined) return Effect.fail(problem)
    // The effect's requirements are the caller's context, which the fork inherits.
    return registry.spawn(
      effect as Effect.Effect<any, any>,
      options,
      Spawn.restartPolicy(options.restart)
    ) as Effect.Effect<any, SpawnError, any>
  },
  snapshot: Effect.sync(() => registry.snapshot()),
  snapshotUnsafe: () => registry.snapshot(),
  statsUnsafe: () => registry.stats(),
  fiberUnsafe: (id) => {
    const entry = registry.entries.find(id)
    return entry?.fiberIsLive === true ? entry.fiber : undefined
  },
  size: Effect.sync(() => registry.size),
  isEmpty: Effect.sync(() => registry.size === 0),
  stats: Effect.sync(() => registry.stats()),
  find: (idOrName) => Effect.sync(() => registry.find(idOrName)),
  abort: (idOrName) =>
    Effect.suspend(() => {
      const found = registry.find(idOrName)
      for (const entry of found) registry.abortUnsafe(entry)
      return Effect.as(
        Effect.forEach(found, (entry) => entry.await, { concurrency: "unbounded", discard: true }),
        found.length
      )
    }),
  close: Effect.sync(() => registry.close()),
  isClosed: Effect.sync(() => registry.isClosed),
  reopen: Effect.suspend(() => {
    const refused = registry.reopen()
    return refused === undefined ? Effect.void : Effect.fail(refused)
  }),
  awaitEmpty: registry.watchers.until(() => registry.isClosed && registry.size === 0),
  joinAll: (deadline) =>
    Effect.flatMap(checkDeadline(deadline), (checked) =>
      Effect.withFiber((fiber) => {
        const self = registry.callerOf(fiber)
        const run = registry.join(
          Duration.toNanosUnsafe(checked),
          ShutdownReason.Requested({ by: "TaskRegistry.joinAll" })
        )
        return self === undefined ? run.await : run.awaitWithin(self)
      })
    )
})

const checkDeadline = Setting.durationOption("deadline", { min: 0, max: "7 days" })
