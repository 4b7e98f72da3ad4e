/**
 * A test that is given up shows what it was waiting for.
 *
 * When a test times out, its runner knows the line it started on and nothing else.
 * `printOnTimeout` runs the test in a fiber of its own, out of reach of the
 * runner's interruption; when that comes, it first prints the task tree of every
 * registry in sight and the fibers outside any task, and only then interrupts the
 * test, whose finalizers run as usual.
 *
 * `@effect/vitest` interrupts a test when vitest's signal aborts, which is on a
 * timeout and on Ctrl-C. Nothing here depends on vitest.
 *
 * @since 0.1.0
 */
import type { TaskInfo } from "@selvedge/core/tasks/Task"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as LiveFibers from "./LiveFibers.ts"
import { isTracked, liveTasks } from "./internal/registries.ts"

/**
 * - `name`: of the test, for the first line; "test" when absent.
 * - `print`: where the text goes; standard error when absent.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly name?: string | undefined
  readonly print?: ((text: string) => void) | undefined
}

/**
 * Runs a test, and prints its task tree when it is interrupted from outside.
 *
 * **Example** (In a test)
 *
 * ```ts
 * import { it } from "@effect/vitest"
 * import * as Effect from "effect/Effect"
 * import { TestTasks } from "@selvedge/testing"
 *
 * it.effect("drains in time", ({ task }) =>
 *   Effect.void.pipe((test) => TestTasks.printOnTimeout(test, { name: task.name }))
 * )
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const printOnTimeout = <A, E, R>(test: Effect.Effect<A, E, R>, options?: Options): Effect.Effect<A, E, R> =>
  Effect.flatMap(Effect.context<never>(), (context) =>
    LiveFibers.watch((fibers) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(Effect.forkDetach(test), (fiber) =>
          restore(Fiber.join(fiber)).pipe(
            Effect.onInterrupt(() => Effect.andThen(show(context, fibers, options), Fiber.interrupt(fiber)))
          )
        )
      )
    )
  )

const show = (context: Context.Context<never>, live: LiveFibers.LiveFibers, options: Options | undefined) =>
  Effect.suspend(() => {
    // All is read now; loading the renderer may take a turn.
    const seen = live.fibers()
    const trees = liveTasks(context, seen).map((group) => group.tasks)
    const others = live.names((fiber) => !isTracked(fiber))
    return Effect.map(render(trees), (tasks) => {
      const lines = [`${JSON.stringify(options?.name ?? "test")} was given up while these were alive:`, ...tasks]
      if (tasks.length === 0) lines.push("  no tasks")
      if (others.length > 0) lines.push(`  outside any task: ${others.join(", ")}`)
      ;(options?.print ?? console.error)(lines.join("\n"))
    })
  })

/** Core is there when one of its registries is; without one it is not asked for. */
const render = (trees: ReadonlyArray<ReadonlyArray<TaskInfo>>): Effect.Effect<ReadonlyArray<string>> =>
  trees.length === 0
    ? Effect.succeed([])
    : Effect.map(
        Effect.promise(() => import("@selvedge/core/tasks/Task")),
        ({ renderTree }) => trees.map(renderTree)
      )
