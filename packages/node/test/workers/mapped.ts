/** Mapped memory for tests of workers: a space of its own each time it is built. */
import type { SharedMemory } from "@selvedge/core/memory/SharedMemory"
import * as KeepAlive from "@selvedge/node/main/KeepAlive"
import * as MappedMemory from "@selvedge/node/memory/MappedMemory"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { freshDirectory } from "../memory/fixtures/space.ts"

export const mappedWith = (
  options: Partial<MappedMemory.Options>
): Layer.Layer<SharedMemory | MappedMemory.MappedMemory, MappedMemory.MappingError> =>
  Layer.unwrap(
    Effect.map(freshDirectory, (directory) =>
      Layer.merge(MappedMemory.layerMapped({ directory, name: "workers", ...options }), KeepAlive.layer)
    )
  )

export const mapped = mappedWith({})
