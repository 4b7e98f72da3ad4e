/**
 * What the tests of diagnostics share.
 */
import type * as StrandRegistry from "@selvedge/core/diagnostics/StrandRegistry"
import * as SharedMemory from "@selvedge/core/memory/SharedMemory"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"

export const withEnvironment = (env: Record<string, string>) =>
  Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnvRecord(env))

/** A layer over memory of this process. */
export const inMemory = <A, E>(layer: Layer.Layer<A, E, SharedMemory.SharedMemory>): Layer.Layer<A, E> =>
  Layer.provide(layer, SharedMemory.layerThread)

/** Values that are no whole number from 1 to 2^53 - 1. */
export const noIds: ReadonlyArray<unknown> = [0, -1, 1.5, NaN, Infinity, 2 ** 53, "1", null, undefined, {}]

/** The words of a region, to see that a refused call left them alone. */
export const wordsOf = (handle: { readonly memory: SharedArrayBuffer }): string =>
  Array.from(new Int32Array(handle.memory)).join()

export const handleOf = (registry: StrandRegistry.Shape): StrandRegistry.Shape["handle"] & object =>
  Option.getOrThrow(Option.fromUndefinedOr(registry.handle))

/** A copy of a region with one word changed. */
export const withWord = (memory: SharedArrayBuffer, word: number, value: number): SharedArrayBuffer => {
  const copy = new SharedArrayBuffer(memory.byteLength)
  new Int32Array(copy).set(new Int32Array(memory))
  new Int32Array(copy)[word] = value
  return copy
}
