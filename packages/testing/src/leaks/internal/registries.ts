/**
 * Task registries, found by their key.
 *
 * Core is an optional peer: the key is enough to find its service, and its types
 * are erased. A registry is looked for in the context at hand and in that of every
 * live fiber, because a test often provides it somewhere inside.
 *
 * @internal
 */
import type { TaskInfo } from "@selvedge/core/tasks/Task"
import type { Shape, TaskRegistry } from "@selvedge/core/tasks/TaskRegistry"
import * as Context from "effect/Context"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"

const Registry = Context.Service<TaskRegistry, Shape>("@selvedge/core/TaskRegistry")

const CurrentTask = Context.Reference<object | undefined>("@selvedge/core/CurrentTask", {
  defaultValue: () => undefined
})

/** The live tasks of one registry. */
export interface Group {
  readonly registry: Shape
  readonly tasks: ReadonlyArray<TaskInfo>
}

/** The live tasks of every registry in sight, by registry; none without tasks. */
export const liveTasks = (
  context: Context.Context<never>,
  fibers: ReadonlyArray<Fiber.Fiber<unknown, unknown>>
): ReadonlyArray<Group> => {
  const registries = new Set<Shape>()
  for (const within of [context, ...fibers.map((fiber) => fiber.context)]) {
    const registry = Context.getOption(within, Registry)
    if (Option.isSome(registry)) registries.add(registry.value)
  }
  return Array.from(registries, (registry) => ({ registry, tasks: registry.snapshotUnsafe() })).filter(
    (group) => group.tasks.length > 0
  )
}

/** The tasks that are not among those of before. */
export const newTasks = (now: ReadonlyArray<Group>, before: ReadonlyArray<Group>): ReadonlyArray<TaskInfo> =>
  now.flatMap(({ registry, tasks }) => {
    const old = before.find((group) => group.registry === registry)
    // Ids grow, so a task of before is one with an id of before.
    const ids = new Set(old?.tasks.map((task) => task.id))
    return tasks.filter((task) => !ids.has(task.id))
  })

/** Whether a fiber belongs to a task, and so is already named by it. */
export const isTracked = (fiber: Fiber.Fiber<unknown, unknown>): boolean => fiber.getRef(CurrentTask) !== undefined
