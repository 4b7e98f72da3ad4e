/**
 * One life in a child process, from above.
 *
 * ```text
 *   fork ──▶ running ──▶ exit ─┬─▶ settled ──▶ exited    both, in either order: what the process sent is read until its channel closes
 *                └─▶ channel closed
 * ```
 *
 * _Settled_: what it left in mapped regions is recovered, or a second is over. From then on its pulse is somebody else's (H2 of docs/workers.md).
 *
 * A grandchild that inherited the channel could keep it open: 500 ms after the exit nobody waits for it any more.
 *
 * @internal
 */
import type * as Backend from "@selvedge/core/workers/Backend"
import { StartFailed } from "@selvedge/core/workers/ContainerError"
import type * as Pulse from "@selvedge/core/workers/Pulse"
import type { Facts } from "@selvedge/core/workers/WorkerContext"
import type { Regions } from "@selvedge/core/workers/WorkerRegions"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import * as MappedRegions from "../../memory/MappedRegions.ts"
import type { Inherited, Lease } from "../../memory/PulseTable.ts"
import * as Exits from "./exits.ts"
import * as Output from "./output.ts"
import * as StartData from "./startData.ts"
import * as ThreadTables from "./threadTables.ts"
import { after } from "./timer.ts"
import { until } from "./until.ts"

export interface Options {
  readonly env: NodeJS.ProcessEnv | undefined
  readonly execArgv: ReadonlyArray<string> | undefined
  readonly output: Output.Output
}

const CHANNEL_MILLIS = 500

export const start = (
  data: StartData.StartData,
  { context, isJudged, regions }: Backend.StartRequest,
  listener: Backend.Listener,
  options: Options
): Effect.Effect<Backend.Link, StartFailed, Scope.Scope> =>
  Effect.flatMap(tablesFor(context, data.inner?.threads), (tables) =>
    Effect.acquireRelease(
      Effect.flatMap(isJudged ? MappedRegions.leasePulse : Effect.succeed(undefined), (lease) => {
        const ended = Effect.sync(() => {
          tables.ended()
          lease?.giveBack()
        })
        const label = `${context.name} ${context.serviceOrdinal}`
        return Effect.map(
          Effect.onError(spawn(label, options, lease?.fd), () => ended),
          (child) => {
            if (options.output === "prefix") Output.prefix(child, context)
            const handed = { ...tables.regions, ...regions }
            const settled = Effect.andThen(MappedRegions.settleProcess(handed, child.pid ?? 0), ended)
            const link = new ProcessLink(child, listener, settled, lease?.line)
            child.send({ ...data, tablePlaces: tables.places, line: lineOf(lease) }, ignore)
            return link
          }
        )
      }),
      (link) => link.end
    )
  )

/** The tables of diagnostics around the container that the process can find. */
interface TablesOfOne {
  readonly places: ThreadTables.TablePlaces | undefined
  readonly regions: Regions
  readonly ended: () => void
}

const NO_TABLES: TablesOfOne = { places: undefined, regions: {}, ended: () => {} }

const tablesFor = (facts: Facts, threads: number | undefined): Effect.Effect<TablesOfOne> =>
  Effect.map(ThreadTables.lease(facts, threads), ({ ended, tables }) => {
    const found = ThreadTables.placesOf(tables)
    if (found !== undefined) return { places: found.tables, regions: found.regions, ended }
    ended()
    return NO_TABLES
  })

/** Behind the channel, which is 3. */
const TABLE_FD = 4

const lineOf = (lease: Lease | undefined): Inherited | undefined =>
  lease && { fd: TABLE_FD, index: lease.line.index, life: lease.line.life }

/** The label is for people who look at a list of processes. */
const spawn = (
  label: string,
  options: Options,
  table: number | undefined
): Effect.Effect<ChildProcess, StartFailed> => {
  const output = options.output === "prefix" ? "pipe" : "inherit"
  const refused = (error: unknown): StartFailed =>
    new StartFailed({ reason: "SpawnRefused", wanted: "a process", found: Exits.messageOf(error) })
  return Effect.flatMap(
    Effect.try({
      try: () =>
        fork(fileURLToPath(StartData.entry("processEntry")), [label], {
          serialization: "advanced",
          stdio: ["ignore", output, output, "ipc", ...(table === undefined ? [] : [table])],
          ...(options.env === undefined ? {} : { env: options.env }),
          ...(options.execArgv === undefined ? {} : { execArgv: [...options.execArgv] })
        }),
      catch: refused
    }),
    (child) =>
      child.pid !== undefined
        ? Effect.succeed(child)
        : Effect.flatMap(
            Effect.promise(() => once(child, "error")),
            ([error]) => Effect.fail(refused(error))
          )
  )
}

/** Whether it arrived is said by the exit. */
const ignore = (): void => {}

class ProcessLink implements Backend.Link {
  private readonly child: ChildProcess
  private readonly listener: Backend.Listener
  private readonly pid: number
  private exit: { readonly code: number | null; readonly signal: string | null } | undefined = undefined
  private isOpen = true
  private wasKilled = false
  private isGone = false
  private readonly gone: Array<() => void> = []
  private readonly settled: Effect.Effect<void>
  private isSettling = false

  readonly pulse: Pulse.Line | undefined

  constructor(
    child: ChildProcess,
    listener: Backend.Listener,
    settled: Effect.Effect<void>,
    pulse: Pulse.Line | undefined
  ) {
    this.child = child
    this.pulse = pulse
    this.settled = settled
    this.listener = listener
    this.pid = child.pid ?? 0
    child.on("message", listener.message)
    // A kill or a send that failed: the exit says what became of it.
    child.on("error", ignore)
    child.on("disconnect", () => {
      this.isOpen = false
      this.finish()
    })
    child.on("exit", (code, signal) => {
      this.exit = { code, signal }
      if (!child.connected) this.isOpen = false
      this.finish()
      if (!this.isSettling) after(CHANNEL_MILLIS, () => this.giveUpChannel())
    })
  }

  private giveUpChannel(): void {
    this.isOpen = false
    if (this.child.connected) this.child.disconnect()
    this.finish()
  }

  private finish(): void {
    const { exit } = this
    if (exit === undefined || this.isOpen || this.isSettling) return
    this.isSettling = true
    Effect.runFork(this.settled).addObserver(() => {
      this.isGone = true
      this.listener.exited(Exits.ofProcess({ pid: this.pid, ...exit, wasKilled: this.wasKilled }))
      for (const wake of this.gone.splice(0)) wake()
    })
  }

  get place(): string {
    return `pid ${this.pid}`
  }

  readonly send = (wire: unknown): boolean => {
    if (this.exit !== undefined || !this.child.connected) return false
    this.child.send(wire as object, ignore)
    return true
  }

  readonly kill = (): void => {
    if (this.exit !== undefined) return
    this.wasKilled = true
    this.child.kill("SIGKILL")
  }

  /** Kills and waits. */
  readonly end: Effect.Effect<void> = Effect.suspend(() => {
    this.kill()
    return until((wake) => (this.isGone ? wake() : this.gone.push(wake)))
  })
}
