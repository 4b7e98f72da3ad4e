/**
 * Named fibers, counted while they live and joined at the end.
 *
 * A registry spawns tasks in its own scope, keeps a row for each while it lives (memory is O(live tasks)), and joins them
 * under one deadline. It tells tasks to drain in the order of their kinds, waits, interrupts who is left, and says by
 * name who did not end. A task spawned inside a task is its child, and a parent ends after its children.
 *
 * **States**
 *
 * | state    | spawns                                    | entered by                                     |
 * | -------- | ----------------------------------------- | ---------------------------------------------- |
 * | open     | everybody's                               | `make`, `reopen`                               |
 * | closed   | only inside a live task of this registry  | `close`, `joinAll`                             |
 * | joining  | the same, and the running join counts them | `joinAll`                                      |
 * | forced   | nobody's, a finalizer's neither           | the join's deadline, a forced token, the scope's end |
 *
 * ```text
 *   open ──close──▶ closed ──joinAll──▶ joining ──empty──▶ joined ──reopen──▶ open
 *     └───────────joinAll──────────────────▲  └─deadline─▶ forced ──lastWords──▶ joined
 * ```
 *
 * It is not a `FiberSet`: that one forgets names, has no closing, and interrupts without asking first.
 *
 * Source: tokio-util's `TaskTracker` (closed _and_ empty), trio's nurseries (a parent ends after its children).
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Setting from "../config/Setting.ts"
import * as ShutdownToken from "../shutdown/ShutdownToken.ts"
import * as TokenTree from "../shutdown/TokenTree.ts"
import * as Feed from "./internal/feed.ts"
import { type Shape, shapeOf } from "./internal/operations.ts"
import * as Registry from "./internal/registry.ts"
import type { RestartOptions, SpawnOptions } from "./SpawnOptions.ts"
import type { Task, TaskInfo } from "./Task.ts"
import { renderTree as renderRows } from "./Task.ts"
import * as TaskKind from "./TaskKind.ts"
import { type RegistryJoining, type ShutdownDeadlineExceeded, type SpawnError } from "./TaskRegistryError.ts"

// -----------------------------------------------------------------------------
// Models
// -----------------------------------------------------------------------------

export type { RestartOptions, Shape, SpawnOptions }

/**
 * How many tasks there were and what became of them.
 *
 * @category models
 * @since 0.1.0
 */
export type Stats = Registry.Stats

/**
 * Options of a join.
 *
 * @category models
 * @since 0.1.0
 */
export type Deadline = Duration.Input

/**
 * The registry of the surrounding service.
 *
 * @category services
 * @since 0.1.0
 */
export class TaskRegistry extends Context.Service<TaskRegistry, Shape>()("@selvedge/core/TaskRegistry") {}

/**
 * What a registry can be told.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Policies of kinds; a kind without one gets the default of its word. */
  readonly kinds?: Readonly<Record<string, TaskKind.Policy>> | undefined
  /** How long interrupted tasks are awaited, together: by a parent and by a join. Default 1 second. */
  readonly lastWords?: Duration.Input | undefined
  /** How often a join that waits says for whom. Default 5 seconds. */
  readonly progressInterval?: Duration.Input | undefined
}

/**
 * @category settings
 * @since 0.1.0
 */
export const settings = {
  progressInterval: Setting.duration("SELVEDGE_PROGRESS_INTERVAL", "progressInterval", {
    default: "5 seconds",
    min: "10 millis",
    max: "1 hour"
  })
} as const

// -----------------------------------------------------------------------------
// Constructors and layers
// -----------------------------------------------------------------------------

/**
 * Makes a registry below the surrounding token. Closing the scope forces it: what is still live is interrupted and
 * awaited for `lastWords`; the surrounding token is never touched.
 *
 * **Errors**
 *
 * - `InvalidSetting`: an option or variable is out of its range.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options?: Options
): Effect.fn.Return<Shape, Setting.InvalidSetting, ShutdownToken.ShutdownToken | Scope.Scope> {
  if (options !== undefined) yield* Setting.refuseUnknown(options, known)
  const kinds = options?.kinds === undefined ? {} : options.kinds
  yield* checkKinds(kinds)
  const policies = new Map<string, TaskKind.ResolvedPolicy>()
  for (const [kind, policy] of Object.entries(kinds)) {
    policies.set(kind, yield* TaskKind.resolve(kind, policy))
  }
  const lastWords = yield* Setting.durationOption("lastWords", { min: 0, max: "1 hour" })(
    options?.lastWords ?? "1 second"
  )
  const progress = yield* settings.progressInterval.resolve(options?.progressInterval)
  const surrounding = TokenTree.nodeOf(yield* ShutdownToken.ShutdownToken)
  const context = yield* Effect.context<never>()
  const feed = yield* Feed.make
  const registry = yield* Effect.acquireRelease(
    Effect.sync(
      () =>
        new Registry.Registry({
          surrounding,
          context,
          policies,
          lastWordsNanos: Duration.toNanosUnsafe(lastWords),
          progressNanos: Duration.toNanosUnsafe(progress),
          feed
        })
    ),
    closing
  )
  return shapeOf(registry)
})

/** All of them, seen to by the compiler. */
const known: Readonly<Record<keyof Options, true>> = { kinds: true, lastWords: true, progressInterval: true }

const checkKinds = Setting.option(
  "kinds",
  "an object with a policy for each kind",
  (value) => typeof value === "object" && value !== null && !Array.isArray(value)
)

const closing = (registry: Registry.Registry): Effect.Effect<void> =>
  Effect.suspend(() => Effect.ignore(registry.end().await))

/**
 * Provides a registry below the surrounding token.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options?: Options
): Layer.Layer<TaskRegistry, Setting.InvalidSetting, ShutdownToken.ShutdownToken> =>
  Layer.effect(TaskRegistry, make(options))

/**
 * Provides a registry together with a root token of its own, where no service is around: scripts and tests.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerRoot = (
  options?: Options
): Layer.Layer<TaskRegistry | ShutdownToken.ShutdownToken, Setting.InvalidSetting> =>
  Layer.provideMerge(layer(options), ShutdownToken.layer)

// -----------------------------------------------------------------------------
// Operations
// -----------------------------------------------------------------------------

/**
 * Spawns a tracked task.
 *
 * **Details**
 *
 * The task inherits the caller's context, log annotations and spans, and reaches the token of its kind as its
 * `ShutdownToken`. Spawned inside a task of the same registry it becomes that task's child. A task that fails or dies is
 * logged once, with name, kind, age and cause.
 *
 * **Errors**
 *
 * - `RegistryClosed`: the registry is closed (and the caller is not a live task of it) or forced.
 * - `TaskLimitReached`: the kind is full and its policy says to refuse.
 * - `InvalidTask`: name, kind, restart schedule or intensity cannot be.
 *
 * **Example** (A loop that ends between two pieces of work)
 *
 * ```ts
 * import { ShutdownToken, TaskRegistry } from "@selvedge/core"
 * import { Effect, Layer } from "effect"
 *
 * const Heartbeat = Layer.effectDiscard(
 *   Effect.log("alive").pipe(
 *     Effect.andThen(Effect.sleep("1 second")),
 *     Effect.forever,
 *     ShutdownToken.runUntilDraining,
 *     TaskRegistry.spawn({ name: "heartbeat", kind: "BackgroundLoop" })
 *   )
 * )
 * ```
 *
 * @category operations
 * @since 0.1.0
 */
export const spawn: {
  <E = unknown>(
    options: SpawnOptions<E>
  ): <A, E2 extends E, R>(
    effect: Effect.Effect<A, E2, R>
  ) => Effect.Effect<Task<A, E2>, SpawnError, TaskRegistry | Exclude<R, ShutdownToken.ShutdownToken>>
  <A, E, R>(
    effect: Effect.Effect<A, E, R>,
    options: SpawnOptions<E>
  ): Effect.Effect<Task<A, E>, SpawnError, TaskRegistry | Exclude<R, ShutdownToken.ShutdownToken>>
} = dual(2, <A, E, R>(effect: Effect.Effect<A, E, R>, options: SpawnOptions<E>) =>
  TaskRegistry.use((registry) => registry.spawn(effect, options))
)

/**
 * The live tasks, oldest first. During a join it shows who is waited for.
 *
 * @category operations
 * @since 0.1.0
 */
export const snapshot: Effect.Effect<ReadonlyArray<TaskInfo>, never, TaskRegistry> = TaskRegistry.use(
  (registry) => registry.snapshot
)

/**
 * The live tasks as a tree, one line each.
 *
 * @category operations
 * @since 0.1.0
 */
export const renderTree: Effect.Effect<string, never, TaskRegistry> = Effect.map(snapshot, renderRows)

/**
 * How many tasks live.
 *
 * @category operations
 * @since 0.1.0
 */
export const size: Effect.Effect<number, never, TaskRegistry> = TaskRegistry.use((registry) => registry.size)

/**
 * Whether no task lives.
 *
 * @category operations
 * @since 0.1.0
 */
export const isEmpty: Effect.Effect<boolean, never, TaskRegistry> = TaskRegistry.use((registry) => registry.isEmpty)

/**
 * Counts since the registry was made.
 *
 * @category operations
 * @since 0.1.0
 */
export const stats: Effect.Effect<Stats, never, TaskRegistry> = TaskRegistry.use((registry) => registry.stats)

/**
 * The live tasks with this id or name; empty if there is none.
 *
 * @category operations
 * @since 0.1.0
 */
export const find = (idOrName: number | string): Effect.Effect<ReadonlyArray<Task>, never, TaskRegistry> =>
  TaskRegistry.use((registry) => registry.find(idOrName))

/**
 * Interrupts the tasks with this id or name, and their children, and waits for their end. Gives how many were found; 0
 * if they had ended already.
 *
 * @category operations
 * @since 0.1.0
 */
export const abort = (idOrName: number | string): Effect.Effect<number, never, TaskRegistry> =>
  TaskRegistry.use((registry) => registry.abort(idOrName))

/**
 * Refuses new roots from now on. Live tasks may still spawn children.
 *
 * @category operations
 * @since 0.1.0
 */
export const close: Effect.Effect<void, never, TaskRegistry> = TaskRegistry.use((registry) => registry.close)

/**
 * Whether new roots are refused: it was closed, is being joined, was joined, or is forced.
 *
 * @category operations
 * @since 0.1.0
 */
export const isClosed: Effect.Effect<boolean, never, TaskRegistry> = TaskRegistry.use((registry) => registry.isClosed)

/**
 * Opens a closed registry again, with fresh tokens and no outcome.
 *
 * **Errors**
 *
 * - `RegistryJoining`: a join is running.
 *
 * @category operations
 * @since 0.1.0
 */
export const reopen: Effect.Effect<void, RegistryJoining, TaskRegistry> = TaskRegistry.use(
  (registry) => registry.reopen
)

/**
 * Waits until the registry is closed _and_ empty.
 *
 * @category operations
 * @since 0.1.0
 */
export const awaitEmpty: Effect.Effect<void, never, TaskRegistry> = TaskRegistry.use((registry) => registry.awaitEmpty)

/**
 * Closes the registry, drains its tasks kind by kind, and waits for all of them against one deadline.
 *
 * **Details**
 *
 * Ends by deadline + `lastWords` whatever the tasks do. Concurrent joiners share one run: the shortest deadline wins, and
 * joining again afterwards reports the same outcome. A task that joins its own registry waits for all but itself and its
 * ancestors. A joiner that is interrupted undoes nothing.
 *
 * **Errors**
 *
 * - `ShutdownDeadlineExceeded`: names exactly the tasks that were still running at the deadline.
 * - `InvalidSetting`: the deadline is no duration from 0 to 7 days.
 *
 * @category operations
 * @since 0.1.0
 */
export const joinAll = (
  deadline: Deadline
): Effect.Effect<void, ShutdownDeadlineExceeded | Setting.InvalidSetting, TaskRegistry> =>
  TaskRegistry.use((registry) => registry.joinAll(deadline))

/**
 * The task the current fiber belongs to, if any.
 *
 * @category operations
 * @since 0.1.0
 */
export const currentTask: Effect.Effect<Option.Option<Task>> = Effect.withFiber((fiber) =>
  Effect.succeed(Option.fromUndefinedOr(fiber.getRef(Registry.CurrentTask) as Task | undefined))
)

/**
 * The task a fiber belongs to, if any, now: for code that was not called by the fiber.
 *
 * @category operations
 * @since 0.1.0
 */
export const taskOfUnsafe = (fiber: Fiber.Fiber<unknown, unknown>): Task | undefined =>
  fiber.getRef(Registry.CurrentTask)
