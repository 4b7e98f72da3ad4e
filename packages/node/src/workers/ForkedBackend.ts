/**
 * Workers as child processes.
 *
 * A process has its own heap and its own crash: what ends it, ends nobody else. Of its parent's memory it sees the regions of
 * `MappedMemory` it is given: it takes part in their space and finds them under their names. A worker that is given other memory is refused with
 * `MappingUnavailable` before it starts.
 *
 * **Details**
 *
 * - While its parent lives, SIGINT, SIGTERM and SIGHUP start nothing in a worker: a terminal sends them to the whole process group,
 *   and the parent's stop brings the budget. An operator who wants to stop one worker asks its parent, or uses SIGKILL.
 * - When the parent is gone, however it died, a worker drains with the reason `ParentGone` and ends inside its own budget
 *   (`SELVEDGE_SHUTDOWN_BUDGET`), also if its loop is blocked.
 *
 * @since 0.1.0
 */
import * as Backend from "@selvedge/core/workers/Backend"
import { AvailableParallelism } from "@selvedge/core/workers/Parallelism"
import * as Layer from "effect/Layer"
import { availableParallelism } from "node:os"
import * as Processes from "./internal/processes.ts"
import * as StartData from "./internal/startData.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The processes' environment. Default: this process's. */
  readonly env?: NodeJS.ProcessEnv | undefined
  /** Node's own options for the processes, such as `--max-old-space-size`. Default: those of this process. */
  readonly execArgv?: ReadonlyArray<string> | undefined
  /** What they write: as it is (`inherit`, default), or with the worker's name before every line (`prefix`). */
  readonly output?: "inherit" | "prefix" | undefined
}

/**
 * The backend as a value.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options?: Options): Backend.Shape => Processes.backend("forked", options ?? {}, StartData.make)

/**
 * Child processes for the containers made here, as many as the machine runs threads at a time unless a count is given.
 *
 * **Example** (Two parsers, each in a process)
 *
 * ```ts
 * import { Backend, Container } from "@selvedge/core"
 * import { ForkedBackend } from "@selvedge/node"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const container = yield* Container.make()
 *   yield* container.run({
 *     name: "parser",
 *     program: Backend.module(new URL("./parser.ts", import.meta.url)),
 *     count: 2
 *   })
 *   yield* container.awaitReady
 * }).pipe(Effect.provide(ForkedBackend.layer()))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<Backend.Backend> =>
  Layer.merge(
    Layer.succeed(Backend.Backend, make(options)),
    Layer.succeed(AvailableParallelism, availableParallelism())
  )
