/**
 * Runs a service as the main program of a Node process: one call in the place of `NodeRuntime.runMain(Layer.launch(App))`.
 *
 * Everything that is decided is decided in `Main` (`@selvedge/core`). This file connects it to the process: signals and
 * uncaught errors go in, the guard thread watches, the report is written, the process ends with the exit code. Together
 * with the guard it is the only place that ends the process.
 *
 * @since 0.1.0
 */
import * as Setting from "@selvedge/core/config/Setting"
import * as Counters from "@selvedge/core/diagnostics/Counters"
import * as FlightRecorder from "@selvedge/core/diagnostics/FlightRecorder"
import * as StrandRegistry from "@selvedge/core/diagnostics/StrandRegistry"
import * as Census from "@selvedge/core/inspection/Census"
import * as Dump from "@selvedge/core/inspection/Dump"
import * as DumpFacts from "@selvedge/core/inspection/DumpFacts"
import * as ExitReport from "@selvedge/core/inspection/ExitReport"
import * as CoreKeepAlive from "@selvedge/core/memory/KeepAlive"
import * as SharedMemory from "@selvedge/core/memory/SharedMemory"
import * as Guard from "@selvedge/core/service/Guard"
import * as Main from "@selvedge/core/service/Main"
import * as Notices from "@selvedge/core/service/Notices"
import * as Signals from "@selvedge/core/service/Signals"
import * as Report from "@selvedge/core/shutdown/ShutdownReport"
import { AvailableParallelism } from "@selvedge/core/workers/Parallelism"
import * as WorkerContext from "@selvedge/core/workers/WorkerContext"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { closeSync, constants, openSync, writeFileSync, writeSync } from "node:fs"
import { availableParallelism } from "node:os"
import * as SystemdNotify from "../admin/SystemdNotify.ts"
import { platform } from "../diagnostics/NodePlatform.ts"
import * as NodeWatchdog from "../diagnostics/NodeWatchdog.ts"
import { SocketRefused } from "../diagnostics/NodeWatchdogError.ts"
import { leaveProcess, leaveProcessNow } from "./internal/leaveProcess.ts"
import * as KeepAlive from "./KeepAlive.ts"
import * as NodeGuard from "./NodeGuard.ts"
import * as NodeSignals from "./NodeSignals.ts"

/**
 * The options of `Main`, and what only a process has.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<in out A = never> extends Main.Options<A> {
  /**
   * Where the shutdown report goes as one line of JSON: `"none"` (default), `"stderr"`, or the path of a file. As log
   * lines it is always there.
   */
  readonly report?: string | undefined
  /**
   * What the process says of its whole life at its end (`ExitReport`): `"none"` (default), `"text"` or `"json"` on stderr, or the
   * path of a file for JSON.
   */
  readonly exitReport?: string | undefined
  /**
   * Loggers and other references, such as the log level, for the service and for the lines selvedge itself writes. What
   * the service's own layer sets holds inside the service only.
   */
  readonly logger?: Layer.Layer<never> | undefined
  /** Whether dumps list the fibers that belong to no task (`Census`). Default false: then it costs nothing. */
  readonly census?: boolean | undefined
  /** Whether a thread of its own watches the deadline (default). Without it a blocked event loop is never ended. */
  readonly guard?: boolean | undefined
  /**
   * A thread of its own sees when the event loop does not turn, and names the task that holds it; see docs/watchdog.md.
   * Without this option there is none, unless `SELVEDGE_WATCHDOG` says so.
   */
  readonly watchdog?: NodeWatchdog.Options | undefined
  /**
   * Whether a service manager is told how the service stands, where one listens at `NOTIFY_SOCKET` (docs/systemd.md). Default true:
   * without the variable it costs nothing. False also leaves the variable to whoever else wants it.
   */
  readonly systemd?: boolean | undefined
}

/**
 * @category settings
 * @since 0.1.0
 */
export const settings = {
  report: Setting.path("SELVEDGE_REPORT", "report"),
  guard: Setting.boolean("SELVEDGE_GUARD", "guard", true),
  systemd: Setting.boolean("SELVEDGE_SYSTEMD", "systemd", true)
} as const

/**
 * What a layer finds around it: what `Main` provides, and who it is. The main program is nobody's worker: it has no frames.
 *
 * @category models
 * @since 0.1.0
 */
export type Provided = Main.Provided | WorkerContext.WorkerContext | Diagnostics

/**
 * Strands, counters and the last events in shared memory: fed by tasks, shutdown and workers, shown in dumps, and there for
 * the layer's own use. `SELVEDGE_STRAND_REGISTRY_SIZE=0` and `SELVEDGE_FLIGHT_RECORDER_SIZE=0` switch theirs off.
 *
 * @category models
 * @since 0.1.0
 */
export type Diagnostics = StrandRegistry.StrandRegistry | Counters.Counters | FlightRecorder.FlightRecorder

const diagnostics = Layer.mergeAll(StrandRegistry.layer(), Counters.layer(), FlightRecorder.layer()).pipe(
  Layer.provide(SharedMemory.layerThread)
)

let running: string | undefined

/**
 * Runs a layer until somebody asks it to stop, stops it inside its budget, and ends the process with the exit code.
 *
 * **Details**
 *
 * Signals, time line and exit codes are tables in docs/shutdown.md. Every option can be overridden by its environment
 * variable (docs/configuration.md).
 *
 * **Errors**
 *
 * Throws `AlreadyRunning` when a service runs in this process already; that one goes on. An option or variable that cannot
 * be used is told in one line on stderr, with exit code 1, before anything starts.
 *
 * **Example** (The whole of a `main.ts`)
 *
 * ```ts
 * import { TaskRegistry } from "@selvedge/core"
 * import { Selvedge } from "@selvedge/node"
 * import { Effect, Layer } from "effect"
 *
 * const App = Layer.effectDiscard(
 *   TaskRegistry.spawn(Effect.log("hello").pipe(Effect.delay("1 second")), { name: "greeter", kind: "Maintenance" })
 * )
 *
 * Selvedge.run(App, { run: Effect.sleep("2 seconds") })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const run = <A, E>(layer: Layer.Layer<A, E, Provided>, options?: Options<A>): void => {
  if (running !== undefined) throw new Main.AlreadyRunning({ service: running })
  running = options?.name ?? "service"
  const { logger = Layer.empty, ...rest } = options ?? {}
  const fiber = Effect.runFork(Effect.scoped(program(layer, rest)).pipe(Effect.provide(logger)))
  fiber.addObserver((exit) => {
    if (Exit.isSuccess(exit)) return
    // Settings that cannot be used, or a mistake of ours; a failure of the service is in its outcome.
    const error = Cause.squash(exit.cause)
    const text = isRefusal(error) ? `selvedge: ${error.message}` : Cause.pretty(exit.cause)
    writeSync(2, `${text}\n`)
    leaveProcess(1)
  })
}

const isRefusal = (error: unknown): error is Setting.InvalidSetting | SocketRefused =>
  Setting.isInvalidSetting(error) || error instanceof SocketRefused

const program = Effect.fnUntraced(function* <A, E>(
  layer: Layer.Layer<A, E, Provided>,
  {
    census: censusOption,
    exitReport: exitReportOption,
    guard: guardOption,
    report: reportOption,
    systemd: systemdOption,
    watchdog: watchdogOption,
    ...options
  }: Omit<Options<A>, "logger">
): Effect.fn.Return<void, Main.AlreadyRunning | Setting.InvalidSetting | SocketRefused, Scope.Scope> {
  const report = yield* settings.report.resolve(reportOption)
  const exitReport = yield* ExitReport.settings.exitReport.resolve(exitReportOption)
  const withCensus = yield* Census.settings.census.resolve(censusOption)
  const withGuard = yield* settings.guard.resolve(guardOption)
  // Before anything is started that would inherit the variables.
  const withSystemd = yield* settings.systemd.resolve(systemdOption)
  const recipient = withSystemd ? yield* SystemdNotify.make() : undefined
  yield* KeepAlive.hold
  const signals = yield* NodeSignals.make()
  const shared = yield* Layer.build(diagnostics).pipe(
    // Who the main program is was not configured, and there is some memory.
    Effect.catchTag(["InvalidIdentity", "AllocationFailed"], (error) => Effect.die(error))
  )
  const watchdog = yield* NodeWatchdog.make({ name: options.name, ...(watchdogOption ?? { action: "off" }) }).pipe(
    Effect.provideContext(shared)
  )
  if (watchdog.socket !== undefined) yield* Effect.logInfo(`dumps can be asked for at ${watchdog.socket}`)
  const guard = withGuard ? yield* NodeGuard.make : yield* Guard.Guard
  const outcome = yield* Main.run(layer, options).pipe(
    withCensus ? Census.during : identity,
    Effect.provideService(Signals.Signals, signals),
    Effect.provideService(Guard.Guard, guard),
    Effect.provideService(Notices.Notices, recipient),
    Effect.provideContext(Context.merge(shared, watchdog.services)),
    Effect.provideService(CoreKeepAlive.KeepAlive, KeepAlive.holdUnsafe),
    Effect.provideService(AvailableParallelism, availableParallelism()),
    Effect.provide(WorkerContext.layerMain({ name: options.name }))
  )
  const problem = outcome.report === undefined ? undefined : writeReport(report, outcome.report)
  if (problem !== undefined) yield* Effect.logError(problem)
  const around = Context.add(shared, DumpFacts.Platform, platform)
  const atExit = writeExitReport(exitReport, options.name ?? "service", outcome, around)
  if (atExit !== undefined) yield* Effect.logError(atExit)
  const { suppressed } = signals.restUnsafe()
  if (suppressed > 0)
    yield* Effect.logWarning(`${suppressed} more signal(s) and uncaught error(s) came too fast to be told`)
  // A third signal means now; else what is still in the air, such as a last line on a pipe, gets 20 ms.
  if (outcome.report === undefined) leaveProcessNow(outcome.exitCode)
  else leaveProcess(outcome.exitCode)
  // The scope stays open on purpose: signals stay ours and the guard goes on watching until the process is gone.
  return yield* Effect.never
})

/** As `"w"`, but a FIFO that nobody reads is an error and not a wait without end. */
const CREATE_OR_REFUSE = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NONBLOCK

const writeTo = (path: string, text: string): void => {
  const file = openSync(path, CREATE_OR_REFUSE, 0o666)
  try {
    writeFileSync(file, text)
  } finally {
    closeSync(file)
  }
}

const encode = Schema.encodeSync(Schema.fromJsonString(Report.ShutdownReport))
const encodeExit = Schema.encodeSync(ExitReport.ExitReportJson)

const writeReport = (to: string | undefined, report: Report.ShutdownReport): string | undefined =>
  to === undefined || to === "none" ? undefined : write("shutdown report", to, () => `${encode(report)}\n`)

/** Taken when everything has ended: what is still live in it was left behind. */
const writeExitReport = (
  to: string | undefined,
  name: string,
  outcome: Main.Outcome,
  context: Context.Context<never>
): string | undefined => {
  if (to === undefined || to === "none") return undefined
  return write("exit report", to === "text" || to === "json" ? "stderr" : to, () => {
    const dump = Dump.captureUnsafe(context, { occasion: "exit" })
    const report = ExitReport.make({ name, exitCode: outcome.exitCode, shutdown: outcome.report, dump })
    return to === "text" ? ExitReport.render(report) : `${encodeExit(report)}\n`
  })
}

/** Writes a report, or says why it could not: a full disk must not change the exit code. */
const write = (what: string, to: string, text: () => string): string | undefined => {
  try {
    if (to === "stderr") writeSync(2, text())
    else writeTo(to, text())
    return undefined
  } catch (error) {
    return `the ${what} could not be written to ${to}: ${error instanceof Error ? error.message : String(error)}`
  }
}
