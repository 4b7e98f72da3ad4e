/**
 * A fiber scheduler in which one seed is one interleaving.
 *
 * Effect's own scheduler is fair and first-in-first-out, so a test sees one order
 * of events for ever. This one puts whatever is runnable into one _ready-set_ and
 * lets a seeded generator choose; it also makes fibers give way between two of
 * their operations (_preemption_), where the default scheduler lets them go on
 * for 2048. The same seed makes the same choices again.
 *
 * **Temperament**
 *
 * What finds one bug hides another, so each seed also draws how it behaves:
 * how often it preempts, and how it picks. `uniform` throws a fair die over the
 * ready-set; `ranked` gives every fiber a random rank and always runs the highest,
 * changing a rank now and then, so that one fiber can fall far behind the others.
 *
 * **Invariants**
 *
 * 1. A task with a smaller priority number runs before any with a larger one.
 *    (Hence `settle`: the largest number resumes when nothing else can run.)
 * 2. A choice depends on the seed and the choices before it, on nothing else: no
 *    clock, no global fiber id.
 * 3. After `maxSteps` tasks nothing runs any more, so a livelock ends.
 * 4. No order is taken that Effect could not take: a fiber is not preempted before
 *    its first operation, nor twice before the same one.
 *
 * **Limits**
 *
 * What does not pass through a scheduler cannot be reordered by one:
 *
 * - _Promises and callbacks_ resume a fiber on the spot, in the order the engine
 *   chooses. Code that waits only on Effects replays exactly; code that waits on
 *   real I/O does not.
 * - _Immediate starts_ (`startImmediately`, `FiberSet.run`, `runFork`) run inside
 *   their parent until the first preemption, and for one operation at least. A fiber
 *   woken by `Deferred` goes on inside the fiber that completed it, in the same way.
 * - _One JavaScript function is one step_: nothing is interleaved inside a
 *   synchronous callback, which is also true in production. An effect that is a
 *   value already (`Effect.void`, `Effect.succeed`) is no step inside a generator.
 * - _Threads and processes_ are out of reach; the model checker is for those.
 * - Sleepers that fall due at the same virtual instant wake in the order in which
 *   they went to sleep (`TestClock` decides that).
 *
 * `TestClock` wraps the scheduler that is current when its layer is built: provide
 * this one _outside_ `TestClock.layer()`. `FiberExplorer` does all of that.
 *
 * Source: random and ranked choice follow "A Randomized Scheduler with
 * Probabilistic Guarantees of Finding Bugs" (PCT, ASPLOS 2010); drawing the
 * behaviour per seed follows the swarm testing of Groce et al. (ISSTA 2012).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scheduler from "effect/Scheduler"
import { checkInteger, checkProbability, type InvalidOption } from "../faults/InvalidOption.ts"
import * as Seed from "../faults/Seed.ts"

/**
 * How a scheduler picks from its ready-set.
 *
 * @category models
 * @since 0.1.0
 */
export type Pick = "uniform" | "ranked"

/**
 * `Idle`: nothing is runnable. `Exhausted`: `maxSteps` are used up. `Halted`: by
 * `halt`. In the last two nothing runs any more.
 *
 * @category models
 * @since 0.1.0
 */
export type State = "Idle" | "Running" | "Exhausted" | "Halted"

/**
 * - `seed`: a whole number in `0 … 2^32 - 1`.
 * - `preempt`: chance, `0 … 1`, that a fiber gives way before an operation.
 *   Drawn from the seed when absent.
 * - `pick`: drawn from the seed when absent.
 * - `maxSteps`: tasks after which nothing runs any more; 100 000 when absent.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly seed: number
  readonly preempt?: number | undefined
  readonly pick?: Pick | undefined
  readonly maxSteps?: number | undefined
}

/**
 * A scheduler that tells what it did.
 *
 * - `steps`: tasks run so far. `digest`: a number over all choices and
 *   preemptions; equal digests mean equal interleavings.
 * - `trace`: the strands in the order they ran, as `0x5.2.1x3`: strand 0 five
 *   times, then 2, then 1 three times. Strands are numbered as they appear.
 * - `awaitIdle`: waits until the state is not `Running`.
 * - `halt`: drops what is runnable; nothing runs any more.
 *
 * @category models
 * @since 0.1.0
 */
export interface SeededScheduler extends Scheduler.Scheduler {
  readonly seed: number
  readonly preempt: number
  readonly pick: Pick
  state(): State
  steps(): number
  digest(): number
  trace(): string
  halt(): void
  readonly awaitIdle: Effect.Effect<void>
}

/**
 * Resumes when nothing else can run. Under this scheduler only: the default one
 * orders tasks within one fiber, not between fibers.
 *
 * @category operations
 * @since 0.1.0
 */
export const settle: Effect.Effect<void> = Effect.yieldNowWith(Number.MAX_SAFE_INTEGER)

/**
 * Makes a scheduler.
 *
 * **Errors**
 *
 * - `InvalidOption`: seed, preempt or maxSteps out of range.
 *
 * **Example** (One seed, one interleaving)
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Scheduler from "effect/Scheduler"
 * import * as SeededScheduler from "@selvedge/testing/scheduler/SeededScheduler"
 *
 * const order = Effect.gen(function* () {
 *   const seen: Array<string> = []
 *   const say = (word: string) => Effect.sync(() => seen.push(word))
 *   yield* Effect.all([say("a"), say("b"), say("c")], { concurrency: "unbounded" })
 *   return seen.join("")
 * })
 *
 * const seeded = Effect.gen(function* () {
 *   const scheduler = yield* SeededScheduler.make({ seed: 3 })
 *   return yield* Effect.provideService(order, Scheduler.Scheduler, scheduler)
 * })
 *
 * const same = (await Effect.runPromise(seeded)) === (await Effect.runPromise(seeded)) // true
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): Effect.Effect<SeededScheduler, InvalidOption> =>
  Effect.suspend(() => {
    const problem = check(options)
    return problem === undefined ? Effect.succeed(makeUnsafe(options)) : Effect.fail(problem)
  })

/**
 * Provides the scheduler to everything that is built and run inside.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<never, InvalidOption> =>
  Layer.effect(Scheduler.Scheduler, make(options))

/**
 * The error for options out of range, or `undefined` when they are good.
 *
 * @category operations
 * @since 0.1.0
 */
export const check = (options: Options): InvalidOption | undefined =>
  Seed.check(TOOL, options.seed) ??
  (options.preempt === undefined ? undefined : checkProbability(TOOL, "preempt", options.preempt)) ??
  (options.maxSteps === undefined
    ? undefined
    : checkInteger(TOOL, "maxSteps", options.maxSteps, { minimum: 1, maximum: Number.MAX_SAFE_INTEGER }))

const TOOL = "SeededScheduler"

// -----------------------------------------------------------------------------
// The ready-set
// -----------------------------------------------------------------------------

interface Ready {
  readonly task: () => void
  readonly priority: number
  readonly strand: number
}

/** Preemption rates a seed may draw: from a nudge to a toss before each operation. */
const PREEMPT_RATES = [0.05, 0.2, 0.5, 0.7] as const

/** How often, in `ranked`, the fiber that has just been chosen gets another rank. */
const RANK_CHANGE = 0.1

/** Tasks per turn of the event loop, so that timers and sockets are not starved. */
const SLICE = 4096

/**
 * A preempted fiber resumes with two operations, the end of its giving way and the
 * one that was put off. Both are owed to it: were they preempted again, each
 * preemption would breed two chances of another, and at one half no test would end.
 */
const OPERATIONS_OWED = 2

/**
 * A fiber that is interrupted before it starts has one operation, its interruption. Were that put off, the start that is
 * still queued would come first and run the body of a fiber that was told to end, which Effect never does.
 */
const OPERATIONS_OWED_AT_START = 1

/** Runs of the trace that are kept; the digest covers the rest. */
const TRACE_RUNS = 400

/**
 * Makes a scheduler now. Options are taken as they are: `check` them before, or
 * use `make`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeUnsafe = (options: Options): SeededScheduler => {
  const draw = Seed.stream(options.seed)
  const preempt = PREEMPT_RATES[Math.floor(draw() * PREEMPT_RATES.length)] as number
  const pick: Pick = draw() < 0.5 ? "uniform" : "ranked"
  return new Seeded(draw, {
    seed: options.seed,
    preempt: options.preempt ?? preempt,
    pick: options.pick ?? pick,
    maxSteps: options.maxSteps ?? 100_000
  })
}

class Seeded implements SeededScheduler {
  readonly executionMode = "async"
  readonly seed: number
  readonly preempt: number
  readonly pick: Pick
  readonly #draw: () => number
  readonly #maxSteps: number
  readonly #owed = new WeakMap<Fiber.Fiber<unknown, unknown>, number>()
  readonly #ranks: Array<number> = []
  // The engine of the default scheduler only turns the crank of ours.
  readonly #crank = new Scheduler.MixedScheduler().makeDispatcher()
  #ready: Array<Ready> = []
  #pumping = false
  #halted = false
  #preempting = false
  #lowest = 0
  #steps = 0
  #digest = 0x811c9dc5
  #runs: Array<[strand: number, length: number]> = []
  #idle: Array<() => void> = []

  constructor(draw: () => number, options: Required<{ [K in keyof Options]: Exclude<Options[K], undefined> }>) {
    this.#draw = draw
    this.seed = options.seed
    this.preempt = options.preempt
    this.pick = options.pick
    this.#maxSteps = options.maxSteps
  }

  shouldYield(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    if (fiber.currentOpCount >= fiber.cache.maxOpsBeforeYield) return true
    const owed = this.#owed.get(fiber) ?? OPERATIONS_OWED_AT_START
    if (owed > 0) {
      this.#owed.set(fiber, owed - 1)
      return false
    }
    if (this.#draw() >= this.preempt) return false
    this.#owed.set(fiber, OPERATIONS_OWED)
    this.#preempting = true
    this.#note(-1)
    return true
  }

  /** One dispatcher belongs to one fiber, which makes it the fiber's strand. */
  makeDispatcher(): Scheduler.SchedulerDispatcher {
    const strand = this.#ranks.push(this.#draw()) - 1
    return {
      scheduleTask: (task, priority) => this.#schedule({ task, priority, strand }),
      flush: () => {
        while (this.#step()) continue
      }
    }
  }

  state(): State {
    if (this.#halted) return "Halted"
    if (this.#steps >= this.#maxSteps) return "Exhausted"
    return this.#ready.length > 0 ? "Running" : "Idle"
  }

  steps(): number {
    return this.#steps
  }

  digest(): number {
    return this.#digest >>> 0
  }

  trace(): string {
    const text = this.#runs.map(([strand, length]) => (length === 1 ? `${strand}` : `${strand}x${length}`)).join(".")
    return this.#runs.length < TRACE_RUNS ? text : `${text} …`
  }

  halt(): void {
    this.#halted = true
    this.#ready = []
  }

  readonly awaitIdle: Effect.Effect<void> = Effect.callback((resume) => {
    if (this.state() !== "Running") return resume(Effect.void)
    this.#idle.push(() => resume(Effect.void))
  })

  #schedule(ready: Ready): void {
    if (this.#halted || this.#steps >= this.#maxSteps) return
    if (this.#preempting) {
      // The first task after the answer is the fiber that gives way. It falls behind all others: else the highest rank
      // would go on as if nothing had happened.
      this.#preempting = false
      this.#ranks[ready.strand] = --this.#lowest
    }
    this.#ready.push(ready)
    if (this.#pumping) return
    this.#pumping = true
    this.#crank.scheduleTask(() => this.#pump(), 0)
  }

  #pump(): void {
    try {
      for (let i = 0; i < SLICE && this.#step(); i++) continue
    } finally {
      if (this.#ready.length > 0) {
        this.#crank.scheduleTask(() => this.#pump(), 0)
      } else {
        this.#pumping = false
        for (const wake of this.#idle.splice(0)) wake()
      }
    }
  }

  #step(): boolean {
    if (this.#steps >= this.#maxSteps) this.#ready = []
    if (this.#ready.length === 0) return false
    this.#steps++
    const next = this.#choose()
    this.#note(next.strand)
    next.task()
    return true
  }

  #choose(): Ready {
    const best = this.#ready.reduce((low, ready) => Math.min(low, ready.priority), Infinity)
    const candidates = this.#ready.flatMap((ready, index) => (ready.priority === best ? [index] : []))
    const index =
      this.pick === "uniform" ? candidates[Math.floor(this.#draw() * candidates.length)] : this.#highest(candidates)
    return this.#ready.splice(index as number, 1)[0] as Ready
  }

  #highest(candidates: ReadonlyArray<number>): number {
    const rank = (index: number): number => this.#ranks[(this.#ready[index] as Ready).strand] as number
    const chosen = candidates.reduce((high, index) => (rank(index) > rank(high) ? index : high))
    if (this.#draw() < RANK_CHANGE) this.#ranks[(this.#ready[chosen] as Ready).strand] = this.#draw()
    return chosen
  }

  #note(strand: number): void {
    this.#digest = Math.imul(this.#digest ^ (strand + 2), 0x01000193)
    if (strand < 0) return
    const last = this.#runs.at(-1)
    if (last !== undefined && last[0] === strand) last[1]++
    else if (this.#runs.length < TRACE_RUNS) this.#runs.push([strand, 1])
  }
}
