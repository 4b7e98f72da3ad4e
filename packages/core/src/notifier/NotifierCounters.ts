/**
 * A notifier's numbers as counters that outlive their readers.
 *
 * `publish` looks at the queue at an interval and adds what has been taken since the last look to `Counters`, under the notifier's name.
 * Producers and poller do nothing for it. A conflated notification leaves no trace in the queue: `counting` gives a producer a handle that counts
 * its own.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { ids } from "../diagnostics/CounterId.ts"
import * as Counters from "../diagnostics/Counters.ts"
import * as Positions from "./internal/positions.ts"
import { CountingCore, SharedCore } from "./internal/sharedCore.ts"
import type * as Notifier from "./Notifier.ts"
import { LocalOnly } from "./NotifierError.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The label of the counters: at most 56 bytes. */
  readonly name: string
  /** Default 1 second. */
  readonly interval?: Duration.Input | undefined
}

/**
 * Publishes a notifier's numbers for as long as the scope lasts, and once more at its end.
 *
 * **Details**
 *
 * Counts from the call on. Published are the tokens taken out of the queue and those that wait in it; one that is handed out by a walk over all
 * flags is counted when its entry leaves the queue. Up to 2^30 between two looks are told apart.
 *
 * **Errors**
 *
 * - `LocalOnly`: a notifier of one thread has no queue to look at.
 * - `LabelTooLong`, `CountersFull`: as `Counters.register`.
 *
 * @category operations
 * @since 0.1.0
 */
export const publish = (
  notifier: Notifier.Notifier,
  { interval = "1 second", name }: Options
): Effect.Effect<void, Counters.RegisterError | LocalOnly, Counters.Counters | Scope.Scope> =>
  Effect.gen(function* () {
    const { core } = notifier
    if (!(core instanceof SharedCore)) return yield* new LocalOnly({ call: "NotifierCounters.publish" })
    const polled = yield* Counters.register(ids.notifierPolled, name)
    const queued = yield* Counters.register(ids.notifierQueued, name)
    let last = Positions.head(core.queue)
    const look = Effect.sync(() => {
      const now = Positions.head(core.queue)
      polled.addUnsafe(Positions.between(last, now))
      queued.setUnsafe(Positions.queued(core.queue))
      last = now
    })
    yield* Effect.addFinalizer(() => look)
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(interval), look)))
  })

/**
 * A handle of the same notifier whose conflated notifications are counted, in this thread, until the scope closes.
 *
 * **Details**
 *
 * To be made once by each thread that notifies, and used instead of the other handle. It adds to a plain number, which goes to `Counters` at the
 * interval and once more at the end of the scope; a thread that is killed has lost what had not gone there. Handles that are not of this call
 * count nothing and pay nothing.
 *
 * **Errors**
 *
 * - `LocalOnly`: a notifier of one thread.
 * - `LabelTooLong`, `CountersFull`: as `Counters.register`.
 *
 * **Example** (How often a feed was faster than its reader)
 *
 * ```ts
 * import { Notifier } from "@selvedge/core"
 * import * as NotifierCounters from "@selvedge/core/notifier/NotifierCounters"
 * import { Effect } from "effect"
 *
 * const feed = Effect.fnUntraced(function* (handle: Notifier.Handle) {
 *   const notifier = yield* NotifierCounters.counting(yield* Notifier.attach(handle), { name: "feed" })
 *   yield* Notifier.notify(notifier, 17)
 *   yield* Notifier.notify(notifier, 17) // notifier_conflated{feed} will be 1
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const counting = (
  notifier: Notifier.Notifier,
  { interval = "1 second", name }: Options
): Effect.Effect<Notifier.Notifier, Counters.RegisterError | LocalOnly, Counters.Counters | Scope.Scope> =>
  Effect.gen(function* () {
    const { core: own } = notifier
    if (!(own instanceof SharedCore)) return yield* new LocalOnly({ call: "NotifierCounters.counting" })
    const conflated = yield* Counters.register(ids.notifierConflated, name)
    const core = new CountingCore(own.queue)
    const flush = Effect.sync(() => conflated.addUnsafe(core.takeConflated()))
    yield* Effect.addFinalizer(() => flush)
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(interval), flush)))
    return { ...notifier, core }
  })
