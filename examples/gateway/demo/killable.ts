/**
 * Threads that can be killed: the gateway's backend with a hand on every thread.
 *
 * A kill is `worker.terminate()` at whatever instruction the thread is; the gateway is told nothing but that the thread is gone.
 */
import { Backend } from "@selvedge/core"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { createInterface } from "node:readline"
import * as Gateway from "../Gateway.ts"

const links = new Map<number, Backend.Link>()

/** With `forgetful` a worker that is started again is not told the number it had in its service. */
const grip = (backend: Backend.Shape, forgetful: boolean): Backend.Shape => ({
  ...backend,
  start: (request, listener) => {
    const { generation, ordinal, serviceOrdinal } = request.context
    const told = forgetful && generation > 1 ? serviceOrdinal + 10 : serviceOrdinal
    const context = { ...request.context, serviceOrdinal: told }
    return Effect.tap(backend.start({ ...request, context }, listener), (link) =>
      Effect.sync(() => links.set(ordinal, link))
    )
  }
})

export const backend = (forgetful: boolean) =>
  Layer.effect(
    Backend.Backend,
    Effect.map(Backend.Backend, (threads) => grip(threads, forgetful))
  ).pipe(Layer.provide(Gateway.backend))

/** `kill 0` on stdin kills the worker with the ordinal 0. */
export const listen = Layer.effectDiscard(
  Effect.acquireRelease(
    Effect.sync(() => {
      const lines = createInterface({ input: process.stdin })
      lines.on("line", (line) => links.get(Number(/^kill (\d+)$/.exec(line)?.[1]))?.kill())
      return lines
    }),
    (lines) => Effect.sync(() => lines.close())
  )
)
