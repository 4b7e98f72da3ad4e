/**
 * A task: a fiber with a name, a kind and a place in a tree.
 *
 * **States**
 *
 * | state          | meaning                                                          |
 * | -------------- | ---------------------------------------------------------------- |
 * | `running`      | its fiber runs                                                   |
 * | `finishing`    | its fiber has ended, it waits for its children                   |
 * | `interrupting` | it was asked to end at once, and has not yet                     |
 * | `detached`     | it outlived the patience of a parent or of a join; nobody waits  |
 * | `done`         | it has ended, and all its children before it                     |
 *
 * ```text
 *   running ──▶ finishing ──▶ done
 *      └▶ interrupting ─┬──────▲
 *                       └▶ detached ──▶ done
 * ```
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Option from "effect/Option"
import { label, quote } from "../internal/quote.ts"
import type * as TaskKind from "./TaskKind.ts"

/**
 * @category models
 * @since 0.1.0
 */
export type State = "running" | "finishing" | "interrupting" | "detached" | "done"

/**
 * When a task was spawned.
 *
 * @category models
 * @since 0.1.0
 */
export interface SpawnedAt {
  /** Milliseconds of the monotonic clock; only differences mean something. */
  readonly monotonicMillis: number
  /** Milliseconds since 1970. */
  readonly wallMillis: number
}

/**
 * A handle on a tracked fiber.
 *
 * **Gotchas**
 *
 * The exit of a task comes after the exits of its children.
 *
 * @category models
 * @since 0.1.0
 */
export interface Task<out A = unknown, out E = unknown> {
  /** Unique within the registry; grows with every spawn. */
  readonly id: number
  readonly name: string
  readonly kind: TaskKind.TaskKind
  /** The task it was spawned in, unless that one has ended or the spawn said `detached`. */
  readonly parentId: Option.Option<number>
  readonly spawnedAt: SpawnedAt
  readonly state: State
  /** Waits for the end and gives the `Exit`. */
  readonly await: Effect.Effect<Exit.Exit<A, E>>
  /** Interrupts the task and its children, leaves first, and waits for the end. Harmless once it has ended. */
  readonly abort: Effect.Effect<void>
  /** The same without waiting, for plain callbacks. */
  readonly abortUnsafe: () => void
}

/**
 * A live task as a row: plain data.
 *
 * @category models
 * @since 0.1.0
 */
export interface TaskInfo {
  readonly id: number
  readonly name: string
  readonly kind: TaskKind.TaskKind
  readonly parentId: number | undefined
  readonly state: State
  readonly spawnedAt: SpawnedAt
  readonly ageMillis: number
  /** Older than the `stuckAfter` of its kind. */
  readonly stuck: boolean
  /** How often its restart policy has started it again. */
  readonly restarts: number
}

/** Tasks nested deeper than this are drawn no further to the right: lines of a deep chain would grow without end. */
const DEEPEST_INDENT = 40

/**
 * A snapshot as a tree, one task a line, children under their parents in the order of their spawns. From level 40 on lines
 * are not indented further.
 *
 * @category operations
 * @since 0.1.0
 */
export const renderTree = (tasks: ReadonlyArray<TaskInfo>): string => renderTreeWith(tasks, (task) => [describe(task)])

/**
 * The same for other rows of tasks, with the lines of each given: the first stands at the branch, the others below it.
 *
 * @category operations
 * @since 0.1.0
 */
export const renderTreeWith = <Row extends { readonly id: number; readonly parentId: number | null | undefined }>(
  tasks: ReadonlyArray<Row>,
  linesOf: (task: Row) => ReadonlyArray<string>
): string => {
  const ids = new Set(tasks.map((task) => task.id))
  const children = new Map<number | undefined, Array<Row>>()
  for (const task of tasks) {
    const parent = typeof task.parentId === "number" && ids.has(task.parentId) ? task.parentId : undefined
    const siblings = children.get(parent)
    if (siblings === undefined) children.set(parent, [task])
    else siblings.push(task)
  }
  const lines: Array<string> = []
  // A stack of rows still to print, not recursion: a chain of tasks may be deep.
  const stack: Array<{ readonly task: Row; readonly indent: string; readonly last: boolean }> = []
  const push = (parent: number | undefined, indent: string): void => {
    const siblings = children.get(parent) ?? []
    for (let i = siblings.length - 1; i >= 0; i--) {
      stack.push({ task: siblings[i]!, indent, last: i === siblings.length - 1 })
    }
  }
  push(undefined, "")
  while (stack.length > 0) {
    const { indent, last, task } = stack.pop()!
    const below = `${indent}${last ? "   " : "│  "}`
    linesOf(task).forEach((line, index) =>
      lines.push(`${index === 0 ? `${indent}${last ? "└─" : "├─"}` : below} ${line}`)
    )
    push(task.id, indent.length >= DEEPEST_INDENT * 3 ? indent : below)
  }
  return lines.join("\n")
}

/**
 * One task in one line.
 *
 * @category operations
 * @since 0.1.0
 */
export const describe = (task: TaskInfo): string => {
  const extras = [
    task.state === "running" ? undefined : task.state,
    task.stuck ? "stuck" : undefined,
    task.restarts > 0 ? `${task.restarts} restart(s)` : undefined
  ].filter((extra) => extra !== undefined)
  const suffix = extras.length > 0 ? `, ${extras.join(", ")}` : ""
  return `${quote(task.name)} (${label(task.kind)} #${task.id}, ${formatAge(task.ageMillis)}${suffix})`
}

/**
 * An age for people: `12ms`, `3.4s`, `5m10s`, `2h3m`.
 *
 * @category operations
 * @since 0.1.0
 */
export const formatAge = (millis: number): string => {
  // Cut off, never rounded up: 59.99 s are not yet a minute.
  if (millis < 1000) return `${Math.floor(millis)}ms`
  const tenths = Math.floor(millis / 100)
  if (tenths < 600) return `${(tenths / 10).toFixed(1)}s`
  const seconds = Math.floor(millis / 1000)
  const minutes = Math.floor(seconds / 60)
  return minutes < 60 ? `${minutes}m${seconds % 60}s` : `${Math.floor(minutes / 60)}h${minutes % 60}m`
}
