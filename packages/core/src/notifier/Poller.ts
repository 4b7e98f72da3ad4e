/**
 * The one who takes the tokens of a notifier.
 *
 * A notifier has one _seat_ for a poller. Whoever sits there polls: now, without waiting. `EventChannel` is the waiting form.
 *
 * **Roles**: a poller attached with role `fibers` (default) waits as a fiber; with role `dedicated` it belongs to a worker that runs a
 * synchronous loop, and may block its thread.
 *
 * **Invariants**
 *
 * 1. At most one poller of a notifier is attached, over all threads.
 * 2. While a fiber is receiving, nobody else takes tokens from the same poller.
 * 3. A token that was taken out of the queue for a fiber that never came to see it is kept, and handed out first.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { show } from "../internal/show.ts"
import type { Events } from "./Events.ts"
import type { NotifierCore, PollerCore } from "./internal/core.ts"
import { SharedPollerCore } from "./internal/sharedCore.ts"
import { InvalidLimit, LocalOnly, NotifierClosed, PollerBusy, PollerDetached, PollerTaken } from "./NotifierError.ts"

/**
 * What is polled: one thread's side of a notifier. It stands here because notifiers make pollers.
 *
 * @category models
 * @since 0.1.0
 */
export interface Polled {
  readonly maxTokens: number
  /** @internal */
  readonly core: NotifierCore
  /** Wakes fibers of this thread, where that is not the bell's work. @internal */
  readonly rang: () => void
  /** Sleeps until it may be that `isReady`. @internal */
  readonly sleep: (isReady: () => boolean) => Effect.Effect<void>
}

/**
 * @category models
 * @since 0.1.0
 */
export type Role = "fibers" | "dedicated"

/**
 * @category models
 * @since 0.1.0
 */
export interface AttachOptions {
  /** What kind of thread polls; `fibers` if absent. */
  readonly role?: Role | undefined
  /** The `seat` of `PollerTaken`, if that poller is dead for certain: its thread has ended. */
  readonly afterDeathOf?: number | undefined
}

/**
 * What a poll may fail with.
 *
 * @category errors
 * @since 0.1.0
 */
export type PollError = InvalidLimit | PollerBusy | PollerDetached

/**
 * A seat that was taken.
 *
 * @category models
 * @since 0.1.0
 */
export class Poller {
  readonly notifier: Polled
  readonly role: Role
  /** @internal */
  readonly core: PollerCore
  private isAttached = true
  /** The fiber that is receiving (invariant 2). */
  private owner: Fiber.Fiber<unknown, unknown> | undefined
  /** The token of invariant 3, or -1. */
  private kept = -1
  /** Attached, with no owner and nothing kept: one field for tight loops to look at. @internal */
  isFree = true
  private readonly one = new Int32Array(1)

  constructor(notifier: Polled, role: Role, core: PollerCore) {
    this.notifier = notifier
    this.role = role
    this.core = core
  }

  /** Why `fiber` may not poll now. @internal */
  problem(call: string, limit: number, fiber?: Fiber.Fiber<unknown, unknown>): PollError | undefined {
    if (!(Number.isInteger(limit) && limit >= 0)) return new InvalidLimit({ found: show(limit) })
    if (!this.isAttached) return new PollerDetached({ call })
    const { owner } = this
    if (owner !== undefined && owner !== fiber && owner.pollUnsafe() === undefined) {
      return new PollerBusy({ call, fiber: owner.id })
    }
    return undefined
  }

  private update(): void {
    this.isFree = this.isAttached && this.owner === undefined && this.kept < 0
  }

  /** Fills `events` with at most `limit` tokens. @internal */
  take(events: Events, limit: number): number {
    const { tokens } = events
    const most = limit < tokens.length ? limit : tokens.length
    events.length = 0
    if (most === 0) return 0
    if (this.kept < 0) return (events.length = this.core.poll(tokens, most))
    const more = most > 1 ? this.core.poll(tokens, most - 1) : 0
    tokens.copyWithin(1, 0, more)
    tokens[0] = this.kept
    this.kept = -1
    this.update()
    return (events.length = more + 1)
  }

  /** Takes one token out of the queue and keeps it, if there is one. @internal */
  keepOne(): boolean {
    if (this.kept < 0 && this.core.poll(this.one, 1) === 1) this.kept = this.one[0]!
    this.update()
    return this.kept >= 0
  }

  /** @internal */
  get hasKept(): boolean {
    return this.kept >= 0
  }

  /** `awaitToken` that does not wait. @internal */
  readonly lookOnce: Effect.Effect<void, NotifierClosed> = Effect.suspend(() =>
    !this.keepOne() && this.core.hasEnded() ? Effect.fail(new NotifierClosed({ call: "receive" })) : Effect.void
  )

  /** @internal */
  disown(fiber: Fiber.Fiber<unknown, unknown>): void {
    if (this.owner === fiber) this.own(undefined)
  }

  /** @internal */
  own(fiber: Fiber.Fiber<unknown, unknown> | undefined): void {
    this.owner = fiber
    this.update()
  }

  /** Sleeps until a token is kept; the fiber that waits is the owner. @internal */
  readonly awaitToken: Effect.Effect<void, NotifierClosed | PollerDetached> = Effect.suspend(
    (): Effect.Effect<void, NotifierClosed | PollerDetached> => {
      if (!this.isAttached) return Effect.fail(new PollerDetached({ call: "receive" }))
      if (this.keepOne()) return Effect.void
      if (this.core.hasEnded()) return Effect.fail(new NotifierClosed({ call: "receive" }))
      return Effect.flatMap(
        this.notifier.sleep(() => !this.isAttached || !this.core.isIdle()),
        () => this.awaitToken
      )
    }
  )

  /** Leaves the seat, once. @internal */
  detach(): void {
    if (!this.isAttached) return
    this.isAttached = false
    // Whoever waits here ends; what was kept goes back to the end of the queue.
    if (this.kept >= 0) this.notifier.core.notify(this.kept)
    this.kept = -1
    this.update()
    this.core.detach()
    this.notifier.core.wake()
    this.notifier.rang()
  }
}

/**
 * Takes the poller's seat for as long as the scope lasts.
 *
 * **Details**: a poller that died stays on its seat. Its successor, told so by `afterDeathOf`, finds everything that was not yet
 * handed out, possibly out of turn.
 *
 * **Errors**: `PollerTaken`; `LocalOnly` for a dedicated poller of a local notifier.
 *
 * @category constructors
 * @since 0.1.0
 */
export const attach = (
  notifier: Polled,
  options?: AttachOptions
): Effect.Effect<Poller, PollerTaken | LocalOnly, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.suspend((): Effect.Effect<Poller, PollerTaken | LocalOnly> => {
      const role = options?.role ?? "fibers"
      const core = notifier.core.attachPoller(options?.afterDeathOf)
      if (core === undefined) return Effect.fail(new PollerTaken({ seat: notifier.core.seat() }))
      if (role === "dedicated" && !(core instanceof SharedPollerCore)) {
        core.detach()
        return Effect.fail(new LocalOnly({ call: "a dedicated poller" }))
      }
      return Effect.succeed(new Poller(notifier, role, core))
    }),
    (poller) => Effect.sync(() => poller.detach())
  )

/**
 * Hands out what is ready, oldest first, as far as `events` has room; answers how many.
 *
 * **Errors**: `PollerBusy`, `PollerDetached`.
 *
 * @category operations
 * @since 0.1.0
 */
export const poll = (self: Poller, events: Events): Effect.Effect<number, PollError> =>
  pollLimit(self, events, events.capacity)

/**
 * Hands out at most `limit` tokens; 0 only clears `events`.
 *
 * **Errors**: `InvalidLimit`, `PollerBusy`, `PollerDetached`.
 *
 * @category operations
 * @since 0.1.0
 */
export const pollLimit = (self: Poller, events: Events, limit: number): Effect.Effect<number, PollError> =>
  Effect.suspend(() => {
    const problem = self.problem("poll", limit)
    // The taking is the last step: from there a success goes to the caller without a turn in which it could be interrupted.
    return problem === undefined ? Effect.sync(() => self.take(events, limit)) : Effect.fail(problem)
  })

/**
 * `pollLimit` for tight loops: now, and without an Effect.
 *
 * **Errors**: throws what `pollLimit` fails with.
 *
 * @category operations
 * @since 0.1.0
 */
export const pollUnsafe = (self: Poller, events: Events, limit?: number): number => {
  if (self.isFree && self.core.seemsEmpty() && (limit === undefined || limit >>> 0 === limit))
    return (events.length = 0)
  return pollAnyway(self, events, limit ?? events.capacity)
}

const pollAnyway = (self: Poller, events: Events, limit: number): number => {
  if (!(self.isFree && limit >>> 0 === limit)) {
    const problem = self.problem("poll", limit)
    if (problem !== undefined) throw problem
  }
  return self.take(events, limit)
}
