/**
 * The tree behind `ShutdownToken`: nodes, edges, and the one function that moves them.
 *
 * For those who write a plan or a registry; everybody else uses `ShutdownToken`. A node is a token: it has a phase, may
 * have several parents, and follows each of them over an edge. A _following_ edge passes on everything. A _held_ edge
 * passes on a force and somebody's own request, but not the draining that a service's plan begins at its root: the
 * plan releases held nodes itself, one kind of task after the other.
 *
 * **Phases**
 *
 * | rank | phase      | meaning                                                       | entered by                    |
 * | ---- | ---------- | ------------------------------------------------------------- | ----------------------------- |
 * | 0    | `Running`  | nobody has asked to stop, or the plan has not come this far   | `makeUnsafe`                  |
 * | 1    | `Draining` | by a plan: held nodes below still run                         | `drainUnsafe`                 |
 * | 2    | `Draining` | by a request or a release: passes held edges                  | `requestUnsafe`, `releaseUnsafe` |
 * | 3    | `Forced`   | let go now; only finalizers may still run                     | `forceUnsafe`, closing scope  |
 *
 * ```text
 *   Running ──▶ Draining ──▶ Forced        (ranks 1 and 2 are one phase to the outside)
 *      └────────────────────────▲
 * ```
 *
 * **Invariants**
 *
 * 1. A rank never falls.
 * 2. The first reason stays: neither a later request nor a force replaces it; and it is set before any waiter wakes.
 * 3. No node is to the left of a parent it follows, not even while the waiters of a change are being woken: `advance`
 *    marks the whole subtree before it wakes anyone, because completing a `Deferred` runs its waiter on the spot.
 * 4. No node is to the left of a parent it is held by, once that parent has rank 2 or 3.
 * 5. Nothing that happens to a node changes a parent.
 * 6. A forced node is in no parent's set: a token that has ended costs its parents nothing.
 * 7. A recorded request is known to the whole subtree, held nodes included, before anyone wakes; what moves a node later
 *    keeps that reason.
 * 8. Walks are loops: a chain of tokens may be deeper than the stack.
 *
 * Source: the split between "ask" and "wait" follows tokio-util's `CancellationToken` and `TaskTracker`; the two levels
 * follow the first and second signal of async-container's controller.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import { show } from "../internal/show.ts"
import * as ShutdownReason from "./ShutdownReason.ts"

/**
 * Where a token stands, as its users see it.
 *
 * @category models
 * @since 0.1.0
 */
export type Phase =
  | { readonly _tag: "Running" }
  | { readonly _tag: "Draining"; readonly reason: ShutdownReason.ShutdownReason }
  | { readonly _tag: "Forced"; readonly reason: ShutdownReason.ShutdownReason }

/**
 * The reason of an `AbortSignal` made by a token.
 *
 * @category errors
 * @since 0.1.0
 */
export class ShutdownAbort extends Data.TaggedError("ShutdownAbort")<{
  readonly phase: "Draining" | "Forced"
  readonly reason: ShutdownReason.ShutdownReason
}> {
  override get message(): string {
    return `the service is ${this.phase === "Forced" ? "forced to stop" : "draining"}: ${ShutdownReason.describe(this.reason)}`
  }
}

/**
 * One node of the token tree.
 *
 * **Gotchas**
 *
 * The members ending in `Unsafe` act at once and may be called from a plain callback, such as a signal handler.
 * Everything else is an `Effect`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Token {
  /** The current phase. */
  readonly phaseUnsafe: () => Phase
  /** Why shutdown was requested. Set before the phase moves; on the root of a service long before. */
  readonly requestedUnsafe: () => ShutdownReason.ShutdownReason | undefined
  /**
   * Asks to stop; `true` only for the call that changed something. What is no reason is a `TypeError`, here and below. The root of a service records the reason and starts
   * its plan, every other token is `Draining` at once.
   */
  readonly requestUnsafe: (reason: ShutdownReason.ShutdownReason) => boolean
  /** Moves to `Forced`; `true` only for the call that did it. */
  readonly forceUnsafe: (reason: ShutdownReason.ShutdownReason) => boolean
  /** Waits until shutdown is requested here or above. */
  readonly awaitRequested: Effect.Effect<ShutdownReason.ShutdownReason>
  /** Waits for `Draining` (or `Forced`) and gives the first reason. */
  readonly awaitDraining: Effect.Effect<ShutdownReason.ShutdownReason>
  /** Waits for `Forced` and gives the first reason. */
  readonly awaitForced: Effect.Effect<ShutdownReason.ShutdownReason>
  /** What is left of the budget that applies here; infinite while nobody has asked to stop. Never negative. */
  readonly remaining: Effect.Effect<Duration.Duration>
  /** A signal that aborts when the phase is reached, with a `ShutdownAbort` as its reason. */
  readonly abortSignal: (at?: "Draining" | "Forced") => Effect.Effect<AbortSignal, never, Scope.Scope>
  /**
   * A token that follows this one but does not lead it. It starts in this token's phase; closing the scope forces it
   * and forgets it.
   */
  readonly child: Effect.Effect<Token, never, Scope.Scope>
}

type Rank = 0 | 1 | 2 | 3

const running: Phase = { _tag: "Running" }

/**
 * A token and its place in the tree.
 *
 * @category models
 * @since 0.1.0
 */
export class TokenNode implements Token {
  private rank: Rank = 0
  private phase: Phase = running
  private requested: ShutdownReason.ShutdownReason | undefined = undefined
  private deadlineNanos: bigint | undefined = undefined
  private readonly planned: boolean
  private readonly parents: ReadonlyArray<TokenNode>
  private readonly followers = new Set<TokenNode>()
  private readonly held = new Set<TokenNode>()
  private readonly listeners = new Set<(phase: Phase) => void>()
  private readonly onRequested = Deferred.makeUnsafe<ShutdownReason.ShutdownReason>()
  private readonly onDraining = Deferred.makeUnsafe<ShutdownReason.ShutdownReason>()
  private readonly onForced = Deferred.makeUnsafe<ShutdownReason.ShutdownReason>()

  constructor(options?: {
    /** The root of a service: a request is only recorded, a plan drains. */
    readonly planned?: boolean | undefined
    readonly follows?: ReadonlyArray<TokenNode> | undefined
    readonly heldBy?: ReadonlyArray<TokenNode> | undefined
  }) {
    this.planned = options?.planned ?? false
    const follows = options?.follows ?? []
    const heldBy = options?.heldBy ?? []
    this.parents = [...follows, ...heldBy]
    for (const parent of follows) {
      parent.followers.add(this)
      this.inherit(parent, parent.rank)
    }
    for (const parent of heldBy) {
      parent.held.add(this)
      this.inherit(parent, parent.rank === 1 ? 0 : parent.rank)
    }
    this.wakeRequested()
    this.wake()
  }

  private inherit(parent: TokenNode, rank: Rank): void {
    this.requested ??= parent.requested
    if (rank !== 0 && rank > this.rank && this.requested !== undefined) this.move(rank, this.requested)
  }

  // ---------------------------------------------------------------------------
  // Moving
  // ---------------------------------------------------------------------------

  /** The only place where a rank changes; legal moves go up. Tells whether the phase changed with it. */
  private move(rank: Exclude<Rank, 0>, reason: ShutdownReason.ShutdownReason): boolean {
    const before = this.phase._tag
    this.rank = rank
    if (rank === 3) this.phase = { _tag: "Forced", reason }
    else if (before === "Running") this.phase = { _tag: "Draining", reason }
    return this.phase._tag !== before
  }

  /** Records a reason where there is none yet (invariant 7); gives the nodes it reached. */
  private note(reason: ShutdownReason.ShutdownReason): ReadonlyArray<TokenNode> {
    if (this.requested !== undefined) return []
    this.requested = reason
    const noted: Array<TokenNode> = [this]
    const visit = (node: TokenNode): void => {
      if (node.requested !== undefined) return
      node.requested = reason
      noted.push(node)
    }
    for (let i = 0; i < noted.length; i++) {
      noted[i]!.followers.forEach(visit)
      noted[i]!.held.forEach(visit)
    }
    return noted
  }

  /** Moves a subtree, parents first; gives the nodes whose phase changed. The nodes know their reasons already. */
  private mark(rank: Exclude<Rank, 0>): ReadonlyArray<TokenNode> {
    // By invariants 3 and 4 the subtree of an unmoved node needs no visit either.
    if (this.rank >= rank) return []
    const changed: Array<TokenNode> = []
    const marked: Array<TokenNode> = []
    const visit = (node: TokenNode): void => {
      if (node.rank >= rank) return
      if (node.move(rank, node.requested!)) changed.push(node)
      marked.push(node)
    }
    visit(this)
    for (let i = 0; i < marked.length; i++) {
      marked[i]!.followers.forEach(visit)
      if (rank !== 1) marked[i]!.held.forEach(visit)
    }
    return changed
  }

  /** Moves a subtree. The first two passes mark, the last wakes: invariant 3. */
  private advance(rank: Exclude<Rank, 0>, reason: ShutdownReason.ShutdownReason): void {
    const noted = this.note(reason)
    const changed = this.mark(rank)
    for (const node of noted) node.wakeRequested()
    for (const node of changed) node.wake()
  }

  private wakeRequested(): void {
    if (this.requested !== undefined) Deferred.doneUnsafe(this.onRequested, Exit.succeed(this.requested))
  }

  private wake(): void {
    if (this.phase._tag === "Running") return
    const reason = Exit.succeed(this.phase.reason)
    Deferred.doneUnsafe(this.onDraining, reason)
    if (this.phase._tag === "Forced") {
      Deferred.doneUnsafe(this.onForced, reason)
      for (const parent of this.parents) {
        parent.followers.delete(this)
        parent.held.delete(this)
      }
    }
    // A listener may stop another one meanwhile.
    for (const listener of Array.from(this.listeners)) if (this.listeners.has(listener)) listener(this.phase)
    if (this.phase._tag === "Forced") this.listeners.clear()
  }

  // ---------------------------------------------------------------------------
  // The token
  // ---------------------------------------------------------------------------

  readonly phaseUnsafe = (): Phase => this.phase
  readonly requestedUnsafe = (): ShutdownReason.ShutdownReason | undefined => this.requested

  readonly requestUnsafe = (reason: ShutdownReason.ShutdownReason): boolean => {
    ShutdownReason.checked(reason)
    if (this.planned) {
      const noted = this.note(reason)
      for (const node of noted) node.wakeRequested()
      return noted.length > 0
    }
    const moves = this.rank === 0
    // Rank 1 goes to 2 without a change of phase: a subsystem asked to stop by itself takes its held tasks with it.
    this.advance(2, reason)
    return moves
  }

  readonly forceUnsafe = (reason: ShutdownReason.ShutdownReason): boolean => {
    ShutdownReason.checked(reason)
    const moves = this.rank < 3
    this.advance(3, reason)
    return moves
  }

  get awaitRequested(): Effect.Effect<ShutdownReason.ShutdownReason> {
    return Deferred.await(this.onRequested)
  }
  get awaitDraining(): Effect.Effect<ShutdownReason.ShutdownReason> {
    return Deferred.await(this.onDraining)
  }
  get awaitForced(): Effect.Effect<ShutdownReason.ShutdownReason> {
    return Deferred.await(this.onForced)
  }
  get remaining(): Effect.Effect<Duration.Duration> {
    return Effect.map(Clock.monotonicTimeNanos, (now) => {
      const deadline = this.deadlineUnsafe()
      if (deadline === undefined) return Duration.infinity
      return Duration.nanos(deadline > now ? deadline - now : 0n)
    })
  }

  readonly abortSignal = (at: "Draining" | "Forced" = "Draining"): Effect.Effect<AbortSignal, never, Scope.Scope> =>
    Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => {
          if (at !== "Draining" && at !== "Forced") {
            throw new TypeError(`when to abort: wanted "Draining" or "Forced", found ${show(at)}`)
          }
          const controller = new AbortController()
          const check = (phase: Phase): void => {
            if (phase._tag === "Running" || (at === "Forced" && phase._tag !== "Forced")) return
            controller.abort(new ShutdownAbort({ phase: at, reason: phase.reason }))
          }
          check(this.phase)
          return { controller, stop: this.listenUnsafe(check) }
        }),
        ({ stop }) => Effect.sync(stop)
      ),
      ({ controller }) => controller.signal
    )

  get child(): Effect.Effect<Token, never, Scope.Scope> {
    return scoped(() => new TokenNode({ follows: [this] }))
  }

  // ---------------------------------------------------------------------------
  // For plans and registries
  // ---------------------------------------------------------------------------

  /** `Draining` by a plan: passes following edges, stops at held ones. */
  readonly drainUnsafe = (reason: ShutdownReason.ShutdownReason): void => this.advance(1, reason)

  /** The plan has come to this held node: `Draining` for it and everything below. */
  readonly releaseUnsafe = (reason: ShutdownReason.ShutdownReason): void => this.advance(2, reason)

  /** Calls back on every later change of phase, after the whole subtree was marked. Returns how to stop. */
  readonly listenUnsafe = (listener: (phase: Phase) => void): (() => void) => {
    this.listeners.add(listener)
    return () => void this.listeners.delete(listener)
  }

  /** Sets when the budget of this subtree ends, in nanoseconds of the monotonic clock. */
  readonly setDeadlineUnsafe = (deadlineNanos: bigint | undefined): void => {
    this.deadlineNanos = deadlineNanos
  }

  /** The earliest deadline here or above. */
  readonly deadlineUnsafe = (): bigint | undefined => {
    let deadline = this.deadlineNanos
    for (const above of this.lineage()) {
      if (above.deadlineNanos !== undefined && (deadline === undefined || above.deadlineNanos < deadline)) {
        deadline = above.deadlineNanos
      }
    }
    return deadline
  }

  /** Whether `other` is this node or one of its ancestors. */
  readonly isBelowUnsafe = (other: TokenNode): boolean =>
    this === other || this.parents.includes(other) || this.lineage().has(other)

  /** How many tokens hang below this one: for tests and dumps. */
  readonly descendantsUnsafe = (): number => {
    const found = new Set<TokenNode>([this])
    for (const node of found) {
      node.followers.forEach((child) => found.add(child))
      node.held.forEach((child) => found.add(child))
    }
    return found.size - 1
  }

  /** This node and all its ancestors; a set that is walked also shows what was added meanwhile. */
  private lineage(): ReadonlySet<TokenNode> {
    const found = new Set<TokenNode>([this])
    for (const node of found) for (const parent of node.parents) found.add(parent)
    return found
  }
}

/**
 * Makes a node that is forced, with the reason `ScopeClosed`, when the scope closes, so that nothing can wait on it for
 * ever.
 *
 * @category constructors
 * @since 0.1.0
 */
export const scoped = (make: () => TokenNode): Effect.Effect<TokenNode, never, Scope.Scope> =>
  Effect.acquireRelease(Effect.sync(make), (node) =>
    Effect.sync(() => void node.forceUnsafe(ShutdownReason.ScopeClosed()))
  )

/**
 * The node of a token, to hang held tokens below it.
 *
 * **Errors**
 *
 * Dies if the token was not made by this module: a second copy of the package in one program is a mistake of the build.
 *
 * @category operations
 * @since 0.1.0
 */
export const nodeOf = (token: Token): TokenNode => {
  if (token instanceof TokenNode) return token
  throw new TypeError("this ShutdownToken was not made by @selvedge/core (is the package installed twice?)")
}
