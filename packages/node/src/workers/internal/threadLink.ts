/**
 * One life in a worker thread, from above.
 *
 * ```text
 *   new Worker ──▶ running ──▶ exited        what the thread sent comes before `exited`: Node empties its port first
 * ```
 *
 * @internal
 */
import type * as Backend from "@selvedge/core/workers/Backend"
import { StartFailed } from "@selvedge/core/workers/ContainerError"
import * as Pulse from "@selvedge/core/workers/Pulse"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type ResourceLimits, Worker } from "node:worker_threads"
import * as MappedRegions from "../../memory/MappedRegions.ts"
import * as Exits from "./exits.ts"
import * as Output from "./output.ts"
import * as StartData from "./startData.ts"
import * as ThreadTables from "./threadTables.ts"
import { until } from "./until.ts"

export interface Options {
  readonly resourceLimits: ResourceLimits | undefined
  readonly env: NodeJS.ProcessEnv | undefined
  readonly execArgv: ReadonlyArray<string> | undefined
  readonly output: Output.Output
}

export const start = (
  program: StartData.ModuleRef,
  request: Backend.StartRequest,
  listener: Backend.Listener,
  options: Options
): Effect.Effect<Backend.Link, StartFailed, Scope.Scope> =>
  Effect.flatMap(ThreadTables.lease(request.context), ({ ended, tables }) =>
    Effect.acquireRelease(
      Effect.flatMap(lend(request), (lending) =>
        Effect.try({
          try: () => {
            const { lent, regions } = lending
            const pulse = request.isJudged ? Pulse.make(request.context.generation) : undefined
            const data = { ...StartData.make(program, request), pulse, regions, lent, tables }
            return new ThreadLink(spawn(data, request, options), listener, ended, lending, pulse)
          },
          catch: (error) =>
            new StartFailed({ reason: "SpawnRefused", wanted: "a thread", found: Exits.messageOf(error) })
        }).pipe(Effect.onError(() => lending.end))
      ).pipe(Effect.onError(() => Effect.sync(ended))),
      (link) => link.end
    )
  )

const lend = ({ regions }: Backend.StartRequest): Effect.Effect<MappedRegions.Lending, StartFailed> =>
  Effect.mapError(MappedRegions.lend(regions), ({ message }) => {
    const wanted = "a place among the participants of its mapped memory"
    return new StartFailed({ reason: "MappingUnavailable", wanted, found: message })
  })

const spawn = (data: StartData.StartData, request: Backend.StartRequest, options: Options): Worker => {
  const { name, serviceOrdinal } = request.context
  const piped = options.output === "prefix"
  const worker = new Worker(StartData.entry("threadEntry"), {
    name: `${name} ${serviceOrdinal}`.slice(0, 64),
    workerData: data,
    ...(options.env === undefined ? {} : { env: options.env }),
    ...(options.execArgv === undefined ? {} : { execArgv: [...options.execArgv] }),
    ...(options.resourceLimits === undefined ? {} : { resourceLimits: options.resourceLimits }),
    stdout: piped,
    stderr: piped
  })
  if (piped) Output.prefix(worker, request.context)
  return worker
}

class ThreadLink implements Backend.Link {
  private readonly worker: Worker
  private readonly threadId: number
  private error: unknown = undefined
  private wasKilled = false
  private isGone = false
  private readonly gone: Array<() => void> = []

  readonly pulse: Pulse.Line | undefined

  constructor(
    worker: Worker,
    listener: Backend.Listener,
    ended: () => void,
    lending: MappedRegions.Lending,
    pulse: Pulse.Line | undefined
  ) {
    this.worker = worker
    this.pulse = pulse
    // The thread has none any more when it has ended.
    this.threadId = worker.threadId
    worker.on("message", listener.message)
    worker.on("messageerror", (error) => listener.message({ _tag: "(cannot be read)", error: Exits.messageOf(error) }))
    worker.on("error", (error) => {
      this.error ??= error
    })
    worker.on("exit", (code) => {
      Effect.runFork(lending.end).addObserver(() => {
        this.isGone = true
        ended()
        listener.exited(Exits.ofThread({ code, error: this.error, wasKilled: this.wasKilled }))
        for (const wake of this.gone.splice(0)) wake()
      })
    })
  }

  get place(): string {
    return `thread ${this.threadId}`
  }

  readonly send = (wire: unknown): boolean => {
    if (this.isGone) return false
    this.worker.postMessage(wire)
    return true
  }

  readonly kill = (): void => {
    if (this.isGone) return
    this.wasKilled = true
    // Resolves when it is gone, which the `exit` event says as well.
    void this.worker.terminate()
  }

  /** Kills and waits. A thread in native code ends when that returns: then it is left behind, and this does not wait for it. */
  readonly end: Effect.Effect<void> = Effect.suspend(() => {
    this.kill()
    return until((wake) => (this.isGone ? wake() : this.gone.push(wake)))
  })
}
