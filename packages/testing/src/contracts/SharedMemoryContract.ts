/**
 * What every source of shared memory does alike: one suite for the memory of one process and for mapped files.
 *
 * Each case is an Effect over `SharedMemory`; it runs on the live clock, because threads do. The first cases are about regions; the others put
 * into one what lives in such regions, unchanged: a ring, a notifier, shared slots, strands, counters, the flight recorder.
 *
 * @since 0.1.0
 */
import * as inhabitants from "./internal/inhabitants.ts"
import type { Case } from "./internal/memoryCase.ts"
import * as regions from "./internal/regions.ts"

export type { Case }

/**
 * The cases a source of regions has to pass.
 *
 * **Example** (With vitest)
 *
 * ```ts
 * import { it } from "@effect/vitest"
 * import { SharedMemory } from "@selvedge/core"
 * import * as SharedMemoryContract from "@selvedge/testing/contracts/SharedMemoryContract"
 * import { Effect } from "effect"
 *
 * for (const { run, title } of SharedMemoryContract.cases) {
 *   it.live(title, () => Effect.provide(Effect.scoped(run), SharedMemory.layerThread))
 * }
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const cases: ReadonlyArray<Case> = [...regions.cases, ...inhabitants.cases]
