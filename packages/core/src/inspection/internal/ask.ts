/**
 * Asks the sources of a dump, and waits for none of them longer than is good.
 *
 * **Invariants**
 *
 * 1. Every source that was asked is in the answer: told, failed or late.
 * 2. Nobody waits for a source that is late: it is interrupted and left.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Failure from "../../internal/failure.ts"
import type { Source } from "../DumpSources.ts"
import { cut } from "./plain.ts"

export interface Asked {
  readonly source: Source
  readonly fiber: Fiber.Fiber<unknown, unknown>
}

export type Answer =
  | { readonly state: "told"; readonly value: unknown }
  | { readonly state: "failed" | "late"; readonly problem: string }

/** Starts every source, up to where it first has to wait. */
export const ask = (sources: ReadonlyArray<Source>, context: Context.Context<never>): ReadonlyArray<Asked> =>
  sources.map((source) => ({ source, fiber: Effect.runForkWith(context)(Effect.suspend(() => source.read)) }))

export const haveAnswered = (asked: ReadonlyArray<Asked>): boolean =>
  asked.every(({ fiber }) => fiber.pollUnsafe() !== undefined)

/** Waits until all have answered. */
export const answers = (asked: ReadonlyArray<Asked>): Effect.Effect<unknown> =>
  Fiber.awaitAll(asked.map(({ fiber }) => fiber))

/** What each said until now. */
export const answerOf = ({ fiber }: Asked, late: string): Answer => {
  const exit = fiber.pollUnsafe()
  if (exit === undefined) {
    fiber.interruptUnsafe()
    return { state: "late", problem: late }
  }
  if (Exit.isSuccess(exit)) return { state: "told", value: exit.value }
  const problem = Cause.hasInterruptsOnly(exit.cause) ? "interrupted" : cut(Failure.oneLine(exit.cause), 500)
  return { state: "failed", problem }
}
