/**
 * Who counts a shard: one life at a time, handed over by the one that leaves to the one that waits.
 *
 * A _shard_ is a part of the keys, a file and a seat in the ring, all three by one number: the worker's number in its service, which a
 * replacement inherits. (Its ordinal is another one, for both are there at the same time.) A life is ready before it has its
 * shard, or the one before it would never be told to go. The seat decides.
 *
 * | state     | has           | answers what it has counted | left by                                                  |
 * | --------- | ------------- | --------------------------- | -------------------------------------------------------- |
 * | Waiting   | the ring      | `NotMine`                   | the seat was free or vacant; told to stop                |
 * | Restoring | the seat      | `NotMine`                   | the file is read; the file cannot be used: the life ends |
 * | Counting  | seat and file | yes                         | told to stop                                             |
 * | Leaving   | seat and file | yes                         | the rest is taken, stored and committed: the life ends   |
 *
 * ```text
 *   before  ── counting ── told to stop ── rest, transaction, commit ── ended ─┐
 *   gateway                                                     seat vacant ◀──┘ (recover)
 *   after   ── waiting ─────────────────────────────────────────────────────── seat ── file ── counting ──▶
 *   ring    ── keeps from the committed position on; who publishes waits only when it is full ──────────▶
 * ```
 *
 * **Invariants**
 *
 * 1. Who has the seat counts, and nobody else: a ring has one consumer of one id at a time (M3 of docs/memory.md).
 * 2. No life leaves its seat. The seat becomes vacant by the recovery that follows the proven end of the life, so its last write
 *    and its lock on the file are past when the next one has the seat, however it ended.
 * 3. Only who has the seat opens the file. The file's exclusive lock is a second bolt on the same door.
 * 4. The position is committed after the transaction, and what the file has is skipped. So every event is counted once, whoever
 *    is killed when: before the transaction the next life finds it in the ring, after it in the file.
 * 5. Who is told to stop while it waits looks at the seat once more. If it is vacant, the life before has died, and the rest is
 *    its to count; else it is the other's.
 */
import { Consumer, type Ring, type RingError, ShutdownToken, WorkerStatus } from "@selvedge/core"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { type EventRecord, seatOf } from "./EventRecord.ts"

export type Seat = Consumer.Consumer<EventRecord>

/** Between two looks at a seat that another life has. */
const EVERY_MILLIS = 10

/** So long a wait is told, again and again: the life before neither counts for long after a stop, nor leaves. */
const TOLD_EVERY_MILLIS = 10_000

/** Takes the seat of a shard, unless another life has it. */
export const claim = (
  ring: Ring.Ring<EventRecord>,
  shard: number
): Effect.Effect<Option.Option<Seat>, RingError.JoinRefused> =>
  Effect.gen(function* () {
    // Invariant 2: this scope is never closed.
    const join = Scope.provide(Consumer.make(ring, { id: seatOf(shard), commit: "manual" }), yield* Scope.make())
    return yield* Effect.asSome(join)
  }).pipe(
    Effect.catchTag("JoinRefused", (refused) =>
      refused.reason === "DuplicateId" ? Effect.succeedNone : Effect.fail(refused)
    )
  )

/** Waits for the seat of a shard; none if it is another life's when this one is told to stop. */
export const awaitSeat = (
  ring: Ring.Ring<EventRecord>,
  shard: number
): Effect.Effect<Option.Option<Seat>, RingError.JoinRefused, ShutdownToken.ShutdownToken> =>
  Effect.gen(function* () {
    let seat = Option.none<Seat>()
    let looks = 0
    const look = Effect.uninterruptible(
      Effect.map(claim(ring, shard), (found) => {
        seat = found
        return Option.isSome(found)
      })
    )
    const tell = Effect.suspend(() =>
      ++looks % (TOLD_EVERY_MILLIS / EVERY_MILLIS) === 0
        ? Effect.logWarning(`shard ${shard} is another life's since ${(looks * EVERY_MILLIS) / 1000} s`)
        : Effect.void
    )
    if (yield* look) return seat
    yield* WorkerStatus.WorkerStatus.use(({ text }) => text(`waits for shard ${shard}`))
    yield* Effect.repeat(Effect.andThen(tell, look), {
      schedule: Schedule.spaced(EVERY_MILLIS),
      until: (isMine) => isMine
    }).pipe(ShutdownToken.runUntilDraining)
    // Invariant 5.
    if (Option.isNone(seat)) yield* look
    return seat
  })
