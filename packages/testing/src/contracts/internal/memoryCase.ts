/**
 * A case of the contract of shared memory.
 *
 * @internal
 */
import type { SharedMemory } from "@selvedge/core/memory/SharedMemory"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/**
 * @category models
 * @since 0.1.0
 */
export interface Case {
  /** A sentence about behaviour. */
  readonly title: string
  readonly run: Effect.Effect<void, unknown, SharedMemory | Scope.Scope>
}
