/**
 * A case of the contract of backends.
 *
 * @internal
 */
import type { SharedMemory } from "@selvedge/core/memory/SharedMemory"
import type { Backend } from "@selvedge/core/workers/Backend"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/**
 * @category models
 * @since 0.1.0
 */
export interface Case {
  /** A sentence about behaviour, with the requirements it shows. */
  readonly title: string
  readonly needs?: "isolation" | "shared memory" | "separate memory" | undefined
  readonly run: Effect.Effect<void, unknown, Backend | Scope.Scope>
}

/** A case before it has memory. */
export interface CaseInMemory extends Omit<Case, "run"> {
  readonly run: Effect.Effect<void, unknown, Backend | SharedMemory | Scope.Scope>
}
