/**
 * One live task inside its registry: the handle users hold and the node the registry walks are the same object, because
 * a service may have a million of them.
 *
 * **Invariants**
 *
 * 1. `children` holds exactly the live tasks whose `parent` is this one.
 * 2. A descendant has a greater id than its ancestors, so descending ids visit leaves first.
 * 3. `exit` is set when the fiber has ended; `state` is `done` only after all children are.
 * 4. A done entry holds on to nothing but its own facts and its parents': a handle that is kept keeps no context alive.
 *
 * @internal
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type { State, SpawnedAt, Task, TaskInfo } from "../Task.ts"
import type { ResolvedPolicy } from "../TaskKind.ts"
import type { WaitList } from "./waiting.ts"

/** What an entry asks of its registry. */
export interface EntryOwner {
  readonly abortUnsafe: (entry: Entry) => void
  readonly fiberEnded: (entry: Entry, context: Context.Context<never>, exit: Exit.Exit<unknown, unknown>) => void
}

/** A kind as its entries know it; `kinds.ts` keeps it. */
export interface EntryKind {
  readonly kind: string
  readonly policy: ResolvedPolicy
  live: number
  readonly waiting: WaitList
  /** Somebody is giving places right now: who joins in only makes them longer, not deeper. */
  granting: boolean
  /** Entries count their wall time from here: a small number costs them no memory of its own. */
  readonly wallBaseMillis: number
  /** What entries of the kind ask. */
  readonly owner: EntryOwner
}

/** What few tasks have. Apart, because a million tasks would each pay for the fields. */
class Rare {
  critical = false
  /** The live task of another registry it was spawned in: work in there still belongs to that one, too. */
  outer: Entry | undefined = undefined
  /** Ends the wait for the last words of this task's children. */
  patience: Fiber.Fiber<unknown, unknown> | undefined = undefined
  restarts = 0
  /** Spawns in this task that wait for a place. */
  waits = 0
  waiters: Set<() => void> | undefined = undefined
}

export class Entry implements Task<any, any> {
  readonly id: number
  readonly name: string
  readonly kindState: EntryKind
  readonly monotonicMillis: number
  /** Since its kind was met. */
  private readonly wallOffsetMillis: number
  /** Neighbours in the list of live tasks. */
  before: Entry | undefined = undefined
  after: Entry | undefined = undefined
  parent: Entry | undefined
  children: Set<Entry> | undefined = undefined
  fiber: Fiber.Fiber<any, any> | undefined = undefined
  exit: Exit.Exit<any, any> | undefined = undefined
  state: State = "running"
  signalled = false
  private rare: Rare | undefined = undefined

  constructor(
    id: number,
    name: string,
    kindState: EntryKind,
    parent: Entry | undefined,
    monotonicMillis: number,
    wallOffsetMillis: number
  ) {
    this.id = id
    this.name = name
    this.kindState = kindState
    this.parent = parent
    this.monotonicMillis = monotonicMillis
    this.wallOffsetMillis = wallOffsetMillis
  }

  /** What few tasks have, to write to. */
  get more(): Rare {
    return (this.rare ??= new Rare())
  }
  get owner(): EntryOwner {
    return this.kindState.owner
  }
  get critical(): boolean {
    return this.rare !== undefined && this.rare.critical
  }
  get outer(): Entry | undefined {
    return this.rare?.outer
  }
  get patience(): Fiber.Fiber<unknown, unknown> | undefined {
    return this.rare?.patience
  }
  get waits(): number {
    return this.rare === undefined ? 0 : this.rare.waits
  }

  get kind(): string {
    return this.kindState.kind
  }
  get parentId(): Option.Option<number> {
    return this.parent === undefined ? Option.none() : Option.some(this.parent.id)
  }
  get spawnedAt(): SpawnedAt {
    return { monotonicMillis: this.monotonicMillis, wallMillis: this.kindState.wallBaseMillis + this.wallOffsetMillis }
  }
  get await(): Effect.Effect<Exit.Exit<any, any>> {
    return Effect.callback((resume) => {
      if (this.isTold) return resume(Effect.succeed(this.exit!))
      const waiter = (): void => resume(Effect.succeed(this.exit!))
      const { more } = this
      more.waiters ??= new Set()
      more.waiters.add(waiter)
      return Effect.sync(() => void more.waiters?.delete(waiter))
    })
  }
  get abort(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.owner.abortUnsafe(this)
      return Effect.asVoid(this.await)
    })
  }
  /** Made when asked for, and bound, so that it can be handed to anything that calls back. */
  get abortUnsafe(): () => void {
    return () => this.owner.abortUnsafe(this)
  }

  /** Whether its own fiber runs: such a task may spawn children. */
  get fiberIsLive(): boolean {
    return this.exit === undefined
  }

  /** Its fiber has ended and so have all its children. */
  get hasEnded(): boolean {
    return this.exit !== undefined && (this.children === undefined || this.children.size === 0)
  }

  /** From here on nothing but facts is left (invariant 4), and the fiber until the end has been told. */
  finish(): void {
    this.state = "done"
    this.children = undefined
    if (this.rare !== undefined) this.rare.outer = undefined
  }

  /** Asks the fiber to end; a second time has no effect. */
  signal(): void {
    if (this.signalled || this.exit !== undefined) return
    this.signalled = true
    if (this.state === "running") this.state = "interrupting"
    this.fiber?.interruptUnsafe(this.fiber.id)
  }

  /** This task's live descendants, leaves first (invariant 2). */
  descendants(): Array<Entry> {
    if (this.children === undefined || this.children.size === 0) return []
    const found: Array<Entry> = [...this.children]
    for (let i = 0; i < found.length; i++) {
      const children = found[i]!.children
      if (children !== undefined) for (const child of children) found.push(child)
    }
    return found.toSorted((a, b) => b.id - a.id)
  }

  /** Ended, and it was its turn to be told: who asks from now on is answered at once. */
  private get isTold(): boolean {
    return this.state === "done" && this.fiber === undefined
  }

  /** Runs the waiters; the caller has changed all state before. */
  wake(): void {
    this.fiber = undefined
    const waiters = this.rare?.waiters
    if (waiters === undefined) return
    this.rare!.waiters = undefined
    for (const waiter of waiters) waiter()
  }

  info(nowMillis: number): TaskInfo {
    const ageMillis = Math.max(0, nowMillis - this.monotonicMillis)
    return {
      id: this.id,
      name: this.name,
      kind: this.kind,
      parentId: this.parent?.id,
      state: this.state,
      spawnedAt: this.spawnedAt,
      ageMillis,
      stuck: ageMillis >= this.kindState.policy.stuckAfterMillis,
      restarts: this.rare === undefined ? 0 : this.rare.restarts
    }
  }
}
