/**
 * The kinds a registry has met: policy, token, live count, and the spawns that wait for a place.
 *
 * **Invariants**
 *
 * 1. `live` is the number of live entries of the kind, and never above the policy's limit.
 * 2. A spawn that may wait stands in `waiting` only while the kind is full; places are given in the order of arrival.
 *
 * @internal
 */
import * as Context from "effect/Context"
import * as Option from "effect/Option"
import { ShutdownToken } from "../../shutdown/ShutdownToken.ts"
import * as TokenTree from "../../shutdown/TokenTree.ts"
import * as TaskKind from "../TaskKind.ts"
import type { RegistryClosed } from "../TaskRegistryError.ts"
import type { Entry } from "./entry.ts"

/** A spawn that waits for a place. */
export interface Waiting {
  readonly caller: Entry | undefined
  readonly grant: () => void
  readonly refuse: () => void
  readonly refusal: () => RegistryClosed | undefined
}

export interface KindState {
  readonly kind: string
  readonly policy: TaskKind.ResolvedPolicy
  /** Held: drains when the plan comes to this kind. Replaced when a registry is reopened. */
  token: TokenTree.TokenNode
  live: number
  waiting: Array<Waiting>
  /** The last caller's context with the token in it: a loop that spawns a thousand tasks adds it once. */
  cachedFor: Context.Context<never> | undefined
  cached: Context.Context<never> | undefined
  /** Tokens of tasks that also follow a token below the registry's, by that token. */
  combined: WeakMap<TokenTree.TokenNode, TokenTree.TokenNode>
}

export const makeKind = (
  kind: string,
  policy: TaskKind.ResolvedPolicy | undefined,
  registry: TokenTree.TokenNode
): KindState => ({
  kind,
  policy: policy ?? TaskKind.defaultPolicy(kind),
  token: new TokenTree.TokenNode({ heldBy: [registry] }),
  live: 0,
  waiting: [],
  cachedFor: undefined,
  cached: undefined,
  combined: new WeakMap()
})

/** Gives a kind a fresh token below a fresh registry token. */
export const renew = (kind: KindState, registry: TokenTree.TokenNode): void => {
  kind.token = new TokenTree.TokenNode({ heldBy: [registry] })
  kind.cachedFor = undefined
  kind.cached = undefined
  kind.combined = new WeakMap()
}

export const isFull = (kind: KindState): boolean => kind.live >= kind.policy.limit || kind.waiting.length > 0

/** The caller's context with the token a task of this kind reaches. */
export const contextFor = (kind: KindState, caller: Context.Context<never>): Context.Context<never> => {
  if (kind.cachedFor !== caller) {
    kind.cachedFor = caller
    kind.cached = Context.add(caller, ShutdownToken, tokenFor(kind, caller))
  }
  return kind.cached!
}

/**
 * The kind's own token; or, when the caller stands below another one (a task of another kind, a subsystem with a child
 * token), one that drains with whichever of the two comes first.
 */
const tokenFor = (kind: KindState, caller: Context.Context<never>): TokenTree.TokenNode => {
  const found = Context.getOption(caller, ShutdownToken)
  if (Option.isNone(found)) return kind.token
  const ambient = TokenTree.nodeOf(found.value)
  if (kind.token.isBelowUnsafe(ambient)) return kind.token
  if (ambient.isBelowUnsafe(kind.token)) return ambient
  const known = kind.combined.get(ambient)
  if (known !== undefined) return known
  const combined = new TokenTree.TokenNode({ follows: [kind.token], heldBy: [ambient] })
  kind.combined.set(ambient, combined)
  return combined
}
