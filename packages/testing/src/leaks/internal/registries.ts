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

/** The live tasks of every registry in sight, one group for each registry that has any. */
export const liveTasks = (
  context: Context.Context<never>,
  fibers: ReadonlyArray<Fiber.Fiber<unknown, unknown>>
): ReadonlyArray<ReadonlyArray<TaskInfo>> => {
  const registries = new Set<Shape>()
  for (const within of [context, ...fibers.map((fiber) => fiber.context)]) {
    const registry = Context.getOption(within, Registry)
    if (Option.isSome(registry)) registries.add(registry.value)
  }
  return Array.from(registries, (registry) => registry.snapshotUnsafe()).filter((tasks) => tasks.length > 0)
}

/** Whether a fiber belongs to a task, and so is already named by it. */
export const isTracked = (fiber: Fiber.Fiber<unknown, unknown>): boolean => fiber.getRef(CurrentTask) !== undefined
