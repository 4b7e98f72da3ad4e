/**
 * A running unit somebody may want to look at, and what is told of it.
 *
 * @since 0.1.0
 */
import { show } from "../internal/show.ts"
import { InvalidStrand } from "./DiagnosticsError.ts"
import type { Identity } from "./Identity.ts"

/**
 * What a strand does, as far as a watchdog wants to know: `running`; `parked`, asleep in a call that blocks its thread and may take any
 * time; `busy`, in a long piece of work that is meant to hold its thread.
 *
 * @category models
 * @since 0.1.0
 */
export type State = "running" | "parked" | "busy"

/**
 * What a strand says of itself.
 *
 * @category models
 * @since 0.1.0
 */
export interface Strand {
  /** From 1 to 2^53 - 1; unique among the strands of its kind and thread. */
  readonly id: number
  /** For people. Up to 56 bytes of UTF-8 are kept. */
  readonly name: string
  /** `RpcHandler`, `EventLoop`, … Up to 24 bytes are kept. */
  readonly kind: string
  /** Id of the strand it was started by. */
  readonly parentId?: number | undefined
  /** Milliseconds of the monotonic clock; default: now. */
  readonly startMillis?: number | undefined
}

/**
 * A registered strand: a number that is good in the thread that registered, until it unregisters.
 *
 * @category models
 * @since 0.1.0
 */
export type StrandHandle = number

/**
 * A strand as others see it: plain data. Times are milliseconds of the monotonic clock, which the threads of a machine share.
 * `ordinal` and `generation` are those of its thread.
 *
 * @category models
 * @since 0.1.0
 */
export interface Row extends Identity {
  readonly slot: number
  /** Of the slot: another one for each strand it held. */
  readonly slotGeneration: number
  readonly id: number
  readonly name: string
  /** The name was longer. */
  readonly nameCut: boolean
  readonly kind: string
  readonly parentId: number | undefined
  readonly startMillis: number
  /** When it last said that it is alive; its start, if it never did. */
  readonly heartbeatMillis: number
  readonly state: State
}

/**
 * Sums over all threads since the table was made. Each number is exact for what has ended and begun when it was read; they are not
 * of one instant, but `lost` never counts a strand that is not.
 *
 * @category models
 * @since 0.1.0
 */
export interface Totals {
  readonly capacity: number
  readonly active: number
  readonly spawned: number
  readonly completed: number
  /** The most that were active at once. */
  readonly peak: number
  /** Spawned, not completed, and no longer there: their thread died. */
  readonly lost: number
  /** Strands that found no slot; they count nowhere else. */
  readonly overflow: number
}

/**
 * What is wrong with a strand, if anything is.
 *
 * @category guards
 * @since 0.1.0
 */
export const check = (strand: Strand): InvalidStrand | undefined => {
  if (typeof strand !== "object" || strand === null) {
    return new InvalidStrand({ field: "strand", found: show(strand), wanted: "an object with id, name and kind" })
  }
  const { id, kind, name, parentId, startMillis } = strand
  const wanted = "a whole number from 1 to 2^53 - 1"
  if (!Number.isSafeInteger(id) || id < 1) return new InvalidStrand({ field: "id", found: show(id), wanted })
  if (typeof name !== "string" || name === "") {
    return new InvalidStrand({ field: "name", found: show(name), wanted: "a string that is not empty" })
  }
  if (typeof kind !== "string" || kind === "") {
    return new InvalidStrand({ field: "kind", found: show(kind), wanted: "a string that is not empty" })
  }
  if (parentId !== undefined && (!Number.isSafeInteger(parentId) || parentId < 1)) {
    return new InvalidStrand({ field: "parentId", found: show(parentId), wanted })
  }
  if (startMillis !== undefined && !(startMillis >= 0 && startMillis <= Number.MAX_SAFE_INTEGER)) {
    return new InvalidStrand({ field: "startMillis", found: show(startMillis), wanted: "milliseconds from 0" })
  }
  return undefined
}
