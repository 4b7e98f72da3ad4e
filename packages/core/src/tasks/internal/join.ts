/**
 * One run of a join: closes the registry, drains kind by kind against ONE deadline, interrupts what is left, and ends by
 * deadline + lastWords whatever the tasks do.
 *
 * **States**
 *
 * ```text
 *   draining ──registry empty──────────────────────────▶ drained
 *      └──deadline, or forced──▶ lastWords ──┬─ empty ──▶ exceeded, all interrupted
 *                                            └─ time ───▶ exceeded, some detached
 * ```
 *
 * **Invariants**
 *
 * 1. The run belongs to the registry, not to a joiner: a joiner that is interrupted undoes nothing.
 * 2. The deadline only gets earlier.
 * 3. Kinds are released in the order of their policies; an order once passed stays passed, also for kinds met later.
 * 4. `pending` is what was live at the deadline, no more: tasks that ended before are not in it.
 * 5. Stragglers are signalled in one pass in descending ids (leaves first); nobody is awaited in between.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type { Straggler } from "../../shutdown/Straggler.ts"
import * as ShutdownReason from "../../shutdown/ShutdownReason.ts"
import * as Task from "../Task.ts"
import { ShutdownDeadlineExceeded } from "../TaskRegistryError.ts"
import type { Entry } from "./entry.ts"
import type { Registry } from "./registry.ts"

/** How many names a progress line has room for. */
const NAMED = 10

export class JoinRun {
  private readonly registry: Registry
  private readonly startedNanos: bigint
  private deadlineNanos: bigint
  /** Kinds of this order and below are released. */
  private passedOrder = Number.NEGATIVE_INFINITY
  exit: Exit.Exit<void, ShutdownDeadlineExceeded> | undefined = undefined
  /** The entries `pending` was made of, to tell a joiner inside what concerns it. */
  private stragglers: ReadonlyArray<Entry> = []

  constructor(registry: Registry, deadlineNanos: bigint) {
    this.registry = registry
    this.startedNanos = registry.nowNanos()
    this.deadlineNanos = deadlineNanos
  }

  /** Moves the deadline to an earlier time; a later one is ignored (invariant 2). */
  shorten(deadlineNanos: bigint): void {
    if (this.exit !== undefined || deadlineNanos >= this.deadlineNanos) return
    this.deadlineNanos = deadlineNanos
    this.registry.token.setDeadlineUnsafe(deadlineNanos)
    this.version++
    this.registry.watchers.changed()
  }
  private version = 0

  /** Whether a kind of this order has had its turn. */
  hasPassed(order: number): boolean {
    return order <= this.passedOrder
  }

  start(): Fiber.Fiber<void> {
    const { registry } = this
    registry.token.setDeadlineUnsafe(this.deadlineNanos)
    registry.token.drainUnsafe(this.reason())
    return registry.fork(
      Effect.flatMap(Effect.exit(Effect.raceFirst(this.run, this.progress)), (exit) =>
        Effect.sync(() => {
          this.exit = exit
          registry.watchers.changed()
        })
      )
    )
  }

  /** The run's outcome. */
  readonly await: Effect.Effect<void, ShutdownDeadlineExceeded> = Effect.suspend(() =>
    Effect.flatMap(
      this.registry.watchers.until(() => this.exit !== undefined),
      () => this.exit!
    )
  )

  /** The outcome for a joiner that is itself one of the tasks: everything but itself and its ancestors. */
  awaitWithin(self: Entry): Effect.Effect<void, ShutdownDeadlineExceeded> {
    const { registry } = this
    const own = new Set<Entry>()
    for (let one: Entry | undefined = self; one !== undefined; one = one.parent) own.add(one)
    const othersEnded = (): boolean => {
      let live = registry.size
      for (const one of own) if (one.state !== "done") live--
      return live === 0
    }
    return Effect.flatMap(
      registry.watchers.until(() => this.exit !== undefined || (othersEnded() && this.stragglers.length === 0)),
      () => {
        if (this.exit === undefined || Exit.isSuccess(this.exit)) return Effect.void
        const error = this.exit.cause.reasons.find((reason) => reason._tag === "Fail")?.error
        if (error === undefined) return this.exit
        const pending = error.pending.filter((_, i) => !own.has(this.stragglers[i]!))
        return pending.length === 0 ? Effect.void : Effect.fail(new ShutdownDeadlineExceeded({ ...error, pending }))
      }
    )
  }

  // ---------------------------------------------------------------------------
  // The run
  // ---------------------------------------------------------------------------

  private readonly run: Effect.Effect<void, ShutdownDeadlineExceeded> = Effect.suspend(() =>
    Effect.flatMap(this.drain(), () => (this.registry.size === 0 ? Effect.void : this.lastWords()))
  )

  private drain(): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const { registry } = this
      for (let stage = this.nextStage(); stage !== undefined; stage = this.nextStage()) {
        this.passedOrder = stage.order
        for (const kind of stage.kinds) kind.token.releaseUnsafe(this.reason())
        const graceEnds = this.graceEnds(stage)
        yield* this.wait(
          () => stage.kinds.every((kind) => kind.live === 0),
          () => (graceEnds < this.deadlineNanos ? graceEnds : this.deadlineNanos)
        )
        if (this.isOver()) return
      }
      this.passedOrder = Number.POSITIVE_INFINITY
      yield* this.wait(
        () => registry.size === 0,
        () => this.deadlineNanos
      )
    })
  }

  private isOver(): boolean {
    return this.isForced() || this.registry.nowNanos() >= this.deadlineNanos
  }

  private isForced(): boolean {
    return this.registry.token.phaseUnsafe()._tag === "Forced"
  }

  /** The kinds whose turn is next. */
  private nextStage() {
    const waiting = Array.from(this.registry.kinds.values()).filter((kind) => kind.policy.order > this.passedOrder)
    if (waiting.length === 0) return undefined
    const order = Math.min(...waiting.map((kind) => kind.policy.order))
    return { order, kinds: waiting.filter((kind) => kind.policy.order === order) }
  }

  /** The longest grace of a stage's kinds; by default an equal share of what is left. */
  private graceEnds(stage: NonNullable<ReturnType<JoinRun["nextStage"]>>): bigint {
    const now = this.registry.nowNanos()
    const left = this.deadlineNanos > now ? this.deadlineNanos - now : 0n
    const orders = new Set([stage.order])
    for (const kind of this.registry.kinds.values()) {
      if (kind.policy.order > stage.order && kind.live > 0) orders.add(kind.policy.order)
    }
    const share = left / BigInt(orders.size)
    const graces = stage.kinds.filter((kind) => kind.live > 0).map((kind) => kind.policy.graceNanos ?? share)
    return now + graces.reduce((longest, grace) => (grace > longest ? grace : longest), 0n)
  }

  /** Waits for a condition, a force, or a time that may come nearer meanwhile. */
  private wait(check: () => boolean, untilNanos: () => bigint): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const { registry } = this
      const forcedBefore = this.isForced()
      const done = (): boolean => check() || this.isForced() !== forcedBefore
      while (!done()) {
        const left = untilNanos() - registry.nowNanos()
        if (left <= 0n) return
        const version = this.version
        yield* Effect.timeoutOption(
          registry.watchers.until(() => done() || this.version !== version),
          Duration.nanos(left)
        )
      }
    })
  }

  private lastWords(): Effect.Effect<void, ShutdownDeadlineExceeded> {
    return Effect.gen({ self: this }, function* () {
      const { registry } = this
      const cause = this.isForced() ? ("forced" as const) : ("deadline" as const)
      const deadlineMillis = Number(this.deadlineNanos - this.startedNanos) / 1e6
      const now = registry.nowNanos()
      const ends = (cause === "forced" || now < this.deadlineNanos ? now : this.deadlineNanos) + registry.lastWordsNanos
      const stragglers = Array.from(registry.entries.values())
      const rows = stragglers.map((entry) => entry.info(registry.nowMillis()))
      this.stragglers = stragglers
      registry.token.forceUnsafe(this.reason())
      registry.signalAll()
      yield* this.wait(
        () => registry.size === 0,
        () => ends
      )
      // A parent that only waited for a detached child ends with this.
      for (const entry of stragglers) if (entry.fiberIsLive) registry.detach(entry)
      const pending = rows.map((row, i): Straggler => ({
        id: row.id,
        name: row.name,
        kind: row.kind,
        ageMillis: row.ageMillis,
        state: stragglers[i]!.state === "done" ? "interrupted" : "detached"
      }))
      return yield* new ShutdownDeadlineExceeded({ deadlineMillis, cause, pending })
    })
  }

  // ---------------------------------------------------------------------------
  // Saying so
  // ---------------------------------------------------------------------------

  private readonly progress: Effect.Effect<never> = Effect.suspend(() =>
    Effect.forever(
      Effect.andThen(
        Effect.sleep(Duration.nanos(this.registry.progressNanos)),
        Effect.suspend(() => this.sayWaiting())
      )
    )
  )

  private sayWaiting(): Effect.Effect<void> {
    const { registry } = this
    if (registry.size === 0) return Effect.void
    const now = registry.nowMillis()
    const oldest: Array<string> = []
    for (const entry of registry.entries.values()) {
      if (oldest.length === NAMED) break
      oldest.push(Task.describe(entry.info(now)))
    }
    const more = registry.size > NAMED ? ` … and ${registry.size - NAMED} more` : ""
    const left = Number(this.deadlineNanos - registry.nowNanos()) / 1e6
    return Effect.annotateLogs(
      Effect.logInfo(
        `waiting for ${registry.size} task(s), ${Task.formatAge(Math.max(0, left))} left: ${oldest.join(", ")}${more}`
      ),
      { tasks: registry.size, leftMillis: Math.max(0, Math.round(left)) }
    )
  }

  private reason(): ShutdownReason.ShutdownReason {
    return this.registry.token.requestedUnsafe() ?? ShutdownReason.Requested({ by: "TaskRegistry.joinAll" })
  }
}
