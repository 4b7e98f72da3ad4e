/**
 * The machine behind `TaskRegistry`: admission, forks, and the parent-child tree. Everything here is synchronous and
 * happens in one turn. What an end brings with it is in `ends.ts`; what has to wait is built on top of both (`join.ts`,
 * `watchers.ts`).
 *
 * **Invariants**
 *
 * 1. `entries` holds exactly the live tasks, in the order of their spawns; an entry leaves in the turn in which its fiber
 *    and all its children have ended.
 * 2. Admission and fork are one turn: no task starts after a close or a force it was not admitted before.
 * 3. A closed registry admits only spawns inside a live task of its own; a forced one admits nothing, and is closed. A
 *    spawn that waits for a place keeps its admission exactly as long as a new one would get it.
 * 4. Nothing recurses along a line of waiting spawns: it may be longer than the stack is deep.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as ShutdownReason from "../../shutdown/ShutdownReason.ts"
import * as TokenTree from "../../shutdown/TokenTree.ts"
import * as Task from "../Task.ts"
import type * as TaskKind from "../TaskKind.ts"
import { RegistryClosed, RegistryJoining, TaskLimitReached } from "../TaskRegistryError.ts"
import { Entries } from "./entries.ts"
import { type Ended, Ends } from "./ends.ts"
import { Entry, type EntryOwner } from "./entry.ts"
import type { Feed } from "./feed.ts"
import { forkNext, forkNow } from "./fork.ts"
import { type Joined, JoinRun } from "./join.ts"
import * as Kinds from "./kinds.ts"
import * as Log from "./log.ts"
import { titleOf } from "./log.ts"
import { Places } from "./places.ts"
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

/** The observer of an entry, which it is bound to: a bound function takes half the memory of a closure, and each live task has one. */
function ended(this: Entry, exit: Exit.Exit<unknown, unknown>): void {
  this.owner.fiberEnded(this, this.fiber!.context, exit)
}

export class Registry implements EntryOwner, Ended, Joined {
  readonly entries = new Entries()
  readonly kinds = new Map<string, Kinds.KindState>()
  private readonly sweepKinds = Kinds.makeSweep(this.kinds, (kind) => this.policies.has(kind))
  readonly places = new Places(this.kinds)
  readonly watchers = new Watchers()
  private readonly ends = new Ends(this)
  readonly lastWordsNanos: bigint
  readonly progressNanos: bigint
  token: TokenTree.TokenNode
  readonly surrounding: TokenTree.TokenNode
  private readonly policies: ReadonlyMap<string, TaskKind.ResolvedPolicy>
  readonly context: Context.Context<never>
  private readonly clock: Clock.Clock
  /** Diagnostics, where there are any. */
  readonly feed: Feed | undefined
  private stopListening: () => void
  private closed: boolean
  /** The registry's scope has closed: it stays forced, whatever is asked. */
  private over = false
  private joinRun: JoinRun | undefined = undefined
  private nextId = 0
  readonly counts = { peak: 0, succeeded: 0, failed: 0, interrupted: 0, detached: 0, restarts: 0 }

  constructor(options: {
    readonly surrounding: TokenTree.TokenNode
    readonly context: Context.Context<never>
    readonly policies: ReadonlyMap<string, TaskKind.ResolvedPolicy>
    readonly lastWordsNanos: bigint
    readonly progressNanos: bigint
    readonly feed: Feed | undefined
  }) {
    this.surrounding = options.surrounding
    this.context = options.context
    this.policies = options.policies
    this.lastWordsNanos = options.lastWordsNanos
    this.progressNanos = options.progressNanos
    this.feed = options.feed
    this.clock = Context.get(options.context, Clock.Clock)
    this.token = new TokenTree.TokenNode({ follows: [this.surrounding] })
    this.stopListening = this.listen()
    this.closed = this.isForced
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
      // Before the check of admission: forgetting an old kind may wake somebody who closes the registry.
      const kind = this.kindOf(options.kind)
      const caller = this.callerOf(fiber)
      const refused = this.refusal(caller, options)
      if (refused !== undefined) return Effect.fail(refused)
      if (Kinds.isFull(kind)) {
        return this.whenFull(kind, caller, options, () => this.start(kind, effect, options, restart, fiber))
      }
      return Effect.succeed(this.start(kind, effect, options, restart, fiber))
    })
  }

  /** The live task of this registry that a fiber runs in, also when a task of another registry lies between. */
  callerOf(fiber: Fiber.Fiber<unknown, unknown>): Entry | undefined {
    let current = fiber.getRef(CurrentTask)
    while (current !== undefined && current.owner !== this) current = current.outer
    return current?.fiberIsLive === true ? current : undefined
  }

  private refusal(caller: Entry | undefined, options: SpawnOptions): RegistryClosed | undefined {
    const { kind, name } = options
    if (this.isForced) return new RegistryClosed({ name, kind, state: "forced" })
    return this.closed && caller?.fiberIsLive !== true ? new RegistryClosed({ name, kind, state: "closed" }) : undefined
  }

  private kindOf(name: string): Kinds.KindState {
    // Before the look: who is woken by it may meet the same kind.
    if (!this.kinds.has(name)) this.sweepKinds()
    let kind = this.kinds.get(name)
    if (kind === undefined) {
      kind = Kinds.makeKind(name, this.policies.get(name), this.token, this, this.clock.currentTimeMillisUnsafe())
      this.kinds.set(name, kind)
      // A kind met for the first time after its turn: its tasks are born Draining.
      if (this.joinRun?.hasPassed(kind.policy.order) === true) kind.token.releaseUnsafe(this.drainReason())
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
    return kind.policy.whenFull === "refuse"
      ? Effect.fail(new TaskLimitReached({ name: options.name, kind: kind.kind, limit: kind.policy.limit }))
      : this.places.wait(kind, caller, () => this.refusal(caller, options), start)
  }

  private start<A, E>(
    kind: Kinds.KindState,
    effect: Effect.Effect<A, E>,
    options: SpawnOptions,
    restart: Restart.Policy | undefined,
    caller: Fiber.Fiber<unknown, unknown>
  ): Task.Task<A, E> {
    const detached = options.detached === true
    const base = Kinds.contextFor(kind, caller.context, detached)
    const current = caller.getRef(CurrentTask)
    const parent = detached || current === undefined ? undefined : this.callerOf(caller)
    const wall = this.clock.currentTimeMillisUnsafe() - kind.wallBaseMillis
    const entry = new Entry(++this.nextId, options.name, kind, parent, this.nowMillis(), wall)
    if (options.critical === true) entry.more.critical = true
    const outer = current?.owner === this ? current.outer : current
    if (outer !== undefined) entry.more.outer = outer
    this.entries.add(entry)
    kind.live++
    if (this.entries.size > this.counts.peak) this.counts.peak = this.entries.size
    if (parent !== undefined) (parent.children ??= new Set()).add(entry)
    this.feed?.started(entry, this.entries.size)
    const context = Context.add(base, CurrentTask, entry)
    const body = restart === undefined ? effect : this.restarting(effect, restart, entry)
    const fiber =
      options.startImmediately === true ? forkNow(entry, context, body, caller) : forkNext(entry, context, body, caller)
    const exit = fiber.pollUnsafe()
    if (exit === undefined) fiber.addObserver(ended.bind(entry))
    else this.fiberEnded(entry, context, exit)
    return entry
  }

  private restarting<A, E>(effect: Effect.Effect<A, E>, policy: Restart.Policy, entry: Entry): Effect.Effect<A, E> {
    return Restart.restarting(effect, policy, (cause, delayMillis) =>
      Effect.suspend(() => {
        const restarts = ++entry.more.restarts
        this.counts.restarts++
        this.feed?.restarted(entry)
        const line = `task ${titleOf(entry)} failed; restart ${restarts} in ${Task.formatAge(delayMillis)}`
        return Effect.andThen(
          Log.harmless(Log.annotated(entry, Effect.logWarning(line, cause))),
          this.ends.endChildren(entry)
        )
      })
    ) as Effect.Effect<A, E>
  }

  // ---------------------------------------------------------------------------
  // Ending
  // ---------------------------------------------------------------------------

  fiberEnded(entry: Entry, context: Context.Context<never>, exit: Exit.Exit<unknown, unknown>): void {
    this.ends.fiberEnded(entry, context, exit)
  }

  detach(entry: Entry): void {
    this.ends.detach(entry)
  }

  /** Interrupts a task and everything below it, leaves first. */
  readonly abortUnsafe = (entry: Entry): void => this.ends.abort(entry)

  /** Interrupts everything, leaves first, in one pass. */
  signalAll(): void {
    for (const entry of this.entries.all().toReversed()) entry.signal()
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
  get isForced(): boolean {
    return this.token.phaseUnsafe()._tag === "Forced"
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    this.feed?.closed(this.size)
    this.places.refuse()
    this.watchers.changed()
  }

  /**
   * Opens again, after a join with fresh tokens and no outcome. Refused while a join runs; what is forced from above, or
   * whose scope has closed, stays closed.
   */
  reopen(): RegistryJoining | undefined {
    if (this.joinRun !== undefined && this.joinRun.exit === undefined) return new RegistryJoining({ live: this.size })
    if (this.over) return undefined
    if (this.joinRun !== undefined) this.renewTokens()
    this.joinRun = undefined
    this.closed = this.isForced
    return undefined
  }

  private renewTokens(): void {
    const old = this.token
    this.stopListening()
    this.token = new TokenTree.TokenNode({ follows: [this.surrounding] })
    this.stopListening = this.listen()
    for (const kind of this.kinds.values()) Kinds.renew(kind, this.token)
    old.forceUnsafe(ShutdownReason.ScopeClosed())
  }

  /** Starts the join, or brings the deadline of the running one nearer. A finished one stays what it is. */
  join(afterNanos: bigint, reason: ShutdownReason.ShutdownReason): JoinRun {
    const now = this.nowNanos()
    const deadline = now + afterNanos
    if (this.joinRun !== undefined) {
      this.joinRun.shorten(deadline)
      return this.joinRun
    }
    const run = new JoinRun(this, now, deadline, reason)
    this.joinRun = run
    this.close()
    run.start()
    return run
  }

  /** The registry's scope closes: a join without a deadline, and nothing is opened again. */
  end(): JoinRun {
    const run = this.join(0n, ShutdownReason.ScopeClosed())
    this.over = true
    this.token.forceUnsafe(ShutdownReason.ScopeClosed())
    return run
  }

  private listen(): () => void {
    return this.token.listenUnsafe((phase) => {
      if (phase._tag !== "Forced") return
      this.feed?.forced(this.size)
      this.closed = true
      this.places.refuse()
      // A running join does the interrupting itself, so that it can say who was still there.
      if (this.joinRun === undefined || this.joinRun.exit !== undefined) this.letAllGo()
      this.watchers.changed()
    })
  }

  /** Forced without a join: everything is interrupted, and who only waits for children waits for their last words. */
  private letAllGo(): void {
    this.signalAll()
    for (const entry of this.entries.all()) if (entry.exit !== undefined) this.ends.tearDown(entry)
  }

  // ---------------------------------------------------------------------------
  // Reading
  // ---------------------------------------------------------------------------

  snapshot(): Array<Task.TaskInfo> {
    const now = this.nowMillis()
    return Array.from(this.entries, (entry) => entry.info(now))
  }

  stats(): Stats {
    return { spawned: this.nextId, live: this.size, ...this.counts }
  }

  find(idOrName: number | string): Array<Entry> {
    if (typeof idOrName === "number") {
      const entry = this.entries.find(idOrName)
      return entry === undefined ? [] : [entry]
    }
    return this.entries.all().filter((entry) => entry.name === idOrName)
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
}
