/** Mapped memory keeps the contract of shared memory, for its owner and for another participant. */
import { describe, it } from "@effect/vitest"
import * as MappedMemory from "@selvedge/node/memory/MappedMemory"
import * as SharedMemoryContract from "@selvedge/testing/contracts/SharedMemoryContract"
import * as Effect from "effect/Effect"
import { space } from "./fixtures/space.ts"

describe("mapped memory", () => {
  for (const { run, title } of SharedMemoryContract.cases) {
    it.live(`${title} [P1] [M9]`, () => space(() => Effect.scoped(run)))

    it.live(`of another participant: ${title} [P1] [M9]`, () =>
      space((place) => Effect.scoped(run).pipe(Effect.provide(MappedMemory.layerAttached(place))))
    )
  }
})
