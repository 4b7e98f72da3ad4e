/**
 * What can go wrong with a notifier, its poller, slots and pools. Each error names what was wanted and what was found, and is raised before any
 * memory is changed.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * A number of tokens, slots or places that cannot be.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidCapacity extends Schema.TaggedError<InvalidCapacity>()("InvalidCapacity", {
  /** The option: `maxTokens`, `slots`, … */
  option: Schema.String,
  found: Schema.String,
  max: Schema.Finite
}) {
  override get message(): string {
    return `${this.option}: wanted a whole number from 1 to ${this.max}, found ${this.found}`
  }
}

/**
 * A token that is none.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidToken extends Schema.TaggedError<InvalidToken>()("InvalidToken", {
  found: Schema.String,
  maxTokens: Schema.Finite
}) {
  override get message(): string {
    return `wanted a token from 0 to ${this.maxTokens - 1}, found ${this.found}`
  }
}

/**
 * A limit of a poll that is none.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidLimit extends Schema.TaggedError<InvalidLimit>()("InvalidLimit", { found: Schema.String }) {
  override get message(): string {
    return `the limit of a poll: wanted a whole number from 0, found ${this.found}`
  }
}

/**
 * A region, or a value posted from another thread, that does not hold what was wanted.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotANotifier extends Schema.TaggedError<NotANotifier>()("NotANotifier", {
  wanted: Schema.String,
  found: Schema.String
}) {
  override get message(): string {
    return `wanted ${this.wanted}, found ${this.found}`
  }
}

/**
 * A region written by another version of this package.
 *
 * @category errors
 * @since 0.1.0
 */
export class OtherVersion extends Schema.TaggedError<OtherVersion>()("OtherVersion", {
  wanted: Schema.Finite,
  found: Schema.Finite
}) {
  override get message(): string {
    return `wanted layout version ${this.wanted}, found version ${this.found}`
  }
}

/**
 * A region whose sizes do not fit together.
 *
 * @category errors
 * @since 0.1.0
 */
export class OtherShape extends Schema.TaggedError<OtherShape>()("OtherShape", {
  wanted: Schema.String,
  found: Schema.String
}) {
  override get message(): string {
    return `wanted ${this.wanted}, found ${this.found}`
  }
}

/**
 * A region that is shorter than what it is to hold.
 *
 * @category errors
 * @since 0.1.0
 */
export class RegionTooSmall extends Schema.TaggedError<RegionTooSmall>()("RegionTooSmall", {
  wantedBytes: Schema.Finite,
  foundBytes: Schema.Finite
}) {
  override get message(): string {
    return `wanted a region of at least ${this.wantedBytes} bytes, found ${this.foundBytes}`
  }
}

/**
 * Everything that attaching to a handle may fail with.
 *
 * @category errors
 * @since 0.1.0
 */
export type AttachError = NotANotifier | OtherVersion | OtherShape | RegionTooSmall

/**
 * A local notifier cannot be posted to another thread, nor can a thread block on it.
 *
 * @category errors
 * @since 0.1.0
 */
export class LocalOnly extends Schema.TaggedError<LocalOnly>()("LocalOnly", { call: Schema.String }) {
  override get message(): string {
    return `${this.call}: wanted a notifier in shared memory, found a local one`
  }
}

/**
 * The notifier was closed, and everything that was queued has been handed out.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotifierClosed extends Schema.TaggedError<NotifierClosed>()("NotifierClosed", { call: Schema.String }) {
  override get message(): string {
    return `${this.call}: the notifier is closed`
  }
}

/**
 * Somebody else sits on the poller's seat.
 *
 * **Details**: `seat` is the number to give as `afterDeathOf`, if that one is known to be dead.
 *
 * @category errors
 * @since 0.1.0
 */
export class PollerTaken extends Schema.TaggedError<PollerTaken>()("PollerTaken", { seat: Schema.Finite }) {
  override get message(): string {
    return `wanted the poller's seat vacant, found poller ${this.seat} on it`
  }
}

/**
 * Another fiber is in the middle of a receive with this poller.
 *
 * @category errors
 * @since 0.1.0
 */
export class PollerBusy extends Schema.TaggedError<PollerBusy>()("PollerBusy", {
  call: Schema.String,
  fiber: Schema.Finite
}) {
  override get message(): string {
    return `${this.call}: wanted a poller nobody uses, found fiber #${this.fiber} receiving from it`
  }
}

/**
 * The scope of the poller has ended.
 *
 * @category errors
 * @since 0.1.0
 */
export class PollerDetached extends Schema.TaggedError<PollerDetached>()("PollerDetached", { call: Schema.String }) {
  override get message(): string {
    return `${this.call}: the poller has left its seat`
  }
}

/**
 * A call that blocks its thread, in a thread that runs fibers.
 *
 * @category errors
 * @since 0.1.0
 */
export class WouldBlockEventLoop extends Schema.TaggedError<WouldBlockEventLoop>()("WouldBlockEventLoop", {
  call: Schema.String
}) {
  override get message(): string {
    return `${this.call} blocks its thread: wanted a poller attached with role "dedicated", found "fibers"`
  }
}

/**
 * All tokens of a pool are in use.
 *
 * @category errors
 * @since 0.1.0
 */
export class PoolExhausted extends Schema.TaggedError<PoolExhausted>()("PoolExhausted", { maxTokens: Schema.Finite }) {
  override get message(): string {
    return `all ${this.maxTokens} tokens of the pool are in use`
  }
}
