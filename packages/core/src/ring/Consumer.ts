/**
 * Taking from a ring.
 *
 * A consumer has a seat under an id that is its alone, and a cursor: what is before it may be overwritten. Taking moves its
 * position, committing its cursor. By default what was taken is committed as the taking effect succeeds (one that is interrupted puts
 * it back); with `commit: "manual"` nothing is committed but by `commit`, after the consumer's own transaction, so nothing
 * is lost if it dies before.
 *
 * A consumer is for one fiber at a time: two that take from it share its position, and what one takes commits what the other holds. When
 * its scope is closed, it takes and commits nothing more.
 *
 * | `whenSlow`   | the producers                          | reads        | may lease |
 * | ------------ | -------------------------------------- | ------------ | --------- |
 * | `block`      | wait for it                            | in place     | yes       |
 * | `dropOldest` | never wait; what it missed is a gap    | copies       | no        |
 * | `detach`     | go on without it; its next take fails with `Detached` | copies | no   |
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { BlockingWait, type WaitStrategy } from "../memory/WaitStrategy.ts"
import { badLimit, isLimit, type Options } from "./ConsumerOptions.ts"
import * as State from "./ConsumerState.ts"
import * as Claim from "./internal/claim.ts"
import * as Epoch from "./internal/epoch.ts"
import * as Gate from "./internal/gate.ts"
import * as Layout from "./internal/layout.ts"
import * as Membership from "./internal/membership.ts"
import * as Read from "./internal/read.ts"
import * as Tally from "./internal/tally.ts"
import { whenUnlocked } from "./RingLock.ts"
import type * as Ring from "./Ring.ts"
import { Detached, InvalidArgument, JoinRefused, RingClosed, WouldBlockEventLoop } from "./RingError.ts"
import { atOnce, Instead } from "./RingStep.ts"

export type { Handler, Options } from "./ConsumerOptions.ts"

/**
 * A consumer of one thread.
 *
 * @category models
 * @since 0.1.0
 */
export type Consumer<A> = State.ConsumerState<A>

const STATES = { block: Gate.GATING, dropOldest: Gate.READING, detach: Gate.YIELDING } as const

const refuse = (id: string, reason: JoinRefused["reason"], wanted: string, found: string) =>
  Effect.fail(new JoinRefused({ reason, id, wanted, found }))

const check = (options: Options): Effect.Effect<Uint8Array, JoinRefused> => {
  const { from, generation, id } = options
  const bytes = typeof id === "string" ? new TextEncoder().encode(id) : new Uint8Array()
  if (bytes.length === 0 || bytes.length > Layout.MAX_ID_BYTES) {
    return refuse(String(id), "InvalidId", `an id of 1 to ${Layout.MAX_ID_BYTES} bytes`, `${bytes.length} bytes`)
  }
  if (generation !== undefined && !(Number.isInteger(generation) && generation >= 1 && generation < 2 ** 31)) {
    return refuse(id, "InvalidOption", "a generation from 1 to 2147483647", String(generation))
  }
  for (const [name, known, found] of [
    ["whenSlow", ["block", "dropOldest", "detach"], options.whenSlow ?? "block"],
    ["commit", ["auto", "manual"], options.commit ?? "auto"],
    ["from", ["latest", "earliest"], typeof from === "number" ? "latest" : (from ?? "latest")]
  ] as const) {
    if (!known.some((one) => one === found)) {
      return refuse(id, "InvalidOption", `${name}: one of ${known.join(", ")}`, String(found))
    }
  }
  if (typeof from === "number" && !(Number.isSafeInteger(from) && from >= 0)) {
    return refuse(id, "InvalidOption", "a position from 0 to 2^53 - 1", String(from))
  }
  return Effect.succeed(bytes)
}

/**
 * Takes a seat until the scope closes.
 *
 * **Errors**: `JoinRefused` with a reason; nothing has changed then.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* <A>(
  ring: Ring.Ring<A>,
  options: Options
): Effect.fn.Return<Consumer<A>, JoinRefused, Scope.Scope> {
  const id = yield* check(options)
  const { core, owner } = ring
  const claimed = Epoch.claimPosition(core)
  if (typeof options.from === "number" && options.from > claimed) {
    return yield* refuse(options.id, "InvalidOption", `a position up to ${claimed}`, String(options.from))
  }
  const request = { owner, id, generation: options.generation ?? 0, state: STATES[options.whenSlow ?? "block"] }
  const join = () => {
    const seat = Membership.join(core, request)
    return typeof seat === "number" ? new State.ConsumerState(ring, seat, options) : seat
  }
  return yield* Effect.uninterruptibleMask((restore) =>
    Effect.acquireRelease(
      Effect.flatMap(whenUnlocked(join, restore), (answer) =>
        typeof answer === "string" ? explain(options, answer, core.layout) : Effect.succeed(answer)
      ),
      (consumer) =>
        Effect.sync(() => {
          consumer.leave()
          Membership.leave(core, consumer.core.seat, owner)
          // Fibers that wait in a take of this consumer, or for its room.
          Claim.wakeAll(core)
          ring.waking.rang(core.words)
        })
    ).pipe(Effect.tap(() => Effect.sync(() => ring.waking.rang(core.words))))
  )
})

const explain = (
  { generation, id }: Options,
  problem: Exclude<Membership.JoinProblem, "Busy">,
  { maxConsumers }: Layout.RingLayout
): Effect.Effect<never, JoinRefused> => {
  switch (problem) {
    case "Duplicate":
      return refuse(id, "DuplicateId", "an id nobody else has", "a consumer that has it")
    case "StaleGeneration":
      return refuse(id, "StaleGeneration", "a generation greater than the seat's", String(generation))
    case "NoSeat":
      return refuse(id, "NoSeat", `one of ${maxConsumers} seats`, "all of them taken")
  }
}

type TakeError = RingClosed | Detached

/** The error of an answer `END` or `DETACHED`. @internal */
export const endOf = <A>(consumer: Consumer<A>, answer: number): TakeError =>
  answer === State.DETACHED
    ? new Detached({ id: consumer.id, position: consumer.position })
    : new RingClosed({ side: "consumer", closed: consumer.hasLeft ? "scope" : "ring" })

/**
 * Waits until `step` answers something. It takes, commits and hands on at once, so an interruption never finds records taken that
 * nobody has. The effect holds nothing: it may be run any number of times.
 */
const taking = <A, B>(consumer: Consumer<A>, step: () => B | number): Effect.Effect<B, TakeError> => {
  const once = atOnce<B, TakeError>(() => {
    const answer = step()
    if (typeof answer !== "number") return answer
    throw answer === 0 ? nothing : new Instead(Effect.fail(endOf(consumer, answer)))
  })
  const sleep = Effect.suspend(() => consumer.ring.waking.sleep(consumer.bed, consumer.hasAnswer))
  const nothing = new Instead(Effect.flatMap(sleep, () => once))
  return once
}

/**
 * Takes the next record, waiting for it.
 *
 * **Errors**: `RingClosed` when the ring is closed and everything is taken; `Detached`.
 *
 * @category operations
 * @since 0.1.0
 */
export const take = <A>(consumer: Consumer<A>): Effect.Effect<A, TakeError> =>
  (consumer.takes.one ??= taking(consumer, () => {
    const batch = consumer.takeUnsafe(1)
    if (typeof batch === "number") return batch as never
    consumer.settle()
    return batch[0] as A
  }))

/**
 * Takes the next record if there is one.
 *
 * **Errors**: as `take`.
 *
 * @category operations
 * @since 0.1.0
 */
export const tryTake = <A>(consumer: Consumer<A>): Effect.Effect<Option.Option<A>, TakeError> =>
  atOnce(() => {
    const answer = consumer.takeUnsafe(1)
    if (answer === 0) return Option.none()
    if (typeof answer === "number") throw new Instead(Effect.fail(endOf(consumer, answer)))
    consumer.settle()
    return Option.some(answer[0] as A)
  })

/**
 * Takes at least one record and at most `limit`, waiting for the first.
 *
 * **Errors**: as `take`. Dies with `InvalidArgument` for a limit that is no whole number above 0.
 *
 * @category operations
 * @since 0.1.0
 */
export const takeBatch = <A>(consumer: Consumer<A>, limit: number): Effect.Effect<ReadonlyArray<A>, TakeError> => {
  const { takes } = consumer
  if (takes.batch !== undefined && takes.limit === limit) return takes.batch
  if (!isLimit(limit)) return Effect.die(badLimit(limit))
  takes.limit = limit
  return (takes.batch = taking(consumer, () => {
    const batch = consumer.takeUnsafe(limit)
    if (typeof batch !== "number") consumer.settle()
    return batch
  }))
}

/** As `takeBatch`; what it takes is committed by the next call, and `putBack` takes it back until then. @internal */
export const pullBatch = <A>(consumer: Consumer<A>, limit: number): Effect.Effect<ReadonlyArray<A>, TakeError> =>
  isLimit(limit) ? taking(consumer, () => consumer.takeUnsafe(limit)) : Effect.die(badLimit(limit))

/**
 * Commits everything before `position`: producers may overwrite it. A position in the history before the consumer's seat is accepted,
 * and nothing has to be done for it.
 *
 * **Errors**: `InvalidArgument` for a position that is committed already, not taken yet, or leased; `RingClosed` when the scope of the
 * consumer is closed.
 *
 * @category operations
 * @since 0.1.0
 */
export const commit = <A>(consumer: Consumer<A>, position: number): Effect.Effect<void, InvalidArgument | RingClosed> =>
  Effect.suspend((): Effect.Effect<void, InvalidArgument | RingClosed> => {
    if (consumer.hasLeft) return Effect.fail(new RingClosed({ side: "consumer", closed: "scope" }))
    const problem = consumer.problemWithCommit(position)
    if (problem !== undefined) return Effect.fail(problem)
    return Effect.sync(() => consumer.commitUnsafe(position))
  })

/**
 * Blocks this thread until there is something to take: `false` if the ring is closed and everything is taken, or the consumer
 * detached. Throws `WouldBlockEventLoop` unless the ring was attached with role `dedicated`. The seat shows that it sleeps.
 *
 * @category operations
 * @since 0.1.0
 */
export const awaitBlockingUnsafe = <A>(consumer: Consumer<A>, wait: BlockingWait): boolean => {
  const { core, role } = consumer.ring
  if (role !== "dedicated") throw new WouldBlockEventLoop({ call: "awaitBlockingUnsafe" })
  consumer.settle()
  wait.until(consumer.bed, consumer.hasAnswer, (asleep) =>
    Tally.markParked(core, consumer.core.seat + Layout.SEAT_PARKED, asleep)
  )
  if (consumer.hasLeft) return false
  wait.gathering(() => Read.poll(consumer.core, wait.gather) >= wait.gather)
  return (
    Read.poll(consumer.core, 1) > 0 ||
    (Read.mustCopy(consumer.core) && !Read.isEjected(consumer.core) && !Read.isAtEnd(consumer.core))
  )
}

/**
 * A waiting place for `awaitBlockingUnsafe`.
 *
 * **Details**: with `gather`, a consumer that finds fewer records than that gives the producers some two microseconds before it takes
 * them. Records that are published one by one then arrive several times as many a second, each a little later.
 *
 * **Errors**: throws `InvalidArgument` for a `gather` that is no whole number above 0.
 *
 * @category constructors
 * @since 0.1.0
 */
export const waitWith = (
  strategy: WaitStrategy,
  options: { readonly gather?: number | undefined } = {}
): BlockingWait => {
  const { gather = 1 } = options
  if (!isLimit(gather)) {
    throw new InvalidArgument({ argument: "gather", wanted: "a whole number above 0", found: String(gather) })
  }
  return new BlockingWait(strategy, gather)
}
