/**
 * What can go wrong with a ring. Each error carries facts; its message says what was wanted and what was found.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * A ring was described in a way that cannot be. Nothing was allocated.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidRing extends Schema.TaggedError<InvalidRing>()("InvalidRing", {
  field: Schema.String,
  wanted: Schema.String,
  found: Schema.String
}) {
  override get message(): string {
    return `${this.field}: wanted ${this.wanted}, found ${this.found}`
  }
}

/**
 * A region is not the ring that was expected. It was not touched.
 *
 * @category errors
 * @since 0.1.0
 */
export class AttachRefused extends Schema.TaggedError<AttachRefused>()("AttachRefused", {
  /** What differs. */
  differs: Schema.Literals(["magic", "version", "shape", "schema", "size"]),
  wanted: Schema.String,
  found: Schema.String
}) {
  override get message(): string {
    return `this region is not that ring: its ${this.differs} differs: wanted ${this.wanted}, found ${this.found}`
  }
}

/**
 * A consumer or producer may not join.
 *
 * @category errors
 * @since 0.1.0
 */
export class JoinRefused extends Schema.TaggedError<JoinRefused>()("JoinRefused", {
  reason: Schema.Literals(["DuplicateId", "StaleGeneration", "NoSeat", "NoProducerLine", "InvalidId", "InvalidOption"]),
  id: Schema.String,
  wanted: Schema.String,
  found: Schema.String
}) {
  override get message(): string {
    return `${JSON.stringify(this.id)} may not join (${this.reason}): wanted ${this.wanted}, found ${this.found}`
  }
}

/**
 * The ring is closed: a producer's record was not published, or a consumer has taken all there was. Or the scope of the producer
 * or consumer itself is closed: its place may be somebody else's, and it does nothing any more.
 *
 * @category errors
 * @since 0.1.0
 */
export class RingClosed extends Schema.TaggedError<RingClosed>()("RingClosed", {
  side: Schema.Literals(["producer", "consumer"]),
  /** What is closed. */
  closed: Schema.Literals(["ring", "scope"])
}) {
  override get message(): string {
    if (this.closed === "scope") return `the scope of this ${this.side} is closed: nothing was done`
    return this.side === "producer"
      ? "the ring is closed: nothing was published"
      : "the ring is closed and everything is taken"
  }
}

/**
 * A batch that can never fit.
 *
 * @category errors
 * @since 0.1.0
 */
export class BatchTooLarge extends Schema.TaggedError<BatchTooLarge>()("BatchTooLarge", {
  // Whatever was asked for, NaN too. @effect-diagnostics-next-line schemaNumber:off
  records: Schema.Number,
  capacity: Schema.Int
}) {
  override get message(): string {
    return `a batch: wanted a whole number of records from 0 to the capacity, ${this.capacity}, found ${this.records}`
  }
}

/**
 * There was no room, or there were no consumers, in the time that was given. Nothing was published.
 *
 * @category errors
 * @since 0.1.0
 */
export class RingTimeout extends Schema.TaggedError<RingTimeout>()("RingTimeout", {
  waitedFor: Schema.String,
  timeoutMillis: Schema.Finite
}) {
  override get message(): string {
    return `no ${this.waitedFor} within ${this.timeoutMillis} ms`
  }
}

/**
 * The consumer was slow and is detached, as it had agreed to be; what it missed is lost to it.
 *
 * @category errors
 * @since 0.1.0
 */
export class Detached extends Schema.TaggedError<Detached>()("Detached", {
  id: Schema.String,
  /** The position of the first record it has not seen. */
  position: Schema.Finite
}) {
  override get message(): string {
    return `consumer ${JSON.stringify(this.id)} was too slow and is detached at position ${this.position}`
  }
}

/**
 * A handler failed and its policy was to stop. The consumer stands at `position`, the record that failed.
 *
 * @category errors
 * @since 0.1.0
 */
export class HandlerFailed extends Schema.TaggedError<HandlerFailed>()("HandlerFailed", {
  position: Schema.Finite,
  cause: Schema.Defect()
}) {
  override get message(): string {
    return `the handler failed at position ${this.position}: ${this.cause instanceof Error ? this.cause.message : String(this.cause)}`
  }
}

/**
 * A consumer that the ring requires does not keep up.
 *
 * @category errors
 * @since 0.1.0
 */
export class ConsumerStalled extends Schema.TaggedError<ConsumerStalled>()("ConsumerStalled", {
  id: Schema.String,
  verdict: Schema.Literals(["never attached", "no progress", "gone"]),
  limitMillis: Schema.Finite,
  /** Records it has not taken. */
  lag: Schema.Finite
}) {
  override get message(): string {
    return `required consumer ${JSON.stringify(this.id)}: ${this.verdict} for ${this.limitMillis} ms, ${this.lag} record(s) behind`
  }
}

/**
 * A call that blocks its thread was made on a thread that runs fibers.
 *
 * @category errors
 * @since 0.1.0
 */
export class WouldBlockEventLoop extends Schema.TaggedError<WouldBlockEventLoop>()("WouldBlockEventLoop", {
  call: Schema.String
}) {
  override get message(): string {
    return `${this.call} blocks its thread: wanted a ring attached with role "dedicated", found "fibers"`
  }
}

/**
 * A consumer that may be overtaken was asked for a lease, which it cannot keep.
 *
 * @category errors
 * @since 0.1.0
 */
export class LeaseRefused extends Schema.TaggedError<LeaseRefused>()("LeaseRefused", {
  id: Schema.String,
  found: Schema.String
}) {
  override get message(): string {
    return `consumer ${JSON.stringify(this.id)} may not lease: wanted one that gates what it reads, found ${this.found}`
  }
}

/**
 * A mistake in a program: a lease was used after it was released.
 *
 * @category defects
 * @since 0.1.0
 */
export class LeaseReleased extends Error {
  readonly _tag = "LeaseReleased"
  override readonly name = "LeaseReleased"
  constructor() {
    super("a lease was used after its release: its slot may hold another record by now")
  }
}

/**
 * A mistake in a program: a producer was asked to publish by the closure that writes its records. That closure's batch is buried.
 *
 * @category defects
 * @since 0.1.0
 */
export class NestedPublish extends Error {
  readonly _tag = "NestedPublish"
  override readonly name = "NestedPublish"
  constructor() {
    super("a producer was to publish while it writes a batch: its claim has to be published first")
  }
}

/**
 * An argument that cannot be. Nothing was done.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidArgument extends Schema.TaggedError<InvalidArgument>()("InvalidArgument", {
  argument: Schema.String,
  wanted: Schema.String,
  found: Schema.String
}) {
  override get message(): string {
    return `${this.argument}: wanted ${this.wanted}, found ${this.found}`
  }
}
