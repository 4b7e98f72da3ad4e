/**
 * The state of one service: what has happened, what has been left, and who has to be told. `start.ts` and `plan.ts` move
 * it; `Main` reads the outcome.
 *
 * **Invariants**
 *
 * 1. `timeline` exists from the moment the plan begins, and never before.
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
import type { Budget, PhaseName, Timeline } from "../../shutdown/ShutdownPlan.ts"
import * as ShutdownPlan from "../../shutdown/ShutdownPlan.ts"
import * as ShutdownReason from "../../shutdown/ShutdownReason.ts"
import * as Report from "../../shutdown/ShutdownReport.ts"
import * as TokenTree from "../../shutdown/TokenTree.ts"
import type { Straggler } from "../../shutdown/Straggler.ts"
import * as Task from "../../tasks/Task.ts"
import type * as TaskRegistry from "../../tasks/TaskRegistry.ts"
import * as ExitCode from "../ExitCode.ts"
import type { GuardShape } from "../Guard.ts"
import type { Stage } from "../Lifecycle.ts"

/** The steps whose failure is the service's failure. */
export type StartStep = "preStart" | "build" | "onStart" | "run"

/** Something of the user's to run in a phase; it reaches the token it is given. */
export interface Hook {
  readonly name: string
  readonly run: HookBody
}

export type HookBody = (token: TokenTree.Token) => Effect.Effect<unknown, unknown>

type LeftBehind = typeof Report.LeftBehind.Type

/** How many live tasks the report of a blocked loop names. */
const GUARD_LINES = 40

export class Life {
  readonly name: string
  readonly budget: Budget
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
  /** `stopAccepting` has begun: hooks that come later run at once. */
  stoppedAccepting = false
  timeline: Timeline | undefined = undefined
  phase: PhaseName | undefined = undefined
  forcedBy: string | undefined = undefined
  failure: { readonly step: StartStep; readonly cause: Cause.Cause<unknown> } | undefined = undefined
  joinError: Cause.Cause<unknown> | undefined = undefined
  late = false
  /** Faults of hooks and finalizers: where, and why. */
  readonly faults: Array<{ readonly where: string; readonly cause: Cause.Cause<unknown> }> = []
  readonly leftBehind: Array<LeftBehind> = []
  readonly phases: Array<typeof Report.PhaseRow.Type> = []
  pending: ReadonlyArray<Straggler> = []
  liveAtRequest: ReadonlyArray<Task.TaskInfo> = []
  private requestedAt = 0

  constructor(options: {
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
    this.clock = Context.get(options.context, Clock.Clock)
    this.root.listenUnsafe((phase) => {
      if (phase._tag === "Forced") this.onForced()
    })
  }

  get isReady(): boolean {
    return this.stage === "running" && this.root.requestedUnsafe() === undefined
  }
  get reason(): ShutdownReason.ShutdownReason | undefined {
    return this.root.requestedUnsafe()
  }
  nowNanos(): bigint {
    return this.clock.monotonicTimeNanosUnsafe()
  }
  /** Milliseconds since the request. */
  private sinceRequest(nanos: bigint): number {
    return this.timeline === undefined ? 0 : Number(nanos - this.timeline.startedNanos) / 1e6
  }

  // ---------------------------------------------------------------------------
  // The time line
  // ---------------------------------------------------------------------------

  beginTimeline(): Timeline {
    const timeline = ShutdownPlan.timeline(this.budget, this.nowNanos())
    this.timeline = timeline
    this.stage = "stopping"
    this.requestedAt = this.clock.currentTimeMillisUnsafe()
    this.liveAtRequest = this.tasks.snapshotUnsafe()
    if (this.root.phaseUnsafe()._tag === "Forced") timeline.force(this.nowNanos())
    return timeline
  }

  private onForced(): void {
    if (this.timeline === undefined) return
    this.timeline.force(this.nowNanos())
    if (this.phase !== undefined) this.root.setDeadlineUnsafe(this.deadlineNanos(this.phase))
    this.tellGuard()
  }

  /** When a phase that is running or begins now must have ended. */
  deadlineNanos(phase: PhaseName): bigint {
    return this.timeline!.deadlineNanos(phase, this.nowNanos())
  }

  /** Runs one phase and notes how long it took. */
  during(phase: PhaseName, body: Effect.Effect<void>): Effect.Effect<void> {
    return Effect.suspend(() => {
      const started = this.nowNanos()
      const deadline = this.enter(phase)
      return Effect.andThen(
        body,
        Effect.sync(() => this.leave(phase, started, deadline))
      )
    })
  }

  enter(phase: PhaseName): bigint {
    this.phase = phase
    this.timeline!.enter(phase)
    // Until the tasks' deadline everybody sees that one; afterwards each phase its own.
    const deadline = this.deadlineNanos(phase === "delay" || phase === "stopAccepting" ? "tasks" : phase)
    this.root.setDeadlineUnsafe(deadline)
    this.tellGuard()
    return this.deadlineNanos(phase)
  }

  leave(phase: PhaseName, startedNanos: bigint, deadlineNanos: bigint): void {
    this.phases.push({
      phase,
      startedMillis: this.sinceRequest(startedNanos),
      durationMillis: Number(this.nowNanos() - startedNanos) / 1e6,
      deadlineMillis: this.sinceRequest(deadlineNanos)
    })
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
      const started = this.nowNanos()
      const running = hooks.map((hook) => ({ hook, fiber: this.forkHook(hook.run, phase) }))
      return Effect.forEach(
        running,
        ({ fiber, hook }) =>
          Effect.map(
            this.awaitUntil(fiber, () => this.timeline!.deadlineNanos(phase, started)),
            (exit) => this.noteHook(phase, hook.name, fiber, exit)
          ),
        { concurrency: "unbounded", discard: true }
      )
    })
  }

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
      this.fault(name, exit.value.cause)
    }
  }

  noteLeft(row: LeftBehind): void {
    this.late = true
    this.leftBehind.push(row)
  }

  fault(where: string, cause: Cause.Cause<unknown>): void {
    this.faults.push({ where, cause })
    this.log(Effect.logError(`${where} failed`, cause))
  }

  log(line: Effect.Effect<void>): void {
    Effect.runForkWith(this.context)(line)
  }

  // ---------------------------------------------------------------------------
  // Reload
  // ---------------------------------------------------------------------------

  /** Set once the service runs. */
  reload: Effect.Effect<unknown, unknown> | undefined = undefined
  private reloading: "no" | "running" | "again" | "whenRunning" = "no"

  /** Reloads now; after the reload that is running; or as soon as the service runs. Requests in between become one. */
  requestReload(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.reload === undefined) {
        this.reloading = "whenRunning"
        return Effect.logInfo("SIGHUP: still starting; reload follows")
      }
      if (this.reloading === "running" || this.reloading === "again") {
        this.reloading = "again"
        return Effect.void
      }
      this.reloading = "running"
      this.log(this.runReload(this.reload))
      return Effect.void
    })
  }

  /** The service runs: a reload asked for before is due. */
  readonly reloadIfAsked: Effect.Effect<void> = Effect.suspend(() => {
    if (this.reloading !== "whenRunning") return Effect.void
    this.reloading = "no"
    return this.requestReload()
  })

  private runReload(reload: Effect.Effect<unknown, unknown>): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      yield* Effect.logInfo("reloading")
      const exit = yield* Effect.exit(reload)
      if (Exit.isFailure(exit)) yield* Effect.logError("reload failed; the service goes on as it was", exit.cause)
      else yield* Effect.logInfo("reloaded")
      const again = this.reloading === "again"
      this.reloading = "no"
      if (again && this.reason === undefined) yield* this.requestReload()
    })
  }

  // ---------------------------------------------------------------------------
  // Results
  // ---------------------------------------------------------------------------

  exitCode(late = this.late): number {
    return ExitCode.of({
      reason: this.reason,
      forcedBy: this.forcedBy,
      failure: this.failure?.cause,
      late,
      fault: this.faults.length > 0,
      signalExitCode: this.signalExitCode
    })
  }

  /** The error a caller sees: preStart, build, onStart or run > join > onStop > flush > postStop. */
  error(): Cause.Cause<unknown> | undefined {
    const first = (where: string) => this.faults.find((fault) => fault.where === where)?.cause
    return (
      this.failure?.cause ??
      this.joinError ??
      first("onStop") ??
      first("flush") ??
      first("postStop") ??
      this.faults[0]?.cause
    )
  }

  report(): Report.ShutdownReport {
    const { reason } = this
    const detached = this.pending.filter((row) => row.state === "detached").length
    return {
      service: this.name,
      reason: reason === undefined ? null : { tag: reason._tag, detail: ShutdownReason.describe(reason) },
      requestedAt: this.requestedAt,
      budgetMillis: Number(this.budget.budgetNanos) / 1e6,
      durationMillis: this.sinceRequest(this.nowNanos()),
      forcedBy: this.forcedBy ?? (this.root.phaseUnsafe()._tag === "Forced" ? "code" : null),
      acceptedUntil: this.stopHooks.length > 0 ? "stopAccepting" : "close",
      phases: this.phases,
      tasks: {
        ended: Math.max(0, this.liveAtRequest.length - this.pending.length),
        kinds: this.kindRows(),
        pending: this.pending
      },
      leftBehind: this.leftBehind,
      failures: [
        ...(this.failure === undefined ? [] : [{ where: this.failure.step, message: firstLine(this.failure.cause) }]),
        ...this.faults.map(({ cause, where }) => ({ where, message: firstLine(cause) }))
      ],
      exitCode: this.exitCode(detached > 0 || this.late)
    }
  }

  private kindRows(): Array<typeof Report.KindRow.Type> {
    const kinds = new Set([...this.liveAtRequest, ...this.pending].map((row) => row.kind))
    return Array.from(kinds, (kind) => ({
      kind,
      live: this.liveAtRequest.filter((row) => row.kind === kind).length,
      interrupted: this.pending.filter((row) => row.kind === kind && row.state === "interrupted").length,
      detached: this.pending.filter((row) => row.kind === kind && row.state === "detached").length
    }))
  }

  /** Phase, budget and task tree, for SIGQUIT and for the guard. */
  dump(limit = Number.POSITIVE_INFINITY): string {
    const tasks = this.tasks.snapshotUnsafe()
    const tree = Task.renderTree(tasks.slice(0, limit))
    const left =
      this.timeline === undefined
        ? "not stopping"
        : `${Task.formatAge(Math.max(0, Number(this.timeline.endNanos() - this.nowNanos()) / 1e6))} of the budget left`
    const reason = this.reason === undefined ? "" : `, reason ${ShutdownReason.describe(this.reason)}`
    const more = tasks.length > limit ? `\n… and ${tasks.length - limit} more` : ""
    return `${this.name}: ${this.stage}${this.phase === undefined ? "" : `, phase ${this.phase}`}, ${left}${reason}; ${tasks.length} live task(s)\n${tree}${more}\n`
  }

  private tellGuard(): void {
    this.guard.update({
      deadlineNanos: this.timeline!.endNanos(),
      exitCode: this.exitCode(true),
      report: this.dump(GUARD_LINES)
    })
  }
}

const firstLine = (cause: Cause.Cause<unknown>): string => Cause.pretty(cause).split("\n", 1)[0] ?? ""
