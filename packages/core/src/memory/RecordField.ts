/**
 * The fields of a record: their sizes, and how their values are read from shared memory and written there.
 *
 * **Invariants**
 *
 * 1. Whatever the bytes of a slot are, reading a field gives a value of its type and touches no byte outside of the field.
 * 2. A value that does not fit its field is refused before anything of that field is written.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import type { Place, Views } from "./internal/views.ts"

/**
 * A schema that cannot be, or a value that does not fit its field.
 *
 * @category errors
 * @since 0.1.0
 */
export class RecordError extends Schema.TaggedError<RecordError>()("RecordError", {
  field: Schema.String,
  wanted: Schema.String,
  found: Schema.String
}) {
  override get message(): string {
    return `field ${JSON.stringify(this.field)}: wanted ${this.wanted}, found ${this.found}`
  }
}

interface Access<A> {
  readonly get: () => A
  readonly set: (value: A) => void
}

/**
 * A field of a record.
 *
 * @category models
 * @since 0.1.0
 */
export interface Field<A> {
  /** What its values are, such as `f64` or `string(16)`. */
  readonly type: string
  readonly bytes: number
  readonly align: number
  /** @internal */
  readonly access: (views: Views, place: Place, offset: number, name: string) => Access<A>
}

type NumberView = "i8" | "u8" | "i16" | "u16" | "i32" | "u32" | "f32" | "f64"

const refuse = (field: string, wanted: string, found: unknown): never => {
  throw new RecordError({ field, wanted, found: typeof found === "string" ? JSON.stringify(found) : String(found) })
}

const float = (type: "f32" | "f64", bytes: number, shift: number): Field<number> => ({
  type,
  bytes,
  align: bytes,
  access: (views, place, offset, name) => {
    const view = views[type]
    return {
      get: () => view[(place.byte + offset) >> shift] as number,
      set: (value) => {
        if (typeof value !== "number") refuse(name, "a number", value)
        view[(place.byte + offset) >> shift] = value
      }
    }
  }
})

const integer = (type: NumberView, bytes: number, shift: number, least: number, most: number): Field<number> => ({
  type,
  bytes,
  align: bytes,
  access: (views, place, offset, name) => {
    const view = views[type]
    return {
      get: () => view[(place.byte + offset) >> shift] as number,
      set: (value) => {
        if (!(value >= least && value <= most) || Math.floor(value) !== value) {
          refuse(name, `a whole number from ${least} to ${most}`, value)
        }
        view[(place.byte + offset) >> shift] = value
      }
    }
  }
})

const big = (type: "i64" | "u64", least: bigint, most: bigint): Field<bigint> => ({
  type,
  bytes: 8,
  align: 8,
  access: (views, place, offset, name) => {
    const view = views[type]
    return {
      get: () => view[(place.byte + offset) >> 3] as bigint,
      set: (value) => {
        if (typeof value !== "bigint" || value < least || value > most)
          refuse(name, `a bigint from ${least} to ${most}`, value)
        view[(place.byte + offset) >> 3] = value
      }
    }
  }
})

/**
 * @category fields
 * @since 0.1.0
 */
export const i8: Field<number> = integer("i8", 1, 0, -128, 127)

/**
 * @category fields
 * @since 0.1.0
 */
export const u8: Field<number> = integer("u8", 1, 0, 0, 255)

/**
 * @category fields
 * @since 0.1.0
 */
export const i16: Field<number> = integer("i16", 2, 1, -32_768, 32_767)

/**
 * @category fields
 * @since 0.1.0
 */
export const u16: Field<number> = integer("u16", 2, 1, 0, 65_535)

/**
 * @category fields
 * @since 0.1.0
 */
export const i32: Field<number> = integer("i32", 4, 2, -(2 ** 31), 2 ** 31 - 1)

/**
 * @category fields
 * @since 0.1.0
 */
export const u32: Field<number> = integer("u32", 4, 2, 0, 2 ** 32 - 1)

/**
 * @category fields
 * @since 0.1.0
 */
export const i64: Field<bigint> = big("i64", -(2n ** 63n), 2n ** 63n - 1n)

/**
 * @category fields
 * @since 0.1.0
 */
export const u64: Field<bigint> = big("u64", 0n, 2n ** 64n - 1n)

/**
 * @category fields
 * @since 0.1.0
 */
export const f32: Field<number> = float("f32", 4, 2)

/**
 * @category fields
 * @since 0.1.0
 */
export const f64: Field<number> = float("f64", 8, 3)

/**
 * One byte; anything but 0 is `true`.
 *
 * @category fields
 * @since 0.1.0
 */
export const boolean: Field<boolean> = {
  type: "boolean",
  bytes: 1,
  align: 1,
  access: ({ u8 }, place, offset, name) => ({
    get: () => u8[place.byte + offset] !== 0,
    set: (value) => {
      if (typeof value !== "boolean") refuse(name, "true or false", value)
      u8[place.byte + offset] = value ? 1 : 0
    }
  })
}

const MAX_FIXED = 65_535

const checkFixed = (type: string, most: number): void => {
  if (!Number.isInteger(most) || most < 1 || most > MAX_FIXED) {
    throw new RangeError(`${type}: wanted a whole number of bytes from 1 to ${MAX_FIXED}, found ${String(most)}`)
  }
}

const fixed = <A>(
  type: string,
  most: number,
  encode: (value: A, name: string) => Uint8Array,
  decode: (copy: Uint8Array) => A
): Field<A> => {
  checkFixed(type, most)
  return {
    type: `${type}(${most})`,
    bytes: 2 + most,
    align: 2,
    access: ({ u16, u8 }, place, offset, name) => ({
      get: () => {
        const start = place.byte + offset
        // Invariant 1: a length that no writer wrote ends at the field's end.
        return decode(u8.slice(start + 2, start + 2 + Math.min(u16[start >> 1] as number, most)))
      },
      set: (value) => {
        const encoded = encode(value, name)
        if (encoded.length > most) refuse(name, `at most ${most} bytes`, encoded.length)
        const start = place.byte + offset
        u16[start >> 1] = encoded.length
        u8.set(encoded, start + 2)
      }
    })
  }
}

/**
 * At most that many bytes; read as a copy.
 *
 * @category fields
 * @since 0.1.0
 */
export const bytes = (most: number): Field<Uint8Array> =>
  fixed(
    "bytes",
    most,
    (value, name) => (value instanceof Uint8Array ? value : refuse(name, "a Uint8Array", value)),
    (copy) => Uint8Array.from(copy)
  )

/**
 * A string of at most that many bytes of UTF-8. Bytes that are none are read as U+FFFD.
 *
 * @category fields
 * @since 0.1.0
 */
export const string = (most: number): Field<string> => {
  const encoder = new TextEncoder()
  const decoder = new TextDecoder()
  return fixed(
    "string",
    most,
    (value, name) => (typeof value === "string" ? encoder.encode(value) : refuse(name, "a string", value)),
    // A decoder takes no shared memory: `from` copies to memory of its own.
    (copy) => decoder.decode(Uint8Array.from(copy))
  )
}
