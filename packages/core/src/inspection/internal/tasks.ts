/**
 * The live tasks as rows of a dump, with what is known about where each stands.
 *
 * @internal
 */
import * as Context from "effect/Context"
import type * as Fiber from "effect/Fiber"
import type { TaskInfo } from "../../tasks/Task.ts"
import type * as TaskRegistry from "../../tasks/TaskRegistry.ts"
import { taskOfUnsafe } from "../../tasks/TaskRegistry.ts"
import type * as DumpSchema from "../DumpSchema.ts"
import { cut } from "./plain.ts"
import { nowhere, whereOf } from "./where.ts"

export const WaitingFor = Context.Reference<string | undefined>("@selvedge/core/WaitingFor", {
  defaultValue: () => undefined
})

export interface Tasks {
  readonly live: number
  readonly rows: ReadonlyArray<DumpSchema.TaskRow>
  readonly totals: typeof DumpSchema.Totals.Type | null
}

export const none: Tasks = { live: 0, rows: [], totals: null }

export interface Look {
  readonly current: Fiber.Fiber<unknown, unknown> | undefined
  readonly wallMillis: number
  readonly limit: number
}

export const read = (registry: TaskRegistry.Shape, look: Look): Tasks => {
  const all = registry.snapshotUnsafe()
  const stats = registry.statsUnsafe()
  const shown = all.slice(0, look.limit)
  const onCpu = look.current === undefined ? undefined : taskOfUnsafe(look.current)?.id
  const children = new Map<number, number>()
  for (const { parentId } of all) {
    if (parentId !== undefined) children.set(parentId, (children.get(parentId) ?? 0) + 1)
  }
  return {
    live: all.length,
    rows: shown.map((info) => rowOf(info, registry, look, info.id === onCpu, children.get(info.id) ?? 0)),
    totals: {
      of: "tasks",
      active: stats.live,
      spawned: stats.spawned,
      completed: stats.spawned - stats.live,
      peak: stats.peak,
      // Of tasks none can be lost: their fibers tell the registry.
      lost: 0,
      overflow: 0
    }
  }
}

const rowOf = (
  info: TaskInfo,
  registry: TaskRegistry.Shape,
  look: Look,
  onCpu: boolean,
  children: number
): DumpSchema.TaskRow => {
  const fiber = registry.fiberUnsafe(info.id)
  // The fiber that runs may be one the task forked: it, and not the task's own, is where the task stands.
  const standing = onCpu ? look.current : fiber
  const where = standing === undefined ? nowhere : whereOf(standing, look.wallMillis)
  return {
    id: info.id,
    name: info.name,
    kind: info.kind,
    parentId: info.parentId ?? null,
    state: info.state,
    ageMillis: info.ageMillis,
    stuck: info.stuck,
    restarts: info.restarts,
    onCpu,
    waitingFor: waitingFor(info, onCpu, children, standing),
    inside: where.inside,
    insideMillis: where.insideMillis
  }
}

const waitingFor = (
  info: TaskInfo,
  onCpu: boolean,
  children: number,
  fiber: Fiber.Fiber<unknown, unknown> | undefined
): string | null => {
  if (onCpu) return null
  if (info.state === "finishing") return `its ${children === 1 ? "child" : `${children} children`} to end`
  const said = fiber?.getRef(WaitingFor)
  const own = typeof said === "string" ? cut(said, 200) : undefined
  if (info.state === "interrupting") return own === undefined ? "its finalizers, after an interruption" : own
  return own ?? null
}
