/**
 * Which thread, in which of its lives.
 *
 * An _ordinal_ is a small number that a worker keeps over its restarts; its _generation_ grows with every start. Diagnostics take both
 * as plain numbers, and wants one living thread to an ordinal.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { show } from "../internal/show.ts"
import { InvalidIdentity } from "./DiagnosticsError.ts"
import * as Owner from "./internal/owner.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Identity {
  /** From 0 to 16381, or `MAIN_ORDINAL`. */
  readonly ordinal: number
  /** From 0 to 2^31 - 1. */
  readonly generation: number
}

/**
 * The ordinal of the main program, which no worker has.
 *
 * @category models
 * @since 0.1.0
 */
export const MAIN_ORDINAL: number = Owner.MAIN_ORDINAL

/**
 * The main program, which has one life.
 *
 * @category models
 * @since 0.1.0
 */
export const MAIN: Identity = { ordinal: MAIN_ORDINAL, generation: 0 }

/**
 * `main`, or the ordinal; with its generation from the second life on: `3`, `3.1`.
 *
 * @category operations
 * @since 0.1.0
 */
export const label = ({ generation, ordinal }: Identity): string => {
  const name = ordinal === MAIN_ORDINAL ? "main" : String(ordinal)
  return generation === 0 ? name : `${name}.${generation}`
}

/**
 * **Errors**
 *
 * - `InvalidIdentity`: an ordinal or generation out of its range.
 *
 * @category operations
 * @since 0.1.0
 */
export const check = (identity: Identity): Effect.Effect<Identity, InvalidIdentity> =>
  Effect.suspend(() => {
    const { generation, ordinal }: Partial<Identity> = typeof identity === "object" && identity !== null ? identity : {}
    if (!Owner.isOrdinal(ordinal)) {
      return Effect.fail(new InvalidIdentity({ field: "ordinal", found: show(ordinal), max: MAIN_ORDINAL }))
    }
    return Owner.isGeneration(generation)
      ? Effect.succeed({ ordinal, generation })
      : Effect.fail(new InvalidIdentity({ field: "generation", found: show(generation), max: Owner.MAX_GENERATION }))
  })
