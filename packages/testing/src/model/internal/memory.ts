/**
 * The checker's picture of shared memory: regions, views and cells.
 *
 * A _region_ is one `SharedArrayBuffer` made while exploring. It gets a base
 * address, so that every byte of a model has one number. A _view_ is a typed
 * array over a region as the model sees it: a stand-in (`views.ts`) whose
 * `META` is the record kept here. A _cell_ is the unit in which conflicts are
 * decided: one element. Two elements of different sizes that overlap split the
 * cell into bytes, and from then on an access to the whole goes to its parts.
 *
 * A _queue_ is the list of waiters of one address. It has a cell of its own,
 * because waiting and notifying conflict over the list and not over the value.
 *
 * **Invariants**
 *
 * 1. A region keeps its address for as long as the exploration lasts: regions
 *    are pooled per owner and order of creation, so that execution `n + 1` finds
 *    the cells of execution `n`.
 * 2. What a cell remembers belongs to the execution in `stamp`; it is reset on
 *    first touch in another one. Nothing is cleared in a loop over all cells.
 *
 * @internal
 */
import { ModelError } from "../ModelError.ts"
import { type AnyView, NativeSharedArrayBuffer, NativeUint8Array, type ViewConstructor } from "./natives.ts"

/** Where a stand-in, and a real buffer or view, carries the checker's record. */
export const META: unique symbol = Symbol("@selvedge/testing/model/META")

/** Distance between the address ranges of two owners; a region is never this large. */
const OWNER_SPAN = 2 ** 32

export interface Waiter {
  readonly thread: number
  readonly view: ViewMeta
  readonly index: number
  readonly timeout: number
  readonly cell: Cell
  /** Awaited, not slept on: its thread goes on meanwhile. */
  readonly async: boolean
  /** What the thread had released when it joined the list, and what its notifier had. */
  readonly joined: Int32Array
  told: Int32Array | undefined
  notified: boolean
  /** The step of the notification, so that a race with it can be turned round. */
  notifiedAt: number
}

/** One element, or one list of waiters; see the invariants above. */
export class Cell {
  readonly address: number
  readonly size: number
  readonly region: Region
  /** The invariant looks at it; kept over executions. */
  visible = false
  /** Set when this range has been split into bytes. */
  parts: ReadonlyArray<Cell> | undefined = undefined
  stamp = -1

  // ---- order of steps, for the reduction
  lastWrite = -1
  readonly lastReads: Int32Array

  // ---- happens-before, for data races: the clock of each thread's last access of a kind
  readonly release: Int32Array
  readonly plainWrites: Int32Array
  readonly plainReads: Int32Array
  readonly atomicWrites: Int32Array
  readonly atomicReads: Int32Array
  plain = false
  /** Size of the last atomic write, which is the one a read synchronises with. */
  releasedSize = 0
  /** Size of each thread's last atomic access, for `mixed-size`. */
  readonly atomicSizes: Int32Array

  // ---- spinning: who sleeps until this changes, and how often it changed
  version = 0
  watchers = 0
  readonly seen: Int32Array

  readonly waiters: Array<Waiter> = []

  constructor(region: Region, address: number, size: number, threads: number) {
    this.region = region
    this.address = address
    this.size = size
    this.lastReads = new Int32Array(threads).fill(-1)
    this.release = new Int32Array(threads)
    this.plainWrites = new Int32Array(threads)
    this.plainReads = new Int32Array(threads)
    this.atomicWrites = new Int32Array(threads)
    this.atomicReads = new Int32Array(threads)
    this.atomicSizes = new Int32Array(threads)
    this.seen = new Int32Array(threads).fill(-1)
  }

  /** Forget the execution this belonged to (invariant 2). */
  reset(stamp: number): void {
    this.stamp = stamp
    this.lastWrite = -1
    this.lastReads.fill(-1)
    this.release.fill(0)
    this.atomicWrites.fill(0)
    this.atomicReads.fill(0)
    if (this.plain) {
      this.plainWrites.fill(0)
      this.plainReads.fill(0)
      this.plain = false
    }
    this.releasedSize = 0
    this.version = 0
    this.watchers = 0
    this.seen.fill(-1)
    this.waiters.length = 0
  }

  /** What a byte of a split cell inherits. */
  inherit(from: Cell): void {
    this.stamp = from.stamp
    this.lastWrite = from.lastWrite
    this.lastReads.set(from.lastReads)
    this.release.set(from.release)
    this.plainWrites.set(from.plainWrites)
    this.plainReads.set(from.plainReads)
    this.atomicWrites.set(from.atomicWrites)
    this.atomicReads.set(from.atomicReads)
    this.atomicSizes.set(from.atomicSizes)
    this.plain = from.plain
    this.releasedSize = from.releasedSize
    this.version = from.version
    this.watchers = from.watchers
  }
}

/** A typed array or `DataView` over a region, as the model sees it. */
export class ViewMeta {
  readonly region: Region
  readonly real: AnyView
  readonly byteOffset: number
  readonly elementSize: number
  /** What an element holds; `Atomics` does not work on `float`s. */
  readonly valueType: "number" | "bigint" | "float"
  /** Cells by element, filled as they are met. */
  cells: Array<Cell | undefined> = []
  constructor(region: Region, real: AnyView) {
    this.region = region
    this.real = real
    this.byteOffset = real.byteOffset
    this.elementSize = real.BYTES_PER_ELEMENT
    const type = (real.constructor as ViewConstructor).name
    const float = type.startsWith("Float") || type === "Uint8ClampedArray"
    this.valueType = float ? "float" : type.startsWith("Big") ? "bigint" : "number"
  }

  /** The view for the host's functions, which are typed by element. */
  get typed(): Int32Array {
    return this.real as unknown as Int32Array
  }
}

export class Region {
  readonly base: number
  readonly name: string
  readonly buffer: SharedArrayBuffer
  readonly initialLength: number
  readonly bytes: Uint8Array
  /** What owns the buffer, if that is not the buffer itself (a `WebAssembly.Memory`). */
  owner: object | undefined = undefined
  readonly threads: number
  readonly labels = new Map<number, string>()
  /** Stand-ins by constructor, offset and length: attaching again gives the same one. */
  readonly views = new Map<string, object>()
  /** Those of them that cover the whole buffer, by constructor. */
  readonly whole = new Map<ViewConstructor, object>()
  readonly queues = new Map<number, Cell>()
  /** Set once two elements of different sizes have overlapped. */
  split = false
  #cells = new Map<number, Cell>()
  /** The cell that covers each byte, for finding overlaps. */
  #cover: Array<Cell | undefined> = []

  constructor(name: string, base: number, buffer: SharedArrayBuffer, threads: number) {
    this.name = name
    this.base = base
    this.buffer = buffer
    this.initialLength = buffer.byteLength
    this.bytes = new NativeUint8Array(buffer)
    this.threads = threads
  }

  /** The cell of `size` bytes at `offset`; splits what overlaps it with another shape. */
  cell(offset: number, size: number): Cell {
    const key = offset * 16 + size
    const known = this.#cells.get(key)
    if (known !== undefined) return known
    const cell = new Cell(this, this.base + offset, size, this.threads)
    let overlaps = false
    for (let i = 0; i < size; i++) if (this.#cover[offset + i] !== undefined) overlaps = true
    this.#cells.set(key, cell)
    if (overlaps) this.#split(cell, offset)
    else for (let i = 0; i < size; i++) this.#cover[offset + i] = cell
    return cell
  }

  #split(cell: Cell, offset: number): void {
    this.split = true
    let start = offset
    let end = offset + cell.size
    for (let i = offset; i < end; i++) {
      const other = this.#cover[i]
      if (other === undefined) continue
      start = Math.min(start, other.address - this.base)
      end = Math.max(end, other.address - this.base + other.size)
    }
    for (let i = start; i < end; i++) {
      const old = this.#cover[i]
      if (old !== undefined && old.size === 1) continue
      const key = i * 16 + 1
      const byte = this.#cells.get(key) ?? new Cell(this, this.base + i, 1, this.threads)
      if (old !== undefined) byte.inherit(old)
      this.#cells.set(key, byte)
      this.#cover[i] = byte
    }
    for (const known of this.#cells.values()) {
      if (known.size === 1) continue
      const at = known.address - this.base
      const parts: Array<Cell> = []
      for (let i = at; i < at + known.size; i++) {
        const byte = this.#cover[i]
        if (byte !== undefined && byte.size === 1) parts.push(byte)
      }
      if (parts.length === known.size) known.parts = parts
    }
  }

  /** The list of waiters at an address. */
  queue(offset: number): Cell {
    const known = this.queues.get(offset)
    if (known !== undefined) return known
    const queue = new Cell(this, this.base + offset, 0, this.threads)
    this.queues.set(offset, queue)
    return queue
  }

  /** How a cell is called in a trace. */
  nameOf(address: number): string {
    const offset = address - this.base
    return this.labels.get(offset) ?? `${this.name}+${offset}`
  }
}

/** Buffers that take no property of ours: those of a `WebAssembly.Memory`. */
const sealed = new WeakMap<object, Region>()

/** Buffers of one exploration, kept over its executions (invariant 1). */
export class Memory {
  readonly threads: number
  readonly regions: Array<Region> = []
  #pools = new Map<string, Region>()
  #next = new Map<number, number>()
  #counts = new Map<number, number>()

  constructor(threads: number) {
    this.threads = threads
  }

  /** Start an execution: the next allocations are the first again. */
  rewind(): void {
    this.regions.length = 0
    this.#counts.clear()
  }

  /** A zeroed buffer; `owner` is a thread, or -1 for the setup. */
  allocate(owner: number, shape: string, make: () => SharedArrayBuffer): Region {
    const count = this.#counts.get(owner) ?? 0
    this.#counts.set(owner, count + 1)
    const key = `${owner}/${count}/${shape}`
    let region = this.#pools.get(key)
    if (region !== undefined && region.buffer.byteLength !== region.initialLength) {
      // It has grown, and cannot shrink: another one takes its place and its address.
      region = this.#register(new Region(region.name, region.base, make(), this.threads), key)
    } else if (region === undefined) {
      const buffer = make()
      const base = this.#next.get(owner) ?? (owner + 1) * OWNER_SPAN
      this.#next.set(owner, base + ((Math.max(buffer.byteLength, buffer.maxByteLength) + 15) & ~15))
      const name = owner < 0 ? `buffer${count}` : `thread${owner}.buffer${count}`
      region = this.#register(new Region(name, base, buffer, this.threads), key)
    } else {
      region.bytes.fill(0)
      region.labels.clear()
    }
    this.regions.push(region)
    return region
  }

  #register(region: Region, key: string): Region {
    if (Object.isExtensible(region.buffer))
      Object.defineProperty(region.buffer, META, { value: region, configurable: true })
    else sealed.set(region.buffer, region)
    this.#pools.set(key, region)
    return region
  }

  /** Leave no mark on buffers that outlive the exploration. */
  release(): void {
    for (const region of this.#pools.values()) {
      if (!sealed.delete(region.buffer)) delete (region.buffer as { [META]?: Region })[META]
    }
  }
}

/** The region a buffer belongs to, if it was made while exploring. */
export const regionOf = (buffer: unknown): Region | undefined => {
  if (typeof buffer !== "object" || buffer === null) return undefined
  const own = (buffer as { [META]?: Region })[META]
  return own === undefined && !Object.isExtensible(buffer) ? sealed.get(buffer) : own
}

/** Whether a value is a buffer several threads can see. */
export const isShared = (buffer: unknown): buffer is SharedArrayBuffer => buffer instanceof NativeSharedArrayBuffer

/** Name the elements of a view in traces. */
export const labelView = (view: object, name: string | ReadonlyArray<string>): void => {
  const meta = (view as { readonly [META]?: unknown })[META]
  if (!(meta instanceof ViewMeta)) {
    throw new ModelError({ reason: "misuse", message: "label: wanted a typed array over shared memory made in setup." })
  }
  for (let i = 0; i < meta.real.length; i++) {
    const offset = meta.byteOffset + i * meta.elementSize
    const text = typeof name === "string" ? (meta.real.length === 1 ? name : `${name}[${i}]`) : name[i]
    if (text !== undefined) meta.region.labels.set(offset, text)
  }
}
