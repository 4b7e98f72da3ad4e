/**
 * A fixed-size schema, and the bytes of a slot read and written in place.
 *
 * A record has named fields of fixed size. `view` makes an accessor over shared memory: an object with a getter and a setter
 * for each field, which is moved from slot to slot and allocates nothing. The accessors are closures over typed arrays; no
 * code is made from strings.
 *
 * **Layout**: fields lie in the order they are written, each aligned to its own size; a record is a multiple of 8 bytes.
 * Fixed strings and bytes have two bytes of length before them.
 *
 * **Invariants**
 *
 * 1. Whatever the bytes of a slot are, reading a field gives a value of its type and touches no byte outside of the record.
 * 2. A value that does not fit its field is refused before anything of that field is written.
 *
 * @since 0.1.0
 */
import { fingerprintOf, type Fingerprint } from "./internal/header.ts"
import { type Access, NUMBER_KINDS, type NumberArray, type NumberKind, Place } from "./internal/views.ts"
import { type Field, RecordError } from "./RecordField.ts"

export * from "./RecordField.ts"
export type { NumberArray } from "./internal/views.ts"

/**
 * Names and fields.
 *
 * @category models
 * @since 0.1.0
 */
export type Fields = {
  readonly [name: string]:
    | Field<never>
    | Field<number>
    | Field<bigint>
    | Field<boolean>
    | Field<string>
    | Field<Uint8Array>
}

/**
 * What a record with these fields holds.
 *
 * @category models
 * @since 0.1.0
 */
export type TypeOf<F extends Fields> = { -readonly [K in keyof F]: F[K] extends Field<infer A> ? A : never }

/**
 * The type of a record schema.
 *
 * @category models
 * @since 0.1.0
 */
export type Type<R> = R extends Record<infer A> ? A : never

/**
 * A record schema.
 *
 * @category models
 * @since 0.1.0
 */
export interface Record<A> {
  /** Bytes of one record; a multiple of 8. */
  readonly bytes: number
  /** Names, types and offsets in one line; two schemas are the same if these are. */
  readonly description: string
  readonly fingerprint: Fingerprint
  /** How many numbers a record is, if it is nothing but numbers of one kind, with no bytes between or after them; else 0. */
  readonly width: number
  /** An accessor over a region, standing nowhere yet. */
  readonly view: (memory: SharedArrayBuffer) => View<A>
}

/**
 * An accessor that is moved over the slots of a region.
 *
 * @category models
 * @since 0.1.0
 */
export interface View<A> {
  /** The record where the view stands; the same object wherever that is. */
  readonly slot: A
  /** Stand at the record that begins at this byte. */
  readonly moveTo: (byte: number) => void
  /** A copy of the record where the view stands. */
  readonly read: () => A
  /** Writes all fields of the record where the view stands; one that is missing does not fit. */
  write(record: A): void
  /** The region as numbers of the record's only kind; `undefined` if its `width` is 0. @internal */
  readonly numbers: NumberArray | undefined
  /** Called before each access of the slot; it throws to refuse it. */
  readonly setGuard: (guard: (() => void) | undefined) => void
}

/**
 * A record of these fields.
 *
 * **Errors**: throws `RecordError` for a schema without fields.
 *
 * **Example** (A trade)
 *
 * ```ts
 * import { Record } from "@selvedge/core"
 *
 * const Trade = Record.struct({ price: Record.f64, size: Record.i32, symbol: Record.string(8) })
 * console.log(Trade.bytes) // 24
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const struct = <const F extends Fields>(fields: F): Record<TypeOf<F>> => {
  const entries = Object.entries(fields) as unknown as ReadonlyArray<readonly [string, Field<unknown>]>
  if (entries.length === 0) throw new RecordError({ field: "(all)", wanted: "at least one field", found: "none" })
  if (Object.hasOwn(fields, "__proto__")) {
    throw new RecordError({ field: "__proto__", wanted: "a name that objects do not use", found: "__proto__" })
  }
  let end = 0
  const placed = entries.map(([name, field]) => {
    const offset = Math.ceil(end / field.align) * field.align
    end = offset + field.bytes
    return { name, field, offset }
  })
  const description = placed.map(({ field, name, offset }) => `${JSON.stringify(name)}:${field.type}@${offset}`).join()
  const properties = placed.map(({ field, name, offset }) => propertyOf(name, field.access(offset, name)))
  const Copy = copyClass()
  const bytes = Math.ceil(end / 8) * 8
  const kind = kindOf(entries, bytes)
  return {
    bytes,
    width: kind === undefined ? 0 : entries.length,
    description,
    fingerprint: fingerprintOf(description),
    view: (memory) => new RecordView(properties, Copy, kind, memory) as unknown as View<TypeOf<F>>
  }
}

/** The kind of number that a record is made of, if there is one that fills it. */
const kindOf = (entries: ReadonlyArray<readonly [string, Field<unknown>]>, bytes: number): NumberKind | undefined => {
  const [first] = entries
  const kind = NUMBER_KINDS.find((one) => one === first?.[1].type)
  const isAlone =
    entries.every(([, field]) => field.type === kind) && entries.length * (first?.[1].bytes ?? 0) === bytes
  return isAlone ? kind : undefined
}

/** Where the accessor of a slot finds its place. */
const PLACE = Symbol("place")

interface Slot {
  readonly [PLACE]: Place
}

interface Property extends Access<unknown> {
  readonly name: string
  readonly descriptor: PropertyDescriptor & ThisType<Slot>
}

/**
 * The same getter and setter for every view of a schema: so all of its slots have one hidden class, and compilers can put a field's access
 * into the loop that asks for it.
 */
const propertyOf = (name: string, { get, set }: Access<unknown>): Property => ({
  name,
  get,
  set,
  descriptor: {
    enumerable: true,
    get() {
      const place = this[PLACE]
      if (place.guard !== undefined) place.guard()
      return get(place)
    },
    set(value) {
      const place = this[PLACE]
      if (place.guard !== undefined) place.guard()
      set(place, value)
    }
  }
})

/** Makes plain objects for the copies of one schema. */
type CopyClass = new () => { [name: string]: unknown }

/**
 * Plain objects that have a constructor of their own: engines learn from it how many fields they will have, and take no memory for more.
 * That is half of what an object literal takes that is filled field by field.
 */
const copyClass = (): CopyClass => {
  const Copy = function () {} as unknown as CopyClass
  Copy.prototype = Object.prototype
  return Copy
}

class RecordView implements View<object> {
  readonly slot: object
  readonly numbers: NumberArray | undefined
  private readonly place: Place
  private readonly properties: ReadonlyArray<Property>
  private readonly Copy: CopyClass

  constructor(
    properties: ReadonlyArray<Property>,
    Copy: CopyClass,
    kind: NumberKind | undefined,
    memory: SharedArrayBuffer
  ) {
    this.properties = properties
    this.Copy = Copy
    this.place = new Place(memory)
    this.numbers = kind === undefined ? undefined : this.place[kind]
    this.slot = Object.defineProperty({}, PLACE, { value: this.place })
    for (const { descriptor, name } of properties) Object.defineProperty(this.slot, name, descriptor)
  }

  moveTo(byte: number): void {
    this.place.byte = byte
  }

  read(): object {
    const copy = new this.Copy()
    for (const { get, name } of this.properties) copy[name] = get(this.place)
    return copy
  }

  write(record: object): void {
    this.place.guard?.()
    for (const { name, set } of this.properties) set(this.place, (record as { [name: string]: unknown })[name])
  }

  setGuard(guard: (() => void) | undefined): void {
    this.place.guard = guard
  }
}
