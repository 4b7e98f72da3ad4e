/**
 * A model's state on its way to another process: plain data as it is, shared buffers by number, views by buffer and place.
 *
 * The numbers are those of the regions that the buffers were copied to; whoever unpacks has opened these.
 *
 * @internal
 */

const views = {
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  DataView
} as const

type Kind = keyof typeof views

export type Packed =
  | { readonly _tag: "Buffer"; readonly index: number }
  | {
      readonly _tag: "View"
      readonly kind: Kind
      readonly index: number
      readonly offset: number
      readonly length: number
    }
  | { readonly _tag: "List"; readonly items: ReadonlyArray<Packed> }
  | { readonly _tag: "Object"; readonly fields: ReadonlyArray<readonly [string, Packed]> }
  | { readonly _tag: "Value"; readonly value: unknown }

/** States nest a few deep; a circle would never end. */
const MOST_DEPTH = 32

/** Gives every shared buffer a number, from `buffers` on. Throws `TypeError` for what cannot be sent. */
export const pack = (value: unknown, buffers: Array<SharedArrayBuffer>, depth = 0): Packed => {
  if (depth > MOST_DEPTH) throw new TypeError(`it nests more than ${MOST_DEPTH} deep`)
  const numbered = (buffer: SharedArrayBuffer): number =>
    buffers.includes(buffer) ? buffers.indexOf(buffer) : buffers.push(buffer) - 1
  if (typeof value === "function" || typeof value === "symbol") throw new TypeError(`it holds a ${typeof value}`)
  if (typeof value !== "object" || value === null) return { _tag: "Value", value }
  if (value instanceof SharedArrayBuffer) return { _tag: "Buffer", index: numbered(value) }
  if (ArrayBuffer.isView(value) && value.buffer instanceof SharedArrayBuffer) {
    const kind = (Object.keys(views) as ReadonlyArray<Kind>).find((name) => value instanceof views[name])
    if (kind === undefined) throw new TypeError("it holds a view of a kind that is not known")
    const length = value instanceof DataView ? value.byteLength : (value as Int8Array).length
    return { _tag: "View", kind, index: numbered(value.buffer), offset: value.byteOffset, length }
  }
  if (Array.isArray(value)) return { _tag: "List", items: value.map((item) => pack(item, buffers, depth + 1)) }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) {
    throw new TypeError(`it holds an instance of ${value.constructor.name}`)
  }
  const fields = Object.entries(value).map(([name, field]) => [name, pack(field, buffers, depth + 1)] as const)
  return { _tag: "Object", fields }
}

/** The constructors differ in what they make only. */
const viewOf = (kind: Kind, buffer: SharedArrayBuffer, offset: number, length: number): ArrayBufferView =>
  new (views[kind] as new (buffer: SharedArrayBuffer, offset: number, length: number) => ArrayBufferView)(
    buffer,
    offset,
    length
  )

export const unpack = (packed: Packed, buffers: ReadonlyArray<SharedArrayBuffer>): unknown => {
  switch (packed._tag) {
    case "Buffer":
      return buffers[packed.index]
    case "View":
      return viewOf(packed.kind, buffers[packed.index]!, packed.offset, packed.length)
    case "List":
      return packed.items.map((item) => unpack(item, buffers))
    case "Object":
      return Object.fromEntries(packed.fields.map(([name, field]) => [name, unpack(field, buffers)]))
    case "Value":
      return packed.value
  }
}
