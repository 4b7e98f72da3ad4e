/**
 * Which fibers are alive.
 *
 * Effect keeps no list of fibers, but two of its services are told about them.
 * `Metric.FiberRuntimeMetrics` hears of every start and end, which gives the
 * _number_; it gets the fiber's context, not the fiber. The scheduler is asked by
 * every fiber that runs, which gives the _fibers_, and a fiber tells where it
 * stands now: the span it is inside, or the `Effect.fn`. Together: how many, and
 * what they are called.
 *
 * **Invariants**
 *
 * 1. `live` is starts minus ends, whatever the scheduler saw.
 * 2. The services that were there before are still asked and told everything.
 *
 * **Gotchas**
 *
 * Fibers forked outside `watch`, or under another `FiberRuntimeMetrics` service,
 * are not counted. A fiber counts as alive from its fork, even if it never ran. One
 * that runs under a scheduler provided inside is counted, but has no name here.
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Scheduler from "effect/Scheduler"

/**
 * - `live()`: how many fibers are alive. `started()`: how many were ever seen.
 * - `fibers()`: those of them that ever ran.
 * - `names(only)`: what those that satisfy `only` are called, each name once, with
 *   `× n` when several; and how many were not seen running.
 *
 * @category models
 * @since 0.1.0
 */
export interface LiveFibers {
  live(): number
  started(): number
  fibers(): ReadonlyArray<Fiber.Fiber<unknown, unknown>>
  names(only?: (fiber: Fiber.Fiber<unknown, unknown>) => boolean): ReadonlyArray<string>
}

/**
 * Runs an effect and knows the fibers it started.
 *
 * **Example** (Counting what is left over)
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as LiveFibers from "@selvedge/testing/leaks/LiveFibers"
 *
 * const left = LiveFibers.watch((fibers) =>
 *   Effect.gen(function* () {
 *     yield* Effect.forkDetach(Effect.withSpan(Effect.never, "poll"))
 *     yield* Effect.yieldNow
 *     return fibers.names() // ['"poll"']
 *   })
 * )
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const watch = <A, E, R>(body: (fibers: LiveFibers) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const census = new Census(yield* Metric.FiberRuntimeMetrics)
    const scheduler = observe(yield* Scheduler.Scheduler, yield* Effect.fiberId, census)
    return yield* Effect.suspend(() => body(census)).pipe(
      Effect.provideService(Metric.FiberRuntimeMetrics, census),
      Effect.provideService(Scheduler.Scheduler, scheduler)
    )
  })

/** The scheduler as it is, with somebody looking who asks it. */
const observe = (inner: Scheduler.Scheduler, self: number, census: Census): Scheduler.Scheduler => ({
  executionMode: inner.executionMode,
  makeDispatcher: () => inner.makeDispatcher(),
  shouldYield: (fiber) => {
    // The count begins anew whenever a fiber resumes: one look per resumption, not per operation.
    if (fiber.currentOpCount === 1 && fiber.id !== self) census.saw(fiber)
    return inner.shouldYield(fiber)
  }
})

class Census implements LiveFibers, Metric.FiberRuntimeMetricsService {
  readonly #outer: Metric.FiberRuntimeMetricsService | undefined
  readonly #seen = new Set<Fiber.Fiber<unknown, unknown>>()
  #live = 0
  #started = 0

  constructor(outer: Metric.FiberRuntimeMetricsService | undefined) {
    this.#outer = outer
  }

  recordFiberStart(context: Context.Context<never>): void {
    this.#outer?.recordFiberStart(context)
    this.#live++
    this.#started++
  }

  recordFiberEnd(context: Context.Context<never>, exit: Exit.Exit<unknown, unknown>): void {
    this.#outer?.recordFiberEnd(context, exit)
    this.#live--
  }

  saw(fiber: Fiber.Fiber<unknown, unknown>): void {
    if (this.#seen.has(fiber)) return
    this.#seen.add(fiber)
    fiber.addObserver(() => this.#seen.delete(fiber))
  }

  live(): number {
    return this.#live
  }

  started(): number {
    return this.#started
  }

  fibers(): ReadonlyArray<Fiber.Fiber<unknown, unknown>> {
    // Waiters of a fiber may run before our own observer does.
    return Array.from(this.#seen).filter((fiber) => fiber.pollUnsafe() === undefined)
  }

  names(only: (fiber: Fiber.Fiber<unknown, unknown>) => boolean = () => true): ReadonlyArray<string> {
    const seen = this.fibers()
    const counts = new Map<string, number>()
    for (const fiber of seen.filter(only)) {
      const name = nameOf(fiber)
      counts.set(name, (counts.get(name) ?? 0) + 1)
    }
    const unseen = this.#live - seen.length
    if (unseen > 0) counts.set("a fiber not seen running", unseen)
    return Array.from(counts, ([name, count]) => (count === 1 ? name : `${name} × ${count}`))
  }
}

const nameOf = (fiber: Fiber.Fiber<unknown, unknown>): string => {
  const { span, stackFrame } = fiber.cache
  if (span?._tag === "Span") return `"${span.name}"`
  return stackFrame === undefined ? "an unnamed fiber" : `"${stackFrame.name}"`
}
