/**
 * What the tests of real workers share.
 */
import * as Backend from "@selvedge/core/workers/Backend"
import * as Container from "@selvedge/core/workers/Container"
import type { ErrorRow, WorkerExit } from "@selvedge/core/workers/WorkerExit"
import * as ForkedBackend from "@selvedge/node/workers/ForkedBackend"
import * as ThreadedBackend from "@selvedge/node/workers/ThreadedBackend"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { tmpdir } from "node:os"
import { join } from "node:path"

// Workers load their sources; without it every start would compile them again.
process.env["NODE_COMPILE_CACHE"] ??= join(tmpdir(), "selvedge-compile-cache")

export const fixture = (name: string): URL => new URL(`./fixtures/${name}.ts`, import.meta.url)

export const quiet = Logger.layer([])

export const threads = Layer.merge(ThreadedBackend.layer(), quiet)
export const processes = Layer.merge(ForkedBackend.layer(), quiet)

/** One worker that is not restarted. */
export const one = Effect.fnUntraced(function* (module: string, exportName?: string) {
  const container = yield* Container.make({ grace: "1 second" })
  const program = Backend.module(fixture(module), exportName)
  const child = yield* container.spawn({ name: module, program, restart: "temporary" })
  return { container, child }
})

export const errorOf = (exit: WorkerExit): ErrorRow | undefined =>
  exit._tag === "Failed" ? exit.errors[0] : exit._tag === "Uncaught" ? exit.error : undefined
