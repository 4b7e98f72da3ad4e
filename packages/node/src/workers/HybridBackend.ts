/**
 * Workers as processes of threads: the isolation of processes with fewer of them.
 *
 * The container's workers are the processes; each runs the program in its own threads, restarts them one for one, and is ready
 * when all of them are. A program in it has two frames, `[process 1, thread 0]`: its ordinal is the thread's, `parent` is the process. When the
 * threads of one process fail too often, that process fails, and the container starts it again.
 *
 * **Details**: a request goes to one of the processes, and there to one of its threads. What `ForkedBackend` says about signals,
 * orphans and memory holds here as well.
 *
 * @since 0.1.0
 */
import * as Setting from "@selvedge/core/config/Setting"
import * as Backend from "@selvedge/core/workers/Backend"
import { AvailableParallelism } from "@selvedge/core/workers/Parallelism"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { availableParallelism } from "node:os"
import * as ForkedBackend from "./ForkedBackend.ts"
import type { Inner } from "./internal/hybridInner.ts"
import * as Processes from "./internal/processes.ts"
import * as StartData from "./internal/startData.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options extends ForkedBackend.Options {
  /** Threads in each process. Default 2. */
  readonly threads?: number | undefined
  /** More than `max` restarts of threads within `period` end their process. Default 3 within 5 seconds. */
  readonly intensity?: { readonly max: number; readonly period: Duration.Input } | undefined
}

const DEFAULT_THREADS = 2

const checkThreads = Setting.option(
  "threads",
  "a whole number from 1 to 1024",
  (value) => Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 1024
)
const checkMax = Setting.option(
  "intensity.max",
  "a whole number of at least 0",
  (value) => Number.isSafeInteger(value) && (value as number) >= 0
)
const checkPeriod = Setting.durationOption("intensity.period", { min: "1 millis", max: "365 days" })

/**
 * The backend as a value.
 *
 * **Errors**
 *
 * - `InvalidSetting`: `threads` is not a whole number from 1 to 1024, or the intensity cannot be.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options?: Options
): Effect.fn.Return<Backend.Shape, Setting.InvalidSetting> {
  const threads = options?.threads ?? DEFAULT_THREADS
  yield* checkThreads(threads)
  const max = options?.intensity?.max ?? 3
  yield* checkMax(max)
  const periodMillis = Duration.toMillis(yield* checkPeriod(options?.intensity?.period ?? "5 seconds"))
  const inner = ({ exportName, url }: StartData.ModuleRef, request: Backend.StartRequest): Inner => ({
    url,
    exportName,
    threads,
    intensity: { max, periodMillis },
    healthTimeoutMillis: request.healthTimeoutMillis,
    progressTimeoutMillis: request.progressTimeoutMillis
  })
  return Processes.backend("hybrid", options ?? {}, (program, request) => ({
    ...StartData.make({ ...program, url: StartData.entry("hybridProgram").href, exportName: "program" }, request),
    inner: inner(program, request)
  }))
})

/**
 * Processes of threads for the containers made here; unless a count is given, as many processes as it takes to have a thread for each the machine
 * runs at a time.
 *
 * **Errors**
 *
 * - `InvalidSetting`: an option is not what it may be.
 *
 * **Example** (Two processes with three threads each)
 *
 * ```ts
 * import { Backend, Container } from "@selvedge/core"
 * import { HybridBackend } from "@selvedge/node"
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
 * }).pipe(Effect.provide(HybridBackend.layer({ threads: 3 })))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<Backend.Backend, Setting.InvalidSetting> =>
  Layer.merge(
    Layer.effect(Backend.Backend, make(options)),
    Layer.succeed(AvailableParallelism, Math.ceil(availableParallelism() / (options?.threads ?? DEFAULT_THREADS)))
  )
