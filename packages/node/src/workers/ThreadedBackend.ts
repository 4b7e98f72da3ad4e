/**
 * Workers as threads of this process.
 *
 * A thread shares memory with its parent, starts in tens of milliseconds, and dies with its process. It loads its program itself, from a
 * module: the program never shares objects with its parent, only messages and the regions it was given by name.
 *
 * **Gotchas**
 *
 * - A thread in native code (a synchronous read of a pipe, a call of a native library) cannot be ended: it is left behind, and
 *   named. A busy JavaScript loop can.
 * - What a thread writes to stdout goes through the main thread's loop.
 *
 * @since 0.1.0
 */
import * as Backend from "@selvedge/core/workers/Backend"
import { AvailableParallelism } from "@selvedge/core/workers/Parallelism"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { availableParallelism } from "node:os"
import type { ResourceLimits } from "node:worker_threads"
import * as Check from "./internal/check.ts"
import * as ThreadLink from "./internal/threadLink.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** V8's limits for one thread; a thread that reaches one ends with `OutOfMemory`. Default: those of the process. */
  readonly resourceLimits?: ResourceLimits | undefined
  /** The threads' environment. Default: a copy of this process's. */
  readonly env?: NodeJS.ProcessEnv | undefined
  /** Node's own options for the threads. Default: those of this process. */
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
export const make = (options?: Options): Backend.Shape => {
  const { env, execArgv, output, resourceLimits } = options ?? {}
  return {
    name: "threaded",
    kind: "thread",
    check: (blueprint) => Effect.asVoid(Check.moduleOf(blueprint, "threads")),
    start: (request, listener) =>
      Effect.flatMap(Check.refOf(request, "threads"), (program) =>
        ThreadLink.start(program, request, listener, { resourceLimits, env, execArgv, output: output ?? "inherit" })
      )
  }
}

/**
 * Threads for the containers made here, as many as the machine runs at a time unless a count is given.
 *
 * **Example** (Two parsers, each in a thread)
 *
 * ```ts
 * import { Backend, Container } from "@selvedge/core"
 * import { ThreadedBackend } from "@selvedge/node"
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
 * }).pipe(Effect.provide(ThreadedBackend.layer()))
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
