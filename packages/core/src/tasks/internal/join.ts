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
 * 5. A kind's grace is its own: kinds that drain together go on to the next when each is empty or out of its grace.
 * 6. Stragglers are signalled in one pass in descending ids (leaves first); nobody is awaited in between.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type { Straggler } from "../../shutdown/Straggler.ts"
import type * as ShutdownReason from "../../shutdown/ShutdownReason.ts"
import type { TokenNode } from "../../shutdown/TokenTree.ts"
import * as Task from "../Task.ts"
import { ShutdownDeadlineExceeded } from "../TaskRegistryError.ts"
import type { Entry } from "./entry.ts"
import { harmless } from "./log.ts"
import type { Entries } from "./entries.ts"
import type { KindState } from "./kinds.ts"
import type { Watchers } from "./watchers.ts"

/** How many names a progress line has room for. */
const NAMED = 10

/** What a join asks of its registry. */
export interface Joined {
  readonly entries: Entries
  readonly kinds: ReadonlyMap<string, KindState>
  readonly watchers: Watchers
  readonly token: TokenNode
  readonly size: number
  readonly isForced: boolean
  readonly lastWordsNanos: bigint
  readonly progressNanos: bigint
  /** Interrupts everything, leaves first. */
  signalAll(): void
  /** Moves a task whose fiber runs to the root. */
  detach(entry: Entry): void
  nowNanos(): bigint
  nowMillis(): number
  fork<A>(effect: Effect.Effect<A>): Fiber.Fiber<A>
}

export class JoinRun {
  private readonly registry: Joined
  private readonly startedNanos: bigint
  /** Why the registry drains, if nobody above gave a reason before. */
  private readonly fallbackReason: ShutdownReason.ShutdownReason
  private deadlineNanos: bigint
  /** Kinds of this order and below are released. */
  private passedOrder = Number.NEGATIVE_INFINITY
  exit: Exit.Exit<void, ShutdownDeadlineExceeded> | undefined = undefined
  /** The entries `pending` was made of, to tell a joiner inside what concerns it. */
  private stragglers: ReadonlyArray<Entry> = []

  constructor(registry: Joined, startedNanos: bigint, deadlineNanos: bigint, reason: ShutdownReason.ShutdownReason) {
    this.registry = registry
    this.fallbackReason = reason
    // The reading the deadline was made of: a second one would be later, and the deadline told too short.
    this.startedNanos = startedNanos
    this.deadlineNanos = deadlineNanos
  }

  /** Moves the deadline to an earlier time; a later one is ignored (invariant 2). */
  shorten(deadlineNanos: bigint): void {
    if (this.exit !== undefined || deadlineNanos >= this.deadlineNanos) return
    this.deadlineNanos = deadlineNanos
    this.registry.token.setDeadlineUnsafe(deadlineNanos)
    this.registry.watchers.changed()
  }

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
        if (pending.length === 0) return Effect.void
        // Field by field: an error's own properties are more than its fields.
        const { cause, deadlineMillis } = error
        return Effect.fail(new ShutdownDeadlineExceeded({ deadlineMillis, cause, pending }))
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
      for (let stage = this.nextStage(); stage !== undefined && !this.isOver(); stage = this.nextStage()) {
        this.passedOrder = stage.order
        const graceEnds = this.graceOf(stage)
        for (const kind of stage.kinds) kind.token.releaseUnsafe(this.reason())
        yield* this.wait(() => registry.isForced || stage.kinds.every((kind) => kind.live === 0), graceEnds)
      }
      this.passedOrder = Number.POSITIVE_INFINITY
      yield* this.wait(
        () => registry.isForced || registry.size === 0,
        () => this.deadlineNanos
      )
    })
  }

  private isOver(): boolean {
    return this.registry.isForced || this.registry.nowNanos() >= this.deadlineNanos
  }

  /** The kinds whose turn is next. */
  private nextStage() {
    const waiting = Array.from(this.registry.kinds.values()).filter((kind) => kind.policy.order > this.passedOrder)
    if (waiting.length === 0) return undefined
    const order = Math.min(...waiting.map((kind) => kind.policy.order))
    return { order, kinds: waiting.filter((kind) => kind.policy.order === order) }
  }

  /**
   * When the last grace of a stage's live kinds ends, asked again whenever something changed: a kind that is empty counts
   * no more, and a deadline that came nearer makes the default shares smaller.
   */
  private graceOf(stage: NonNullable<ReturnType<JoinRun["nextStage"]>>): () => bigint {
    const begun = this.registry.nowNanos()
    const orders = new Set([stage.order])
    for (const kind of this.registry.kinds.values()) {
      if (kind.policy.order > stage.order && kind.live > 0) orders.add(kind.policy.order)
    }
    return () => {
      const share = (this.deadlineNanos - begun) / BigInt(orders.size)
      let ends = begun
      for (const kind of stage.kinds) {
        const kindEnds = begun + (kind.policy.graceNanos ?? share)
        if (kind.live > 0 && kindEnds > ends) ends = kindEnds
      }
      return ends < this.deadlineNanos ? ends : this.deadlineNanos
    }
  }

  /** Waits for a condition, or until a time that may come nearer meanwhile. */
  private wait(check: () => boolean, untilNanos: () => bigint): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const { registry } = this
      while (!check()) {
        const until = untilNanos()
        const left = until - registry.nowNanos()
        if (left <= 0n) return
        yield* Effect.timeoutOption(
          registry.watchers.until(() => check() || untilNanos() < until),
          Duration.nanos(left)
        )
      }
    })
  }

  private lastWords(): Effect.Effect<void, ShutdownDeadlineExceeded> {
    return Effect.gen({ self: this }, function* () {
      const { registry } = this
      const now = registry.nowNanos()
      // A force that comes when the deadline has passed already is no force: it must not buy more time.
      const late = now >= this.deadlineNanos
      const deadlineMillis = Number(this.deadlineNanos - this.startedNanos) / 1e6
      const ends = (late ? this.deadlineNanos : now) + registry.lastWordsNanos
      const stragglers = registry.entries.all()
      const nowMillis = registry.nowMillis()
      this.stragglers = stragglers
      registry.token.forceUnsafe(this.reason())
      registry.signalAll()
      yield* this.wait(
        () => registry.size === 0,
        () => ends
      )
      // A parent that only waited for a detached child ends with this.
      for (const entry of stragglers) registry.detach(entry)
      const pending = stragglers.map((entry): Straggler => ({
        id: entry.id,
        name: entry.name,
        kind: entry.kind,
        ageMillis: Math.max(0, nowMillis - entry.monotonicMillis),
        state: entry.state === "done" ? "interrupted" : "detached"
      }))
      return yield* new ShutdownDeadlineExceeded({ deadlineMillis, cause: late ? "deadline" : "forced", pending })
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
    for (const entry of registry.entries) {
      if (oldest.length === NAMED) break
      oldest.push(Task.describe(entry.info(now)))
    }
    const more = registry.size > NAMED ? ` … and ${registry.size - NAMED} more` : ""
    const left = Number(this.deadlineNanos - registry.nowNanos()) / 1e6
    const line = Effect.annotateLogs(
      Effect.logInfo(
        `waiting for ${registry.size} task(s), ${Task.formatAge(Math.max(0, left))} left: ${oldest.join(", ")}${more}`
      ),
      { tasks: registry.size, leftMillis: Math.max(0, Math.round(left)) }
    )
    // A logger that throws must not end the join.
    return harmless(line)
  }

  private reason(): ShutdownReason.ShutdownReason {
    return this.registry.token.requestedUnsafe() ?? this.fallbackReason
  }
}
