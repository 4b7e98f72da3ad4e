/**
 * The fibers nobody tracks: how many there are, how old they are, and where they stand.
 *
 * A fiber that was forked outside of any task has no name, is in no registry and is waited for by nobody. Effect keeps no
 * list of fibers either, but every fiber asks the scheduler whether to yield, so a scheduler that looks at who asks gets to
 * see each one as it first runs. Off, which is the default, there is no such scheduler and it costs nothing. On, a fiber
 * costs an entry in a map and an observer; `bench/RESULTS.md` has the price.
 *
 * **Invariants**
 *
 * 1. The census keeps no fiber alive: one that is suspended for ever and that nobody can reach any more is collected, and
 *    no longer listed.
 * 2. The scheduler that was there before is still asked everything.
 *
 * **Gotchas**
 *
 * - A fiber is seen when it first runs; one that runs under a scheduler provided further inside is not seen.
 * - A service has a few fibers of its own that are no tasks: the plan, the listener for signals.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import * as Setting from "../config/Setting.ts"
import { taskOfUnsafe } from "../tasks/TaskRegistry.ts"

/**
 * @category settings
 * @since 0.1.0
 */
export const settings = {
  census: Setting.boolean("SELVEDGE_FIBER_CENSUS", "census", false)
} as const

/**
 * A fiber that has not ended.
 *
 * @category models
 * @since 0.1.0
 */
export interface Seen {
  readonly fiber: Fiber.Fiber<unknown, unknown>
  /** When it first ran, in milliseconds since 1970. */
  readonly sinceMillis: number
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Shape {
  /** Fibers that have run and not ended. */
  readonly liveUnsafe: () => number
  /** Those of them that belong to no task, oldest first. */
  readonly untrackedUnsafe: () => ReadonlyArray<Seen>
}

/**
 * The census of the surrounding program, if one is taken.
 *
 * @category services
 * @since 0.1.0
 */
export const Census: Context.Reference<Shape | undefined> = Context.Reference<Shape | undefined>(
  "@selvedge/core/Census",
  { defaultValue: () => undefined }
)

interface Entry {
  readonly ref: WeakRef<Fiber.Fiber<unknown, unknown>>
  readonly sinceMillis: number
}

class Taker implements Shape {
  private readonly entries = new Map<number, Entry>()
  private readonly clock: Clock.Clock

  constructor(clock: Clock.Clock) {
    this.clock = clock
  }

  saw(fiber: Fiber.Fiber<unknown, unknown>): void {
    const { entries } = this
    const { id } = fiber
    if (entries.has(id)) return
    entries.set(id, { ref: new WeakRef(fiber), sinceMillis: this.clock.currentTimeMillisUnsafe() })
    fiber.addObserver(() => entries.delete(id))
  }

  liveUnsafe(): number {
    return this.list().length
  }

  untrackedUnsafe(): ReadonlyArray<Seen> {
    return this.list().filter(({ fiber }) => taskOfUnsafe(fiber) === undefined)
  }

  /** In the order of first runs. Those that were collected are forgotten. */
  private list(): ReadonlyArray<Seen> {
    const found: Array<Seen> = []
    for (const [id, { ref, sinceMillis }] of this.entries) {
      const fiber = ref.deref()
      if (fiber === undefined) this.entries.delete(id)
      else if (fiber.pollUnsafe() === undefined) found.push({ fiber, sinceMillis })
    }
    return found
  }
}

/** The scheduler as it is, with somebody looking who asks it. */
const observed = (inner: Scheduler.Scheduler, taker: Taker): Scheduler.Scheduler => ({
  executionMode: inner.executionMode,
  makeDispatcher: () => inner.makeDispatcher(),
  shouldYield: (fiber) => {
    // The count begins anew whenever a fiber resumes: one look per resumption, not per operation.
    if (fiber.currentOpCount === 1) taker.saw(fiber)
    return inner.shouldYield(fiber)
  }
})

/**
 * Takes a census of the fibers that an effect starts, while it runs. Dumps captured inside show it.
 *
 * **Example** (Who is left over)
 *
 * ```ts
 * import { Census } from "@selvedge/core"
 * import { Effect } from "effect"
 *
 * const program = Census.during(
 *   Effect.gen(function* () {
 *     yield* Effect.forkDetach(Effect.withSpan(Effect.never, "poll"))
 *     yield* Effect.yieldNow
 *     return (yield* Census.Census)?.untrackedUnsafe().length
 *   })
 * )
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const during = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const taker = new Taker(yield* Clock.Clock)
    return yield* self.pipe(
      Effect.provideService(Census, taker),
      Effect.provideService(Scheduler.Scheduler, observed(yield* Scheduler.Scheduler, taker))
    )
  })
