/**
 * What a consumer is asked to be and to do.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type { RingCore } from "./internal/core.ts"
import * as Epoch from "./internal/epoch.ts"
import { type Detached, InvalidArgument, type RingClosed } from "./RingError.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** 1 to 112 bytes of UTF-8. */
  readonly id: string
  /** Has to be greater than the one before it on a vacant seat; default one more. */
  readonly generation?: number | undefined
  /**
   * Where to begin: the next record, the oldest one that is retained, or a position that was stored. On a vacant seat, never before
   * its own cursor; the default is that cursor there, else `latest`.
   */
  readonly from?: "latest" | "earliest" | number | undefined
  /** Default `block`. */
  readonly whenSlow?: "block" | "dropOldest" | "detach" | undefined
  /** Default `auto`. */
  readonly commit?: "auto" | "manual" | undefined
  /** Count what is taken, gaps, empty polls and the greatest lag; default off, and then it costs nothing. */
  readonly counters?: boolean | undefined
}

/**
 * Sees a record in place, or a copy if the consumer may be overtaken; the object is used again for the next one.
 *
 * @category models
 * @since 0.1.0
 */
export type Handler<A> = (record: Readonly<A>, position: number, endOfBatch: boolean) => void

/** Effects that take from one consumer, kept: they hold nothing but the consumer. @internal */
export interface Takes<A> {
  one: Effect.Effect<A, RingClosed | Detached> | undefined
  batch: Effect.Effect<ReadonlyArray<A>, RingClosed | Detached> | undefined
  /** Of `batch`. */
  limit: number
}

/** How many records a call may take at most. @internal */
export const isLimit = (limit: number): boolean => limit >= 1 && Math.floor(limit) === limit

/** @internal */
export const badLimit = (limit: number): InvalidArgument =>
  new InvalidArgument({ argument: "limit", wanted: "a whole number above 0", found: String(limit) })

/** Where a consumer that sits down at `joinedAt` begins, and what was asked for. @internal */
export const startOf = (
  { from }: Options,
  core: RingCore,
  joinedAt: number,
  tookOver: boolean
): { readonly position: number; readonly asked: number } => {
  if (tookOver) {
    const claim = Epoch.claimPosition(core)
    const asked = from === "latest" ? claim : typeof from === "number" ? from : joinedAt
    return { position: Math.min(Math.max(asked, joinedAt), claim), asked }
  }
  if (from === undefined || from === "latest") return { position: joinedAt, asked: joinedAt }
  const oldest = Math.max(core.layout.start, joinedAt - core.capacity)
  const asked = from === "earliest" ? oldest : from
  return { position: Math.min(Math.max(asked, oldest), joinedAt), asked: Math.min(asked, joinedAt) }
}
