/**
 * Publishing into a ring.
 *
 * A producer claims records, writes them in place, and publishes them: a batch becomes visible at once. Room is checked before
 * anything is claimed, so a fiber that waits for room owns nothing and may be interrupted. Writing and publishing happen in one
 * synchronous step.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { RecordError, View } from "../memory/Record.ts"
import { BlockingWait, type WaitStrategy } from "../memory/WaitStrategy.ts"
import type { Bed } from "../memory/Waking.ts"
import * as Beds from "./internal/beds.ts"
import * as Claim from "./internal/claim.ts"
import * as Epoch from "./internal/epoch.ts"
import { PublicationTimes } from "./internal/latency.ts"
import * as Layout from "./internal/layout.ts"
import * as Membership from "./internal/membership.ts"
import * as Tally from "./internal/tally.ts"
import * as Ring from "./Ring.ts"
import {
  BatchTooLarge,
  JoinRefused,
  NestedPublish,
  RingClosed,
  type RingTimeout,
  WouldBlockEventLoop
} from "./RingError.ts"
import { atOnce, Instead } from "./RingStep.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Count what is published, and waits for room; default off, and then it costs nothing. */
  readonly counters?: boolean | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export interface WaitOptions {
  /** Default: none. */
  readonly timeout?: Duration.Input | undefined
}

/**
 * Writes the record where `slot` stands; `index` counts from 0 in the batch. Fields that are not set keep what an older
 * record left there.
 *
 * @category models
 * @since 0.1.0
 */
export type Write<A> = (slot: A, index: number) => void

/**
 * A producer of one thread.
 *
 * @category models
 * @since 0.1.0
 */
export class Producer<A> {
  readonly ring: Ring.Ring<A>
  /** @internal */
  readonly core: Claim.ProducerCore
  /** @internal */
  readonly index: number
  /** @internal */
  readonly bed: Bed
  /** @internal */
  readonly view: View<A>
  private readonly slotsByte: number
  private readonly slotBytes: number
  private readonly mask: number
  private readonly counters: boolean
  /** In a ring that measures. */
  private readonly times: PublicationTimes | undefined
  private wait: BlockingWait | undefined
  private isWriting = false
  /** Whether its scope is closed. @internal */
  hasLeft = false

  /** @internal */
  constructor(ring: Ring.Ring<A>, index: number, options: Options) {
    this.ring = ring
    this.index = index
    this.core = new Claim.ProducerCore(ring.core, index)
    this.bed = Beds.ofWriters(ring.core)
    this.view = ring.record.view(ring.core.memory)
    this.slotsByte = ring.core.layout.slotsByte
    this.slotBytes = ring.core.layout.slotBytes
    this.mask = ring.core.mask
    this.counters = options.counters ?? false
    this.times = ring.core.layout.measures ? new PublicationTimes(ring.core, ring.now) : undefined
  }

  /**
   * Publishes `n` records now if there is room: 0 if they are published, how many slots are missing if there is none, -1 if the ring is closed.
   *
   * If `write` throws, the batch becomes tombstones, which consumers skip, and the error is thrown on. Throws `BatchTooLarge`
   * for a number of records that never fits, and the defect `NestedPublish` if this producer is writing already. `n = 0` does nothing.
   */
  publishUnsafe(n: number, write: Write<A>): number {
    if (n === 0) return 0
    const answer = this.claim(n)
    if (answer !== Claim.CLAIMED) return answer
    this.writeAll(n, write)
    return this.finish(n)
  }

  /** As `publishUnsafe`, with one call that writes all of the `n` records, from a slot on; nobody else's code runs in it. @internal */
  publishFilledUnsafe(n: number, fill: (slot: number) => void): number {
    if (n === 0) return 0
    const answer = this.claim(n)
    if (answer !== Claim.CLAIMED) return answer
    try {
      fill(this.core.sequence & this.mask)
    } catch (error) {
      this.bury(n)
      throw error
    }
    return this.finish(n)
  }

  private claim(n: number): number {
    if (!(n >= 1 && n <= this.ring.capacity) || Math.floor(n) !== n) {
      throw new BatchTooLarge({ records: n, capacity: this.ring.capacity })
    }
    if (this.isWriting) throw new NestedPublish()
    const answer = Claim.tryClaim(this.core, n)
    if (answer !== Claim.CLAIMED) this.refused(answer)
    return answer
  }

  private finish(n: number): number {
    if (this.times !== undefined) this.times.write(this.core.sequence, n)
    if (Claim.publish(this.core, n) !== 0) this.ring.waking.rang(this.ring.core.words)
    if (this.counters) Tally.add(this.ring.core, this.core.line + Layout.PRODUCER_PUBLISHED, n)
    return 0
  }

  private refused(answer: number): void {
    if (answer === Claim.REFUSED_CLOSED) this.ring.waking.rang(this.ring.core.words)
    else if (this.counters) Tally.add(this.ring.core, this.core.line + Layout.PRODUCER_FULL_WAITS, 1)
  }

  private writeAll(n: number, write: Write<A>): void {
    const { mask, slotBytes, slotsByte, view } = this
    const { slot } = view
    const first = this.core.sequence
    this.isWriting = true
    try {
      for (let i = 0; i < n; i++) {
        view.moveTo(slotsByte + ((first + i) & mask) * slotBytes)
        write(slot, i)
      }
    } catch (error) {
      this.bury(n)
      throw error
    } finally {
      this.isWriting = false
    }
  }

  private bury(n: number): void {
    if (Claim.bury(this.core, n) !== 0) this.ring.waking.rang(this.ring.core.words)
  }

  /** Its line is given back, and may be somebody else's. @internal */
  leave(): void {
    this.hasLeft = true
    // Every claim is refused from now on.
    this.core.closed = true
  }

  /** The 53-bit position of the first record of this producer's last batch, while it is in the ring. */
  get lastPosition(): number {
    return Epoch.position(this.ring.core, this.core.sequence)
  }

  /**
   * Publishes `n` records, blocking this thread while there is no room: `false` if the ring is closed. Its line shows that it sleeps. Throws
   * `WouldBlockEventLoop` unless the ring was attached with role `dedicated`.
   */
  publishBlockingUnsafe(n: number, write: Write<A>, strategy: WaitStrategy): boolean {
    this.checkRole()
    const answer = this.publishUnsafe(n, write)
    return answer > 0 ? this.blockUnsafe(n, strategy, () => this.publishUnsafe(n, write)) : answer === 0
  }

  /** @internal */
  checkRole(): void {
    if (this.ring.role !== "dedicated") throw new WouldBlockEventLoop({ call: "publishBlockingUnsafe" })
  }

  /** Blocks this thread until `step` publishes `n` records; it answers as `publishUnsafe`. @internal */
  blockUnsafe(n: number, strategy: WaitStrategy, step: () => number): boolean {
    if (this.wait?.strategy !== strategy) this.wait = new BlockingWait(strategy)
    for (;;) {
      this.wait.until(
        this.bed,
        () => Claim.hasAnswer(this.core, n),
        (asleep) => Tally.markParked(this.ring.core, this.core.line + Layout.PRODUCER_PARKED, asleep)
      )
      const answer = step()
      if (answer <= 0) return answer === 0
    }
  }
}

/**
 * Joins as a producer until the scope closes.
 *
 * **Errors**: `JoinRefused` when as many producers as the ring was made for have joined.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <A>(
  ring: Ring.Ring<A>,
  options: Options = {}
): Effect.Effect<Producer<A>, JoinRefused, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.suspend(() => {
      const index = Membership.joinProducer(ring.core, ring.owner)
      if (index >= 0) {
        // The one before may have died asleep.
        Tally.markParked(ring.core, Layout.producerWord(index) + Layout.PRODUCER_PARKED, false)
        return Effect.succeed(new Producer(ring, index, options))
      }
      const most = ring.core.layout.maxProducers
      return Effect.fail(
        new JoinRefused({
          reason: "NoProducerLine",
          id: "producer",
          wanted: `at most ${most} producer(s)`,
          found: `${most + 1}`
        })
      )
    }),
    (producer) =>
      Effect.sync(() => {
        producer.leave()
        Membership.leaveProducer(ring.core, producer.index, ring.owner)
        // Fibers that wait for room with this producer.
        Claim.wakeAll(ring.core)
        ring.waking.rang(ring.core.words)
      })
  )

/** @internal */
export type PublishError = RingClosed | BatchTooLarge | RecordError

const closedTo = <A>(producer: Producer<A>): Instead =>
  new Instead(Effect.fail(new RingClosed({ side: "producer", closed: producer.hasLeft ? "scope" : "ring" })))

/** One attempt: the number of missing slots, or 0. */
const attempt = <A>(producer: Producer<A>, n: number, write: Write<A>): Effect.Effect<number, PublishError> =>
  atOnce(() => {
    const answer = producer.publishUnsafe(n, write)
    if (answer === Claim.REFUSED_CLOSED) throw closedTo(producer)
    return answer
  })

/** Waits until `step` publishes `n` records; it answers as `publishUnsafe`. */
const untilPublished = <A>(producer: Producer<A>, n: number, step: () => number): Effect.Effect<void, PublishError> =>
  atOnce(() => {
    const answer = step()
    if (answer === 0) return
    throw answer === Claim.REFUSED_CLOSED ? closedTo(producer) : new Instead(whenThereIsRoom(producer, n, step))
  })

const whenThereIsRoom = <A>(producer: Producer<A>, n: number, step: () => number): Effect.Effect<void, PublishError> =>
  Effect.flatMap(
    producer.ring.waking.sleep(producer.bed, () => Claim.hasAnswer(producer.core, n)),
    () => untilPublished(producer, n, step)
  )

/** The same, within a time if there is one. @internal */
export const publishing = <A>(
  producer: Producer<A>,
  n: number,
  step: () => number,
  options: WaitOptions | undefined
): Effect.Effect<void, PublishError | RingTimeout> =>
  options?.timeout === undefined
    ? untilPublished(producer, n, step)
    : Ring.within(untilPublished(producer, n, step), options.timeout, `room for ${n} record(s)`)

/**
 * Publishes `n` records that `write` fills in place, waiting for room.
 *
 * **Errors**: `RingClosed`, `RingTimeout` and `BatchTooLarge` when nothing was published; `RecordError` when `write` set a value that
 * does not fit: the batch is skipped by consumers then. Anything else `write` throws is a defect.
 *
 * @category operations
 * @since 0.1.0
 */
export const publishWith = <A>(
  producer: Producer<A>,
  n: number,
  write: Write<A>,
  options?: WaitOptions
): Effect.Effect<void, PublishError | RingTimeout> =>
  publishing(producer, n, () => producer.publishUnsafe(n, write), options)

/**
 * Publishes one record, waiting for room.
 *
 * **Errors**: as `publishWith`.
 *
 * @category operations
 * @since 0.1.0
 */
export const publish = <A extends object>(
  producer: Producer<A>,
  record: A,
  options?: WaitOptions
): Effect.Effect<void, PublishError | RingTimeout> =>
  publishWith(producer, 1, () => producer.view.write(record), options)

/**
 * Publishes records as one batch, which becomes visible at once, waiting for room for all of them.
 *
 * **Errors**: as `publishWith`; `BatchTooLarge` above the capacity.
 *
 * @category operations
 * @since 0.1.0
 */
export const publishAll = <A extends object>(
  producer: Producer<A>,
  records: ReadonlyArray<A>,
  options?: WaitOptions
): Effect.Effect<void, PublishError | RingTimeout> =>
  publishWith(producer, records.length, (_, i) => producer.view.write(records[i]!), options)

/**
 * Publishes records as one batch if there is room now: 0, or how many slots are missing.
 *
 * **Errors**: `RingClosed`, `BatchTooLarge`, `RecordError`.
 *
 * @category operations
 * @since 0.1.0
 */
export const tryPublish = <A extends object>(
  producer: Producer<A>,
  records: ReadonlyArray<A>
): Effect.Effect<number, PublishError> => attempt(producer, records.length, (_, i) => producer.view.write(records[i]!))
