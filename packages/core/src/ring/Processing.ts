/**
 * Handling records with effects, and streams of them.
 *
 * A handler sees one record after another, with its position and whether it is the last of its batch; the cursor is published
 * once per batch. When it fails, the records before are committed, and a policy decides about this one:
 *
 * | policy              | the record                                                                          |
 * | ------------------- | ----------------------------------------------------------------------------------- |
 * | `stop`              | is the next to be taken; `HandlerFailed` with its position and the cause            |
 * | `skip`              | is passed over; told in the log                                                     |
 * | `{ retry: schedule }` | is handled again by the schedule; when that is exhausted, as `stop`               |
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Schedule from "effect/Schedule"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as Consumer from "./Consumer.ts"
import { badLimit, isLimit } from "./ConsumerOptions.ts"
import * as Producer from "./Producer.ts"
import { type Detached, HandlerFailed, type InvalidArgument, type RingClosed } from "./RingError.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface About {
  readonly position: number
  readonly endOfBatch: boolean
}

/**
 * @category models
 * @since 0.1.0
 */
export type FailurePolicy = "stop" | "skip" | { readonly retry: Schedule.Schedule<unknown> }

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Most records of one batch. */
  readonly limit: number
  /** Default `stop`. */
  readonly onFailure?: FailurePolicy | undefined
}

/**
 * Handles what is there, at most `limit` records, without waiting; answers how many were taken.
 *
 * **Errors**: `HandlerFailed`; `RingClosed` when the ring is closed and everything is taken; `Detached`; `InvalidArgument` for a
 * limit that is no whole number above 0. An interrupted handler leaves its record to be taken again.
 *
 * @category operations
 * @since 0.1.0
 */
export const processAvailable = <A, E, R>(
  consumer: Consumer.Consumer<A>,
  handler: (record: A, about: About) => Effect.Effect<void, E, R>,
  options: Options
): Effect.Effect<number, HandlerFailed | RingClosed | Detached | InvalidArgument, R> =>
  Effect.suspend((): Effect.Effect<number, HandlerFailed | RingClosed | Detached | InvalidArgument, R> => {
    const { limit, onFailure } = options
    if (!isLimit(limit)) return Effect.fail(badLimit(limit))
    let batch: Batch<A> | undefined
    const handling = Effect.suspend((): Effect.Effect<number, HandlerFailed | RingClosed | Detached, R> => {
      const records = consumer.takeUnsafe(limit)
      if (typeof records === "number") {
        return records === 0 ? Effect.succeed(0) : Effect.fail(Consumer.endOf(consumer, records))
      }
      batch = { records, sequences: consumer.sequences, handled: 0 }
      return handleAll(consumer, batch, handler, onFailure ?? "stop")
    })
    // Also when the fiber is interrupted between two records: what is not handled is the next to be taken.
    return Effect.onExit(handling, () =>
      Effect.sync(() => {
        const next = batch?.sequences[batch.handled]
        if (next !== undefined) consumer.standBefore(next)
      })
    )
  })

interface Batch<A> {
  readonly records: ReadonlyArray<A>
  readonly sequences: ReadonlyArray<number>
  /** How many are handled, or skipped. */
  handled: number
}

/** In a ring that measures, how long the handler takes: each attempt on its own. */
const measured = <A, E, R>(
  { stopwatch }: Consumer.Consumer<A>,
  handling: Effect.Effect<void, E, R>
): Effect.Effect<void, E, R> =>
  stopwatch === undefined
    ? handling
    : Effect.suspend(() => {
        const begin = stopwatch.now()
        return Effect.ensuring(
          handling,
          Effect.sync(() => stopwatch.handled(stopwatch.now() - begin))
        )
      })

const handleAll = Effect.fnUntraced(function* <A, E, R>(
  consumer: Consumer.Consumer<A>,
  batch: Batch<A>,
  handler: (record: A, about: About) => Effect.Effect<void, E, R>,
  policy: FailurePolicy
): Effect.fn.Return<number, HandlerFailed, R> {
  const { records, sequences } = batch
  const positions = sequences.map((sequence) => consumer.core.positionOf(sequence))
  for (let i = 0; i < records.length; i++) {
    const position = positions[i] ?? 0
    const one = measured(
      consumer,
      Effect.suspend(() => handler(records[i] as A, { position, endOfBatch: i === records.length - 1 }))
    )
    const handled = typeof policy === "object" ? Effect.retry(one, policy.retry) : one
    const exit = yield* Effect.exit(
      Effect.onExit(handled, (exit) =>
        Effect.sync(() => {
          if (Exit.isSuccess(exit)) batch.handled = i + 1
        })
      )
    )
    if (Exit.isSuccess(exit)) continue
    if (policy === "skip") {
      batch.handled = i + 1
      yield* Effect.logWarning(`ring: consumer ${JSON.stringify(consumer.id)} skips position ${position}`, exit.cause)
      continue
    }
    consumer.standBefore(sequences[i] ?? consumer.core.position)
    consumer.settle()
    return yield* new HandlerFailed({ position, cause: Cause.squash(exit.cause) })
  }
  consumer.settle()
  return records.length
})

/**
 * The records as a stream, pulled in batches of at most `limit`; it ends when the ring is closed and everything is taken.
 *
 * **Details**: a batch is committed by the pull after it. A stream that is cut short, or interrupted, puts the batch it pulled last back:
 * nothing is lost, and what of it was handled is seen again.
 *
 * **Errors**: `Detached`; `RingClosed` when the scope of the consumer itself is closed.
 *
 * @category streams
 * @since 0.1.0
 */
export const stream = <A>(
  consumer: Consumer.Consumer<A>,
  options: { readonly limit?: number | undefined } = {}
): Stream.Stream<A, Detached | RingClosed> => {
  const pull = Consumer.pullBatch(consumer, options.limit ?? 64).pipe(
    Effect.map((batch) => batch as readonly [A, ...Array<A>]),
    // The end of the ring is the end of the stream; that of the consumer's own scope is not.
    Effect.catchTag("RingClosed", (error): Effect.Effect<never, Cause.Done | RingClosed> =>
      error.closed === "ring" ? Cause.done() : Effect.fail(error)
    )
  )
  return Stream.ensuring(
    Stream.fromPull(Effect.succeed(pull)),
    Effect.sync(() => consumer.putBack())
  )
}

/**
 * A sink that publishes what it is given, a chunk as one batch (in pieces if it is greater than the ring), waiting for room.
 *
 * **Errors**: as `Producer.publishAll`.
 *
 * @category streams
 * @since 0.1.0
 */
export const sink = <A extends object>(
  producer: Producer.Producer<A>
): Sink.Sink<void, A, never, Effect.Error<ReturnType<typeof Producer.publishAll<A>>>> =>
  Sink.forEachArray((chunk: ReadonlyArray<A>) => {
    const { capacity } = producer.ring
    const pieces = Array.from({ length: Math.ceil(chunk.length / capacity) }, (_, i) =>
      chunk.slice(i * capacity, (i + 1) * capacity)
    )
    return Effect.forEach(pieces, (piece) => Producer.publishAll(producer, piece), { discard: true })
  })
