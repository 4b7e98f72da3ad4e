/**
 * Reading records in place until they are released.
 *
 * A lease holds slots: they are not reused before its release. Its records are read through an accessor whose getters check the
 * lease, so a use after the release is a defect and never another record's bytes. It is released by its scope, or by that of its
 * consumer if it closes first. What is committed below is only passed if the consumer commits by hand.
 *
 * | scope closes with | policy   | the records                             |
 * | ----------------- | -------- | --------------------------------------- |
 * | success           | any      | are committed                           |
 * | failure           | `commit` | are committed all the same              |
 * | failure           | `retry`  | are the next to be taken, by this consumer or the heir of its seat |
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as Consumer from "./Consumer.ts"
import { badLimit, isLimit } from "./ConsumerOptions.ts"
import * as Read from "./internal/read.ts"
import { type Detached, type InvalidArgument, LeaseRefused, LeaseReleased, type RingClosed } from "./RingError.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Most records of one lease. */
  readonly limit: number
  /** What happens to the records when the scope closes with a failure; default `retry`. */
  readonly onFailure?: "commit" | "retry" | undefined
}

/**
 * Some records, held.
 *
 * @category models
 * @since 0.1.0
 */
export interface Lease<A> {
  /** How many records there are; at least one. */
  readonly size: number
  /** 53-bit position of the first sequence of the lease. */
  readonly position: number
  /**
   * The record at an index, in place. The same object each time, standing at the index asked for last; its getters throw the defect
   * `LeaseReleased` after the release.
   */
  readonly at: (index: number) => Readonly<A>
}

/**
 * Leases at least one record and at most `limit`, waiting for the first, until the scope closes.
 *
 * **Errors**: `LeaseRefused` for a consumer that may be overtaken, reads history, or holds another lease; `RingClosed`;
 * `InvalidArgument` for a limit that is no whole number above 0.
 *
 * **Example** (A batch, committed if the effect succeeds)
 *
 * ```ts
 * import { type Consumer, Lease } from "@selvedge/core"
 * import { Effect } from "effect"
 *
 * const total = (consumer: Consumer.Consumer<{ readonly size: number }>) =>
 *   Effect.scoped(
 *     Effect.map(Lease.make(consumer, { limit: 64 }), (lease) => {
 *       let sum = 0
 *       for (let i = 0; i < lease.size; i++) sum += lease.at(i).size
 *       return sum
 *     })
 *   )
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <A>(
  consumer: Consumer.Consumer<A>,
  options: Options
): Effect.Effect<Lease<A>, LeaseRefused | RingClosed | Detached | InvalidArgument, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.map(
      Effect.acquireRelease(
        Effect.suspend(() => waitFor(consumer, options.limit, restore)),
        (held, exit) => Effect.sync(() => held.release(Exit.isSuccess(exit) || options.onFailure === "commit"))
      ),
      (held) => held.lease
    )
  )

interface Held<A> {
  readonly lease: Lease<A>
  readonly release: (commits: boolean) => void
}

type LeaseError = LeaseRefused | RingClosed | Detached | InvalidArgument

/** Only the waiting is interruptible: what is held is released. */
const waitFor = <A>(
  consumer: Consumer.Consumer<A>,
  limit: number,
  restore: (sleep: Effect.Effect<void>) => Effect.Effect<void>
): Effect.Effect<Held<A>, LeaseError> => {
  if (!isLimit(limit)) return Effect.fail(badLimit(limit))
  const found =
    consumer.held !== undefined
      ? "one that holds a lease"
      : Read.mayBeOvertaken(consumer.core)
        ? "one that may be overtaken"
        : undefined
  if (found !== undefined) return Effect.fail(new LeaseRefused({ id: consumer.id, found }))
  const go: Effect.Effect<Held<A>, LeaseError> = Effect.suspend((): Effect.Effect<Held<A>, LeaseError> => {
    consumer.settle()
    const n = consumer.ready(limit)
    if (n > 0) {
      const held = hold(consumer, n)
      return held === undefined ? go : Effect.succeed(held)
    }
    if (n !== 0) return Effect.fail(Consumer.endOf(consumer, n))
    return Effect.flatMap(restore(consumer.ring.waking.sleep(consumer.bed, consumer.hasAnswer)), () => go)
  })
  return go
}

/** Holds the records among `n` sequences; `undefined` if there are only tombstones, which are passed. */
const hold = <A>(consumer: Consumer.Consumer<A>, n: number): Held<A> | undefined => {
  const { core } = consumer
  const first = core.position
  const sequences: Array<number> = []
  for (let i = 0; i < n; i++) {
    const at = (first + i) | 0
    if (!Read.isTombstone(core, at)) sequences.push(at)
  }
  const position = consumer.position
  core.position = (first + n) | 0
  if (sequences.length === 0) {
    consumer.pass(first)
    return undefined
  }
  consumer.held = first
  consumer.handOut(sequences.length, consumer.timesOf(sequences))
  // A view of its own, so that a later lease does not make this one readable again.
  const view = consumer.ring.record.view(consumer.ring.core.memory)
  const { layout, mask } = consumer.ring.core
  const lease: Lease<A> = {
    size: sequences.length,
    position,
    at: (index) => {
      const sequence = sequences[index]
      if (sequence === undefined)
        throw new RangeError(`index: wanted 0 to ${sequences.length - 1}, found ${String(index)}`)
      view.moveTo(layout.slotsByte + (sequence & mask) * layout.slotBytes)
      return view.slot
    }
  }
  const end = (): void => {
    view.setGuard(() => {
      throw new LeaseReleased()
    })
    consumer.held = undefined
    consumer.endLease = undefined
  }
  consumer.endLease = end
  const release = (commits: boolean): void => {
    // The consumer's own scope may have ended it.
    if (consumer.endLease !== end) return
    end()
    if (commits) consumer.settle()
    else consumer.standBefore(first)
  }
  return { lease, release }
}
