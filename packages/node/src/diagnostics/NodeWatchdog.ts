/**
 * The watchdog of a Node process: a thread beside the main one that sees when an event loop does not turn, says so while it
 * does not, and names the task that holds it.
 *
 * A timer of each loop stores the time in shared memory; the thread reads it. Beyond that nothing happens until a loop has
 * been silent for its limit: then the thread asks the silent one, through the inspector, who it is running, and writes a
 * dump to stderr. See docs/watchdog.md.
 *
 * | who is silent                      | how it is named                                                           |
 * | ---------------------------------- | ------------------------------------------------------------------------- |
 * | JavaScript in the main thread      | asked directly: task, stack, and a dump of everything                      |
 * | JavaScript in a worker             | asked by way of the main thread's inspector, whether that is blocked or not |
 * | native code                        | not before it returns; the dump is of shared memory                        |
 *
 * **Gotchas**
 *
 * - Where there is no inspector (`--permission` without `--allow-inspector`) nobody is named, and dumps are of shared memory.
 * - A process that is stopped (SIGSTOP, a debugger) is not blocked: what was silent while nobody could look is nobody's fault.
 * - Where the thread cannot start there is one warning, and no watchdog.
 *
 * @since 0.1.0
 */
import * as Setting from "@selvedge/core/config/Setting"
import { Counters } from "@selvedge/core/diagnostics/Counters"
import type * as DiagnosticsError from "@selvedge/core/diagnostics/DiagnosticsError"
import { FlightRecorder } from "@selvedge/core/diagnostics/FlightRecorder"
import * as Identity from "@selvedge/core/diagnostics/Identity"
import * as StrandReader from "@selvedge/core/diagnostics/StrandReader"
import * as StrandRegistry from "@selvedge/core/diagnostics/StrandRegistry"
import * as DumpFacts from "@selvedge/core/inspection/DumpFacts"
import { Inspector } from "@selvedge/core/inspection/Inspector"
import * as Watchdog from "@selvedge/core/inspection/Watchdog"
import * as SharedMemory from "@selvedge/core/memory/SharedMemory"
import * as ShutdownReason from "@selvedge/core/shutdown/ShutdownReason"
import { ShutdownToken } from "@selvedge/core/shutdown/ShutdownToken"
import * as Cause from "effect/Cause"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Worker } from "node:worker_threads"
import * as NodeGuard from "../main/NodeGuard.ts"
import * as Heart from "./internal/heart.ts"
import * as Hook from "./internal/hook.ts"
import { platform } from "./NodePlatform.ts"
import * as SocketPath from "./internal/socketPath.ts"
import { startThread } from "./internal/threads.ts"
import type { FromThread, ThreadData } from "./internal/watchData.ts"
import { times } from "./internal/watchTimes.ts"
import { SocketRefused } from "./NodeWatchdogError.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options extends Watchdog.Options {
  /**
   * Where dumps can be asked for: the path of a unix domain socket, `"auto"` for one of its own in a private folder, or
   * `"none"` (default).
   */
  readonly socket?: string | undefined
  /** How the watchdog writes dumps to stderr. Default `"text"`. */
  readonly format?: "text" | "json" | undefined
  /** In the name of an `auto` socket. Default `"service"`. */
  readonly name?: string | undefined
}

/**
 * @category settings
 * @since 0.1.0
 */
export const settings = {
  socket: Setting.path("SELVEDGE_WATCHDOG_SOCKET", "watchdog.socket")
} as const

/**
 * What a worker needs to have its loop watched. Plain: post it with the worker's data.
 *
 * @category models
 * @since 0.1.0
 */
export interface Handle {
  readonly loops: StrandReader.Handle
  /** How often a loop says that it turns, in milliseconds. */
  readonly beatMillis: number
}

/**
 * A running watchdog.
 *
 * @category models
 * @since 0.1.0
 */
export interface NodeWatchdog {
  /** `undefined` when it is off. */
  readonly handle: Handle | undefined
  /** Where dumps can be asked for. */
  readonly socket: string | undefined
  /** A worker has ended: its loop is not silent, it is gone. */
  readonly forgetUnsafe: (worker: Identity.Identity) => void
  /** Services for what is watched: `Inspector`, `LoopHeart` and facts of the process. */
  readonly services: Context.Context<never>
}

/**
 * The watchdog of the surrounding program, for whoever starts threads: containers have the loops of their threads watched
 * by it.
 *
 * @category services
 * @since 0.1.0
 */
export const Watching: Context.Reference<Pick<NodeWatchdog, "handle" | "forgetUnsafe"> | undefined> = Context.Reference<
  Pick<NodeWatchdog, "handle" | "forgetUnsafe"> | undefined
>("@selvedge/node/Watching", { defaultValue: () => undefined })

/** Loops a watchdog can watch: the main one and those of workers. */
const MOST_LOOPS = 128

/**
 * Starts a watchdog that ends with the scope. Give `services` to what is watched.
 *
 * **Errors**
 *
 * - `InvalidSetting`: an option or variable is out of its range.
 * - `SocketRefused`: the socket's path cannot be used; says what was wanted and found.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<NodeWatchdog, Setting.InvalidSetting | SocketRefused, Scope.Scope> {
  const policy = yield* Watchdog.resolve(options)
  const wanted = yield* settings.socket.resolve(options.socket)
  if (policy.action === "off") return off
  const loops = yield* makeLoops
  const handle: Handle = { loops: loops.handle!, beatMillis: Math.max(10, policy.lookMillis) }
  const heart = yield* beating(loops, "main", handle.beatMillis)
  const contexts = new Set<Context.Context<never>>()
  const forgetUnsafe = (worker: Identity.Identity): void => void loops.reclaimUnsafe(worker)
  const services = Context.make(Inspector, { attachUnsafe: attach(contexts) }).pipe(
    Context.add(Watchdog.LoopHeart, heart),
    Context.add(DumpFacts.Platform, platform),
    Context.add(Watching, { handle, forgetUnsafe })
  )
  const socket = yield* place(wanted, options.name ?? "service")
  const watchdog = { handle, socket, services, forgetUnsafe }
  const data: ThreadData = {
    loops: handle.loops,
    strands: Option.getOrUndefined(yield* Effect.serviceOption(StrandRegistry.StrandRegistry))?.handle,
    counters: Option.getOrUndefined(yield* Effect.serviceOption(Counters))?.handle,
    flight: Option.getOrUndefined(yield* Effect.serviceOption(FlightRecorder))?.handle,
    policy,
    abilities: NodeGuard.abilities(),
    socket,
    format: options.format ?? "text",
    times
  }
  yield* run(data, contexts)
  return watchdog
})

/** Facts of the process are there all the same: a dump on SIGQUIT tells them. */
const off: NodeWatchdog = {
  handle: undefined,
  socket: undefined,
  forgetUnsafe: () => {},
  services: Context.make(DumpFacts.Platform, platform)
}

/** A table of its own: the program's may be switched off, or full. */
const makeLoops = StrandRegistry.make({ capacity: MOST_LOOPS, maxThreads: MOST_LOOPS }).pipe(
  Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnvRecord({})),
  Effect.provide(SharedMemory.layerThread),
  // A size of ours, and memory for it, are not in doubt.
  Effect.orDie
)

const beating = (loops: StrandRegistry.Shape, name: string, beatMillis: number) =>
  Effect.acquireRelease(
    Effect.sync(() => Heart.start(loops, name, beatMillis)),
    (heart) => Effect.sync(heart.stopUnsafe)
  )

/** Adds a program to those that are looked at: for the hook, and for a stop. */
const attach =
  (contexts: Set<Context.Context<never>>) =>
  (context: Context.Context<never>): (() => void) => {
    const uninstall = Hook.install(context)
    contexts.add(context)
    return () => {
      contexts.delete(context)
      uninstall()
    }
  }

const place = (
  wanted: string | undefined,
  name: string
): Effect.Effect<string | undefined, SocketRefused, Scope.Scope> => {
  if (wanted === undefined || wanted === "none") return Effect.undefined
  const path = wanted === "auto" ? SocketPath.automatic(name) : wanted
  return Effect.flatMap(
    Effect.promise(() => {
      if (wanted === "auto") SocketPath.sweep(path)
      return SocketPath.prepare(path)
    }),
    (found) =>
      "problem" in found
        ? Effect.fail(new SocketRefused({ path: found.path, wanted: found.wanted, found: found.problem }))
        : Effect.as(removedAtEnd(found.path), found.path)
  )
}

/** With the scope; and with the process, if that ends first. */
const removedAtEnd = (path: string): Effect.Effect<void, never, Scope.Scope> => {
  const remove = (): void => SocketPath.remove(path)
  return Effect.acquireRelease(
    Effect.sync(() => void process.on("exit", remove)),
    () =>
      Effect.sync(() => {
        process.off("exit", remove)
        remove()
      })
  )
}

const NONE = "no watchdog: an event loop that is blocked will not be told"

/** Starts the thread, and waits until it watches and listens, or cannot. */
const run = Effect.fnUntraced(function* (data: ThreadData, contexts: ReadonlySet<Context.Context<never>>) {
  const context = yield* Effect.context<never>()
  const warn = (message: string): void => void Effect.runForkWith(context)(Effect.logWarning(message))
  const ready = yield* Latch.make()
  const hear = (message: FromThread): void => {
    if (message._tag === "stop") return stopAll(contexts, message.why)
    if (message._tag === "problem") warn(`the watchdog has no socket: ${message.why}`)
    ready.openUnsafe()
  }
  const failed = (why: string): void => {
    warn(`${NONE} (${why})`)
    ready.openUnsafe()
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => start(data, hear, failed)),
    (thread) =>
      Effect.promise(async () => {
        thread?.removeAllListeners("exit")
        await thread?.terminate()
      })
  )
  yield* ready.await
})

const start = (
  data: ThreadData,
  hear: (message: FromThread) => void,
  failed: (why: string) => void
): Worker | undefined => {
  try {
    const thread = startThread("watchThread", data)
    thread.on("message", hear)
    thread.on("error", (error) => failed(error instanceof Error ? error.message : String(error)))
    thread.on("exit", (code) => failed(`the thread ended with code ${code}`))
    // A listener of messages holds the loop.
    thread.unref()
    return thread
  } catch (error) {
    failed(error instanceof Error ? error.message : String(error))
    return undefined
  }
}

const stopAll = (contexts: ReadonlySet<Context.Context<never>>, why: string): void => {
  for (const context of contexts) {
    const token = Context.getOption(context, ShutdownToken)
    if (Option.isSome(token)) {
      token.value.requestUnsafe(ShutdownReason.Fatal({ origin: "watchdog", cause: Cause.fail(why) }))
    }
  }
}

/**
 * Has the loop of a worker watched, until the scope closes, and provides what is needed for it to be named.
 *
 * **Errors**
 *
 * - `RegionRefused`, `NoSeat`, `InvalidIdentity`: as `StrandRegistry.attach`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const attachLoop = Effect.fnUntraced(function* (
  handle: Handle,
  identity: Identity.Identity,
  name: string
): Effect.fn.Return<
  Context.Context<never>,
  DiagnosticsError.RegionRefused | DiagnosticsError.InvalidIdentity | DiagnosticsError.NoSeat,
  Scope.Scope
> {
  const loops = yield* StrandRegistry.attach(handle.loops, identity)
  const heart = yield* beating(loops, name, handle.beatMillis)
  return Context.make(Inspector, { attachUnsafe: attach(new Set()) }).pipe(
    Context.add(Watchdog.LoopHeart, heart),
    Context.add(DumpFacts.Platform, platform)
  )
})

/**
 * Has the main loop watched while the layer lives, and the services around it looked at: for a program without
 * `Selvedge.run`, which has it by its option `watchdog`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<never, Setting.InvalidSetting | SocketRefused> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const { services } = yield* make(options)
      const around = yield* Effect.context<never>()
      const inspector = Context.get(services, Inspector)
      yield* Effect.acquireRelease(
        Effect.sync(() => inspector.attachUnsafe(Context.merge(around, services))),
        (detach) => Effect.sync(detach)
      )
      return services
    })
  )
