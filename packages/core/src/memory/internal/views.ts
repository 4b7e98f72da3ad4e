/**
 * Typed arrays over one region, and where an accessor of records stands in it.
 *
 * @internal
 */

/** Typed arrays over one region. */
export class Views {
  readonly i8: Int8Array
  readonly u8: Uint8Array
  readonly i16: Int16Array
  readonly u16: Uint16Array
  readonly i32: Int32Array
  readonly u32: Uint32Array
  readonly f32: Float32Array
  readonly f64: Float64Array
  readonly i64: BigInt64Array
  readonly u64: BigUint64Array
  /** Of the region's whole words; it may be a few bytes longer than what lives in it. */
  constructor(memory: SharedArrayBuffer) {
    const longs = Math.floor(memory.byteLength / 8)
    this.i8 = new Int8Array(memory)
    this.u8 = new Uint8Array(memory)
    this.i16 = new Int16Array(memory, 0, longs * 4)
    this.u16 = new Uint16Array(memory, 0, longs * 4)
    this.i32 = new Int32Array(memory, 0, longs * 2)
    this.u32 = new Uint32Array(memory, 0, longs * 2)
    this.f32 = new Float32Array(memory, 0, longs * 2)
    this.f64 = new Float64Array(memory, 0, longs)
    this.i64 = new BigInt64Array(memory, 0, longs)
    this.u64 = new BigUint64Array(memory, 0, longs)
  }
}

/** Kinds of numbers that a typed array holds, named like the arrays in `Views`. */
export const NUMBER_KINDS = ["i8", "u8", "i16", "u16", "i32", "u32", "f32", "f64"] as const
export type NumberKind = (typeof NUMBER_KINDS)[number]
export type NumberArray = Views[NumberKind]

/** Where an accessor stands; the arrays are its own fields, which saves every access a step. */
export class Place extends Views {
  byte = 0
  /** Throws while the accessor may not be used. */
  guard: (() => void) | undefined = undefined
}

/** How a field of a schema is read and written; the same functions for every place. */
export interface Access<A> {
  readonly get: (at: Place) => A
  readonly set: (at: Place, value: A) => void
}
