/**
 * What can go wrong with strands, counters and the flight recorder. Each error names what was wanted and what was found, and is raised
 * before any memory is changed.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { show } from "../internal/show.ts"
import type { Problem } from "./internal/region.ts"

/**
 * A region that was posted here is not what this version of the package would have written.
 *
 * @category errors
 * @since 0.1.0
 */
export class RegionRefused extends Schema.TaggedError<RegionRefused>()("RegionRefused", {
  /** What was to be attached: `StrandRegistry`, `Counters` or `FlightRecorder`. */
  table: Schema.String,
  /**
   * `foreign`: other memory. `olderVersion`, `newerVersion`: another layout version. `otherRows`: same version, rows of another make.
   * `otherShape`: sizes that cannot be. `tooSmall`: less memory than the sizes need. `notAHandle`: no handle at all.
   */
  reason: Schema.Literals([
    "foreign",
    "olderVersion",
    "newerVersion",
    "otherRows",
    "otherShape",
    "tooSmall",
    "notAHandle"
  ]),
  wanted: Schema.String,
  found: Schema.String
}) {
  override get message(): string {
    return `${this.table} (${this.reason}): wanted ${this.wanted}, found ${this.found}`
  }
}

/**
 * The memory of a handle and what its layout is, or what differs; changes nothing.
 *
 * @internal
 */
export const regionOf = <L extends object>(
  table: string,
  handle: { readonly memory: SharedArrayBuffer },
  read: (memory: SharedArrayBuffer) => L | Problem
): Effect.Effect<readonly [SharedArrayBuffer, L], RegionRefused> =>
  Effect.suspend(() => {
    const memory: unknown = typeof handle === "object" && handle !== null ? handle.memory : undefined
    if (!(memory instanceof SharedArrayBuffer)) {
      const wanted = `the handle of a ${table}`
      return Effect.fail(new RegionRefused({ table, reason: "notAHandle", wanted, found: show(handle) }))
    }
    const layout = read(memory)
    return isProblem(layout)
      ? Effect.fail(new RegionRefused({ table, ...layout }))
      : Effect.succeed([memory, layout] as const)
  })

const isProblem = (value: object): value is Problem => "reason" in value

/**
 * An ordinal or generation that cannot be.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidIdentity extends Schema.TaggedError<InvalidIdentity>()("InvalidIdentity", {
  field: Schema.Literals(["ordinal", "generation"]),
  found: Schema.String,
  max: Schema.Finite
}) {
  override get message(): string {
    return `${this.field}: wanted a whole number from 0 to ${this.max}, found ${this.found}`
  }
}

/**
 * More ordinals than the table has seats.
 *
 * @category errors
 * @since 0.1.0
 */
export class NoSeat extends Schema.TaggedError<NoSeat>()("NoSeat", {
  ordinal: Schema.Finite,
  maxThreads: Schema.Finite
}) {
  override get message(): string {
    return `no seat for ordinal ${this.ordinal}: all ${this.maxThreads} belong to other ordinals; make the table with more maxThreads`
  }
}

/**
 * A strand that cannot be registered.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidStrand extends Schema.TaggedError<InvalidStrand>()("InvalidStrand", {
  field: Schema.String,
  found: Schema.String,
  wanted: Schema.String
}) {
  override get message(): string {
    return `${this.field}: wanted ${this.wanted}, found ${this.found}`
  }
}

/**
 * A counter's id that is in use for something else: by another name or kind in the table, or by selvedge itself.
 *
 * @category errors
 * @since 0.1.0
 */
export class CounterIdTaken extends Schema.TaggedError<CounterIdTaken>()("CounterIdTaken", {
  id: Schema.Finite,
  name: Schema.String,
  /** Who has it. */
  takenBy: Schema.String
}) {
  override get message(): string {
    return `counter ${this.name}: wanted an id of its own, found ${this.id} in use for ${this.takenBy}`
  }
}

/**
 * A definition of a counter, or an amount, that cannot be.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidCounter extends Schema.TaggedError<InvalidCounter>()("InvalidCounter", {
  field: Schema.String,
  found: Schema.String,
  wanted: Schema.String
}) {
  override get message(): string {
    return `${this.field}: wanted ${this.wanted}, found ${this.found}`
  }
}

/**
 * A name or label with more bytes of UTF-8 than a counter has room for. It is not cut: two counters would become one.
 *
 * @category errors
 * @since 0.1.0
 */
export class LabelTooLong extends Schema.TaggedError<LabelTooLong>()("LabelTooLong", {
  field: Schema.Literals(["name", "label"]),
  text: Schema.String,
  bytes: Schema.Finite,
  maxBytes: Schema.Finite
}) {
  override get message(): string {
    return `${this.field} ${this.text}: wanted at most ${this.maxBytes} bytes of UTF-8, found ${this.bytes}`
  }
}

/**
 * The table has no room for another counter.
 *
 * @category errors
 * @since 0.1.0
 */
export class CountersFull extends Schema.TaggedError<CountersFull>()("CountersFull", {
  name: Schema.String,
  capacity: Schema.Finite
}) {
  override get message(): string {
    return `counter ${this.name}: wanted a free place, found all ${this.capacity} taken`
  }
}
