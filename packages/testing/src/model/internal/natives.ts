/**
 * The host's own functions, captured when this file is first loaded, that is
 * before anything is patched. Everything else in the checker touches memory and
 * time through these, so that the checker never observes itself.
 *
 * @internal
 */

export const NativeSharedArrayBuffer = SharedArrayBuffer
export const NativeDataView = DataView
export const NativeUint8Array = Uint8Array

/** `WebAssembly`, of which we need one constructor; its types come with a browser's. */
export interface MemoryDescriptor {
  readonly initial: number
  readonly maximum?: number
  readonly shared?: boolean
}
export interface WasmMemory {
  readonly buffer: ArrayBufferLike
}
interface Wasm {
  Memory: new (descriptor: MemoryDescriptor) => WasmMemory
}
export const wasm = (globalThis as unknown as { readonly WebAssembly: Wasm }).WebAssembly
export const NativeWasmMemory = wasm.Memory

/** `Atomics` as the host defines it; the object itself is patched, its functions are not. */
export const native = {
  load: Atomics.load,
  store: Atomics.store,
  add: Atomics.add,
  sub: Atomics.sub,
  and: Atomics.and,
  or: Atomics.or,
  xor: Atomics.xor,
  exchange: Atomics.exchange,
  compareExchange: Atomics.compareExchange,
  wait: Atomics.wait,
  waitAsync: Atomics.waitAsync,
  notify: Atomics.notify,
  pause: (Atomics as { readonly pause?: (n?: number) => void }).pause,
  dateNow: Date.now,
  performanceNow: performance.now.bind(performance),
  random: Math.random,
  isView: ArrayBuffer.isView
} as const

/** Any integer or float view; what `Atomics` accepts is decided by the host. */
export type View =
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array

/** A view whose elements may be numbers or bigints: the checker moves values, it does not compute with them. */
export interface AnyView {
  readonly length: number
  readonly byteLength: number
  readonly byteOffset: number
  readonly buffer: ArrayBufferLike
  readonly BYTES_PER_ELEMENT: number
  [index: number]: Value
  set(source: ArrayLike<Value>, offset?: number): void
  slice(start?: number, end?: number): AnyView
}

/** What a cell of shared memory can hold. */
export type Value = number | bigint

/** A constructor of views, seen uniformly. */
export interface ViewConstructor {
  readonly name: string
  readonly BYTES_PER_ELEMENT: number
  readonly prototype: object
  new (...args: ReadonlyArray<unknown>): AnyView
}

const names = [
  "Int8Array",
  "Uint8Array",
  "Uint8ClampedArray",
  "Int16Array",
  "Uint16Array",
  "Int32Array",
  "Uint32Array",
  "Float16Array",
  "Float32Array",
  "Float64Array",
  "BigInt64Array",
  "BigUint64Array"
]

const globals = globalThis as unknown as Record<string, ViewConstructor | undefined>

/** Every typed-array constructor this host has, by name. */
export const viewConstructors: ReadonlyArray<ViewConstructor> = names.flatMap((name) => globals[name] ?? [])
