/**
 * Puts the checker between a model and shared memory, and takes it out again.
 *
 * While an exploration runs, `Atomics`, the typed arrays, `DataView`,
 * `SharedArrayBuffer`, shared `WebAssembly.Memory`, the clocks and `Math.random`
 * are replaced. Code that does not touch memory made in the exploration gets the
 * host's own behaviour. An idle patch would cost about 10 ns per operation, so
 * nothing stays installed after the exploration, however it ends.
 *
 * Source: the technique is the one of loom (Rust) and dscheck (OCaml), where the
 * program has to import the checker's atomics; JavaScript lets us swap them.
 *
 * @internal
 */
import { ModelError } from "../ModelError.ts"
import type { Engine } from "./engine.ts"
import { isShared, type Region, regionOf, type ViewMeta } from "./memory.ts"
import {
  type AnyView,
  type MemoryDescriptor,
  native,
  NativeDataView,
  NativeSharedArrayBuffer,
  NativeWasmMemory,
  type View,
  viewConstructors,
  type ViewConstructor,
  wasm,
  type WasmMemory
} from "./natives.ts"
import { ADD, AND, COMPARE_EXCHANGE, EXCHANGE, LOAD, NOTIFY, OR, STORE, SUB, WAIT, WAKE, XOR } from "./op.ts"
import { WAITING } from "./execution.ts"
import { active, dataViewOf, isStandIn, metaOf, metaOfReal, privateCopy, viewOf } from "./views.ts"

const outside = (what: string): ModelError =>
  new ModelError({
    reason: "outside",
    message:
      `${what} was made outside the model. Make shared memory in \`setup\`, and attach views and objects inside \`setup\` ` +
      "or a thread's body: every execution starts from fresh memory."
  })

/** The record of a view the model uses, or nothing if it is no business of ours. */
const find = (view: unknown): ViewMeta | undefined => {
  const engine = active.engine
  if (engine === undefined) return undefined
  const meta = metaOf(view)
  if (meta !== undefined) return meta
  if (!native.isView(view) || !isShared(view.buffer)) return undefined
  const real = metaOfReal(view as unknown as AnyView)
  if (real === undefined && engine.inModel) throw outside("A typed array used with Atomics")
  return real
}

/** A valid index, or the host's own exception. */
const indexIn = (meta: ViewMeta, index: unknown): number => {
  const length = meta.real.length
  if (typeof index === "number" && index >= 0 && index < length && (index | 0) === index) return index
  native.load(meta.typed, index as number)
  return Math.trunc(Number(index)) || 0
}

/** A value as the host would convert it, before anybody else has a turn. */
const valueFor = (meta: ViewMeta, value: unknown): unknown => {
  const type = meta.valueType
  if (typeof value === type) return value
  const constructor = meta.real.constructor as ViewConstructor
  return native.store(new constructor(1) as unknown as Int32Array, 0, value as number)
}

type Host = (view: View, index: number, a?: unknown, b?: unknown) => unknown

const direct = (engine: Engine, meta: ViewMeta, index: unknown, host: Host, a: unknown, b: unknown): unknown => {
  if (engine.lookingAtInvariant) engine.see(meta, indexIn(meta, index))
  return host(meta.typed, index as number, a, b)
}

const patchedLoad = (view: unknown, index: unknown): unknown => {
  const meta = metaOf(view) ?? find(view)
  const engine = active.engine
  if (meta === undefined || engine === undefined) return native.load(view as Int32Array, index as number)
  if (engine.current < 0) return direct(engine, meta, index, native.load as Host, undefined, undefined)
  if (meta.valueType === "float") return native.load(meta.typed, index as number)
  return engine.perform(LOAD, meta, indexIn(meta, index), undefined, undefined)
}

const patchModify = (kind: number, host: Host) =>
  function (view: unknown, index: unknown, a: unknown, b: unknown): unknown {
    const meta = metaOf(view) ?? find(view)
    const engine = active.engine
    if (meta === undefined || engine === undefined) return host(view as Int32Array, index as number, a, b)
    if (engine.current < 0 || meta.valueType === "float") return direct(engine, meta, index, host, a, b)
    const at = indexIn(meta, index)
    const second = kind === COMPARE_EXCHANGE ? valueFor(meta, b) : undefined
    return engine.perform(kind, meta, at, valueFor(meta, a), second)
  }

const noWaiting = (): never => {
  throw new ModelError({
    reason: "misuse",
    message: "Atomics.wait was called in setup, check or invariant: only a thread's body may wait."
  })
}

const timeoutOf = (timeout: unknown): number => {
  if (timeout === undefined) return Infinity
  const n = Number(timeout)
  return Number.isNaN(n) ? Infinity : Math.max(n, 0)
}

const patchedWait = (view: unknown, index: unknown, value: unknown, timeout?: unknown): unknown => {
  const meta = metaOf(view) ?? find(view)
  const engine = active.engine
  if (meta === undefined || engine === undefined) {
    return native.wait(view as Int32Array, index as number, value as number, timeout as number | undefined)
  }
  if (engine.current < 0) return noWaiting()
  const name = (meta.real.constructor as ViewConstructor).name
  if (name !== "Int32Array" && name !== "BigInt64Array") {
    return native.wait(meta.typed, index as number, value as number, 0)
  }
  const at = indexIn(meta, index)
  const expected = valueFor(meta, value)
  const answer = engine.perform(WAIT, meta, at, expected, timeoutOf(timeout))
  return answer === WAITING ? engine.perform(WAKE, meta, at, undefined, undefined) : answer
}

const patchedNotify = (view: unknown, index: unknown, count?: unknown): number => {
  const meta = metaOf(view) ?? find(view)
  const engine = active.engine
  if (meta === undefined || engine === undefined) {
    return native.notify(view as Int32Array, index as number, count as number | undefined)
  }
  if (engine.current < 0) return engine.notifyOutside(meta, indexIn(meta, index))
  const many = count === undefined ? Infinity : Math.max(Math.trunc(Number(count)) || 0, 0)
  return engine.perform(NOTIFY, meta, indexIn(meta, index), many, undefined) as number
}

const patchedWaitAsync = (view: unknown, index: unknown, value: unknown, timeout?: unknown): unknown => {
  const meta = metaOf(view) ?? find(view)
  const engine = active.engine
  if (meta === undefined || engine === undefined) {
    return native.waitAsync(view as Int32Array, index as number, value as number, timeout as number | undefined)
  }
  if (engine.current < 0) return noWaiting()
  return engine.waitAsync(meta, indexIn(meta, index), valueFor(meta, value), timeoutOf(timeout))
}

const patchedPause = (n?: number): void => {
  const engine = active.engine
  if (engine === undefined || engine.current < 0) native.pause?.call(Atomics, n)
  else engine.pause()
}

const EPOCH = Date.UTC(2020, 0, 1)

const patchedDateNow = (): number => {
  const engine = active.engine
  if (engine === undefined || !engine.inModel) return native.dateNow()
  if (engine.current < 0) return EPOCH
  return EPOCH + (engine.local(1, (t) => engine.tickTime(t)) as number)
}

const patchedPerformanceNow = (): number => {
  const engine = active.engine
  if (engine === undefined || !engine.inModel) return native.performanceNow()
  if (engine.current < 0) return 0
  return engine.local(2, (t) => engine.tickTime(t)) as number
}

const patchedRandom = (): number => {
  const engine = active.engine
  if (engine === undefined || !engine.inModel) return native.random()
  if (engine.current < 0) return 0.5
  return engine.local(3, (t) => engine.rollChance(t)) as number
}

const allocate = (engine: Engine, shape: string, make: () => SharedArrayBuffer): Region => {
  if (engine.current < 0) return engine.memory.allocate(-1, shape, make)
  return engine.local(4, (thread) => engine.memory.allocate(thread, shape, make)) as Region
}

const PatchedSharedArrayBuffer = function (length?: number, options?: { readonly maxByteLength?: number }) {
  const engine = active.engine
  const make = () => new NativeSharedArrayBuffer(length ?? 0, options)
  if (new.target === undefined) return (NativeSharedArrayBuffer as unknown as () => never)()
  if (engine === undefined || !engine.inModel) return make()
  return allocate(engine, `${Number(length ?? 0)}/${options?.maxByteLength ?? ""}`, make).buffer
}

const PatchedWasmMemory = function (descriptor: MemoryDescriptor) {
  const engine = active.engine
  if (engine === undefined || !engine.inModel || descriptor.shared !== true) return new NativeWasmMemory(descriptor)
  let made: WasmMemory | undefined
  const region = allocate(engine, `wasm/${descriptor.initial}/${descriptor.maximum ?? ""}`, () => {
    made = new NativeWasmMemory(descriptor)
    return made.buffer as SharedArrayBuffer
  })
  if (made !== undefined) region.owner = made
  return region.owner
}

const PatchedDataView = function (buffer: unknown, offset?: number, length?: number) {
  if (new.target === undefined) return (NativeDataView as unknown as () => never)()
  const engine = active.engine
  const region = engine === undefined ? undefined : regionOf(buffer)
  if (region !== undefined) return dataViewOf(region, offset, length)
  if (engine?.inModel === true && isShared(buffer)) throw outside("A SharedArrayBuffer")
  return new NativeDataView(buffer as ArrayBuffer, offset, length)
}

const patchConstructor = (host: ViewConstructor) => {
  const patched = function (this: unknown, first?: unknown, second?: unknown, third?: unknown): object {
    if (new.target === undefined) return (host as unknown as () => never)()
    const engine = active.engine
    if (engine !== undefined && typeof first === "object" && first !== null) {
      const region = regionOf(first)
      if (region !== undefined && first === region.buffer) {
        return viewOf(region, host, second as number | undefined, third as number | undefined)
      }
      const meta = metaOf(first)
      if (meta !== undefined) return new host(privateCopy(meta))
      if (engine.inModel && isShared(first)) throw outside("A SharedArrayBuffer")
    }
    if ((new.target as unknown) === patched) return new host(first, second, third)
    return Reflect.construct(host, [first, second, third], new.target) as object
  }
  Object.setPrototypeOf(patched, host)
  Object.defineProperty(patched, "prototype", { value: host.prototype })
  Object.defineProperty(patched, "name", { value: host.name })
  return patched
}

for (const [patched, host] of [
  [PatchedSharedArrayBuffer, NativeSharedArrayBuffer],
  [PatchedDataView, NativeDataView],
  [PatchedWasmMemory, NativeWasmMemory]
] as const) {
  Object.setPrototypeOf(patched, host)
  Object.defineProperty(patched, "prototype", { value: host.prototype })
  Object.defineProperty(patched, "name", { value: host.name })
}

const patches: ReadonlyArray<readonly [target: object, key: string, value: unknown]> = [
  [Atomics, "load", patchedLoad],
  [Atomics, "store", patchModify(STORE, native.store as Host)],
  [Atomics, "add", patchModify(ADD, native.add as Host)],
  [Atomics, "sub", patchModify(SUB, native.sub as Host)],
  [Atomics, "and", patchModify(AND, native.and as Host)],
  [Atomics, "or", patchModify(OR, native.or as Host)],
  [Atomics, "xor", patchModify(XOR, native.xor as Host)],
  [Atomics, "exchange", patchModify(EXCHANGE, native.exchange as Host)],
  [Atomics, "compareExchange", patchModify(COMPARE_EXCHANGE, native.compareExchange as Host)],
  [Atomics, "wait", patchedWait],
  [Atomics, "waitAsync", patchedWaitAsync],
  [Atomics, "notify", patchedNotify],
  [Atomics, "pause", patchedPause],
  [ArrayBuffer, "isView", (value: unknown) => native.isView(value) || isStandIn(value)],
  [Date, "now", patchedDateNow],
  [performance, "now", patchedPerformanceNow],
  [Math, "random", patchedRandom],
  [wasm, "Memory", PatchedWasmMemory],
  [globalThis, "SharedArrayBuffer", PatchedSharedArrayBuffer],
  [globalThis, "DataView", PatchedDataView],
  ...viewConstructors.map((host) => [globalThis, host.name, patchConstructor(host)] as const)
]

/** Whether an exploration is in progress: there can be only one. */
export const isInstalled = (): boolean => active.engine !== undefined

/** Each as far as it goes: what a model has frozen must not keep the others in. */
const restore = (saved: ReadonlyArray<readonly [object, string, PropertyDescriptor | undefined]>): void => {
  for (const [target, key, before] of saved) {
    if (before === undefined) Reflect.deleteProperty(target, key)
    else Reflect.defineProperty(target, key, before)
  }
}

/** Install the patches for `engine`; the answer takes them out again, and may be called twice. */
export const install = (engine: Engine): (() => void) => {
  if (active.engine !== undefined) {
    throw new ModelError({
      reason: "misuse",
      message: "An exploration is already running: explorations cannot be nested, nor run at the same time."
    })
  }
  const saved: Array<readonly [object, string, PropertyDescriptor | undefined]> = []
  for (const [target, key, value] of patches) {
    const before = Object.getOwnPropertyDescriptor(target, key)
    const enumerable = before?.enumerable ?? false
    if (!Reflect.defineProperty(target, key, { value, writable: true, configurable: true, enumerable })) {
      restore(saved)
      throw new ModelError({
        reason: "misuse",
        message: `${key} cannot be replaced while exploring: somebody has frozen the object it belongs to.`
      })
    }
    saved.push([target, key, before])
  }
  active.engine = engine
  return () => {
    if (active.engine !== engine) return
    active.engine = undefined
    restore(saved)
    engine.memory.release()
  }
}
