/** The memory of one process keeps the contract of shared memory. */
import { describe, it } from "@effect/vitest"
import * as SharedMemory from "@selvedge/core/memory/SharedMemory"
import * as SharedMemoryContract from "@selvedge/testing/contracts/SharedMemoryContract"
import * as Effect from "effect/Effect"

describe("memory of one process", () => {
  for (const { run, title } of SharedMemoryContract.cases) {
    it.live(`${title} [M9]`, () => Effect.provide(Effect.scoped(run), SharedMemory.layerThread))
  }
})
