/**
 * Records that are nothing but numbers of one kind, moved as runs of numbers.
 *
 * A record of one or more `f64`, or of an even number of `i32`, is as many numbers in a row, and records lie in a row in the ring: a batch is
 * copied from a typed array, and into one, by the engine's own copying. Record by record, an accessor is asked for each field.
 *
 * The arrays are of the kind of the fields (`Float64Array` for `f64`), so every value in them fits.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { NumberArray, Record, View } from "../memory/Record.ts"
import type { WaitStrategy } from "../memory/WaitStrategy.ts"
import * as Consumer from "./Consumer.ts"
import * as Read from "./internal/read.ts"
import * as Producer from "./Producer.ts"
import { type BatchTooLarge, type Detached, InvalidArgument, type RingClosed, type RingTimeout } from "./RingError.ts"
import { atOnce, Instead } from "./RingStep.ts"

/** From so many numbers on the engine's copying is faster than a loop, which needs no view of the source. */
const RUN = 8

const copy = (from: NumberArray, start: number, into: NumberArray, at: number, length: number): void => {
  if (length >= RUN) into.set(length === from.length ? from : from.subarray(start, start + length), at)
  else for (let i = 0; i < length; i++) into[at + i] = from[start + i]!
}

/** A ring's memory as numbers, if records are runs of these. */
const numbersOf = <A>(record: Record<A>, view: View<A>, given: NumberArray, argument: string): NumberArray => {
  const { numbers } = view
  if (numbers === undefined) {
    const wanted = "a ring whose records are numbers of one kind, and fill their slots"
    throw new InvalidArgument({ argument, wanted, found: record.description })
  }
  if (given?.constructor === numbers.constructor) return numbers
  const found = ArrayBuffer.isView(given) ? given.constructor.name : typeof given
  throw new InvalidArgument({ argument, wanted: `a ${numbers.constructor.name}`, found })
}

/**
 * Publishes the records that `values` holds, one after the other, as one batch, if there is room now: 0 if they are published, how many slots are
 * missing if there is none, -1 if the ring is closed. No values do nothing.
 *
 * Throws `InvalidArgument` for records or an array of another kind, or a part of a record, and `BatchTooLarge`.
 *
 * @category operations
 * @since 0.1.0
 */
export const publishUnsafe = <A>(producer: Producer.Producer<A>, values: NumberArray): number => {
  const { ring, view } = producer
  const { width } = ring.record
  const numbers = numbersOf(ring.record, view, values, "values")
  const n = values.length / width
  if (!Number.isInteger(n)) {
    throw new InvalidArgument({ argument: "values", wanted: `${width} numbers a record`, found: `${values.length}` })
  }
  const base = ring.core.layout.slotsByte / numbers.BYTES_PER_ELEMENT
  return producer.publishFilledUnsafe(n, (slot) => {
    const left = Math.min(n, ring.capacity - slot) * width
    copy(values, 0, numbers, base + slot * width, left)
    copy(values, left, numbers, base, values.length - left)
  })
}

/**
 * As `publishUnsafe`, blocking this thread while there is no room: `false` if the ring is closed. Throws `WouldBlockEventLoop` too, unless
 * the ring was attached with role `dedicated`.
 *
 * @category operations
 * @since 0.1.0
 */
export const publishBlockingUnsafe = <A>(
  producer: Producer.Producer<A>,
  values: NumberArray,
  strategy: WaitStrategy
): boolean => {
  producer.checkRole()
  const answer = publishUnsafe(producer, values)
  if (answer <= 0) return answer === 0
  return producer.blockUnsafe(values.length / producer.ring.record.width, strategy, () =>
    publishUnsafe(producer, values)
  )
}

/**
 * Takes as many records as there are, at most what `into` has room for, and writes them there, one after the other; answers how many, or 0,
 * `END`, `DETACHED`. What was taken before is committed first, and these are too, unless the consumer commits by hand.
 *
 * Throws `InvalidArgument` for records or an array of another kind, or one without room for a record.
 *
 * @category operations
 * @since 0.1.0
 */
export const takeUnsafe = <A>(consumer: Consumer.Consumer<A>, into: NumberArray): number => {
  const { core, ring, view } = consumer
  const { width } = ring.record
  const numbers = numbersOf(ring.record, view, into, "into")
  const limit = Math.floor(into.length / width)
  if (limit === 0)
    throw new InvalidArgument({ argument: "into", wanted: `${width} numbers or more`, found: `${into.length}` })
  consumer.settle()
  const n = consumer.ready(limit)
  if (n <= 0) return n
  // What may be a tombstone, or overwritten meanwhile, is looked at record by record.
  if (core.marked || consumer.stopwatch !== undefined || Read.mustCopy(core)) return takeEach(consumer, into, limit)
  const slot = core.position & ring.core.mask
  const base = ring.core.layout.slotsByte / numbers.BYTES_PER_ELEMENT
  const left = Math.min(n, ring.capacity - slot) * width
  copy(numbers, base + slot * width, into, 0, left)
  copy(numbers, base, into, left, n * width - left)
  consumer.standBefore((core.position + n) | 0)
  consumer.handOut(n, undefined)
  consumer.settle()
  return n
}

const takeEach = <A>(consumer: Consumer.Consumer<A>, into: NumberArray, limit: number): number => {
  const records = consumer.takeUnsafe(limit)
  if (typeof records === "number") return records
  let at = 0
  for (const record of records) for (const value of Object.values(record as object)) into[at++] = value as number
  consumer.settle()
  return records.length
}

/**
 * Publishes the records that `values` holds as one batch, waiting for room for all of them. They are read when there is.
 *
 * **Errors**: `RingClosed`, `RingTimeout` and `BatchTooLarge` when nothing was published. Dies with `InvalidArgument` as `publishUnsafe`.
 *
 * @category operations
 * @since 0.1.0
 */
export const publish = <A>(
  producer: Producer.Producer<A>,
  values: NumberArray,
  options?: Producer.WaitOptions
): Effect.Effect<void, RingClosed | BatchTooLarge | RingTimeout> => {
  const n = Math.ceil(values.length / Math.max(1, producer.ring.record.width))
  const publishing = Producer.publishing(producer, n, () => publishUnsafe(producer, values), options)
  return publishing as Effect.Effect<void, RingClosed | BatchTooLarge | RingTimeout>
}

/**
 * Takes at least one record, waiting for it, and at most what `into` has room for; answers how many.
 *
 * **Errors**: `RingClosed` when the ring is closed and everything is taken; `Detached`. Dies with `InvalidArgument` as `takeUnsafe`.
 *
 * @category operations
 * @since 0.1.0
 */
export const take = <A>(
  consumer: Consumer.Consumer<A>,
  into: NumberArray
): Effect.Effect<number, RingClosed | Detached> => {
  const again = Effect.suspend(() =>
    Effect.flatMap(consumer.ring.waking.sleep(consumer.bed, consumer.hasAnswer), () => once)
  )
  const once: Effect.Effect<number, RingClosed | Detached> = atOnce(() => {
    const n = takeUnsafe(consumer, into)
    if (n > 0) return n
    throw new Instead(n === 0 ? again : Effect.fail(Consumer.endOf(consumer, n)))
  })
  return once
}
