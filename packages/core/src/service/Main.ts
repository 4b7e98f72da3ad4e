/**
 * The life of a service, from the first hook to the exit code.
 *
 * `run` takes the `Layer` a team already has, builds it with a task registry and a shutdown token around it, waits until
 * somebody asks to stop, and stops it inside one budget. It is platform-free: signals, the guard against a blocked loop
 * and the end of the process come from outside (`@selvedge/node`), so all of it runs under `TestClock`.
 *
 * ```text
 *   preStart → build → onStart → run → (not ready, delay, stop accepting, drain tasks, workers) → onStop → flush → close → postStop
 * ```
 *
 * What runs after which failure, the time line and the exit codes are tables in docs/shutdown.md.
 *
 * **Invariants**
 *
 * 1. `run` always ends: at the latest when the budget of a requested shutdown is over, whatever the code inside does.
 * 2. Everything the layer acquired is released, unless its finalizers overrun their reserve: then they are named.
 * 3. The outcome of a third signal is there at once, before anything else has ended.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Setting from "../config/Setting.ts"
import * as Failure from "../internal/failure.ts"
import * as ShutdownPlan from "../shutdown/ShutdownPlan.ts"
import * as ShutdownReason from "../shutdown/ShutdownReason.ts"
import type * as Report from "../shutdown/ShutdownReport.ts"
import { ShutdownToken } from "../shutdown/ShutdownToken.ts"
import * as TokenTree from "../shutdown/TokenTree.ts"
import type * as TaskKind from "../tasks/TaskKind.ts"
import * as TaskRegistry from "../tasks/TaskRegistry.ts"
import type * as WorkerContext from "../workers/WorkerContext.ts"
import * as ExitCode from "./ExitCode.ts"
import { Guard } from "./Guard.ts"
import { listen } from "./internal/events.ts"
import { FinalizerTracker } from "./internal/finalizers.ts"
import { type HookBody, Life } from "./internal/life.ts"
import * as Plan from "./internal/plan.ts"
import * as Results from "./internal/results.ts"
import { failHook, noteMore, start } from "./internal/start.ts"
import { surroundings } from "./internal/surroundings.ts"
import { Teller } from "./internal/teller.ts"
import type { Lifecycle } from "./Lifecycle.ts"
import { Notices } from "./Notices.ts"

/**
 * The services a layer finds around it.
 *
 * @category models
 * @since 0.1.0
 */
export type Provided = ShutdownToken | TaskRegistry.TaskRegistry | Lifecycle | WorkerContext.WorkerContext

/**
 * Everything about a service that is not its layer. All optional.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<in out A = never> extends ShutdownPlan.Options {
  /** For logs and reports, from 1 to 256 characters. Default `"service"`. */
  readonly name?: string | undefined
  /** Policies of task kinds. */
  readonly kinds?: Readonly<Record<string, TaskKind.Policy>> | undefined
  /** Before anything is built. If it fails, nothing else runs. */
  readonly preStart?: Effect.Effect<unknown, unknown, Provided | Scope.Scope> | undefined
  /** After the layer is built, before the service is ready. */
  readonly onStart?: Effect.Effect<unknown, unknown, A | Provided | Scope.Scope> | undefined
  /**
   * The main program, if there is one beside the layer. Its return asks the service to stop. When the service stops for
   * another reason it is treated like a task: told by the token, interrupted at the tasks' deadline.
   */
  readonly run?: Effect.Effect<unknown, unknown, A | Provided | Scope.Scope> | undefined
  /** After the tasks have ended, while the layer is still up. */
  readonly onStop?: Effect.Effect<unknown, unknown, A | Provided | Scope.Scope> | undefined
  /** After onStop: push out what is buffered. */
  readonly flush?: Effect.Effect<unknown, unknown, A | Provided | Scope.Scope> | undefined
  /** Last of all, after the layer's scope has closed. */
  readonly postStop?: Effect.Effect<unknown, unknown, Provided | Scope.Scope> | undefined
  /** What SIGHUP does. Without it SIGHUP stops the service. */
  readonly onReload?: Effect.Effect<unknown, unknown, A | Provided | Scope.Scope> | undefined
  /**
   * Whether the service makes progress, asked before each sign of life that a service manager wants (docs/systemd.md): `false`,
   * a failure, or no answer, and it gets none. Default: what its event loop and its workers show.
   */
  readonly progress?: Effect.Effect<boolean, unknown, A | Provided | Scope.Scope> | undefined
  /**
   * What somebody else leaves for the stop, asked once, when it is requested: a worker's supervisor says how long. Then
   * it is used in place of `budget`, without a drain delay. Default: nobody says.
   */
  readonly budgetGiven?: (() => Duration.Duration | undefined) | undefined
  /** Exit with 128 + n, not 0, after a clean stop by signal n. Default false. */
  readonly signalExitCode?: boolean | undefined
  /** What SIGQUIT writes to stderr: lines for people (default), or one line of JSON. */
  readonly dumpFormat?: "text" | "json" | undefined
}

/**
 * @category settings
 * @since 0.1.0
 */
export const settings = {
  signalExitCode: Setting.boolean("SELVEDGE_SIGNAL_EXIT_CODE", "signalExitCode", false),
  dumpFormat: Setting.word("SELVEDGE_DUMP_FORMAT", "dumpFormat", ["text", "json"], "text")
} as const

/**
 * How a service ended.
 *
 * @category models
 * @since 0.1.0
 */
export interface Outcome {
  /** From 0 to 255; see `ExitCode`. */
  readonly exitCode: number
  readonly reason: ShutdownReason.ShutdownReason | undefined
  /** The first of: preStart, build, onStart or run, join, onStop, flush, postStop. */
  readonly error: Cause.Cause<unknown> | undefined
  /** Undefined after a third signal: there was no time. */
  readonly report: Report.ShutdownReport | undefined
}

/**
 * A service was started while it was running.
 *
 * @category errors
 * @since 0.1.0
 */
export class AlreadyRunning extends Schema.TaggedError<AlreadyRunning>()("AlreadyRunning", { service: Schema.String }) {
  override get message(): string {
    return `${this.service} is already running: wanted one start at a time, found a second`
  }
}

/**
 * Runs a service to its end.
 *
 * **Details**
 *
 * The layer may use `TaskRegistry`, `ShutdownToken` and `Lifecycle`; nothing in it has to be written for this. Interrupting
 * the returned effect asks the service to stop and waits for it.
 *
 * **Errors**
 *
 * - `InvalidSetting`: an option or a `SELVEDGE_*` variable cannot be used. Nothing has started.
 * - `AlreadyRunning`: this very effect is running already.
 *
 * A failure of the service itself is not an error of `run`: it is in the `Outcome`.
 *
 * **Example** (A service in a test)
 *
 * ```ts
 * import { Main, TaskRegistry } from "@selvedge/core"
 * import { Effect, Layer } from "effect"
 *
 * const App = Layer.effectDiscard(
 *   TaskRegistry.spawn(Effect.sleep("1 second"), { name: "warm-up", kind: "Maintenance" })
 * )
 *
 * const program = Effect.map(Main.run(App, { run: Effect.void }), (outcome) => outcome.exitCode) // 0
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const run = <A, E, R>(
  layer: Layer.Layer<A, E, R>,
  options?: Options<A>
): Effect.Effect<Outcome, AlreadyRunning | Setting.InvalidSetting, Exclude<R, Provided>> => {
  const state = { running: false }
  const given = options === undefined ? {} : options
  const name = given?.name === undefined ? "service" : given.name
  return Effect.suspend((): Effect.Effect<Outcome, AlreadyRunning | Setting.InvalidSetting> => {
    if (state.running) return Effect.fail(new AlreadyRunning({ service: name }))
    state.running = true
    // The layer's leftover requirements are in the caller's context, which every fiber below inherits.
    return once(name, layer as Layer.Layer<A, E, Provided>, given, () => {
      state.running = false
    })
  })
}

/** One life. `ended` is called when nothing of it runs any more, which after a third signal is later than its outcome. */
const once = <A, E>(
  name: string,
  layer: Layer.Layer<A, E, Provided>,
  options: Options<A>,
  ended: () => void
): Effect.Effect<Outcome, Setting.InvalidSetting> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const { dumpFormat, life, recipient, registryScope } = yield* Effect.onError(prepare(name, layer, options), () =>
        Effect.sync(ended)
      )
      const immediate = yield* Deferred.make<Outcome>()
      const teller = recipient && new Teller(life, recipient)
      const exitNow = (signal: string): void => {
        const exitCode = ExitCode.ofSignal(signal)
        const outcome = { exitCode, reason: life.reason, error: Results.error(life), report: undefined }
        teller?.end(outcome)
        Deferred.doneUnsafe(immediate, Exit.succeed(outcome))
      }
      const run = Effect.runForkWith(life.context)
      const events = run(listen(life, { hasReload: options.onReload !== undefined, dumpFormat, exitNow }))
      // The registry is closed by the driver, not by this effect: a third signal must not wait for it.
      const dispose = Effect.sync(() => {
        teller?.dispose()
        life.dispose()
        ended()
      })
      const driver = run(
        drive(life, layer, options).pipe(
          Effect.tap((outcome) => Effect.sync(() => teller?.end(outcome))),
          Effect.ensuring(Scope.close(registryScope, Exit.void)),
          Effect.ensuring(dispose)
        )
      )
      const end = Effect.raceFirst(Fiber.join(driver), Deferred.await(immediate))
      return yield* restore(end).pipe(
        Effect.onInterrupt(() => {
          life.root.requestUnsafe(ShutdownReason.ScopeClosed())
          return Effect.ignoreCause(end)
        }),
        Effect.ensuring(Fiber.interrupt(events))
      )
    })
  )

const checkName = Setting.option(
  "name",
  "a string of 1 to 256 characters",
  (value) => typeof value === "string" && value.length >= 1 && value.length <= 256
)

/** All of them, seen to by the compiler. */
const known: Readonly<Record<keyof Options, true>> = {
  name: true,
  budget: true,
  drainDelay: true,
  reserves: true,
  kinds: true,
  preStart: true,
  onStart: true,
  run: true,
  onStop: true,
  flush: true,
  postStop: true,
  onReload: true,
  progress: true,
  budgetGiven: true,
  signalExitCode: true,
  dumpFormat: true
}

const effects = ["preStart", "onStart", "run", "onStop", "flush", "postStop", "onReload", "progress"] as const
const checkEffect = (field: string) => Setting.option(field, "an Effect", Effect.isEffect)
const checkLayer = Setting.option("layer", "a Layer", Layer.isLayer)
const checkBudgetGiven = Setting.option("budgetGiven", "a function", (value) => typeof value === "function")

/** Everything that can be refused, before anything starts. */
const prepare = Effect.fnUntraced(function* <A>(name: string, layer: unknown, options: Options<A>) {
  yield* Setting.refuseUnknown(options, known)
  yield* checkName(name)
  yield* checkLayer(layer)
  for (const field of effects) if (options[field] !== undefined) yield* checkEffect(field)(options[field])
  if (options.budgetGiven !== undefined) yield* checkBudgetGiven(options.budgetGiven)
  const budget = yield* ShutdownPlan.make(options)
  const signalExitCode = yield* settings.signalExitCode.resolve(options.signalExitCode)
  const dumpFormat = yield* settings.dumpFormat.resolve(options.dumpFormat)
  const root = new TokenTree.TokenNode({ planned: true })
  const registryScope = yield* Scope.make()
  const tasks = yield* TaskRegistry.make({
    kinds: options.kinds,
    lastWords: Duration.nanos(budget.reserves.lastWords)
  }).pipe(Effect.provideService(ShutdownToken, root), Effect.provideService(Scope.Scope, registryScope))
  // A service inside this one, such as a worker that is a fiber, reports to nobody.
  const context = Context.add(yield* Effect.context<never>(), Notices, undefined)
  const guard = yield* Guard
  const recipient = yield* Notices
  const givenNanos = (): bigint | undefined => {
    try {
      const given = options.budgetGiven?.()
      return given === undefined ? undefined : Duration.toNanosUnsafe(given)
    } catch (error) {
      // The stop has begun: it goes by the service's own budget.
      life.fault(undefined, "budgetGiven", Cause.die(error))
      return undefined
    }
  }
  const life: Life = new Life({ name, budget, root, tasks, guard, signalExitCode, context, givenNanos })
  return { life, registryScope, dumpFormat, recipient }
})

/** The whole life, in the order of the table. */
const drive = Effect.fnUntraced(function* <A, E>(
  life: Life,
  layer: Layer.Layer<A, E, Provided>,
  options: Options<A>
): Effect.fn.Return<Outcome> {
  const layerScope = yield* Scope.make()
  const tracker = new FinalizerTracker()
  const around = surroundings(life)
  const started = yield* start(life, {
    preStart: around.provide(options.preStart ?? Effect.void, Context.empty(), life.root, failHook(life, "preStart")),
    build: Effect.provideContext(tracker.build(layer, layerScope), around.context) as Effect.Effect<
      Context.Context<never>,
      unknown
    >,
    onStart: (services) =>
      around.provide(options.onStart ?? Effect.void, services, life.root, failHook(life, "onStart")),
    untold: (cause) => tracker.untold(cause),
    hangs: tracker.hangs(life.budget.reserves.close)
  })
  if (started.step() === "preStart" && Option.isNone(started.services)) {
    yield* Plan.abandonPreStart(life, started)
    return finish(life)
  }
  const services = Option.getOrElse(started.services, () => Context.empty())
  const hook = (effect: Effect.Effect<unknown, unknown, any> | undefined): HookBody | undefined =>
    effect && ((token) => around.provide(effect, services, token))
  let run: Fiber.Fiber<unknown, unknown> | undefined
  if (Option.isSome(started.services)) {
    life.progress = options.progress && around.provide(options.progress, services, life.root)
    if (life.reason === undefined) life.advance("running")
    life.reload.ready(options.onReload && around.provide(options.onReload, services, life.root))
    run =
      options.run &&
      runMain(
        life,
        around.provide(options.run, services, life.root, (exit) => runEnded(life, exit))
      )
    yield* life.root.awaitRequested
  }
  yield* Plan.stop(life, {
    started,
    run,
    onStop: hook(options.onStop),
    flush: hook(options.flush),
    postStop: hook(options.postStop),
    layerScope,
    tracker
  })
  return finish(life)
})

/** What the end of `run` means; its scope closes afterwards, which the plan waits for like for a task. */
const runEnded = (life: Life, exit: Exit.Exit<unknown, unknown>): void => {
  if (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) {
    life.root.requestUnsafe(ShutdownReason.RunCompleted())
    return
  }
  if (life.failure !== undefined) return noteMore(life, exit.cause)
  life.failure = { step: "run", cause: exit.cause }
  life.log(Failure.log("run failed", exit.cause))
  life.root.requestUnsafe(ShutdownReason.Fatal({ origin: "run", cause: exit.cause }))
}

/** Starts `run`; its end asks the service to stop. */
const runMain = (life: Life, run: Effect.Effect<unknown, unknown>): Fiber.Fiber<unknown, unknown> => {
  const fiber = Effect.runForkWith(life.context)(run)
  fiber.addObserver((exit) => runEnded(life, exit))
  return fiber
}

const finish = (life: Life): Outcome => {
  life.advance("stopped")
  const report = Results.report(life)
  const { exitCode } = report
  life.feed.finished(report)
  const log = exitCode === 0 ? life.logEvent : Effect.logWarning
  for (const line of Results.lines(life, report)) life.log(log(line))
  return { exitCode, reason: life.reason, error: Results.error(life), report }
}
