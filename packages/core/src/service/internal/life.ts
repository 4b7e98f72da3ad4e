/**
 * The state of one service: what has happened, what has been left, and who has to be told. `start.ts` and `plan.ts` move
 * it; `Main` reads the outcome.
 *
 * **Invariants**
 *
 * 1. `timeline` exists from the moment of the request, and never before.
 * 2. Whatever is bounded here is awaited until its phase's deadline, then interrupted, named and left; nobody waits
 *    longer, also not for its finalizers.
 * 3. The guard knows the deadline and the code of every phase before the phase begins.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as DumpFacts from "../../inspection/DumpFacts.ts"
import type * as DumpSchema from "../../inspection/DumpSchema.ts"
import * as DumpSources from "../../inspection/DumpSources.ts"
import { Inspector } from "../../inspection/Inspector.ts"
import * as Failure from "../../internal/failure.ts"
import type { Budget, PhaseName, Timeline } from "../../shutdown/ShutdownPlan.ts"
import * as ShutdownPlan from "../../shutdown/ShutdownPlan.ts"
import * as ShutdownReason from "../../shutdown/ShutdownReason.ts"
import type * as Report from "../../shutdown/ShutdownReport.ts"
import { ShutdownToken } from "../../shutdown/ShutdownToken.ts"
import * as TokenTree from "../../shutdown/TokenTree.ts"
import type { Straggler } from "../../shutdown/Straggler.ts"
import type * as Task from "../../tasks/Task.ts"
import * as TaskRegistry from "../../tasks/TaskRegistry.ts"
import { WorkerContext } from "../../workers/WorkerContext.ts"
import type { GuardShape } from "../Guard.ts"
import type { Stage } from "../Lifecycle.ts"
import { awaitEnd } from "./awaitEnd.ts"
import { Changes } from "./changes.ts"
import type { Course, Fault, StartStep } from "./course.ts"
import { Crew } from "./crew.ts"
import * as Feed from "./feed.ts"
import { Reload } from "./reload.ts"
import * as Results from "./results.ts"

/** Something of the user's to run in a phase; it reaches the token it is given. */
export interface Hook {
  readonly name: string
  readonly run: HookBody
}

export type HookBody = (token: TokenTree.Token) => Effect.Effect<unknown, unknown>

type LeftBehind = typeof Report.LeftBehind.Type

/** How many live tasks the report of a blocked loop names. */
const GUARD_LINES = 40

export class Life implements Course {
  readonly name: string
  /** As configured; from the request on, as it applies to this stop. */
  budget: Budget
  readonly root: TokenTree.TokenNode
  readonly tasks: TaskRegistry.Shape
  readonly guard: GuardShape
  readonly signalExitCode: boolean
  readonly stopHooks: Array<Hook> = []
  readonly flushHooks: Array<Hook> = []
  readonly clock: Clock.Clock
  /** The caller's services: clock, loggers, and what hooks of the caller need. */
  readonly context: Context.Context<never>
  stage: Stage = "preStart"
  readonly changes = new Changes()
  /** It was ready once. */
  wasReady = false
  /** What its author says about its progress, once it runs. */
  progress: Effect.Effect<unknown, unknown> | undefined = undefined
  readonly reload: Reload
  /** Counters and flight recorder, where there are any. */
  readonly feed: Feed.Feed
  /** Containers that enrolled, in their order. */
  readonly workforce = new Crew()
  /** `stopAccepting` has begun: its hooks that come later run at once. */
  stoppedAccepting = false
  /** So for `flush`. */
  flushing = false
  /** Hooks that came too late for their phase, and stop hooks that go on beside the draining. */
  private readonly openHooks = new Set<Fiber.Fiber<void>>()
  timeline: Timeline | undefined = undefined
  phase: PhaseName | undefined = undefined
  forcedBy: string | undefined = undefined
  failure: { readonly step: StartStep; readonly cause: Cause.Cause<unknown> } | undefined = undefined
  joinError: Cause.Cause<unknown> | undefined = undefined
  late = false
  readonly faults: Array<Fault> = []
  /** Errors nobody caught that came after so many that nobody wants to read them. */
  suppressed = 0
  readonly interrupted: Array<typeof Report.Interrupted.Type> = []
  readonly leftBehind: Array<LeftBehind> = []
  readonly phases: Array<typeof Report.PhaseRow.Type> = []
  pending: ReadonlyArray<Straggler> = []
  liveAtRequest: ReadonlyArray<Task.TaskInfo> = []
  requestedAt = 0
  /** What a dump of this life is captured with. */
  readonly inspected: Context.Context<never>
  private readonly stopListening: () => void
  private readonly stopInspection: () => void
  private readonly givenNanos: () => bigint | undefined

  constructor(options: {
    /** What somebody else leaves for this stop, asked once, when it is requested. */
    readonly givenNanos?: (() => bigint | undefined) | undefined
    readonly name: string
    readonly budget: Budget
    readonly root: TokenTree.TokenNode
    readonly tasks: TaskRegistry.Shape
    readonly guard: GuardShape
    readonly signalExitCode: boolean
    readonly context: Context.Context<never>
  }) {
    this.name = options.name
    this.budget = options.budget
    this.root = options.root
    this.tasks = options.tasks
    this.guard = options.guard
    this.signalExitCode = options.signalExitCode
    this.context = options.context
    this.givenNanos = options.givenNanos ?? (() => undefined)
    this.clock = Context.get(options.context, Clock.Clock)
    this.feed = Feed.make(this.context, this.clock)
    const isStopping = (): boolean => this.reason !== undefined
    this.reload = new Reload({ context: this.context, isStopping, changed: () => this.changed() })
    // The first to wait is the first to be woken, on the spot.
    this.log(Effect.map(this.root.awaitRequested, () => this.begun()))
    this.stopListening = this.root.listenUnsafe((phase) => {
      if (phase._tag === "Forced") this.onForced()
    })
    this.inspected = this.context.pipe(
      Context.add(TaskRegistry.TaskRegistry, this.tasks),
      Context.add(ShutdownToken, this.root),
      Context.add(DumpSources.DumpSources, DumpSources.makeUnsafe()),
      Context.add(DumpFacts.Service, () => this.facts())
    )
    this.stopInspection = Context.get(this.context, Inspector).attachUnsafe(this.inspected)
  }

  /** The end: nothing waits on the root for ever, and it holds nothing of this life. */
  dispose(): void {
    this.stopListening()
    this.stopInspection()
    this.root.forceUnsafe(ShutdownReason.ScopeClosed())
  }

  /** Where it stands, for dumps. */
  private facts(): DumpSchema.ServiceFacts {
    const { phase, reason, timeline } = this
    return {
      name: this.name,
      stage: this.stage,
      phase: phase ?? null,
      reason: reason === undefined ? null : ShutdownReason.describe(reason),
      budgetLeftMillis: timeline === undefined ? null : Math.max(0, Number(timeline.endNanos() - this.nowNanos()) / 1e6)
    }
  }

  get failedToStart(): boolean {
    return this.failure !== undefined && this.failure.step !== "run"
  }
  /** It runs, nobody has asked to stop, and every container has a ready worker for each of its services. */
  get isReady(): boolean {
    if (this.stage !== "running" || this.root.requestedUnsafe() !== undefined) return false
    for (const member of this.workforce) if (!member.isReadyUnsafe()) return false
    return true
  }
  /** Waits until it is ready for the first time. */
  readonly awaitReady: Effect.Effect<void> = Effect.suspend(() => this.changes.until(() => this.wasReady))
  advance(stage: Stage): void {
    this.stage = stage
    this.changed()
  }
  changed(): void {
    this.wasReady ||= this.isReady
    this.changes.changed()
  }
  get reason(): ShutdownReason.ShutdownReason | undefined {
    return this.root.requestedUnsafe()
  }
  nowNanos(): bigint {
    return this.clock.monotonicTimeNanosUnsafe()
  }
  /** Milliseconds since the request. */
  sinceRequest(nanos: bigint): number {
    return this.timeline === undefined ? 0 : Number(nanos - this.timeline.startedNanos) / 1e6
  }

  // ---------------------------------------------------------------------------
  // The time line
  // ---------------------------------------------------------------------------

  /**
   * The time line, from t0. Begun inside the request itself: whoever asks may block the loop in the next instruction. Where a
   * scheduler preempts, others woken by the same request may come before that, and begin it.
   */
  private begun(): Timeline {
    if (this.timeline !== undefined) return this.timeline
    if (this.workforce.size > 0) this.budget = ShutdownPlan.withWorkers(this.budget)
    const given = this.givenNanos()
    if (given !== undefined) this.budget = ShutdownPlan.within(this.budget, given)
    const timeline = (this.timeline = ShutdownPlan.timeline(this.budget, this.nowNanos()))
    this.stage = "stopping"
    this.requestedAt = this.clock.currentTimeMillisUnsafe()
    this.liveAtRequest = this.tasks.snapshotUnsafe()
    // From here on a blocked loop has an end, whichever phase comes first.
    this.root.setDeadlineUnsafe(this.deadlineNanos("tasks"))
    this.tellGuard()
    this.feed.requested(this.reason === undefined ? "" : ShutdownReason.describe(this.reason))
    this.changed()
    return timeline
  }

  private onForced(): void {
    if (this.reason === undefined) return
    this.begun().force(this.nowNanos())
    this.root.setDeadlineUnsafe(this.visibleDeadline())
    this.tellGuard()
    this.feed.forced()
    this.changed()
  }

  /** When a phase must have ended. */
  deadlineNanos(phase: PhaseName): bigint {
    // Who waits for the force may be woken before our listener is called; the time line must not be behind.
    if (this.root.phaseUnsafe()._tag === "Forced") this.begun().force(this.nowNanos())
    return this.begun().deadlineNanos(phase)
  }

  /** Until the tasks' deadline everybody sees that one; afterwards each phase its own. */
  private visibleDeadline(): bigint {
    const { phase } = this
    return this.deadlineNanos(phase === undefined || phase === "delay" || phase === "stopAccepting" ? "tasks" : phase)
  }

  /** Runs one phase, with what joins it late, and notes how long it took. */
  during(phase: PhaseName, body: Effect.Effect<void>): Effect.Effect<void> {
    return Effect.suspend(() => {
      const leave = this.enter(phase)
      return Effect.andThen(
        phase === "delay" || phase === "stopAccepting" ? body : Effect.andThen(body, this.openHooksEnd),
        Effect.sync(leave)
      )
    })
  }

  /** Begins a phase; gives how to end it. */
  enter(phase: PhaseName): () => void {
    const started = this.nowNanos()
    this.phase = phase
    this.begun().enter(phase, started)
    this.root.setDeadlineUnsafe(this.visibleDeadline())
    this.tellGuard()
    this.feed.phase(phase)
    this.changed()
    return () => {
      this.phases.push({
        phase,
        startedMillis: this.sinceRequest(started),
        durationMillis: Number(this.nowNanos() - started) / 1e6,
        deadlineMillis: this.sinceRequest(this.deadlineNanos(phase))
      })
    }
  }

  /** Waits until a deadline that a force may bring nearer. */
  until(deadlineNanos: () => bigint): Effect.Effect<void> {
    return Effect.suspend(() => {
      const left = deadlineNanos() - this.nowNanos()
      if (left <= 0n) return Effect.void
      const sleep = Effect.sleep(Duration.nanos(left))
      if (this.root.phaseUnsafe()._tag === "Forced") return Effect.andThen(sleep, this.until(deadlineNanos))
      return Effect.andThen(Effect.raceFirst(sleep, this.root.awaitForced), this.until(deadlineNanos))
    })
  }

  /** The exit of a fiber, if it ends before the deadline. */
  awaitUntil<A, E>(
    fiber: Fiber.Fiber<A, E>,
    deadlineNanos: () => bigint
  ): Effect.Effect<Option.Option<Exit.Exit<A, E>>> {
    return Effect.suspend(() => {
      const exit = fiber.pollUnsafe()
      if (exit !== undefined) return Effect.succeedSome(exit)
      return Effect.raceFirst(
        Effect.asSome(Fiber.await(fiber)),
        Effect.as(this.until(deadlineNanos), Option.none<Exit.Exit<A, E>>())
      )
    })
  }

  // ---------------------------------------------------------------------------
  // Hooks
  // ---------------------------------------------------------------------------

  /** Starts a hook in a fiber of its own; its token shows the phase's remaining budget. */
  private forkHook(run: HookBody, phase: PhaseName): Fiber.Fiber<unknown, unknown> {
    const token = new TokenTree.TokenNode({ follows: [this.root] })
    token.setDeadlineUnsafe(this.deadlineNanos(phase))
    return Effect.runForkWith(this.context)(
      Effect.ensuring(
        Effect.suspend(() => run(token)),
        Effect.sync(() => void token.forceUnsafe(ShutdownReason.ScopeClosed()))
      )
    )
  }

  /** Runs hooks of one phase side by side; who overruns is named and left, who fails is noted. */
  runHooks(phase: PhaseName, hooks: ReadonlyArray<Hook>): Effect.Effect<void> {
    return Effect.suspend(() => {
      const running = hooks.map((hook) => ({ hook, fiber: this.forkHook(hook.run, phase) }))
      return Effect.forEach(
        running,
        ({ fiber, hook }) =>
          Effect.map(
            this.awaitUntil(fiber, () => this.deadlineNanos(phase)),
            (exit) => this.noteHook(phase, hook.name, fiber, exit)
          ),
        { concurrency: "unbounded", discard: true }
      )
    })
  }

  /** Runs hooks beside the phases; the tasks' phase, or the one that runs when they come late, waits for them. */
  forkHooks(phase: PhaseName, hooks: ReadonlyArray<Hook>): Fiber.Fiber<void> {
    const fiber = Effect.runForkWith(this.context)(this.runHooks(phase, hooks))
    this.openHooks.add(fiber)
    fiber.addObserver(() => void this.openHooks.delete(fiber))
    return fiber
  }

  /** A hook that was registered after its phase had begun runs at once, within the phase that runs now. */
  runLate(hook: Hook): void {
    if (this.stage === "stopped" || this.phase === undefined) return
    const { phase } = this
    this.forkHooks(phase === "delay" || phase === "stopAccepting" ? "tasks" : phase, [hook])
  }

  get hasOpenHooks(): boolean {
    return this.openHooks.size > 0
  }

  /** Waits for the hooks that run beside the phases; each of them ends by its own deadline. */
  readonly openHooksEnd: Effect.Effect<void> = Effect.suspend(() => {
    for (const fiber of this.openHooks) return Effect.andThen(awaitEnd(fiber), this.openHooksEnd)
    return Effect.void
  })

  private noteHook(
    phase: PhaseName,
    name: string,
    fiber: Fiber.Fiber<unknown, unknown>,
    exit: Option.Option<Exit.Exit<unknown, unknown>>
  ): void {
    if (Option.isNone(exit)) {
      fiber.interruptUnsafe()
      this.noteLeft({ type: "hook", name, phase })
    } else if (Exit.isFailure(exit.value)) {
      this.fault(phase, name, exit.value.cause)
    }
  }

  noteLeft(row: LeftBehind): void {
    this.late = true
    this.leftBehind.push(row)
  }

  fault(phase: PhaseName | undefined, where: string, cause: Cause.Cause<unknown>): void {
    this.faults.push({ phase, where, cause })
    this.log(Failure.log(`${where} failed`, cause))
  }

  /** What happens in its course: news for a service, one of many for a worker, whose container tells what matters. */
  get logEvent(): typeof Effect.logInfo {
    const worker = Context.getOption(this.context, WorkerContext)
    return Option.isSome(worker) && worker.value.frames.length > 0 ? Effect.logDebug : Effect.logInfo
  }

  /** Writes a line from a plain callback. */
  log(line: Effect.Effect<void>): void {
    Effect.runForkWith(this.context)(Effect.ignoreCause(line))
  }

  /** Tells the guard when the process must be gone, with which code, and what to say then. */
  private tellGuard(): void {
    this.guard.update({
      deadlineNanos: this.begun().endNanos(),
      exitCode: Results.exitCode(this, true),
      report: Results.dump(this, GUARD_LINES)
    })
  }
}
