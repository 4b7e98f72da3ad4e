/**
 * The waiting form of a notifier: receive what is ready, or sleep until something is.
 *
 * Where fibers run, `receive` is an interruptible Effect. In a worker that runs a synchronous loop instead, and said so by the
 * poller's role `dedicated`, `receiveBlocking` blocks the thread.
 *
 * **Invariants**
 *
 * 1. Waiting takes at most one token out of the queue, and the poller keeps it; `events` is filled in the last step, whose success goes to the
 *    caller without a turn in between. So an interruption loses nothing.
 * 2. Nobody sleeps after a limited receive that left something.
 * 3. The event loop is held while a fiber waits, and not longer.
 *
 * @since 0.1.0
 */
import type * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { AllocationFailed } from "../memory/SharedMemory.ts"
import { show } from "../internal/show.ts"
import { Events } from "./Events.ts"
import { SharedPollerCore } from "./internal/sharedCore.ts"
import { ENDED, receive as receiveNow } from "./internal/tokenQueue.ts"
import * as Notifier from "./Notifier.ts"
import { type InvalidCapacity, InvalidLimit, NotifierClosed, WouldBlockEventLoop } from "./NotifierError.ts"
import * as Poller from "./Poller.ts"

/**
 * A poller to wait with.
 *
 * @category models
 * @since 0.1.0
 */
export interface EventChannel {
  readonly poller: Poller.Poller
}

/**
 * @category models
 * @since 0.1.0
 */
export interface ReceiveOptions {
  /** At most so many tokens; the capacity of `events` if absent. 0 clears `events` and waits for nothing. */
  readonly limit?: number | undefined
  /** For how long to wait, for ever if absent. When it is over, `events` is empty. 0 waits not at all. */
  readonly timeout?: Duration.Input | undefined
}

/**
 * What a receive may fail with.
 *
 * @category errors
 * @since 0.1.0
 */
export type ReceiveError = Poller.PollError | NotifierClosed

/**
 * Makes a notifier and the channel that receives from it.
 *
 * **Errors**: `InvalidCapacity`; `AllocationFailed` if there is no memory.
 *
 * **Example** (Wait for what changed)
 *
 * ```ts
 * import { EventChannel, Events, LocalNotifier, Notifier } from "@selvedge/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const { channel, notifier } = yield* EventChannel.make({ maxTokens: 8 })
 *   const events = yield* Events.make(8)
 *   yield* Effect.forkChild(Effect.delay(Notifier.notify(notifier, 3), "10 millis"))
 *   yield* EventChannel.receive(channel, events)
 *   return events.toArray() // [3]
 * })
 *
 * Effect.runPromise(Effect.scoped(program).pipe(Effect.provide(LocalNotifier.layer)))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  options: Notifier.Options
): Effect.Effect<
  { readonly notifier: Notifier.Notifier; readonly channel: EventChannel },
  InvalidCapacity | AllocationFailed,
  Notifier.Notifiers | Scope.Scope
> => Effect.map(Notifier.make(options), ({ notifier, poller }) => ({ notifier, channel: { poller } }))

/**
 * Receives with a poller that was attached in this thread.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromPoller = (poller: Poller.Poller): EventChannel => ({ poller })

/**
 * Waits until something is ready, fills `events`, oldest first, and answers how many; 0 if the timeout came first.
 *
 * **Errors**: `NotifierClosed` when closed and everything was handed out; `InvalidLimit`, `PollerBusy` (another fiber is
 * receiving), `PollerDetached`.
 *
 * @category operations
 * @since 0.1.0
 */
export const receive = (
  self: EventChannel,
  events: Events,
  options?: ReceiveOptions
): Effect.Effect<number, ReceiveError> =>
  receiving(self, options, events.capacity, (poller, limit) => poller.take(events, limit))

/**
 * `receive` of at most `limit` tokens.
 *
 * @category operations
 * @since 0.1.0
 */
export const receiveLimit = (self: EventChannel, events: Events, limit: number): Effect.Effect<number, ReceiveError> =>
  receive(self, events, { limit })

/**
 * Takes what is ready without waiting; 0 if nothing is.
 *
 * **Errors**: as `receive`.
 *
 * @category operations
 * @since 0.1.0
 */
export const tryReceive = (
  self: EventChannel,
  events: Events,
  limit: number = events.capacity
): Effect.Effect<number, ReceiveError> => receive(self, events, { limit, timeout: 0 })

const receiving = <A>(
  { poller }: EventChannel,
  options: ReceiveOptions | undefined,
  capacity: number,
  take: (poller: Poller.Poller, limit: number) => A
): Effect.Effect<A, ReceiveError> =>
  Effect.withFiber((fiber): Effect.Effect<A, ReceiveError> => {
    const limit = options?.limit ?? capacity
    const problem = poller.problem("receive", limit, fiber)
    if (problem !== undefined) return Effect.fail(problem)
    const last = Effect.sync(() => {
      poller.own(undefined)
      return take(poller, limit)
    })
    if (limit === 0) return last
    poller.own(fiber)
    return Effect.flatMap(waiting(poller, fiber, options?.timeout), () => last)
  })

/** Until a token is kept or the time is over; whoever fails or is interrupted here gives the poller back. */
const waiting = (
  poller: Poller.Poller,
  fiber: Fiber.Fiber<unknown, unknown>,
  timeout: Duration.Input | undefined
): Effect.Effect<void, NotifierClosed | ReceiveError> => {
  const wait =
    timeout === undefined
      ? poller.awaitToken
      : Duration.isZero(Duration.fromInputUnsafe(timeout))
        ? poller.lookOnce
        : Effect.asVoid(Effect.timeoutOption(poller.awaitToken, timeout))
  return Effect.onExit(wait, (exit) =>
    exit._tag === "Success" ? Effect.void : Effect.sync(() => poller.disown(fiber))
  )
}

/**
 * The tokens as a stream that ends when the notifier is closed.
 *
 * **Details**: a stream that is ended early, by interruption or by its consumer, flags again what it had emitted since it was last
 * asked for more: tokens may come twice, none is lost. `limit` bounds how many are taken at once, `maxTokens` if absent.
 *
 * **Errors**: `InvalidLimit`, `PollerBusy`, `PollerDetached`.
 *
 * @category operations
 * @since 0.1.0
 */
export const stream = (
  self: EventChannel,
  options?: { readonly limit?: number | undefined }
): Stream.Stream<number, Poller.PollError> => {
  const { maxTokens } = self.poller.notifier
  const limit = options?.limit ?? maxTokens
  if (!(Number.isInteger(limit) && limit >= 1)) return Stream.fail(new InvalidLimit({ found: show(limit) }))
  const unfinished = Effect.acquireRelease(
    Effect.sync(() => new Events(Math.min(limit, maxTokens))),
    (events) => Effect.sync(() => giveBack(self, events))
  )
  return Stream.unwrap(Effect.map(unfinished, (events) => Stream.fromPull(Effect.succeed(pull(self, events)))))
}

/** Being asked for more means that what was emitted before is done with. */
const pull = (
  self: EventChannel,
  events: Events
): Effect.Effect<Arr.NonEmptyReadonlyArray<number>, Poller.PollError | Cause.Done> =>
  Effect.suspend(() => {
    events.length = 0
    return Effect.catchTag(
      receiving(self, undefined, events.capacity, (poller, limit) => {
        poller.take(events, limit)
        return events.toArray() as [number, ...Array<number>]
      }),
      "NotifierClosed",
      () => Cause.done()
    )
  })

const giveBack = ({ poller }: EventChannel, events: Events): void => {
  for (const token of events) Notifier.notifyUnsafe(poller.notifier, token)
}

/**
 * `receive` for a worker that runs a synchronous loop: blocks its thread.
 *
 * **Details**: a close, by any thread, ends the wait. Run it with `Effect.runSync` inside the loop.
 *
 * **Errors**: as `receive`; `WouldBlockEventLoop` unless the poller's role is `dedicated`.
 *
 * @category operations
 * @since 0.1.0
 */
export const receiveBlocking = (
  self: EventChannel,
  events: Events,
  options?: ReceiveOptions
): Effect.Effect<number, ReceiveError | WouldBlockEventLoop> =>
  Effect.suspend((): Effect.Effect<number, ReceiveError | WouldBlockEventLoop> => {
    const { poller } = self
    const limit = options?.limit ?? events.capacity
    if (poller.role !== "dedicated" || !(poller.core instanceof SharedPollerCore)) {
      return Effect.fail(new WouldBlockEventLoop({ call: "receiveBlocking" }))
    }
    const problem = poller.problem("receiveBlocking", limit)
    if (problem !== undefined) return Effect.fail(problem)
    return blocking(poller, poller.core, events, Math.min(limit, events.capacity), options?.timeout)
  })

const blocking = (
  poller: Poller.Poller,
  core: SharedPollerCore,
  events: Events,
  limit: number,
  timeout: Duration.Input | undefined
): Effect.Effect<number, NotifierClosed> =>
  Clock.clockWith((clock) => {
    if (limit === 0 || poller.hasKept) return Effect.sync(() => poller.take(events, limit))
    const millis = timeout === undefined ? Infinity : Duration.toMillis(Duration.fromInputUnsafe(timeout))
    const start = clock.monotonicTimeNanosUnsafe()
    const remaining =
      millis === Infinity ? () => Infinity : () => millis - Number(clock.monotonicTimeNanosUnsafe() - start) / 1e6
    events.length = 0
    const count = receiveNow(core.poller, events.tokens, limit, remaining)
    if (count === ENDED) return Effect.fail(new NotifierClosed({ call: "receiveBlocking" }))
    events.length = count
    return Effect.succeed(count)
  })
