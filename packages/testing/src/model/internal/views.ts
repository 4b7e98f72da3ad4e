/**
 * Stand-ins for typed arrays and `DataView`s over shared memory.
 *
 * A stand-in is an ordinary object that carries its record under `META`, where
 * the patched `Atomics` finds it without a lookup table, and whose prototype is a
 * proxy, so that `view[i]`, which no function call announces, is seen too. Every
 * method that only reads works on a private copy made element by element; every
 * method that writes is spelled out here.
 *
 * @internal
 */
import type { Engine } from "./engine.ts"
import { META, type Region, regionOf, ViewMeta } from "./memory.ts"
import { type AnyView, NativeDataView, type Value, viewConstructors, type ViewConstructor } from "./natives.ts"
import { PLAIN_LOAD, PLAIN_STORE } from "./op.ts"

/** The engine now exploring, if any; shared with `instrument.ts`. */
export const active: { engine: Engine | undefined } = { engine: undefined }

export interface StandIn {
  readonly [META]: ViewMeta
}

/** The record of a stand-in. */
export const metaOf = (value: unknown): ViewMeta | undefined => {
  const meta = typeof value === "object" && value !== null ? (value as Partial<StandIn>)[META] : undefined
  return meta instanceof ViewMeta ? meta : undefined
}

const read = (meta: ViewMeta, index: number): Value | undefined => {
  const engine = active.engine
  if (engine === undefined) return meta.real[index]
  if (engine.current >= 0) return engine.plain(PLAIN_LOAD, meta, index, undefined) as Value
  if (engine.lookingAtInvariant) engine.see(meta, index)
  return meta.real[index]
}

const write = (meta: ViewMeta, index: number, value: Value): void => {
  const engine = active.engine
  if (engine !== undefined && engine.current >= 0) engine.plain(PLAIN_STORE, meta, index, value)
  else meta.real[index] = value
}

/** A private copy, read element by element. */
const copyOf = (meta: ViewMeta): AnyView => {
  const constructor = meta.real.constructor as ViewConstructor
  const length = meta.real.length
  const copy = new constructor(length)
  for (let i = 0; i < length; i++) copy[i] = read(meta, i) ?? 0
  return copy
}

const clamp = (value: unknown, length: number, otherwise: number): number => {
  if (value === undefined) return otherwise
  const n = Math.trunc(Number(value)) || 0
  return n < 0 ? Math.max(length + n, 0) : Math.min(n, length)
}

type Method = (this: object, ...args: ReadonlyArray<unknown>) => unknown

const self = (value: object): ViewMeta => {
  const meta = metaOf(value)
  if (meta === undefined) throw new TypeError("this is not a typed array")
  return meta
}

const writers: Record<string, Method> = {
  set(source, offset) {
    const meta = self(this)
    const from = source as ArrayLike<Value>
    const at = Math.trunc(Number(offset ?? 0)) || 0
    if (at < 0 || at + from.length > meta.real.length) throw new RangeError("offset is out of bounds")
    const values = Array.from(from)
    for (let i = 0; i < values.length; i++) write(meta, at + i, values[i] as Value)
    return undefined
  },
  fill(value, start, end) {
    const meta = self(this)
    const length = meta.real.length
    const to = clamp(end, length, length)
    for (let i = clamp(start, length, 0); i < to; i++) write(meta, i, value as Value)
    return this
  },
  copyWithin(target, start, end) {
    const meta = self(this)
    const length = meta.real.length
    const from = clamp(start, length, 0)
    const to = clamp(target, length, 0)
    const count = Math.min(clamp(end, length, length) - from, length - to)
    const values: Array<Value> = []
    for (let i = 0; i < count; i++) values.push(read(meta, from + i) ?? 0)
    for (let i = 0; i < count; i++) write(meta, to + i, values[i] as Value)
    return this
  },
  reverse() {
    const meta = self(this)
    const copy = copyOf(meta) as unknown as Int32Array
    copy.toReversed().forEach((value, i) => write(meta, i, value))
    return this
  },
  sort(compare) {
    const meta = self(this)
    const copy = copyOf(meta) as unknown as Int32Array
    copy.toSorted(compare as (a: number, b: number) => number).forEach((value, i) => write(meta, i, value))
    return this
  },
  at(index) {
    const meta = self(this)
    const n = Math.trunc(Number(index)) || 0
    const i = n < 0 ? meta.real.length + n : n
    return i >= 0 && i < meta.real.length ? read(meta, i) : undefined
  },
  subarray(begin, end) {
    const meta = self(this)
    const length = meta.real.length
    const from = clamp(begin, length, 0)
    const to = Math.max(clamp(end, length, length), from)
    const offset = meta.byteOffset + from * meta.elementSize
    return viewOf(meta.region, meta.real.constructor as ViewConstructor, offset, to - from)
  }
}

const readers = new Map<string | symbol, Method>()

/** A method of the host that only reads, applied to a private copy. */
const reader = (key: string | symbol, method: (...args: ReadonlyArray<unknown>) => unknown): Method => {
  let found = readers.get(key)
  if (found === undefined) {
    found = function (this: object, ...args: ReadonlyArray<unknown>) {
      return method.apply(copyOf(self(this)), args as Array<unknown>)
    }
    readers.set(key, found)
  }
  return found
}

const indexOf = (key: string | symbol): number => {
  if (typeof key !== "string") return -1
  const code = key.charCodeAt(0)
  if (code < 48 || code > 57) return -1
  const n = Number(key)
  return Number.isInteger(n) ? n : -1
}

const properties = new Set(["length", "byteLength", "byteOffset", "BYTES_PER_ELEMENT", "buffer", "constructor"])

const get = (target: object, key: string | symbol, receiver: object): unknown => {
  const meta = metaOf(receiver)
  const index = indexOf(key)
  if (meta === undefined) return Reflect.get(target, key, receiver)
  if (index >= 0) return index < meta.real.length ? read(meta, index) : undefined
  if (typeof key === "string") {
    if (properties.has(key)) return (meta.real as unknown as Record<string, unknown>)[key]
    const writer = writers[key]
    if (writer !== undefined && Object.hasOwn(writers, key)) return writer
  } else if (key === Symbol.toStringTag) return (meta.real.constructor as ViewConstructor).name
  const own = Reflect.get(meta.real as object, key, meta.real) as unknown
  return typeof own === "function" ? reader(key, own as () => unknown) : own
}

const set = (_: object, key: string | symbol, value: unknown, receiver: object): boolean => {
  const meta = metaOf(receiver)
  const index = indexOf(key)
  if (meta !== undefined && index >= 0) {
    if (index < meta.real.length) write(meta, index, value as Value)
    return true
  }
  return Reflect.defineProperty(receiver, key, { value, writable: true, enumerable: true, configurable: true })
}

const has = (target: object, key: string | symbol): boolean => indexOf(key) >= 0 || Reflect.has(target, key)

const prototypes = new Map<ViewConstructor, object>()
for (const constructor of viewConstructors) {
  prototypes.set(constructor, new Proxy(Object.create(constructor.prototype) as object, { get, set, has }))
}

/** The stand-in for `new constructor(buffer, offset, length)`; the same one every time. */
export const viewOf = (region: Region, constructor: ViewConstructor, offset?: number, length?: number): object => {
  const all = (offset === undefined || offset === 0) && length === undefined
  const whole = all ? region.whole.get(constructor) : undefined
  if (whole !== undefined) return whole
  const key = `${constructor.name}/${offset ?? 0}/${length ?? ""}`
  const known = region.views.get(key)
  if (known !== undefined) return known
  const real =
    length === undefined ? new constructor(region.buffer, offset) : new constructor(region.buffer, offset, length)
  const view = Object.create(prototypes.get(constructor) as object) as object
  Object.defineProperty(view, META, { value: new ViewMeta(region, real) })
  region.views.set(key, view)
  if (all) region.whole.set(constructor, view)
  return view
}

/** The record for a view the host made over a region: it means the same memory. */
export const metaOfReal = (real: AnyView): ViewMeta | undefined => {
  const region = regionOf(real.buffer)
  if (region === undefined) return undefined
  const constructor = viewConstructors.find((c) => c === real.constructor) ?? (real.constructor as ViewConstructor)
  if (!prototypes.has(constructor)) return undefined
  return metaOf(viewOf(region, constructor, real.byteOffset, real.length))
}

/** A private copy of what `new Int32Array(standIn)` asks for. */
export const privateCopy = (meta: ViewMeta): AnyView => copyOf(meta)

// ---- DataView

const numberTypes: ReadonlyArray<readonly [name: string, constructor: string]> = [
  ["Int8", "Int8Array"],
  ["Uint8", "Uint8Array"],
  ["Int16", "Int16Array"],
  ["Uint16", "Uint16Array"],
  ["Int32", "Int32Array"],
  ["Uint32", "Uint32Array"],
  ["Float16", "Float16Array"],
  ["Float32", "Float32Array"],
  ["Float64", "Float64Array"],
  ["BigInt64", "BigInt64Array"],
  ["BigUint64", "BigUint64Array"]
]

type Getter = (offset: number, little?: boolean) => Value
type Setter = (offset: number, value: Value, little?: boolean) => void

/** One number of a `DataView`, dressed as a view of one element. */
const oneNumber = (
  region: Region,
  view: DataView,
  type: string,
  constructor: ViewConstructor,
  offset: number,
  little: boolean
) => {
  const at = view.byteOffset + offset
  const key = `DataView/${type}/${at}/${little}`
  const known = region.views.get(key)
  if (known !== undefined) return known as unknown as ViewMeta
  const whole = new NativeDataView(region.buffer)
  const methods = whole as unknown as Record<string, Getter & Setter>
  const getter = methods[`get${type}`] as Getter
  const setter = methods[`set${type}`] as Setter
  const real = {
    constructor,
    length: 1,
    byteLength: constructor.BYTES_PER_ELEMENT,
    byteOffset: at,
    BYTES_PER_ELEMENT: constructor.BYTES_PER_ELEMENT,
    buffer: region.buffer,
    get 0() {
      return getter.call(whole, at, little)
    },
    set 0(value: Value) {
      setter.call(whole, at, value, little)
    }
  }
  const meta = new ViewMeta(region, real as unknown as AnyView)
  region.views.set(key, meta)
  return meta
}

const dataViewPrototype = Object.create(NativeDataView.prototype) as Record<string, unknown>
const dataViews = new WeakMap<object, DataView>()
const realData = (value: object): DataView => dataViews.get(value) ?? (value as DataView)

for (const property of ["byteLength", "byteOffset", "buffer"] as const) {
  Object.defineProperty(dataViewPrototype, property, {
    get(this: object) {
      return realData(this)[property]
    }
  })
}
for (const [type, constructorName] of numberTypes) {
  const constructor = viewConstructors.find((c) => c.name === constructorName)
  if (constructor === undefined) continue
  const size = constructor.BYTES_PER_ELEMENT
  const locate = (value: object, offset: number, little: boolean): ViewMeta => {
    const view = realData(value)
    const at = Math.trunc(Number(offset)) || 0
    if (at < 0 || at + size > view.byteLength) throw new RangeError("Offset is outside the bounds of the DataView")
    return oneNumber(regionOf(view.buffer) as Region, view, type, constructor, at, little)
  }
  dataViewPrototype[`get${type}`] = function (this: object, offset: number, little?: boolean) {
    return read(locate(this, offset, little === true), 0)
  }
  dataViewPrototype[`set${type}`] = function (this: object, offset: number, value: Value, little?: boolean) {
    write(locate(this, offset, little === true), 0, value)
  }
}

/** The stand-in for `new DataView(buffer, offset, length)`. */
export const dataViewOf = (region: Region, offset?: number, length?: number): object => {
  const key = `DataView/${offset ?? 0}/${length ?? ""}`
  const known = region.views.get(key)
  if (known !== undefined) return known
  const real =
    length === undefined ? new NativeDataView(region.buffer, offset) : new NativeDataView(region.buffer, offset, length)
  const view = Object.create(dataViewPrototype) as object
  dataViews.set(view, real)
  region.views.set(key, view)
  return view
}

/** Whether a value is one of ours: `ArrayBuffer.isView` must say yes. */
export const isStandIn = (value: unknown): boolean =>
  typeof value === "object" && value !== null && (metaOf(value) !== undefined || dataViews.has(value))
