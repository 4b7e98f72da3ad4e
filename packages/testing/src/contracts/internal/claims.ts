/**
 * What the cases have in common: programs by name, claims that name what was wanted and found.
 *
 * @internal
 */
import * as Backend from "@selvedge/core/workers/Backend"
import * as Container from "@selvedge/core/workers/Container"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import type * as programs from "../programs.ts"

export type Program = keyof typeof programs

/** A claim of the contract does not hold. */
export class ContractBroken extends Data.TaggedError("ContractBroken")<{
  readonly claim: string
  readonly wanted: unknown
  readonly found: unknown
}> {
  override get message(): string {
    return `${this.claim}: wanted ${show(this.wanted)}, found ${show(this.found)}`
  }
}

const show = (value: unknown): string => {
  if (value instanceof Error) return `${value.name}: ${value.message}`
  return typeof value === "string" ? value : (JSON.stringify(value) ?? String(value))
}

export const claim = (what: string, found: unknown, wanted: unknown): Effect.Effect<void, ContractBroken> =>
  Equal.equals(found, wanted) ? Effect.void : Effect.fail(new ContractBroken({ claim: what, wanted, found }))

export const holds = (what: string, condition: boolean, found?: unknown): Effect.Effect<void, ContractBroken> =>
  condition ? Effect.void : Effect.fail(new ContractBroken({ claim: what, wanted: "that it holds", found }))

/** A program of `programs.ts`, by the way this file itself was loaded: source or build. */
export const program = (name: Program): Backend.ProgramRef => {
  const file = import.meta.url.endsWith(".ts") ? "../programs.ts" : "../programs.js"
  return Backend.module(new URL(file, import.meta.url), name)
}

const PATIENCE = "2 minutes"

/** How long a case waits for what it is about: longer than any machine needs, and not for ever. */
export const within = <A, E, R>(
  what: string,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E | ContractBroken, R> =>
  Effect.timeoutOrElse(effect, {
    duration: PATIENCE,
    orElse: () => Effect.fail(new ContractBroken({ claim: what, wanted: `within ${PATIENCE}`, found: "nothing" }))
  })

/** A container with some workers of one program, ready. */
export const ready = (
  name: Program,
  options?: Container.Options & Pick<Container.ServiceSpec, "count" | "restart" | "recycle">
) =>
  Effect.gen(function* () {
    const { count, recycle, restart, ...rest } = options ?? {}
    const container = yield* Container.make(rest)
    const children = yield* container.run({ name, program: program(name), count: count ?? 1, restart, recycle })
    yield* within("every worker is ready", container.awaitReady)
    return { container, children, child: children[0]! }
  })

/** The error of an effect that must fail. */
export const failure = <A, E, R>(what: string, effect: Effect.Effect<A, E, R>): Effect.Effect<E, ContractBroken, R> =>
  Effect.catch(Effect.flip(effect), (value) =>
    Effect.fail(new ContractBroken({ claim: what, wanted: "a failure", found: value }))
  )
