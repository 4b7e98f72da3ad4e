/**
 * A watchdog: what it watches for, how a program tells it about work that takes long, and a form of it that runs in fibers.
 *
 * Verdicts are reached by `Verdict`. A platform runs them in a thread of its own, outside of the loop that is watched
 * (`NodeWatchdog` of `@selvedge/node`): only from there can a blocked loop be seen while it is blocked. `watch` is the same
 * in a fiber, for a program that watches its workers' strands and for a platform without threads; it sees its own loop only
 * afterwards, and says nothing about it.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Setting from "../config/Setting.ts"
import type { Row } from "../diagnostics/Strand.ts"
import * as Verdict from "./Verdict.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * What happens when something is found: `warn` (default) writes, `exit` also stops the service, at once if its loop is
   * blocked; `off` watches nothing.
   */
  readonly action?: "off" | "warn" | "exit" | undefined
  /** From when on a loop that does not turn is blocked, by the kind of the task that holds it. Default 1 second for all. */
  readonly blocked?: ByKind | undefined
  /** From when on a strand is old, by its kind. Default: never. */
  readonly old?: ByKind | undefined
  /** From when on a strand should have given a heartbeat, by its kind. Default: never. */
  readonly noHeartbeat?: ByKind | undefined
  /** How long announced work may hold a loop when nobody can be asked what was announced. Default 1 minute. */
  readonly longestBusy?: Duration.Input | undefined
  /** How long a culprit that stays the same is not mentioned again. Default 30 seconds. */
  readonly repeat?: Duration.Input | undefined
}

/**
 * One length of time for all kinds, or one for each, `*` for the rest.
 *
 * @category models
 * @since 0.1.0
 */
export type ByKind = Duration.Input | Readonly<Record<string, Duration.Input>>

/**
 * @category settings
 * @since 0.1.0
 */
export const settings = {
  action: Setting.word("SELVEDGE_WATCHDOG", "watchdog.action", ["off", "warn", "exit"], "warn"),
  blocked: Setting.durationsByKind("SELVEDGE_WATCHDOG_BLOCKED", "watchdog.blocked", {
    default: { "*": "1 second" },
    min: "20 millis",
    max: "1 day"
  }),
  old: Setting.durationsByKind("SELVEDGE_WATCHDOG_OLD", "watchdog.old", {
    default: {},
    min: "20 millis",
    max: "365 days"
  }),
  noHeartbeat: Setting.durationsByKind("SELVEDGE_WATCHDOG_NO_HEARTBEAT", "watchdog.noHeartbeat", {
    default: {},
    min: "20 millis",
    max: "1 day"
  }),
  longestBusy: Setting.duration("SELVEDGE_WATCHDOG_LONGEST_BUSY", "watchdog.longestBusy", {
    default: "1 minute",
    min: "20 millis",
    max: "1 day"
  }),
  repeat: Setting.duration("SELVEDGE_WATCHDOG_REPEAT", "watchdog.repeat", {
    default: "30 seconds",
    min: "1 second",
    max: "1 day"
  })
} as const

/**
 * Options that were checked.
 *
 * @category models
 * @since 0.1.0
 */
export interface Resolved extends Verdict.Policy {
  readonly action: "off" | "warn" | "exit"
}

/** Looks per limit: a verdict is late by a tenth of the limit at most, and never by more than 100 ms. */
const LOOKS = 10
const SLOWEST_LOOK = 100
const FASTEST_LOOK = 5

/**
 * Checks options and settings.
 *
 * **Errors**
 *
 * - `InvalidSetting`: names the variable or option, what was found and what is allowed.
 *
 * @category constructors
 * @since 0.1.0
 */
export const resolve = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<Resolved, Setting.InvalidSetting> {
  const action = yield* settings.action.resolve(options.action)
  const blocked = millis(yield* settings.blocked.resolve(options.blocked))
  const old = millis(yield* settings.old.resolve(options.old))
  const noHeartbeat = millis(yield* settings.noHeartbeat.resolve(options.noHeartbeat))
  const longestBusy = yield* settings.longestBusy.resolve(options.longestBusy)
  const repeat = yield* settings.repeat.resolve(options.repeat)
  const least = Math.min(...Object.values({ ...blocked, most: SLOWEST_LOOK * LOOKS }))
  return {
    action,
    blocked,
    old,
    noHeartbeat,
    longestBusyMillis: Duration.toMillis(longestBusy),
    repeatMillis: Duration.toMillis(repeat),
    lookMillis: Math.max(FASTEST_LOOK, Math.floor(least / LOOKS))
  }
})

const millis = (byKind: Readonly<Record<string, Duration.Duration>>): Verdict.Limits =>
  Object.fromEntries(Object.entries(byKind).map(([kind, duration]) => [kind, Duration.toMillis(duration)]))

// -----------------------------------------------------------------------------
// What a program says of itself
// -----------------------------------------------------------------------------

/**
 * How long the current piece of work has announced to hold its thread, in milliseconds.
 *
 * @category services
 * @since 0.1.0
 */
export const LongWork: Context.Reference<number | undefined> = Context.Reference<number | undefined>(
  "@selvedge/core/LongWork",
  { defaultValue: () => undefined }
)

/**
 * The event loop of this thread, as far as a watchdog knows it. The default is not watched.
 *
 * @category services
 * @since 0.1.0
 */
export const LoopHeart: Context.Reference<{
  /** Announced work begins; what it returns ends it. */
  readonly busyUnsafe: () => () => void
}> = Context.Reference("@selvedge/core/LoopHeart", { defaultValue: () => ({ busyUnsafe: () => () => {} }) })

/**
 * Announces work that holds its thread for long and is meant to: no alarm before this time, instead of the limit of its
 * kind. Only the work itself is excused: another task that blocks the loop meanwhile is found as ever, where the
 * watchdog can ask who it is.
 *
 * **Example** (An import that parses one large file)
 *
 * ```ts
 * import { Watchdog } from "@selvedge/core"
 * import { Effect } from "effect"
 *
 * const parse = (text: string) => Watchdog.expectLong(Effect.sync(() => JSON.parse(text)), "5 seconds")
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const expectLong: {
  (atMost: Duration.Input): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, atMost: Duration.Input): Effect.Effect<A, E, R>
} = dual(2, <A, E, R>(self: Effect.Effect<A, E, R>, atMost: Duration.Input): Effect.Effect<A, E, R> => {
  const allowed = Duration.toMillis(Duration.fromInputUnsafe(atMost))
  return Effect.flatMap(LoopHeart, (heart) =>
    Effect.acquireUseRelease(
      Effect.sync(heart.busyUnsafe),
      () => Effect.provideService(self, LongWork, allowed),
      (end) => Effect.sync(end)
    )
  )
})

// -----------------------------------------------------------------------------
// In a fiber
// -----------------------------------------------------------------------------

/**
 * The part of a strand registry that is looked at.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reader {
  readonly snapshotUnsafe: () => ReadonlyArray<Row>
}

/**
 * What `watch` looks at and whom it tells.
 *
 * @category models
 * @since 0.1.0
 */
export interface Watched<E, R> {
  readonly policy: Verdict.Policy
  /** Strands of any kind. */
  readonly strands?: Reader | undefined
  /** Loops of other threads. */
  readonly loops?: Reader | undefined
  /** Called for each look at which there is something to tell. */
  readonly onTelling: (telling: Verdict.Telling, verdicts: ReadonlyArray<Verdict.Verdict>) => Effect.Effect<void, E, R>
}

/**
 * Watches in a fiber, for ever. Nobody can be asked from here who holds a blocked loop.
 *
 * @category constructors
 * @since 0.1.0
 */
export const watch = <E, R>(watched: Watched<E, R>): Effect.Effect<never, E, R> =>
  Effect.gen(function* () {
    const { loops, onTelling, policy, strands } = watched
    let state = Verdict.begin(yield* nowMillis)
    let told = Verdict.toldNothing
    return yield* Effect.forever(
      Effect.gen(function* () {
        yield* Effect.sleep(Duration.millis(policy.lookMillis))
        state = Verdict.look(state, yield* nowMillis, policy)
        const verdicts = [
          ...Verdict.suspects(state, loops?.snapshotUnsafe() ?? [], policy).flatMap((suspect) => {
            const verdict = Verdict.judgeLoop(suspect, undefined, policy)
            return verdict === undefined ? [] : [verdict]
          }),
          ...Verdict.judgeStrands(state, strands?.snapshotUnsafe() ?? [], policy)
        ]
        const telling = Verdict.tell(told, verdicts, state.lookedAt, policy)
        told = telling.told
        if (telling.lines.length > 0) yield* onTelling(telling, verdicts)
      })
    )
  })

/** As `StrandRegistry` counts. */
const nowMillis: Effect.Effect<number> = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos / 1_000_000n))
