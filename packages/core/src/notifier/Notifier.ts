/**
 * "Token 17 is ready", said once however often it happens, and never lost.
 *
 * A _notifier_ has one flag for each token in front of a queue. Any number of producers, in any threads, notify; one _poller_
 * takes the tokens, oldest first. While a token is queued, notifying it again does nothing more (it is _conflated_), and what was
 * written before, a conflated time too, is visible to whoever is handed the token.
 *
 * Tokens are whole numbers from 0 to `maxTokens - 1` out of your own key space: connections, symbols, shards. What changed
 * is not said; put it where both sides find it, such as a `SharedSlot`.
 *
 * The handle of a notifier is a plain value: post it to a worker, and `attach` there. Where notifiers live is decided by a layer:
 * `layer` (shared memory), or `LocalNotifier.layer` (one thread, no atomics).
 *
 * Layout, protocol and invariants: docs/notifier.md. Source: nexus-notify.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { type AllocationFailed, SharedMemory } from "../memory/SharedMemory.ts"
import { Waking } from "../memory/Waking.ts"
import { show } from "../internal/show.ts"
import { CLOSED, CONFLATED } from "./internal/core.ts"
import * as Layout from "./internal/layout.ts"
import { SharedCore } from "./internal/sharedCore.ts"
import * as TokenQueue from "./internal/tokenQueue.ts"
import {
  type AttachError,
  InvalidCapacity,
  InvalidToken,
  LocalOnly,
  NotANotifier,
  NotifierClosed,
  OtherShape,
  OtherVersion,
  RegionTooSmall
} from "./NotifierError.ts"
import * as Poller from "./Poller.ts"

// -----------------------------------------------------------------------------
// Models
// -----------------------------------------------------------------------------

/**
 * One thread's side of a notifier.
 *
 * @category models
 * @since 0.1.0
 */
export interface Notifier extends Poller.Polled {}

/**
 * What a notification did: `Queued` if the token was not waiting already, else `Conflated`.
 *
 * @category models
 * @since 0.1.0
 */
export type Notified = "Queued" | "Conflated"

/**
 * A notifier as a plain value that can be posted to a worker.
 *
 * @category models
 * @since 0.1.0
 */
export interface Handle {
  readonly _tag: "Notifier"
  readonly memory: SharedArrayBuffer
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** How many tokens there are, at most 2^28. */
  readonly maxTokens: number
}

/**
 * Where notifiers come from.
 *
 * @category services
 * @since 0.1.0
 */
export class Notifiers extends Context.Service<
  Notifiers,
  { readonly allocate: (maxTokens: number) => Effect.Effect<Notifier, AllocationFailed, Scope.Scope> }
>()("@selvedge/core/Notifiers") {}

// -----------------------------------------------------------------------------
// Constructors
// -----------------------------------------------------------------------------

/**
 * Bytes of shared memory that a notifier takes.
 *
 * **Errors**: throws `InvalidCapacity`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const byteSize = (maxTokens: number): number => {
  if (!Layout.isMaxTokens(maxTokens)) throw invalidMaxTokens(maxTokens)
  return Layout.make(maxTokens).totalBytes
}

const invalidMaxTokens = (found: unknown): InvalidCapacity =>
  new InvalidCapacity({ option: "maxTokens", found: show(found), max: Layout.MAX_TOKENS })

/**
 * Makes a notifier whose poller is to sit somewhere else: post the handle, and `Poller.attach` there.
 *
 * **Errors**: `InvalidCapacity`; `AllocationFailed` if there is no memory.
 *
 * @category constructors
 * @since 0.1.0
 */
export const allocate = (
  options: Options
): Effect.Effect<Notifier, InvalidCapacity | AllocationFailed, Notifiers | Scope.Scope> =>
  Effect.flatMap(Notifiers, (notifiers): Effect.Effect<Notifier, InvalidCapacity | AllocationFailed, Scope.Scope> =>
    Layout.isMaxTokens(options.maxTokens)
      ? Effect.acquireRelease(notifiers.allocate(options.maxTokens), close)
      : Effect.fail(invalidMaxTokens(options.maxTokens))
  )

/**
 * Makes a notifier and takes its poller. When the scope ends the notifier is closed, for all threads.
 *
 * **Errors**: `InvalidCapacity`; `AllocationFailed` if there is no memory.
 *
 * **Example** (A token is ready once)
 *
 * ```ts
 * import { Events, Notifier, Poller } from "@selvedge/core"
 * import * as SharedMemory from "@selvedge/core/memory/SharedMemory"
 * import { Effect, Layer } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const { notifier, poller } = yield* Notifier.make({ maxTokens: 64 })
 *   const events = yield* Events.make(64)
 *   yield* Notifier.notify(notifier, 17) // "Queued"
 *   yield* Notifier.notify(notifier, 17) // "Conflated"
 *   yield* Poller.poll(poller, events)
 *   return events.toArray() // [17]
 * })
 *
 * const layer = Layer.provide(Notifier.layer, SharedMemory.layerThread)
 * Effect.runSync(Effect.scoped(program).pipe(Effect.provide(layer)))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  options: Options
): Effect.Effect<
  { readonly notifier: Notifier; readonly poller: Poller.Poller },
  InvalidCapacity | AllocationFailed,
  Notifiers | Scope.Scope
> =>
  Effect.flatMap(allocate(options), (notifier) =>
    // A seat in memory that nobody else has seen is vacant.
    Effect.map(Effect.orDie(Poller.attach(notifier)), (poller) => ({ notifier, poller }))
  )

/**
 * Notifiers in shared memory.
 *
 * **Details**: a fiber that waits sleeps as `Waking` says: provide `Waking.layerLocal` to this layer for virtual time.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Notifiers, never, SharedMemory> = Layer.effect(
  Notifiers,
  Effect.gen(function* () {
    const memory = yield* SharedMemory
    const waking = yield* Waking
    return {
      allocate: (maxTokens) => {
        const layout = Layout.make(maxTokens)
        return Effect.map(memory.allocate(layout.totalBytes), (region) => {
          Layout.format(region, layout)
          return fromRegion(region, layout, waking)
        })
      }
    }
  })
)

const fromRegion = (
  region: SharedArrayBuffer,
  layout: Layout.Layout,
  waking: Context.Service.Shape<typeof Waking>
): Notifier => {
  const queue = TokenQueue.attach(region, layout)
  const bed = TokenQueue.bedOf(queue)
  return {
    maxTokens: layout.maxTokens,
    core: new SharedCore(queue),
    rang: () => waking.rang(queue.words),
    sleep: (isReady) => waking.sleep(bed, isReady)
  }
}

/**
 * The notifier as a value to post.
 *
 * **Errors**: `LocalOnly`.
 *
 * @category operations
 * @since 0.1.0
 */
export const handle = (self: Notifier): Effect.Effect<Handle, LocalOnly> =>
  self.core instanceof SharedCore
    ? Effect.succeed({ _tag: "Notifier", memory: self.core.queue.words.buffer as SharedArrayBuffer })
    : Effect.fail(new LocalOnly({ call: "handle" }))

/**
 * Joins a notifier that another thread made.
 *
 * **Errors**: `NotANotifier`, `OtherVersion`, `OtherShape`, `RegionTooSmall`: what was posted is not the handle of a
 * notifier, or its memory is not what this version of the package would have written.
 *
 * @category constructors
 * @since 0.1.0
 */
export const attach = (handle: Handle): Effect.Effect<Notifier, AttachError> =>
  Effect.flatMap(Waking, (waking) => {
    const region: unknown = typeof handle === "object" && handle !== null ? handle.memory : undefined
    if (!(region instanceof SharedArrayBuffer)) {
      return Effect.fail(new NotANotifier({ wanted: "the handle of a notifier", found: show(handle) }))
    }
    const layout = Layout.read(region)
    return typeof layout === "string"
      ? Effect.fail(problem(layout, region))
      : Effect.succeed(fromRegion(region, layout, waking))
  })

const problem = (word: Layout.LayoutProblem, region: SharedArrayBuffer): AttachError => {
  const words = new Int32Array(region, 0, Math.min(region.byteLength >> 2, Layout.HEADER_WORDS))
  const maxTokens = words[Layout.MAX_TOKENS_WORD] ?? 0
  switch (word) {
    case "NotANotifier":
      return new NotANotifier({ wanted: "memory that holds a notifier", found: "other memory" })
    case "OtherVersion":
      return new OtherVersion({ wanted: Layout.VERSION, found: words[Layout.VERSION_WORD] ?? 0 })
    case "OtherShape":
      return new OtherShape({
        wanted: "a capacity that fits the number of tokens",
        found: `${maxTokens} tokens with a capacity of ${words[Layout.CAPACITY_WORD]}`
      })
    case "RegionTooSmall":
      return new RegionTooSmall({
        wantedBytes: Layout.make(Layout.isMaxTokens(maxTokens) ? maxTokens : 1).totalBytes,
        foundBytes: region.byteLength
      })
  }
}

// -----------------------------------------------------------------------------
// Operations
// -----------------------------------------------------------------------------

/**
 * Says that a token is ready.
 *
 * **Details**: a few nanoseconds when the token is waiting already. What was written before is visible to whoever is handed
 * the token.
 *
 * **Errors**: `InvalidToken`; `NotifierClosed`. A close by another thread is noticed by the next notification that is new.
 *
 * @category operations
 * @since 0.1.0
 */
export const notify = (self: Notifier, token: number): Effect.Effect<Notified, InvalidToken | NotifierClosed> =>
  Effect.suspend((): Effect.Effect<Notified, InvalidToken | NotifierClosed> => {
    if (!isToken(self, token)) return Effect.fail(invalidToken(self, token))
    const said = notifyUnsafe(self, token)
    return said === "Closed" ? Effect.fail(new NotifierClosed({ call: "notify" })) : Effect.succeed(said)
  })

const isToken = (self: Notifier, token: number): boolean => token >>> 0 === token && token < self.maxTokens

const invalidToken = (self: Notifier, token: unknown): InvalidToken =>
  new InvalidToken({ found: show(token), maxTokens: self.maxTokens })

/**
 * `notify` for callbacks and tight loops: now, and without an Effect.
 *
 * **Errors**: throws `InvalidToken`, before memory is touched. `"Closed"` is an answer.
 *
 * @category operations
 * @since 0.1.0
 */
export const notifyUnsafe = (self: Notifier, token: number): Notified | "Closed" => {
  if (!isToken(self, token)) throw invalidToken(self, token)
  const said = self.core.notify(token)
  if (said === CONFLATED) return "Conflated"
  if (said === CLOSED) return "Closed"
  self.rang()
  return "Queued"
}

/**
 * Takes no more tokens, in all threads. What is queued is still handed out; then waiters end with `NotifierClosed`. `true`
 * for the call that closed.
 *
 * @category operations
 * @since 0.1.0
 */
export const close = (self: Notifier): Effect.Effect<boolean> =>
  Effect.sync(() => {
    const first = self.core.close()
    self.rang()
    return first
  })

/**
 * @category operations
 * @since 0.1.0
 */
export const isClosed = (self: Notifier): Effect.Effect<boolean> => Effect.sync(() => self.core.isClosed())

/**
 * To be called when a producer has died, in the middle of a notification perhaps: what it had flagged, or kept others from
 * queueing, is found by the poller's next poll.
 *
 * **Details**: harmless at any other time, except that tokens may then come out of turn. It queues nothing and costs the poller
 * one walk over all flags.
 *
 * @category operations
 * @since 0.1.0
 */
export const recover = (self: Notifier): Effect.Effect<void> =>
  Effect.sync(() => {
    self.core.recover()
    self.rang()
  })
