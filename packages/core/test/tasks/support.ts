/**
 * What the tests of tasks share: a registry with its own root token, logs as rows, and tasks that will not listen.
 */
import { it } from "@effect/vitest"
import type * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import type * as Setting from "@selvedge/core/config/Setting"
import * as TaskRegistry from "@selvedge/core/tasks/TaskRegistry"
import type { ShutdownDeadlineExceeded } from "@selvedge/core/tasks/TaskRegistryError"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"

/** Runs up to the next step of everybody who can take one. */
export const settle: Effect.Effect<void> = Effect.asVoid(Effect.repeat(Effect.yieldNow, { times: 30 }))

export type Env = TaskRegistry.TaskRegistry | ShutdownToken.ShutdownToken | Scope.Scope

/**
 * A test with a registry of its own. (The first sleep under a `TestClock` forks a warning, interruptibly, and so lets go of
 * an interrupted finalizer: it is taken away before the test begins.)
 */
export const test = (
  title: string,
  body: () => Effect.Effect<unknown, unknown, Env>,
  options?: TaskRegistry.Options,
  /** For what the registry itself shall see, such as loggers. */
  around: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E> = (effect) => effect
): void => {
  it.effect(title, () =>
    Effect.andThen(
      TestClock.adjust(1),
      around(Effect.scoped(Effect.provide(Effect.scoped(body()), TaskRegistry.layerRoot(options))))
    )
  )
}

/** Spawns under a short name. */
export const task = <A, E, R>(
  name: string,
  effect: Effect.Effect<A, E, R>,
  options?: Partial<TaskRegistry.SpawnOptions<E>>
) => TaskRegistry.spawn(effect, { name, kind: "RpcHandler", ...options })

export const names: Effect.Effect<ReadonlyArray<string>, never, TaskRegistry.TaskRegistry> = Effect.map(
  TaskRegistry.snapshot,
  (rows) => rows.map((row) => row.name)
)

/** Name and state of each live task. */
export const states: Effect.Effect<Record<string, string>, never, TaskRegistry.TaskRegistry> = Effect.map(
  TaskRegistry.snapshot,
  (rows) => Object.fromEntries(rows.map((row) => [row.name, row.state]))
)

/** Ends only by itself, whoever interrupts it. */
export const deafFor = (duration: `${number} ${"millis" | "seconds" | "minutes"}`): Effect.Effect<void> =>
  Effect.uninterruptible(Effect.sleep(duration))

/** Ends only when opened, whoever interrupts it. */
export const deafUntil = (gate: Deferred.Deferred<void>): Effect.Effect<void> =>
  Effect.uninterruptible(Deferred.await(gate))

/** Opened at the latest when the test ends, or the registry's scope could not close. */
export const gate: Effect.Effect<Deferred.Deferred<void>, never, Scope.Scope> = Effect.acquireRelease(
  Deferred.make<void>(),
  (which) => Deferred.succeed(which, undefined)
)
export const open = (which: Deferred.Deferred<void>): Effect.Effect<boolean> => Deferred.succeed(which, undefined)

export type JoinExit = Exit.Exit<void, ShutdownDeadlineExceeded | Setting.InvalidSetting>

/** Starts a join in a fiber of its own. */
export const joining = (
  deadline: TaskRegistry.Deadline
): Effect.Effect<
  Fiber.Fiber<void, ShutdownDeadlineExceeded | Setting.InvalidSetting>,
  never,
  TaskRegistry.TaskRegistry
> => Effect.forkDetach(TaskRegistry.joinAll(deadline), { startImmediately: true })

/** The error of a join that must have failed. */
export const missed = (
  fiber: Fiber.Fiber<void, ShutdownDeadlineExceeded | Setting.InvalidSetting>
): Effect.Effect<ShutdownDeadlineExceeded> =>
  Effect.flatMap(Effect.flip(Fiber.join(fiber)), (error) =>
    error._tag === "ShutdownDeadlineExceeded" ? Effect.succeed(error) : Effect.die(error)
  ).pipe(Effect.orDie)

/** Who was left, and as what: `name:state`. */
export const left = (error: ShutdownDeadlineExceeded): ReadonlyArray<string> =>
  error.pending.map((row) => `${row.name}:${row.state}`)

export interface Line {
  readonly level: string
  readonly text: string
  readonly annotations: Readonly<Record<string, unknown>>
  readonly cause: Cause.Cause<unknown>
}

/** Collects log lines; put it around the registry's layer. */
export const collecting = (lines: Array<Line>): (<A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>) =>
  Effect.provide(
    Logger.layer([
      Logger.make((entry) => {
        const message = Array.isArray(entry.message) ? entry.message : [entry.message]
        lines.push({
          level: entry.logLevel,
          text: message.map(String).join(" "),
          annotations: entry.fiber.getRef(References.CurrentLogAnnotations),
          cause: entry.cause
        })
      })
    ])
  )

/** A test with a log of its own. */
export const logged = (title: string, body: (lines: Array<Line>) => ReturnType<Parameters<typeof test>[1]>): void => {
  const lines: Array<Line> = []
  test(title, () => body(lines), undefined, collecting(lines))
}

export const throwingLogger = Effect.provide(
  Logger.layer([
    Logger.make(() => {
      throw new Error("disk full")
    })
  ])
)
