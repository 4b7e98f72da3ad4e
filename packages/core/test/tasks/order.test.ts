/**
 * The same small programs in many orders: a seeded scheduler decides who runs next, and preempts.
 */
import { describe, it } from "@effect/vitest"
import * as ShutdownReason from "@selvedge/core/shutdown/ShutdownReason"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as TaskRegistry from "@selvedge/core/tasks/TaskRegistry"
import * as FiberExplorer from "@selvedge/testing/scheduler/FiberExplorer"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"

const check = (holds: boolean, what: string) => (holds ? Effect.void : Effect.fail(what))
const spawn = <A, E, R>(
  name: string,
  effect: Effect.Effect<A, E, R>,
  options?: Partial<TaskRegistry.SpawnOptions<E>>
) => TaskRegistry.spawn(effect, { name, kind: "few", ...options })

/** Explores with a registry of its own in each run. */
const orders = (
  title: string,
  program: Effect.Effect<void, unknown, TaskRegistry.TaskRegistry | ShutdownToken.ShutdownToken>,
  options?: TaskRegistry.Options
): void => {
  it.live(title, () =>
    FiberExplorer.verify(
      program.pipe(Effect.provide(TaskRegistry.layerRoot(options)), Effect.provide(Logger.layer([]))),
      { seeds: 60 }
    )
  )
}

const quietly = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.ignore(effect)

describe("in any order", () => {
  orders(
    "spawns, aborts and interrupted spawns keep the limit and lose no place [T2]",
    Effect.gen(function* () {
      const registry = yield* TaskRegistry.TaskRegistry
      const within = Effect.suspend(() =>
        check(registry.snapshotUnsafe().length <= 2, "more tasks than the limit allows")
      )
      const spawning = yield* Effect.forEach([0, 1, 2, 3, 4, 5], (i) =>
        Effect.forkChild(spawn(`t${i}`, Effect.andThen(within, Effect.sleep(i)), { startImmediately: i % 2 === 0 }))
      )
      const interrupting = yield* Effect.forkChild(Fiber.interrupt(spawning[3]!))
      const aborting = yield* Effect.forkChild(TaskRegistry.abort("t1"))
      yield* Effect.forEach(spawning, (fiber) => Fiber.await(fiber))
      yield* Effect.all([Fiber.join(interrupting), Fiber.join(aborting)])
      yield* TaskRegistry.close
      yield* TaskRegistry.awaitEmpty
      const stats = yield* TaskRegistry.stats
      yield* check(stats.failed === 0, "a task saw more than the limit")
      yield* check(stats.spawned >= 5, "a place was lost")
    }),
    { kinds: { few: { limit: 2 } } }
  )

  orders(
    "two joiners, a spawner and a force agree on one outcome and leave nobody [T8] [T7]",
    Effect.gen(function* () {
      const spawner = Effect.gen(function* () {
        for (let i = 0; i < 3; i++) yield* quietly(spawn(`hand ${i}`, Effect.sleep("1 hour")))
        return yield* Effect.never
      })
      yield* spawn("spawner", spawner)
      yield* spawn("heeding", ShutdownToken.awaitDraining)
      const joins = yield* Effect.forEach(["2 seconds", "1 second"] as const, (deadline) =>
        Effect.forkChild(Effect.exit(TaskRegistry.joinAll(deadline)))
      )
      yield* Effect.forkChild(Effect.andThen(Effect.sleep("500 millis"), ShutdownToken.force(ShutdownReason.Reload())))
      const [one, two] = yield* Effect.forEach(joins, (fiber) => Fiber.join(fiber))
      yield* check(Exit.isFailure(one!) && Exit.isFailure(two!), "a stuck task was not reported")
      const errors = [yield* Effect.flip(one!), yield* Effect.flip(two!)]
      yield* check(errors[0] === errors[1], "two joiners were told different things")
      const error = errors[0]!
      const pending = error._tag === "ShutdownDeadlineExceeded" ? error.pending : []
      yield* check(
        pending.some((row) => row.name === "spawner"),
        "the stuck task is not named"
      )
      yield* check(
        pending.every((row) => row.state === "interrupted"),
        "somebody was left behind"
      )
      yield* check(yield* TaskRegistry.isEmpty, "somebody escaped the join")
      yield* check(Exit.isFailure(yield* Effect.exit(spawn("late", Effect.void))), "a spawn was admitted after Forced")
    })
  )

  orders(
    "a parent ends after its children, whoever aborts whom [T6]",
    Effect.gen(function* () {
      const registry = yield* TaskRegistry.TaskRegistry
      const child = Effect.andThen(spawn("grandchild", Effect.never), Effect.sleep(5))
      const parent = yield* spawn("parent", Effect.andThen(spawn("child", child), Effect.sleep(3)))
      const aborts = yield* Effect.forEach(["grandchild", "child", "parent"], (name, i) =>
        Effect.forkChild(Effect.andThen(Effect.sleep(i === 0 ? 4 : i * 3), TaskRegistry.abort(name)))
      )
      const left = yield* Effect.map(parent.await, () => registry.snapshotUnsafe().map((row) => row.name))
      yield* check(left.length === 0, `${left.join()} outlived the parent`)
      yield* Effect.forEach(aborts, (fiber) => Fiber.join(fiber))
    })
  )

  orders(
    "closing, reopening and waiting for empty neither hang nor end too early [T7]",
    Effect.gen(function* () {
      const waiting = yield* Effect.forkChild(TaskRegistry.awaitEmpty)
      const toggling = yield* Effect.forkChild(
        Effect.gen(function* () {
          yield* TaskRegistry.close
          yield* Effect.sleep(1)
          yield* TaskRegistry.reopen
          yield* quietly(spawn("again", Effect.sleep(2)))
          yield* TaskRegistry.close
        })
      )
      yield* quietly(spawn("one", Effect.sleep(3)))
      yield* Fiber.join(toggling)
      yield* Fiber.join(waiting)
      yield* TaskRegistry.close
      yield* TaskRegistry.awaitEmpty
      yield* check(yield* TaskRegistry.isEmpty, "not empty")
    })
  )
})
