/**
 * The arithmetic of a shutdown: one budget, its reserves, and when each phase must have ended.
 *
 * Pure: no clock is read and nothing waits here; `Main` asks. The table this computes stands in docs/shutdown.md.
 *
 * **Units**: everything ending in `Nanos` is a bigint on the monotonic clock or a difference of two; `Millis` is a
 * number.
 *
 * **Invariants**
 *
 * 1. The deadlines of the phases, in their order, never fall.
 * 2. Each phase with a reserve has at least its reserve between the deadline of the phase before and its own.
 * 3. A force only makes deadlines earlier, and from the force on each phase ends within its reserve.
 * 4. The last deadline is at most t0 + budget.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Setting from "../config/Setting.ts"

/**
 * The phases that take time, in their order.
 *
 * @category models
 * @since 0.1.0
 */
export const phases = [
  "delay",
  "stopAccepting",
  "tasks",
  "lastWords",
  "workers",
  "onStop",
  "flush",
  "close",
  "postStop"
] as const

/**
 * @category models
 * @since 0.1.0
 */
export type PhaseName = (typeof phases)[number]

/**
 * The phases that own time at the end of the budget.
 *
 * @category models
 * @since 0.1.0
 */
export type ReserveName = "lastWords" | "workers" | "onStop" | "flush" | "close" | "postStop"

const reserveNames: ReadonlyArray<ReserveName> = ["lastWords", "workers", "onStop", "flush", "close", "postStop"]

/** All of them, seen to by the compiler. */
const knownReserves: Readonly<Record<ReserveName, true>> = {
  lastWords: true,
  workers: true,
  onStop: true,
  flush: true,
  close: true,
  postStop: true
}

/**
 * What a user may set; environment variables go before it (docs/configuration.md).
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** From the request to the last hook. Default 25 seconds. */
  readonly budget?: Duration.Input | undefined
  /** How long requests are still accepted after readiness went off. Default 0. */
  readonly drainDelay?: Duration.Input | undefined
  /** Time at the end of the budget that belongs to one phase. */
  readonly reserves?: { readonly [K in ReserveName]?: Duration.Input | undefined } | undefined
}

/**
 * A checked budget.
 *
 * @category models
 * @since 0.1.0
 */
export interface Budget {
  readonly budgetNanos: bigint
  readonly delayNanos: bigint
  readonly reserves: Readonly<Record<ReserveName, bigint>>
  /** Somebody said how much the workers get; else it depends on whether there are any. */
  readonly workersChosen?: true
}

const reserve = (variable: string, name: ReserveName, fallback: Duration.Input): Setting.Setting<Duration.Duration> =>
  Setting.duration(variable, `reserves.${name}`, { default: fallback, min: 0, max: "1 hour" })

/**
 * The settings of a budget.
 *
 * @category settings
 * @since 0.1.0
 */
export const settings = {
  budget: Setting.duration("SELVEDGE_SHUTDOWN_BUDGET", "budget", {
    default: "25 seconds",
    min: "1 millis",
    max: "24 hours"
  }),
  drainDelay: Setting.duration("SELVEDGE_DRAIN_DELAY", "drainDelay", { default: 0, min: 0, max: "1 hour" }),
  lastWords: reserve("SELVEDGE_RESERVE_LAST_WORDS", "lastWords", "1 second"),
  workers: reserve("SELVEDGE_RESERVE_WORKERS", "workers", "5 seconds"),
  onStop: reserve("SELVEDGE_RESERVE_ON_STOP", "onStop", "1 second"),
  flush: reserve("SELVEDGE_RESERVE_FLUSH", "flush", "1 second"),
  close: reserve("SELVEDGE_RESERVE_CLOSE", "close", "1 second"),
  postStop: reserve("SELVEDGE_RESERVE_POST_STOP", "postStop", "500 millis")
} as const

const toNanos = (duration: Duration.Duration): bigint => Duration.toNanosUnsafe(duration)

/**
 * Checks the options, with the environment before them.
 *
 * **Errors**
 *
 * - `InvalidSetting`: a value is out of its range, or the reserves and the drain delay leave the tasks nothing.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options?: Options): Effect.fn.Return<Budget, Setting.InvalidSetting> {
  if (options?.reserves !== undefined) yield* Setting.refuseUnknown(options.reserves, knownReserves, "reserves.")
  const budgetNanos = toNanos(yield* settings.budget.resolve(options?.budget))
  const delayNanos = toNanos(yield* settings.drainDelay.resolve(options?.drainDelay))
  const reserves: Record<string, bigint> = {}
  for (const name of reserveNames) reserves[name] = toNanos(yield* settings[name].resolve(options?.reserves?.[name]))
  const workersChosen = Option.isSome(yield* settings.workers.chosen(options?.reserves?.workers))
  if (!workersChosen) reserves.workers = 0n
  const budget: Budget = {
    budgetNanos,
    delayNanos,
    reserves: reserves as Record<ReserveName, bigint>,
    ...(workersChosen ? { workersChosen } : {})
  }
  const needed = sum(budget, 0) + delayNanos
  if (needed > budgetNanos) {
    return yield* new Setting.InvalidSetting({
      option: settings.budget.option,
      variable: settings.budget.variable,
      value: Duration.format(Duration.nanos(budgetNanos)),
      allowed: `at least ${Duration.format(Duration.nanos(needed))}, which is the drain delay and the reserves together (${[
        `drainDelay ${Duration.format(Duration.nanos(delayNanos))}`,
        ...reserveNames.map((name) => `${name} ${Duration.format(Duration.nanos(budget.reserves[name]))}`)
      ].join(", ")})`
    })
  }
  return budget
})

/**
 * The budget of a service that has workers: unless somebody chose, they get 5 seconds, or half of what the tasks would
 * have, if that is less.
 *
 * @category constructors
 * @since 0.1.0
 */
export const withWorkers = (budget: Budget): Budget => {
  if (budget.workersChosen === true) return budget
  const free = budget.budgetNanos - budget.delayNanos - sum(budget, 0)
  return { ...budget, reserves: { ...budget.reserves, workers: min(WORKERS_NANOS, free / 2n) } }
}

const WORKERS_NANOS = 5_000_000_000n

/**
 * The budget of a stop for which somebody else says how long it may take: a worker's. There is no drain delay (whoever asks
 * has had it), and reserves that need more than half of it are cut in proportion.
 *
 * @category constructors
 * @since 0.1.0
 */
export const within = (budget: Budget, givenNanos: bigint): Budget => {
  const budgetNanos = max(0n, givenNanos)
  const needed = sum(budget, 0)
  const reserves: Record<string, bigint> = {}
  for (const name of reserveNames) {
    const own = budget.reserves[name]
    reserves[name] = needed * 2n <= budgetNanos ? own : (own * budgetNanos) / (needed * 2n)
  }
  return { ...budget, budgetNanos, delayNanos: 0n, reserves: reserves as Record<ReserveName, bigint> }
}

/** What a phase owns: its reserve, or nothing for the phases before the tasks' deadline. */
const own = (budget: Budget, phase: PhaseName): bigint =>
  phase === "delay" || phase === "stopAccepting" || phase === "tasks" ? 0n : budget.reserves[phase]

/** The reserves of the phases from `index` on. */
const sum = (budget: Budget, index: number): bigint =>
  phases.slice(index).reduce((total, phase) => total + own(budget, phase), 0n)

/**
 * The deadlines of one shutdown. Mutable in two ways only: phases are entered, in their order, and it can be forced,
 * once.
 *
 * @category models
 * @since 0.1.0
 */
export interface Timeline {
  readonly startedNanos: bigint
  /** The end of the budget, or earlier once forced. */
  readonly endNanos: () => bigint
  /** When a phase must have ended; of one that has not begun, as if it had begun with the current one. */
  readonly deadlineNanos: (phase: PhaseName) => bigint
  /** A phase begins. */
  readonly enter: (phase: PhaseName, nowNanos: bigint) => void
  /** Takes the waiting out of everything that is left; only the first call counts. */
  readonly force: (nowNanos: bigint) => void
}

/**
 * Begins the time line of a shutdown requested at `startedNanos`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const timeline = (budget: Budget, startedNanos: bigint): Timeline => {
  const planned = startedNanos + budget.budgetNanos
  let end = planned
  let forced: bigint | undefined
  let current = 0
  let enteredAt = startedNanos
  return {
    startedNanos,
    endNanos: () => end,
    enter: (phase, nowNanos) => {
      current = phases.indexOf(phase)
      enteredAt = nowNanos
    },
    deadlineNanos: (phase) => {
      const index = phases.indexOf(phase)
      const unforced = phase === "delay" ? startedNanos + budget.delayNanos : planned - sum(budget, index + 1)
      if (forced === undefined) return unforced
      // A later phase has its reserve from when it begins, one that was running has it from the force.
      return min(unforced, max(forced, index < current ? forced : enteredAt) + own(budget, phase))
    },
    force: (nowNanos) => {
      if (forced !== undefined) return
      forced = nowNanos
      end = min(planned, nowNanos + sum(budget, current))
    }
  }
}

const min = (a: bigint, b: bigint): bigint => (a < b ? a : b)
const max = (a: bigint, b: bigint): bigint => (a > b ? a : b)
