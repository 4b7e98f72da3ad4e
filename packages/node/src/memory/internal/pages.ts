/**
 * Pages that a file can be mapped over.
 *
 * A `SharedArrayBuffer` of its own has its bytes wherever V8's allocator put them, among others. That of a shared
 * `WebAssembly.Memory` lies in an address range of its own: it begins on a page, it never moves (initial and maximum are the same, so it
 * cannot grow), and what follows it is reserved and not accessible, so nothing of V8 is next to it. A file mapped over its pages is
 * seen through an ordinary `SharedArrayBuffer`: `Atomics.wait`, posting to workers and typed arrays all work.
 *
 * **Invariants**
 *
 * 1. V8 owns the range. When the last thread has let the buffer go it unmaps all of it, whatever lies there by then.
 * 2. Whoever is done with a file puts anonymous pages back, so a buffer that is still held reads zeros and never faults.
 *
 * @internal
 */

declare const WebAssembly: {
  readonly Memory: new (descriptor: { readonly initial: number; readonly maximum: number; readonly shared: true }) => {
    readonly buffer: SharedArrayBuffer
  }
}

/** A page of WebAssembly memory, in bytes; what is mapped is a multiple of it. */
export const WASM_PAGE_BYTES = 65536

/** The most one memory can have. */
export const MOST_BYTES = 2 ** 31

/** The size of a region that holds so many bytes. */
export const roundUpToPage = (bytes: number): number => Math.ceil(bytes / WASM_PAGE_BYTES) * WASM_PAGE_BYTES

/** Something the system did not do. */
export class NativeError extends Error {
  override readonly name = "NativeError"
  /** What was asked of it. */
  readonly call: string
  readonly code: string
  constructor(call: string, code: string) {
    super(`${call} failed with ${code}`)
    this.call = call
    this.code = code
  }
}

/** Fresh zeroed pages; `bytes` is a multiple of a page. Throws `NativeError` where there are no addresses for them. */
export const pages = (bytes: number): SharedArrayBuffer => {
  const count = bytes / WASM_PAGE_BYTES
  try {
    return new WebAssembly.Memory({ initial: count, maximum: count, shared: true }).buffer
  } catch (error) {
    throw new NativeError(`addresses for ${bytes} bytes`, String(error))
  }
}
