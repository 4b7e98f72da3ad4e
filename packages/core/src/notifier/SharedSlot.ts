/**
 * The latest value of a record, for any thread to write and any thread to read.
 *
 * Each of a number of slots holds one record of a fixed-size schema (`Record`). A write replaces it, a read copies it; a reader never waits
 * and never sees half a record. Nobody is told of a write: with a notifier (`put`) it is "latest value plus wake".
 *
 * One writer at a time for each slot. A writer that finds another one in the middle of a write is told so.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { type Record, RecordError, type View } from "../memory/Record.ts"
import { type AllocationFailed, SharedMemory } from "../memory/SharedMemory.ts"
import { show } from "../internal/show.ts"
import * as Slot from "./internal/slot.ts"
import * as Layout from "./internal/slotLayout.ts"
import * as Notifier from "./Notifier.ts"
import {
  type AttachError,
  InvalidCapacity,
  type InvalidToken,
  NotANotifier,
  type NotifierClosed,
  OtherShape,
  OtherVersion,
  RegionTooSmall
} from "./NotifierError.ts"

/**
 * An index that is none.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidSlot extends Schema.TaggedError<InvalidSlot>()("InvalidSlot", {
  found: Schema.String,
  slots: Schema.Finite
}) {
  override get message(): string {
    return `wanted a slot from 0 to ${this.slots - 1}, found ${this.found}`
  }
}

/**
 * Somebody else is in the middle of a write, or died there.
 *
 * @category errors
 * @since 0.1.0
 */
export class SlotBusy extends Schema.TaggedError<SlotBusy>()("SlotBusy", { slot: Schema.Finite }) {
  override get message(): string {
    return `slot ${this.slot}: wanted nobody writing, found another writer`
  }
}

/**
 * One thread's side of the slots.
 *
 * @category models
 * @since 0.1.0
 */
export interface SharedSlot<A> {
  readonly record: Record<A>
  readonly slots: number
  /** @internal */
  readonly memory: SharedArrayBuffer
  /** @internal */
  readonly slot: Slot.Slot
  /** From one slot to the next. @internal */
  readonly strideWords: number
  /** Where a record is put together, and taken apart: only this thread sees it. @internal */
  readonly scratch: Int32Array
  /** @internal */
  readonly view: View<A>
  /** Of all fields: one that is missing is refused by its own check. @internal */
  readonly names: ReadonlyArray<keyof A>
}

/**
 * The slots as a plain value that can be posted to a worker.
 *
 * @category models
 * @since 0.1.0
 */
export interface Handle {
  readonly _tag: "SharedSlot"
  readonly memory: SharedArrayBuffer
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Options<A> {
  readonly record: Record<A>
  /** How many slots, 1 if absent, at most 2^24. */
  readonly slots?: number | undefined
}

/**
 * Bytes of shared memory that the slots take.
 *
 * **Errors**: throws `InvalidCapacity`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const byteSize = <A>({ record, slots = 1 }: Options<A>): number => {
  if (!Layout.isSlots(slots)) throw invalidSlots(slots)
  return Layout.totalBytes(record.bytes, slots)
}

const invalidSlots = (found: unknown): InvalidCapacity =>
  new InvalidCapacity({ option: "slots", found: show(found), max: Layout.MAX_SLOTS })

/**
 * Makes slots that hold nothing yet.
 *
 * **Errors**: `InvalidCapacity`; `AllocationFailed` if there is no memory.
 *
 * **Example** (The latest price)
 *
 * ```ts
 * import * as Record from "@selvedge/core/memory/Record"
 * import * as SharedMemory from "@selvedge/core/memory/SharedMemory"
 * import * as SharedSlot from "@selvedge/core/notifier/SharedSlot"
 * import { Effect } from "effect"
 *
 * const Quote = Record.struct({ price: Record.f64, size: Record.i32 })
 *
 * const program = Effect.gen(function* () {
 *   const quotes = yield* SharedSlot.make({ record: Quote, slots: 500 })
 *   yield* SharedSlot.write(quotes, 17, { price: 99.5, size: 20 })
 *   return yield* SharedSlot.read(quotes, 17) // Some({ price: 99.5, size: 20 })
 * })
 *
 * Effect.runSync(Effect.scoped(program).pipe(Effect.provide(SharedMemory.layerThread)))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <A>(
  options: Options<A>
): Effect.Effect<SharedSlot<A>, InvalidCapacity | AllocationFailed, SharedMemory | Scope.Scope> =>
  Effect.gen(function* () {
    const { record, slots = 1 } = options
    if (!Layout.isSlots(slots)) return yield* invalidSlots(slots)
    const region = yield* (yield* SharedMemory).allocate(byteSize(options))
    Layout.format(region, record, slots)
    return fromRegion(region, record, slots)
  })

const fromRegion = <A>(memory: SharedArrayBuffer, record: Record<A>, slots: number): SharedSlot<A> => {
  const scratch = new SharedArrayBuffer(record.bytes)
  const view = record.view(scratch)
  view.moveTo(0)
  return {
    record,
    slots,
    memory,
    slot: { words: new Int32Array(memory, 0, byteSize({ record, slots }) / 4), payloadWords: record.bytes / 4 },
    strideWords: Layout.strideOf(record.bytes),
    scratch: new Int32Array(scratch),
    view,
    names: Object.keys(view.slot as object) as ReadonlyArray<unknown> as ReadonlyArray<keyof A>
  }
}

/**
 * @category operations
 * @since 0.1.0
 */
export const handle = <A>(self: SharedSlot<A>): Handle => ({ _tag: "SharedSlot", memory: self.memory })

/**
 * Joins slots that another thread made, with the same record.
 *
 * **Errors**: `NotANotifier`, `OtherVersion`, `OtherShape` (another record), `RegionTooSmall`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const attach = <A>(handle: Handle, record: Record<A>): Effect.Effect<SharedSlot<A>, AttachError> =>
  Effect.suspend((): Effect.Effect<SharedSlot<A>, AttachError> => {
    const region: unknown = typeof handle === "object" && handle !== null ? handle.memory : undefined
    if (!(region instanceof SharedArrayBuffer)) {
      return Effect.fail(new NotANotifier({ wanted: "the handle of shared slots", found: show(handle) }))
    }
    const slots = Layout.read(region, record)
    return typeof slots === "number"
      ? Effect.succeed(fromRegion(region, record, slots))
      : Effect.fail(problem(slots, record.description))
  })

const problem = ({ found, wanted, word }: Layout.Problem, description: string): AttachError => {
  switch (word) {
    case "NotSlots":
      return new NotANotifier({ wanted: "memory that holds shared slots", found: "other memory" })
    case "OtherVersion":
      return new OtherVersion({ wanted, found })
    case "OtherRecord":
      return new OtherShape({ wanted: description, found: "slots of another record" })
    case "OtherShape":
      return new OtherShape({ wanted: "at least one slot", found: `${found} slots` })
    case "RegionTooSmall":
      return new RegionTooSmall({ wantedBytes: wanted, foundBytes: found })
  }
}

const baseOf = <A>(self: SharedSlot<A>, index: number): number => Layout.baseOf(index, self.strideWords)

const isIndex = <A>(self: SharedSlot<A>, index: number): boolean => index >>> 0 === index && index < self.slots

const invalidSlot = <A>(self: SharedSlot<A>, index: unknown): InvalidSlot =>
  new InvalidSlot({ found: show(index), slots: self.slots })

/**
 * Replaces the value of a slot.
 *
 * **Errors**: `InvalidSlot`; `RecordError` for a value that does not fit, before the slot is touched; `SlotBusy`.
 *
 * @category operations
 * @since 0.1.0
 */
export const write = <A>(
  self: SharedSlot<A>,
  index: number,
  value: A
): Effect.Effect<void, InvalidSlot | RecordError | SlotBusy> =>
  Effect.suspend((): Effect.Effect<void, InvalidSlot | RecordError | SlotBusy> => {
    try {
      return writeUnsafe(self, index, value) ? Effect.void : Effect.fail(new SlotBusy({ slot: index }))
    } catch (error) {
      return error instanceof InvalidSlot || error instanceof RecordError ? Effect.fail(error) : Effect.die(error)
    }
  })

/**
 * `write` for tight loops: now, and without an Effect. `false` if somebody else is writing.
 *
 * **Errors**: throws `InvalidSlot` and `RecordError`, before the slot is touched.
 *
 * @category operations
 * @since 0.1.0
 */
export const writeUnsafe = <A>(self: SharedSlot<A>, index: number, value: A): boolean => {
  if (!isIndex(self, index)) throw invalidSlot(self, index)
  if (typeof value !== "object" || value === null) {
    throw new RecordError({ field: "(all)", wanted: "a record", found: show(value) })
  }
  const { slot } = self.view
  for (const name of self.names) slot[name] = value[name]
  return Slot.write(self.slot, baseOf(self, index), self.scratch)
}

/**
 * The latest value of a slot, if there ever was one.
 *
 * **Errors**: `InvalidSlot`.
 *
 * @category operations
 * @since 0.1.0
 */
export const read = <A>(self: SharedSlot<A>, index: number): Effect.Effect<Option.Option<A>, InvalidSlot> =>
  Effect.suspend((): Effect.Effect<Option.Option<A>, InvalidSlot> => {
    if (!isIndex(self, index)) return Effect.fail(invalidSlot(self, index))
    return Effect.succeed(readUnsafe(self, index) === undefined ? Option.none() : Option.some(self.view.read()))
  })

/**
 * `read` for tight loops: the answer is an accessor that is used again by the next read or write of this `SharedSlot`.
 *
 * **Errors**: throws `InvalidSlot`.
 *
 * @category operations
 * @since 0.1.0
 */
export const readUnsafe = <A>(self: SharedSlot<A>, index: number): Readonly<A> | undefined => {
  if (!isIndex(self, index)) throw invalidSlot(self, index)
  return Slot.read(self.slot, baseOf(self, index), self.scratch) ? self.view.slot : undefined
}

/**
 * Replaces the value of slot `token` and says that the token is ready: "latest value plus wake".
 *
 * **Errors**: as `write` and `Notifier.notify`.
 *
 * @category operations
 * @since 0.1.0
 */
export const put = <A>(
  self: SharedSlot<A>,
  notifier: Notifier.Notifier,
  token: number,
  value: A
): Effect.Effect<Notifier.Notified, InvalidSlot | RecordError | SlotBusy | InvalidToken | NotifierClosed> =>
  Effect.andThen(write(self, token, value), Notifier.notify(notifier, token))

/**
 * To be called when a writer has died: lets the next one write. Readers have the last value that was whole.
 *
 * **Details**: `true` if that writer died in the middle. The caller makes sure that it is dead.
 *
 * **Gotchas**: who was writing is not noted. Where several write one slot, none of the others may be writing it meanwhile: it would be
 * taken for the dead one.
 *
 * **Errors**: `InvalidSlot`.
 *
 * @category operations
 * @since 0.1.0
 */
export const recover = <A>(self: SharedSlot<A>, index: number): Effect.Effect<boolean, InvalidSlot> =>
  Effect.suspend((): Effect.Effect<boolean, InvalidSlot> =>
    isIndex(self, index)
      ? Effect.sync(() => Slot.recover(self.slot, baseOf(self, index)))
      : Effect.fail(invalidSlot(self, index))
  )
