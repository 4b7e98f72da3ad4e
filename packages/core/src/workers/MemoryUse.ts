/**
 * How much memory a worker uses, measured in the worker.
 *
 * Core cannot measure it; the platform provides it. On Node a thread tells what its isolate holds (used heap and memory outside
 * of it that belongs to it), a process its resident size. It is measured at every beat and shown in `Row.memoryBytes`.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"

/**
 * Bytes, now; `undefined` where nobody knows. Called by the worker's loop at every beat, so it must be cheap.
 *
 * @category services
 * @since 0.1.0
 */
export const MemoryUse: Context.Reference<() => number | undefined> = Context.Reference<() => number | undefined>(
  "@selvedge/core/MemoryUse",
  { defaultValue: () => () => undefined }
)
