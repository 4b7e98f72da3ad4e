/**
 * What every kind of worker does alike: one suite for fibers, threads and processes.
 *
 * Each case is an Effect over a `Backend`; it runs on the live clock, because threads and processes do. Register them with any test
 * runner. A case that a backend cannot pass by its nature (a fiber cannot be killed while it is busy) says what it needs.
 *
 * Source: the shared cases of async-container and of its pull request 61, in our own words.
 *
 * @since 0.1.0
 */
import * as SharedMemory from "@selvedge/core/memory/SharedMemory"
import type * as Backend from "@selvedge/core/workers/Backend"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as asking from "./internal/asking.ts"
import type { Case, CaseInMemory } from "./internal/backendCase.ts"
import * as knowing from "./internal/knowing.ts"
import * as living from "./internal/living.ts"
import * as operating from "./internal/operating.ts"
import * as refusing from "./internal/refusing.ts"
import * as sharing from "./internal/sharing.ts"
import * as stopping from "./internal/stopping.ts"

export type { Case }

/**
 * A backend under test.
 *
 * @category models
 * @since 0.1.0
 */
export interface Subject {
  readonly name: string
  readonly layer: Layer.Layer<Backend.Backend>
  /** A worker can be killed whatever it does. */
  readonly isolated: boolean
  /** Workers get the very memory they are handed, whatever it is. */
  readonly sharesMemory: boolean
  /** Memory that its workers share although they do not share all: mapped from files. Each case has one of its own. */
  readonly memory?: Layer.Layer<SharedMemory.SharedMemory, unknown> | undefined
}

const all: ReadonlyArray<CaseInMemory> = [
  ...knowing.cases,
  ...living.cases,
  ...asking.cases,
  ...sharing.cases,
  ...stopping.cases,
  ...refusing.cases,
  ...operating.cases
]

/**
 * The cases a backend has to pass.
 *
 * **Example** (With vitest)
 *
 * ```ts
 * import { it } from "@effect/vitest"
 * import { FiberBackend } from "@selvedge/core"
 * import * as BackendContract from "@selvedge/testing/contracts/BackendContract"
 * import { Effect } from "effect"
 *
 * const subject = { name: "fiber", layer: FiberBackend.layer, isolated: false, sharesMemory: true }
 * for (const { run, title } of BackendContract.casesFor(subject)) {
 *   it.live(title, () => Effect.provide(Effect.scoped(run), subject.layer))
 * }
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const casesFor = (subject: Subject): ReadonlyArray<Case> =>
  all
    .filter(({ needs }) => {
      if (needs === "isolation") return subject.isolated
      if (needs === "shared memory") return subject.sharesMemory || subject.memory !== undefined
      return needs !== "separate memory" || !subject.sharesMemory
    })
    .map(({ needs, run, title }) => ({
      title,
      needs,
      // The memory outlives the workers that see it.
      run:
        needs === "shared memory"
          ? Effect.provide(Effect.scoped(run), subject.memory ?? SharedMemory.layerThread)
          : (run as Case["run"])
    }))
