/**
 * The machine behind `TaskRegistry`: admission, forks, ends, and the parent-child tree. Everything here is synchronous
 * and happens in one turn; what has to wait is built on top of it (`join.ts`, `watchers.ts`).
 *
 * **Invariants**
 *
 * 1. `entries` holds exactly the live tasks, in the order of their spawns; an entry leaves in the turn in which its fiber
 *    and all its children have ended.
 * 2. Admission and fork are one turn: no task starts after a close or a force it was not admitted before.
 * 3. A closed registry admits only spawns inside a live task of its own; a forced one admits nothing.
 * 4. A task's exit completes after its children. They are awaited after a success; after a failure or an interruption
 *    they are signalled in one pass and awaited under one `lastWords`, and who outlives that moves to the root.
 * 5. State is changed before anybody is woken.
 * 6. An observer never throws: a throwing one would starve the later observers of that fiber.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as ShutdownReason from "../../shutdown/ShutdownReason.ts"
import * as TokenTree from "../../shutdown/TokenTree.ts"
import * as Task from "../Task.ts"
import type * as TaskKind from "../TaskKind.ts"
import { RegistryClosed, RegistryJoining, TaskLimitReached } from "../TaskRegistryError.ts"
import { Entry } from "./entry.ts"
import { JoinRun } from "./join.ts"
import * as Kinds from "./kinds.ts"
import * as Restart from "./restart.ts"
import { Watchers } from "./watchers.ts"

export interface SpawnOptions {
  readonly name: string
  readonly kind: TaskKind.TaskKind
  readonly critical?: boolean | undefined
  readonly detached?: boolean | undefined
  readonly startImmediately?: boolean | undefined
}

export interface Stats {
  readonly spawned: number
  readonly live: number
  readonly peak: number
  readonly succeeded: number
  readonly failed: number
  readonly interrupted: number
  readonly detached: number
  readonly restarts: number
}

/** The task a fiber belongs to. Inherited by whatever it forks. */
export const CurrentTask = Context.Reference<Entry | undefined>("@selvedge/core/CurrentTask", {
  defaultValue: () => undefined
})

export class Registry {
  readonly entries = new Map<number, Entry>()
  readonly kinds = new Map<string, Kinds.KindState>()
  readonly watchers = new Watchers()
  readonly lastWordsNanos: bigint
  readonly progressNanos: bigint
  token: TokenTree.TokenNode
  private readonly surrounding: TokenTree.TokenNode
  private readonly policies: ReadonlyMap<string, TaskKind.ResolvedPolicy>
  private readonly context: Context.Context<never>
  private readonly clock: Clock.Clock
  private stopListening: () => void
  private closed = false
  private joinRun: JoinRun | undefined = undefined
  private nextId = 0
  private waitingSpawns = 0
  private readonly counts = { peak: 0, succeeded: 0, failed: 0, interrupted: 0, detached: 0, restarts: 0 }

  constructor(options: {
    readonly surrounding: TokenTree.TokenNode
    readonly context: Context.Context<never>
    readonly policies: ReadonlyMap<string, TaskKind.ResolvedPolicy>
    readonly lastWordsNanos: bigint
    readonly progressNanos: bigint
  }) {
    this.surrounding = options.surrounding
    this.context = options.context
    this.policies = options.policies
    this.lastWordsNanos = options.lastWordsNanos
    this.progressNanos = options.progressNanos
    this.clock = Context.get(options.context, Clock.Clock)
    this.token = new TokenTree.TokenNode({ follows: [this.surrounding] })
    this.stopListening = this.listen()
  }

  // ---------------------------------------------------------------------------
  // Spawning
  // ---------------------------------------------------------------------------

  /** Admits, forks and enters a task in one turn, or says why not. */
  spawn<A, E>(
    effect: Effect.Effect<A, E>,
    options: SpawnOptions,
    restart: Restart.Policy | undefined
  ): Effect.Effect<Task.Task<A, E>, RegistryClosed | TaskLimitReached> {
    return Effect.withFiber((fiber) => {
      const caller = this.callerOf(fiber)
      const refused = this.refusal(caller, options)
      if (refused !== undefined) return Effect.fail(refused)
      const kind = this.kindOf(options.kind)
      if (Kinds.isFull(kind))
        return this.whenFull(kind, caller, options, () => this.start(effect, options, restart, fiber))
      return Effect.succeed(this.start(effect, options, restart, fiber))
    })
  }

  private callerOf(fiber: Fiber.Fiber<unknown, unknown>): Entry | undefined {
    const current = fiber.getRef(CurrentTask)
    return current !== undefined && current.owner === this && current.fiberIsLive ? current : undefined
  }

  private refusal(caller: Entry | undefined, options: SpawnOptions): RegistryClosed | undefined {
    if (this.token.phaseUnsafe()._tag === "Forced") {
      return new RegistryClosed({ name: options.name, kind: options.kind, state: "forced" })
    }
    return this.closed && (caller === undefined || !caller.fiberIsLive)
      ? new RegistryClosed({ name: options.name, kind: options.kind, state: "closed" })
      : undefined
  }

  private kindOf(name: string): Kinds.KindState {
    let kind = this.kinds.get(name)
    if (kind === undefined) {
      kind = Kinds.makeKind(name, this.policies.get(name), this.token)
      this.kinds.set(name, kind)
      // A kind met for the first time after its turn: its tasks are born Draining.
      if (this.joinRun?.hasPassed(kind.policy.order)) kind.token.releaseUnsafe(this.drainReason())
    }
    return kind
  }

  private drainReason(): ShutdownReason.ShutdownReason {
    return this.token.requestedUnsafe() ?? ShutdownReason.Requested({ by: "TaskRegistry" })
  }

  private whenFull<A, E>(
    kind: Kinds.KindState,
    caller: Entry | undefined,
    options: SpawnOptions,
    start: () => Task.Task<A, E>
  ): Effect.Effect<Task.Task<A, E>, RegistryClosed | TaskLimitReached> {
    if (kind.policy.whenFull === "refuse") {
      return Effect.fail(new TaskLimitReached({ name: options.name, kind: kind.kind, limit: kind.policy.limit }))
    }
    return Effect.callback((resume) => {
      const refusal = (): RegistryClosed | undefined =>
        // A caller that was a live task when it began to wait loses its admission with its end.
        this.refusal(caller, options) ??
        (caller !== undefined && !caller.fiberIsLive
          ? new RegistryClosed({ name: options.name, kind: options.kind, state: "closed" })
          : undefined)
      const waiting: Kinds.Waiting = {
        caller,
        refusal,
        grant: () => resume(Effect.succeed(start())),
        refuse: () => resume(Effect.fail(refusal()!))
      }
      kind.waiting.push(waiting)
      this.waitingSpawns++
      return Effect.sync(() => {
        const place = kind.waiting.indexOf(waiting)
        if (place < 0) return
        kind.waiting.splice(place, 1)
        this.waitingSpawns--
        this.grantPlaces(kind)
      })
    })
  }

  /** Gives free places to who waits longest, and ends the waits of those whose admission ended. */
  private grantPlaces(kind: Kinds.KindState): void {
    while (kind.waiting.length > 0 && kind.live < kind.policy.limit) {
      const next = kind.waiting.shift()!
      this.waitingSpawns--
      if (next.refusal() === undefined) next.grant()
      else next.refuse()
    }
  }

  private refuseWaiting(): void {
    if (this.waitingSpawns === 0) return
    const refused: Array<Kinds.Waiting> = []
    for (const kind of this.kinds.values()) {
      kind.waiting = kind.waiting.filter((waiting) => {
        if (waiting.refusal() === undefined) return true
        refused.push(waiting)
        return false
      })
    }
    this.waitingSpawns -= refused.length
    for (const waiting of refused) waiting.refuse()
  }

  private start<A, E>(
    effect: Effect.Effect<A, E>,
    options: SpawnOptions,
    restart: Restart.Policy | undefined,
    caller: Fiber.Fiber<unknown, unknown>
  ): Task.Task<A, E> {
    const kind = this.kindOf(options.kind)
    const parent = options.detached === true ? undefined : this.callerOf(caller)
    const entry = new Entry(this, {
      id: ++this.nextId,
      name: options.name,
      kindState: kind,
      critical: options.critical === true,
      parent,
      monotonicMillis: this.nowMillis(),
      wallMillis: this.clock.currentTimeMillisUnsafe()
    })
    this.entries.set(entry.id, entry)
    kind.live++
    if (this.entries.size > this.counts.peak) this.counts.peak = this.entries.size
    if (parent !== undefined) (parent.children ??= new Set()).add(entry)
    const context = Context.add(Kinds.contextFor(kind, caller.context), CurrentTask, entry)
    entry.context = context
    const body = restart === undefined ? effect : this.restarting(effect, restart, entry)
    const fiber = this.forkWith(context, body, entry, options.startImmediately === true ? undefined : caller)
    fiber.addObserver((exit) => this.fiberEnded(entry, exit))
    return entry
  }

  /** Starts now, or in the caller's next dispatch as Effect's own forks do. */
  private forkWith(
    context: Context.Context<never>,
    body: Effect.Effect<any, any>,
    entry: Entry,
    deferredBy: Fiber.Fiber<unknown, unknown> | undefined
  ): Fiber.Fiber<any, any> {
    const run = Effect.runForkWith(context)
    if (deferredBy === undefined) {
      return run(
        Effect.withFiber((fiber) => {
          entry.fiber = fiber
          return body
        })
      )
    }
    const dispatcher = deferredBy.currentDispatcher
    const fiber = run(Effect.callback<any, any>((resume) => dispatcher.scheduleTask(() => resume(body), 0)))
    entry.fiber = fiber
    return fiber
  }

  private restarting<A, E>(effect: Effect.Effect<A, E>, policy: Restart.Policy, entry: Entry): Effect.Effect<A, E> {
    return Restart.restarting(effect, policy, (cause, delayMillis) =>
      Effect.suspend(() => {
        entry.restarts++
        this.counts.restarts++
        return this.annotated(
          entry,
          Effect.logWarning(
            `task "${entry.name}" failed; restart ${entry.restarts} in ${Task.formatAge(delayMillis)}`,
            cause
          )
        )
      })
    ) as Effect.Effect<A, E>
  }

  // ---------------------------------------------------------------------------
  // Ending
  // ---------------------------------------------------------------------------

  private fiberEnded(entry: Entry, exit: Exit.Exit<unknown, unknown>): void {
    entry.exit = exit
    this.noteExit(entry, exit)
    if (entry.children === undefined || entry.children.size === 0) return this.complete(entry)
    if (entry.state !== "detached") entry.state = "finishing"
    if (Exit.isFailure(exit)) this.tearDown(entry)
    this.refuseWaiting()
  }

  private noteExit(entry: Entry, exit: Exit.Exit<unknown, unknown>): void {
    if (Exit.isSuccess(exit)) {
      this.counts.succeeded++
      return
    }
    if (Cause.hasInterruptsOnly(exit.cause)) {
      this.counts.interrupted++
      return
    }
    this.counts.failed++
    const { cause } = exit
    const age = Task.formatAge(this.nowMillis() - entry.monotonicMillis)
    this.log(entry, Effect.logError(`task "${entry.name}" (${entry.kind} #${entry.id}) failed after ${age}`, cause))
    if (entry.critical) {
      this.surrounding.requestUnsafe(
        ShutdownReason.TaskFailed({ id: entry.id, name: entry.name, kind: entry.kind, cause })
      )
    }
  }

  /** Signals the children of a task that did not succeed and begins their one `lastWords`. */
  private tearDown(entry: Entry): void {
    for (let above = entry.parent; above !== undefined; above = above.parent) {
      if (above.patience !== undefined) return
    }
    for (const child of entry.descendants()) child.signal()
    if (entry.state === "done") return
    entry.patience = this.fork(
      Effect.andThen(
        Effect.sleep(Duration.nanos(this.lastWordsNanos)),
        Effect.sync(() => {
          entry.patience = undefined
          this.letGo(entry)
        })
      )
    )
  }

  /** The last words are over: what still runs below `entry` moves to the root. */
  private letGo(entry: Entry): void {
    const live = entry.descendants().filter((child) => child.fiberIsLive)
    const leaving = live.filter((child) => child.parent === undefined || !child.parent.fiberIsLive)
    for (const child of leaving) {
      const age = Task.formatAge(this.nowMillis() - child.monotonicMillis)
      this.log(
        child,
        Effect.logWarning(
          `task "${child.name}" (${child.kind} #${child.id}) outlived its parent and the last words after ${age}; it goes on, detached`
        )
      )
      this.detach(child)
    }
  }

  /** Moves a task to the root; nobody waits for it any more. */
  detach(entry: Entry): void {
    const { parent } = entry
    entry.state = "detached"
    entry.parent = undefined
    this.counts.detached++
    if (parent === undefined) return
    parent.children!.delete(entry)
    this.completeIfDone(parent)
  }

  private completeIfDone(entry: Entry): void {
    if (entry.exit !== undefined && entry.state !== "done" && (entry.children?.size ?? 0) === 0) this.complete(entry)
  }

  private complete(entry: Entry): void {
    const { parent, patience } = entry
    entry.state = "done"
    entry.context = undefined
    entry.patience = undefined
    entry.fiber = undefined
    this.entries.delete(entry.id)
    entry.kindState.live--
    parent?.children!.delete(entry)
    patience?.interruptUnsafe()
    entry.wake()
    if (this.waitingSpawns > 0) {
      this.refuseWaiting()
      this.grantPlaces(entry.kindState)
    }
    if (parent !== undefined) this.completeIfDone(parent)
    this.watchers.changed()
  }

  /** Interrupts a task and everything below it, leaves first. */
  readonly abortUnsafe = (entry: Entry): void => {
    if (entry.state === "done") return
    for (const child of entry.descendants()) child.signal()
    entry.signal()
  }

  /** Interrupts everything, leaves first, in one pass. */
  signalAll(): void {
    for (const entry of Array.from(this.entries.values()).reverse()) entry.signal()
  }

  // ---------------------------------------------------------------------------
  // Closing and joining
  // ---------------------------------------------------------------------------

  get size(): number {
    return this.entries.size
  }
  get isClosed(): boolean {
    return this.closed
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    this.refuseWaiting()
    this.watchers.changed()
  }

  /** Opens again, with fresh tokens and no outcome. Refused while a join runs. */
  reopen(): RegistryJoining | undefined {
    if (this.joinRun !== undefined && this.joinRun.exit === undefined) return new RegistryJoining({ live: this.size })
    this.closed = false
    this.joinRun = undefined
    if (this.token.phaseUnsafe()._tag === "Running") return undefined
    const old = this.token
    this.stopListening()
    this.token = new TokenTree.TokenNode({ follows: [this.surrounding] })
    this.stopListening = this.listen()
    for (const kind of this.kinds.values()) Kinds.renew(kind, this.token)
    old.forceUnsafe(ShutdownReason.ScopeClosed())
    return undefined
  }

  /** Starts the join, or brings the deadline of the running one nearer. A finished one stays what it is. */
  join(afterNanos: bigint): JoinRun {
    const deadline = this.nowNanos() + afterNanos
    if (this.joinRun !== undefined) {
      this.joinRun.shorten(deadline)
      return this.joinRun
    }
    const run = new JoinRun(this, deadline)
    this.joinRun = run
    this.close()
    run.start()
    return run
  }

  /** The live task of this registry that a fiber belongs to. */
  readonly currentTask = (fiber: Fiber.Fiber<unknown, unknown>): Entry | undefined => this.callerOf(fiber)

  private listen(): () => void {
    return this.token.listenUnsafe((phase) => {
      if (phase._tag !== "Forced") return
      this.closed = true
      this.refuseWaiting()
      // A running join does the interrupting itself, so that it can say who was still there.
      if (this.joinRun === undefined || this.joinRun.exit !== undefined) this.signalAll()
      this.watchers.changed()
    })
  }

  // ---------------------------------------------------------------------------
  // Reading
  // ---------------------------------------------------------------------------

  snapshot(): Array<Task.TaskInfo> {
    const now = this.nowMillis()
    return Array.from(this.entries.values(), (entry) => entry.info(now))
  }

  stats(): Stats {
    return { spawned: this.nextId, live: this.size, ...this.counts }
  }

  find(idOrName: number | string): Array<Entry> {
    if (typeof idOrName === "number") {
      const entry = this.entries.get(idOrName)
      return entry === undefined ? [] : [entry]
    }
    return Array.from(this.entries.values()).filter((entry) => entry.name === idOrName)
  }

  nowNanos(): bigint {
    return this.clock.monotonicTimeNanosUnsafe()
  }
  nowMillis(): number {
    return Number(this.nowNanos()) / 1e6
  }

  // ---------------------------------------------------------------------------
  // Running what belongs to the registry itself
  // ---------------------------------------------------------------------------

  fork<A>(effect: Effect.Effect<A>): Fiber.Fiber<A> {
    return Effect.runForkWith(this.context)(effect)
  }

  /** Logs with the loggers and annotations of the task; the log of a dead task must not become a defect of its registry. */
  private log(entry: Entry, line: Effect.Effect<void>): void {
    Effect.runForkWith(entry.context ?? this.context)(this.annotated(entry, line))
  }

  private annotated(entry: Entry, line: Effect.Effect<void>): Effect.Effect<void> {
    return Effect.annotateLogs(line, { task: entry.name, taskKind: entry.kind, taskId: entry.id })
  }
}
