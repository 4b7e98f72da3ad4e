/**
 * Where regions of shared memory come from.
 *
 * A _region_ is a `SharedArrayBuffer`: zeroed, of a fixed size, visible to every thread it is posted to. What lives in it asks
 * this service for one and assumes nothing more, so that another layer can give regions that several processes see.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"

/**
 * A region could not be had.
 *
 * @category errors
 * @since 0.1.0
 */
export class AllocationFailed extends Schema.TaggedError<AllocationFailed>()("AllocationFailed", {
  bytes: Schema.Number,
  cause: Schema.Defect()
}) {
  override get message(): string {
    return `no region of ${this.bytes} bytes: ${this.cause instanceof Error ? this.cause.message : String(this.cause)}`
  }
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Shape {
  /** A zeroed region of at least that many bytes, a whole number above 0; valid at least until the scope closes. */
  readonly allocate: (bytes: number) => Effect.Effect<SharedArrayBuffer, AllocationFailed, Scope.Scope>
}

/**
 * The source of regions.
 *
 * @category services
 * @since 0.1.0
 */
export class SharedMemory extends Context.Service<SharedMemory, Shape>()("@selvedge/core/SharedMemory") {}

/**
 * Regions that the threads of this process can see.
 *
 * **Details**: a region is freed by the garbage collector when no thread holds it any more.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerThread: Layer.Layer<SharedMemory> = Layer.succeed(SharedMemory, {
  allocate: (bytes) =>
    Effect.try({
      try: () => {
        // The constructor would take it for 0, or for the next whole number below.
        if (!Number.isInteger(bytes) || bytes < 1) throw new RangeError("wanted a whole number above 0")
        return new SharedArrayBuffer(bytes)
      },
      catch: (cause) => new AllocationFailed({ bytes, cause })
    })
})
