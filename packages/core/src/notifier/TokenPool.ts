/**
 * Tokens of a notifier that are handed to one owner after the other, such as connections that come and go.
 *
 * An owner acquires a _lease_: a token and its generation. Whoever has the lease, in any thread, notifies with it. When the owner's scope ends the
 * token gets a new generation and a new owner, and a notification of the old one that is still on its way wakes nobody.
 *
 * The poller polls the notifier as ever, and then drops with `keepCurrent` what no present owner said.
 *
 * **Invariants**
 *
 * 1. A token has at most one owner; it comes back last in, last out.
 * 2. After `keepCurrent`, `events` has only tokens that were notified with the lease that is current.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type AllocationFailed, SharedMemory } from "../memory/SharedMemory.ts"
import { show } from "../internal/show.ts"
import type { Events } from "./Events.ts"
import * as Generations from "./internal/generations.ts"
import * as Layout from "./internal/poolLayout.ts"
import * as Notifier from "./Notifier.ts"
import {
  type AttachError,
  InvalidToken,
  type LocalOnly,
  NotANotifier,
  NotifierClosed,
  OtherShape,
  OtherVersion,
  PoolExhausted,
  RegionTooSmall
} from "./NotifierError.ts"

/**
 * A token and the generation it was acquired in: a plain value, to be posted to whoever notifies for its owner.
 *
 * @category models
 * @since 0.1.0
 */
export interface Lease {
  readonly token: number
  readonly generation: number
}

/**
 * Where leases are used: any thread.
 *
 * @category models
 * @since 0.1.0
 */
export interface PoolMember {
  readonly notifier: Notifier.Notifier
  /** @internal */
  readonly words: Int32Array
}

/**
 * Where leases are acquired: the thread that made the pool.
 *
 * @category models
 * @since 0.1.0
 */
export interface TokenPool extends PoolMember {
  /** Free leases, the one that has been free for longest first. @internal */
  readonly free: Array<Lease>
}

/**
 * The pool as a plain value to post.
 *
 * @category models
 * @since 0.1.0
 */
export interface Handle {
  readonly _tag: "TokenPool"
  readonly notifier: Notifier.Handle
  readonly memory: SharedArrayBuffer
}

/**
 * A pool of all tokens of a notifier.
 *
 * **Gotchas**: who uses a pool notifies through it only.
 *
 * **Errors**: `AllocationFailed` if there is no memory.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  notifier: Notifier.Notifier
): Effect.Effect<TokenPool, AllocationFailed, SharedMemory | Scope.Scope> =>
  Effect.gen(function* () {
    const region = yield* (yield* SharedMemory).allocate(Layout.totalBytes(notifier.maxTokens))
    const free = Array.from({ length: notifier.maxTokens }, (_, token) => ({ token, generation: 0 }))
    return { notifier, words: Layout.format(region, notifier.maxTokens), free }
  })

/**
 * Takes a token for as long as the scope lasts.
 *
 * **Errors**: `PoolExhausted`.
 *
 * @category operations
 * @since 0.1.0
 */
export const acquire = (self: TokenPool): Effect.Effect<Lease, PoolExhausted, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.suspend(() => {
      const lease = self.free.shift()
      return lease === undefined
        ? Effect.fail(new PoolExhausted({ maxTokens: self.notifier.maxTokens }))
        : Effect.succeed(lease)
    }),
    ({ generation, token }) =>
      Effect.sync(() => {
        Generations.retire(self.words, token, generation)
        self.free.push({ token, generation: Generations.next(generation) })
      })
  )

/**
 * Says that the token of a lease is ready; `Stale` if the lease has ended, and then nothing happens.
 *
 * **Errors**: `InvalidToken`; `NotifierClosed`.
 *
 * @category operations
 * @since 0.1.0
 */
export const notify = (
  self: PoolMember,
  lease: Lease
): Effect.Effect<Notifier.Notified | "Stale", InvalidToken | NotifierClosed> =>
  Effect.suspend((): Effect.Effect<Notifier.Notified | "Stale", InvalidToken | NotifierClosed> => {
    if (!isLease(self, lease)) return Effect.fail(invalidLease(self, lease))
    const said = notifyUnsafe(self, lease)
    return said === "Closed" ? Effect.fail(new NotifierClosed({ call: "notify" })) : Effect.succeed(said)
  })

/**
 * `notify` for callbacks and tight loops: now, and without an Effect.
 *
 * **Errors**: throws `InvalidToken`, before memory is touched.
 *
 * @category operations
 * @since 0.1.0
 */
export const notifyUnsafe = (self: PoolMember, lease: Lease): Notifier.Notified | "Stale" | "Closed" => {
  if (!isLease(self, lease)) throw invalidLease(self, lease)
  // The token is notified when it was marked already, too: whoever marked it may have died before it said so.
  return Generations.mark(self.words, lease.token, lease.generation)
    ? Notifier.notifyUnsafe(self.notifier, lease.token)
    : "Stale"
}

const isLease = (self: PoolMember, lease: Lease): boolean =>
  typeof lease === "object" &&
  lease !== null &&
  lease.token >>> 0 === lease.token &&
  lease.token < self.words.length &&
  lease.generation >>> 0 === lease.generation &&
  lease.generation <= Generations.MAX_GENERATION

const invalidLease = (self: PoolMember, lease: Lease): InvalidToken =>
  new InvalidToken({
    found:
      typeof lease === "object" && lease !== null
        ? `${show(lease.token)} of generation ${show(lease.generation)}`
        : show(lease),
    maxTokens: self.notifier.maxTokens
  })

/**
 * To be called with what a poll handed out: drops the tokens that no present owner said, and answers how many are left.
 *
 * @category operations
 * @since 0.1.0
 */
export const keepCurrent = (self: PoolMember, events: Events): number => {
  let kept = 0
  for (let i = 0; i < events.length; i++) {
    const token = events.tokens[i]!
    if (Generations.take(self.words, token)) events.tokens[kept++] = token
  }
  return (events.length = kept)
}

/**
 * To be called when somebody who notified has died: as `Notifier.recover`, and for marks that were not said.
 *
 * @category operations
 * @since 0.1.0
 */
export const recover = (self: PoolMember): Effect.Effect<void> =>
  Effect.andThen(
    Effect.sync(() => {
      for (let token = 0; token < self.words.length; token++) {
        if (Generations.isMarked(self.words, token)) Notifier.notifyUnsafe(self.notifier, token)
      }
    }),
    Notifier.recover(self.notifier)
  )

/**
 * **Errors**: `LocalOnly` if the notifier is a local one.
 *
 * @category operations
 * @since 0.1.0
 */
export const handle = (self: PoolMember): Effect.Effect<Handle, LocalOnly> =>
  Effect.map(Notifier.handle(self.notifier), (notifier) => ({
    _tag: "TokenPool",
    notifier,
    memory: self.words.buffer as SharedArrayBuffer
  }))

/**
 * Joins a pool that another thread made, to notify or to poll.
 *
 * **Errors**: `NotANotifier`, `OtherVersion`, `OtherShape`, `RegionTooSmall`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const attach = (handle: Handle): Effect.Effect<PoolMember, AttachError> =>
  Effect.suspend((): Effect.Effect<PoolMember, AttachError> => {
    if (typeof handle !== "object" || handle === null || !(handle.memory instanceof SharedArrayBuffer)) {
      return Effect.fail(new NotANotifier({ wanted: "the handle of a token pool", found: show(handle) }))
    }
    return Effect.flatMap(Notifier.attach(handle.notifier), (notifier): Effect.Effect<PoolMember, AttachError> => {
      const words = Layout.read(handle.memory, notifier.maxTokens)
      return words instanceof Int32Array
        ? Effect.succeed({ notifier, words })
        : Effect.fail(refusal(words, notifier.maxTokens))
    })
  })

const refusal = ({ found, word }: Layout.Problem, tokens: number): AttachError => {
  switch (word) {
    case "NotAPool":
      return new NotANotifier({ wanted: "a region with a token pool", found: "other memory" })
    case "OtherVersion":
      return new OtherVersion({ wanted: Layout.VERSION, found })
    case "OtherShape":
      return new OtherShape({ wanted: `a pool of ${tokens} tokens, as the notifier has`, found: `one of ${found}` })
    case "RegionTooSmall":
      return new RegionTooSmall({ wantedBytes: Layout.totalBytes(tokens), foundBytes: found })
  }
}
