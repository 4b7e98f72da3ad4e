/**
 * The kinds a registry has met: policy, token, live count, and the spawns that wait for a place.
 *
 * **Invariants**
 *
 * 1. `live` is the number of live entries of the kind, and never above the policy's limit.
 * 2. A spawn that may wait stands in `waiting` only while the kind is full; places are given in the order of arrival.
 * 3. Kinds without tasks are kept up to a number, or up to a part of those with tasks, so that words made up at run time
 *    (one per peer, say) cost no more memory than the tasks that live.
 *
 * @internal
 */
import * as Context from "effect/Context"
import * as Option from "effect/Option"
import * as ShutdownReason from "../../shutdown/ShutdownReason.ts"
import { ShutdownToken } from "../../shutdown/ShutdownToken.ts"
import * as TokenTree from "../../shutdown/TokenTree.ts"
import * as TaskKind from "../TaskKind.ts"
import type { EntryKind, EntryOwner } from "./entry.ts"
import { WaitList } from "./waiting.ts"

interface CachedContext {
  readonly caller: Context.Context<never>
  readonly context: Context.Context<never>
}

export interface KindState extends EntryKind {
  /** Held: drains when the plan comes to this kind. Replaced when a registry is reopened. */
  token: TokenTree.TokenNode
  /**
   * The last caller's context with the token in it: a loop that spawns a thousand tasks adds it once. Held weakly, or an
   * idle kind would keep what its last caller held.
   */
  cached: WeakRef<CachedContext> | undefined
  /** Tokens of tasks that also follow a token below the registry's, by that token. */
  combined: WeakMap<TokenTree.TokenNode, TokenTree.TokenNode>
}

/** From how many kinds on those without a task are forgotten. */
export const KEPT_KINDS = 256

/** How many kinds each new one makes us look at: more than one, so that the forgetting is faster than the meeting. */
const LOOKS = 4

/**
 * The tokens handed to tasks, and for each what the task would have had outside of any task: nothing, or the token of a
 * subsystem. A detached task leaves its parent's token behind, but not its subsystem's.
 */
const outside = new WeakMap<TokenTree.TokenNode, TokenTree.TokenNode | undefined>()

const kindToken = (registry: TokenTree.TokenNode): TokenTree.TokenNode => {
  const token = new TokenTree.TokenNode({ heldBy: [registry] })
  outside.set(token, undefined)
  return token
}

export const makeKind = (
  kind: string,
  policy: TaskKind.ResolvedPolicy | undefined,
  registry: TokenTree.TokenNode,
  owner: EntryOwner,
  wallBaseMillis: number
): KindState => ({
  kind,
  wallBaseMillis,
  policy: policy ?? TaskKind.defaultPolicy(kind),
  token: kindToken(registry),
  live: 0,
  waiting: new WaitList(),
  granting: false,
  owner,
  cached: undefined,
  combined: new WeakMap()
})

/** Gives a kind a fresh token below a fresh registry token. */
export const renew = (kind: KindState, registry: TokenTree.TokenNode): void => {
  kind.token = kindToken(registry)
  kind.cached = undefined
  kind.combined = new WeakMap()
}

export const isFull = (kind: KindState): boolean => kind.live >= kind.policy.limit || kind.waiting.size > 0

/**
 * Forgets kinds without tasks, when there are too many. Their tokens are forced: whoever still holds one has outlived the
 * task it was for. Each call goes a few kinds further, round and round: ten thousand live kinds must not be walked for
 * each one more.
 */
export const makeSweep = (kinds: Map<string, KindState>, isConfigured: (kind: string) => boolean): (() => void) => {
  let walk = kinds.values()
  return () => {
    for (let looks = 0; looks < LOOKS && kinds.size >= KEPT_KINDS; looks++) {
      const { done, value: kind } = walk.next()
      if (done === true) {
        walk = kinds.values()
        continue
      }
      if (kind.live > 0 || kind.waiting.size > 0 || isConfigured(kind.kind)) continue
      kinds.delete(kind.kind)
      kind.token.forceUnsafe(ShutdownReason.ScopeClosed())
    }
  }
}

/** The caller's context with the token a task of this kind reaches. */
export const contextFor = (
  kind: KindState,
  caller: Context.Context<never>,
  detached: boolean
): Context.Context<never> => {
  if (detached) return Context.add(caller, ShutdownToken, tokenFor(kind, caller, true))
  const cached = kind.cached?.deref()
  if (cached?.caller === caller) return cached.context
  const context = Context.add(caller, ShutdownToken, tokenFor(kind, caller, false))
  kind.cached = new WeakRef({ caller, context })
  return context
}

/**
 * The kind's own token; or, when the caller stands below another one (a task of another kind, a subsystem with a child
 * token), one that drains with whichever of the two comes first.
 */
const tokenFor = (kind: KindState, caller: Context.Context<never>, detached: boolean): TokenTree.TokenNode => {
  const found = Context.getOption(caller, ShutdownToken)
  if (Option.isNone(found)) return kind.token
  const given = TokenTree.nodeOf(found.value)
  const ambient = detached && outside.has(given) ? outside.get(given) : given
  if (ambient === undefined) return kind.token
  if (kind.token.isBelowUnsafe(ambient)) return kind.token
  if (ambient.isBelowUnsafe(kind.token)) return ambient
  const known = kind.combined.get(ambient)
  if (known !== undefined) return known
  const combined = new TokenTree.TokenNode({ follows: [kind.token], heldBy: [ambient] })
  kind.combined.set(ambient, combined)
  outside.set(combined, outside.has(ambient) ? outside.get(ambient) : ambient)
  return combined
}
