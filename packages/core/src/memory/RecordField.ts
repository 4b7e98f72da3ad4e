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
import type { Access, Views } from "./internal/views.ts"

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
  readonly access: (offset: number, name: string) => Access<A>
}

/**
 * How a number is read at a byte, and written. Each is written out where it is used: one function for all would see arrays of
 * every kind, and be slow for each.
 */
type Load<A> = (views: Views, byte: number) => A
type Store<A> = (views: Views, byte: number, value: A) => void

const refuse = (field: string, wanted: string, found: unknown): never => {
  throw new RecordError({ field, wanted, found: typeof found === "string" ? JSON.stringify(found) : String(found) })
}

const float = (type: string, bytes: number, load: Load<number>, store: Store<number>): Field<number> => ({
  type,
  bytes,
  align: bytes,
  access: (offset, name) => ({
    get: (at) => load(at, at.byte + offset),
    set: (at, value) => {
      if (typeof value !== "number") refuse(name, "a number", value)
      store(at, at.byte + offset, value)
    }
  })
})

const integer = (
  type: string,
  bytes: number,
  least: number,
  most: number,
  load: Load<number>,
  store: Store<number>
): Field<number> => ({
  type,
  bytes,
  align: bytes,
  access: (offset, name) => ({
    get: (at) => load(at, at.byte + offset),
    set: (at, value) => {
      if (!(value >= least && value <= most) || Math.floor(value) !== value) {
        refuse(name, `a whole number from ${least} to ${most}`, value)
      }
      store(at, at.byte + offset, value)
    }
  })
})

const big = (type: string, least: bigint, most: bigint, load: Load<bigint>, store: Store<bigint>): Field<bigint> => ({
  type,
  bytes: 8,
  align: 8,
  access: (offset, name) => ({
    get: (at) => load(at, at.byte + offset),
    set: (at, value) => {
      if (typeof value !== "bigint" || value < least || value > most)
        refuse(name, `a bigint from ${least} to ${most}`, value)
      store(at, at.byte + offset, value)
    }
  })
})

/**
 * @category fields
 * @since 0.1.0
 */
export const i8: Field<number> = integer(
  "i8",
  1,
  -128,
  127,
  ({ i8 }, byte) => i8[byte]!,
  ({ i8 }, byte, value) => void (i8[byte] = value)
)

/**
 * @category fields
 * @since 0.1.0
 */
export const u8: Field<number> = integer(
  "u8",
  1,
  0,
  255,
  ({ u8 }, byte) => u8[byte]!,
  ({ u8 }, byte, value) => void (u8[byte] = value)
)

/**
 * @category fields
 * @since 0.1.0
 */
export const i16: Field<number> = integer(
  "i16",
  2,
  -32_768,
  32_767,
  ({ i16 }, byte) => i16[byte >> 1]!,
  ({ i16 }, byte, value) => void (i16[byte >> 1] = value)
)

/**
 * @category fields
 * @since 0.1.0
 */
export const u16: Field<number> = integer(
  "u16",
  2,
  0,
  65_535,
  ({ u16 }, byte) => u16[byte >> 1]!,
  ({ u16 }, byte, value) => void (u16[byte >> 1] = value)
)

/**
 * @category fields
 * @since 0.1.0
 */
export const i32: Field<number> = integer(
  "i32",
  4,
  -(2 ** 31),
  2 ** 31 - 1,
  ({ i32 }, byte) => i32[byte >> 2]!,
  ({ i32 }, byte, value) => void (i32[byte >> 2] = value)
)

/**
 * @category fields
 * @since 0.1.0
 */
export const u32: Field<number> = integer(
  "u32",
  4,
  0,
  2 ** 32 - 1,
  ({ u32 }, byte) => u32[byte >> 2]!,
  ({ u32 }, byte, value) => void (u32[byte >> 2] = value)
)

/**
 * @category fields
 * @since 0.1.0
 */
export const i64: Field<bigint> = big(
  "i64",
  -(2n ** 63n),
  2n ** 63n - 1n,
  ({ i64 }, byte) => i64[byte >> 3]!,
  ({ i64 }, byte, value) => void (i64[byte >> 3] = value)
)

/**
 * @category fields
 * @since 0.1.0
 */
export const u64: Field<bigint> = big(
  "u64",
  0n,
  2n ** 64n - 1n,
  ({ u64 }, byte) => u64[byte >> 3]!,
  ({ u64 }, byte, value) => void (u64[byte >> 3] = value)
)

/**
 * @category fields
 * @since 0.1.0
 */
export const f32: Field<number> = float(
  "f32",
  4,
  ({ f32 }, byte) => f32[byte >> 2]!,
  ({ f32 }, byte, value) => void (f32[byte >> 2] = value)
)

/**
 * @category fields
 * @since 0.1.0
 */
export const f64: Field<number> = float(
  "f64",
  8,
  ({ f64 }, byte) => f64[byte >> 3]!,
  ({ f64 }, byte, value) => void (f64[byte >> 3] = value)
)

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
  access: (offset, name) => ({
    get: ({ byte, u8 }) => u8[byte + offset] !== 0,
    set: ({ byte, u8 }, value) => {
      if (typeof value !== "boolean") refuse(name, "true or false", value)
      u8[byte + offset] = value ? 1 : 0
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
    access: (offset, name) => ({
      get: ({ byte, u16, u8 }) => {
        const start = byte + offset
        // Invariant 1: a length that no writer wrote ends at the field's end.
        // `slice` copies into memory that is not shared, which is what a decoder wants, and whoever keeps the bytes.
        return decode(u8.slice(start + 2, start + 2 + Math.min(u16[start >> 1] as number, most)))
      },
      set: ({ byte, u16, u8 }, value) => {
        const encoded = encode(value, name)
        if (encoded.length > most) refuse(name, `at most ${most} bytes`, encoded.length)
        const start = byte + offset
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
    (copy) => copy
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
    (copy) => decoder.decode(copy)
  )
}
