/**
 * Workers that can be killed: the gateway's backends with a hand on every worker.
 *
 * A kill is `worker.terminate()` of a thread, or SIGKILL of a process, at whatever instruction it is; the gateway is told nothing but that
 * the worker is gone. A thread of a process of threads is out of reach from here: it is asked to end its own (`Ask.Vanish`).
 */
import type { Backend } from "@selvedge/core"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { createInterface } from "node:readline"
import * as Fleet from "../fleet.ts"
import { Workers } from "../Workers.ts"

const links = new Map<string, Backend.Link>()

/** With `forgetful` a worker that is started again is not told the number it had in its service. */
const grip = (backend: Backend.Shape, forgetful: boolean): Backend.Shape => ({
  ...backend,
  start: (request, listener) => {
    const { generation, name, serviceOrdinal } = request.context
    const told = forgetful && generation > 1 ? serviceOrdinal + 10 : serviceOrdinal
    const context = { ...request.context, serviceOrdinal: told }
    return Effect.tap(backend.start({ ...request, context }, listener), (link) =>
      Effect.sync(() => links.set(`${name} ${serviceOrdinal}`, link))
    )
  }
})

export const backends = (forgetful: boolean) =>
  Layer.effect(
    Fleet.Backends,
    Effect.map(Fleet.Backends, ({ count, parse }) => ({
      count: grip(count, forgetful),
      parse: grip(parse, forgetful)
    }))
  ).pipe(Layer.provide(Fleet.Backends.layer))

/** `kill aggregate 0` on stdin kills that worker; `vanish` ends a thread of a process of threads. */
export const listen = Layer.effectDiscard(
  Effect.gen(function* () {
    const { vanish } = yield* Workers
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        const lines = createInterface({ input: process.stdin })
        lines.on("line", (line) => {
          links.get(/^kill (\S+ \d+)$/.exec(line)?.[1] ?? "")?.kill()
          if (line === "vanish") Effect.runFork(Effect.ignore(vanish))
        })
        return lines
      }),
      (lines) => Effect.sync(() => lines.close())
    )
  })
)
