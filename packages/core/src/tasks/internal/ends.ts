/**
 * How tasks end: the entry leaves, its parent is told after it, its children are torn down with it, and who outlives
 * their last words goes on at the root. All of it happens in the turn in which a fiber ends.
 *
 * **Invariants**
 *
 * 1. A task's exit completes after its children. They are awaited after a success; after a failure or an interruption
 *    they are signalled in one pass and awaited under one `lastWords`, and who outlives that moves to the root.
 * 2. State is changed before anybody is woken.
 * 3. An observer never throws: a throwing one would starve the later observers of that fiber.
 * 4. Nothing recurses along a chain of tasks: it may be longer than the stack is deep.
 * 5. Ends are told in the order in which they came about, so also who waits sees a parent end after its children.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as ShutdownReason from "../../shutdown/ShutdownReason.ts"
import type { TokenNode } from "../../shutdown/TokenTree.ts"
import * as Task from "../Task.ts"
import type { Entries } from "./entries.ts"
import type { Entry } from "./entry.ts"
import type { Feed } from "./feed.ts"
import * as Log from "./log.ts"
import { titleOf } from "./log.ts"
import type { Places } from "./places.ts"
import type { Watchers } from "./watchers.ts"

/** What the end of a task asks of its registry. */
export interface Ended {
  readonly entries: Entries
  readonly places: Places
  readonly watchers: Watchers
  readonly feed: Feed | undefined
  readonly counts: { succeeded: number; failed: number; interrupted: number; detached: number }
  /** Whom a critical task's failure is told. */
  readonly surrounding: TokenNode
  readonly context: Context.Context<never>
  readonly lastWordsNanos: bigint
  nowMillis(): number
  fork<A>(effect: Effect.Effect<A>): Fiber.Fiber<A>
}

export class Ends {
  private readonly registry: Ended
  /** Settled, and not told yet; nobody is told while somebody holds. */
  private readonly untold: { readonly entries: Array<Entry>; holds: number } = { entries: [], holds: 0 }

  constructor(registry: Ended) {
    this.registry = registry
  }

  /** In this order: all state, then the log line, then a critical task's request, then whoever waits. */
  fiberEnded(entry: Entry, context: Context.Context<never>, exit: Exit.Exit<unknown, unknown>): void {
    entry.exit = exit
    // What this may end on the spot (a critical task's request, children that are signalled) is told after this.
    this.untold.holds++
    const done = this.settle(entry)
    if (!done && entry.state !== "detached") entry.state = "finishing"
    if (Exit.isFailure(exit)) this.noteFailure(entry, exit.cause, context)
    else this.noteSuccess()
    if (entry.waits > 0) this.registry.places.refuse()
    if (!done && Exit.isFailure(exit)) this.tearDown(entry)
    this.untold.holds--
    this.tell()
  }

  private noteSuccess(): void {
    this.registry.counts.succeeded++
    this.registry.feed?.succeeded()
  }

  private noteFailure(entry: Entry, cause: Cause.Cause<unknown>, context: Context.Context<never>): void {
    if (Cause.hasInterruptsOnly(cause)) {
      this.registry.counts.interrupted++
      this.registry.feed?.interrupted()
      return
    }
    this.registry.counts.failed++
    this.registry.feed?.failed(entry)
    const age = Task.formatAge(this.registry.nowMillis() - entry.monotonicMillis)
    Log.write(context, entry, Effect.logError(`task ${titleOf(entry)} failed after ${age}`, cause))
    if (!entry.critical) return
    const { id, kind, name } = entry
    this.registry.surrounding.requestUnsafe(ShutdownReason.TaskFailed({ id, name, kind, cause }))
  }

  /** Takes a task that has ended out of the books, and every ancestor that only waited for it. Wakes nobody. */
  private settle(entry: Entry): boolean {
    if (!entry.hasEnded || entry.state === "done") return false
    for (let one: Entry | undefined = entry; one?.hasEnded === true && one.state !== "done"; one = one.parent) {
      one.finish()
      this.registry.entries.delete(one)
      this.registry.feed?.left(one)
      one.kindState.live--
      one.parent?.children!.delete(one)
      this.untold.entries.push(one)
    }
    return true
  }

  /**
   * Wakes who waited for the tasks that were settled, in the order in which they were (invariant 5): who is woken runs on
   * the spot and may end further tasks, which then wait for their turn.
   */
  private tell(): void {
    const { untold } = this
    if (untold.holds > 0 || untold.entries.length === 0) return
    untold.holds++
    for (let one = untold.entries[0], i = 0; one !== undefined; one = untold.entries[++i]) {
      const { patience } = one
      if (patience !== undefined) {
        one.more.patience = undefined
        patience.interruptUnsafe()
      }
      one.wake()
      this.registry.places.grant(one.kindState)
    }
    untold.entries.length = 0
    untold.holds--
    this.registry.watchers.changed()
  }

  /** Signals the children of a task that did not succeed; begins their one `lastWords` unless an ancestor's runs. */
  tearDown(entry: Entry): void {
    for (const child of entry.descendants()) child.signal()
    if (entry.state === "done") return
    for (let one: Entry | undefined = entry; one !== undefined; one = one.parent) if (one.patience !== undefined) return
    entry.more.patience = this.registry.fork(
      Effect.andThen(
        Effect.sleep(Duration.nanos(this.registry.lastWordsNanos)),
        Effect.sync(() => {
          entry.more.patience = undefined
          this.letGo(entry)
        })
      )
    )
  }

  /** The last words are over: what still runs below `entry` moves to the root. */
  private letGo(entry: Entry): void {
    for (const child of entry.descendants()) {
      // What runs below a task that runs itself stays there.
      if (!child.fiberIsLive || child.parent === undefined || child.parent.fiberIsLive) continue
      this.letGoOf(child)
    }
  }

  private letGoOf(child: Entry): void {
    const age = Task.formatAge(this.registry.nowMillis() - child.monotonicMillis)
    const line = `task ${titleOf(child)} outlived its parent and the last words after ${age}; it goes on, detached`
    Log.write(child.fiber?.context ?? this.registry.context, child, Effect.logWarning(line))
    this.detach(child)
  }

  /** Moves a task whose fiber runs to the root; nobody waits for it any more. */
  detach(entry: Entry): void {
    if (!entry.fiberIsLive || entry.state === "detached") return
    const { parent } = entry
    entry.state = "detached"
    entry.parent = undefined
    this.registry.counts.detached++
    this.registry.feed?.detached(entry)
    if (parent === undefined) return
    parent.children!.delete(entry)
    if (this.settle(parent)) this.tell()
  }

  /** Interrupts a task and everything below it, leaves first. */
  abort(entry: Entry): void {
    if (entry.state === "done") return
    for (const child of entry.descendants()) child.signal()
    entry.signal()
    // One that only waited for its children does not wait for ever.
    if (entry.exit !== undefined) this.tearDown(entry)
  }

  /** The children of a run that failed end before the next run: else each restart would add its own to them. */
  endChildren(entry: Entry): Effect.Effect<void> {
    return Effect.suspend(() => {
      for (const child of entry.descendants()) child.signal()
      const { children } = entry
      if (children === undefined || children.size === 0) return Effect.void
      return Effect.andThen(
        Effect.timeoutOption(
          this.registry.watchers.until(() => children.size === 0),
          Duration.nanos(this.registry.lastWordsNanos)
        ),
        Effect.sync(() => {
          for (const child of Array.from(children)) if (child.fiberIsLive) this.letGoOf(child)
          for (const child of Array.from(children)) this.letGo(child)
        })
      )
    })
  }
}
