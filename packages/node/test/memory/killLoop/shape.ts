/**
 * What the kill loop and its members have in common.
 *
 * @internal
 */
import type { CounterId } from "@selvedge/core/diagnostics/CounterId"
import * as Record from "@selvedge/core/memory/Record"

/** `who` is the life of the producing member; its values are 1, 2, 3, … */
export const Numbered = Record.struct({ who: Record.i32, value: Record.i32 })

/** Processes that are killed. Each produces, consumes, registers, counts and notifies. */
export const MEMBERS = 3
export const CAPACITY = 64
/** Records of a batch; so many a killed producer takes with it at most. */
export const MOST_BATCH = 8
/** Records of a take; so many a killed consumer sees again at most. */
export const MOST_TAKEN = 32
export const TOKENS = 32
/** A token of its own for each member: nobody else repairs what it leaves. */
export const tokenOf = (member: number, turn: number): number => member * 8 + (turn & 7)

/** Names of the regions. */
export const regions = {
  ring: "numbers",
  notifier: "ready",
  strands: "strands",
  counters: "counters",
  board: "board"
} as const

/** Words of the board, beyond one for each token: how far each consumer has come, as 64-bit words. */
/** After those, the longest wait of each member's places for room in the ring, in microseconds. */
const WAITS = TOKENS * 4 + MEMBERS * 8
/** After those, how much of what was said about each token was heard, and how often each was handed out. */
const HEARD = WAITS + MEMBERS * 4
export const BOARD_BYTES = HEARD + 2 * TOKENS * 4
export const progressOf = (board: SharedArrayBuffer): BigInt64Array => new BigInt64Array(board, TOKENS * 4, MEMBERS)
export const waitsOf = (board: SharedArrayBuffer): Int32Array => new Int32Array(board, WAITS, MEMBERS)
export const heardOf = (board: SharedArrayBuffer): Int32Array => new Int32Array(board, HEARD, TOKENS)
export const handedOutOf = (board: SharedArrayBuffer): Int32Array => new Int32Array(board, HEARD + TOKENS * 4, TOKENS)
export const saidOf = (board: SharedArrayBuffer): Int32Array => new Int32Array(board, 0, TOKENS)

export const published: CounterId = {
  id: 1000,
  name: "published",
  kind: "counter",
  help: "records that were published"
}

/** What a member is told on stdin, one line each. */
export type Order =
  | {
      readonly _tag: "Go"
      readonly directory: string
      readonly name: string
      readonly member: number
      readonly recovery: boolean
    }
  | { readonly _tag: "Stop" }

/** Milliseconds since it was told to join: it takes part, has its regions, its seat, and a producer. */
export type Steps = readonly [number, number, number, number]

/** What it says on stdout. */
export type Said =
  | { readonly _tag: "Warm" }
  /** It has joined: its life, and whether its consumer began where the one before had stopped. */
  | { readonly _tag: "Ready"; readonly life: number; readonly skipped: number; readonly steps: Steps }
  | { readonly _tag: "Violation"; readonly text: string }
  | { readonly _tag: "Done"; readonly published: number; readonly longestMillis: number }

/** Values of each producer follow one another; answers what is wrong. */
export class Continuity {
  private readonly last = new Map<number, number>()
  count = 0

  /** `begins`: the first value of a producer may be any. */
  see(who: number, value: number, begins: boolean): string | undefined {
    const before = this.last.get(who)
    this.last.set(who, value)
    this.count++
    const wanted = before === undefined ? (begins ? value : 1) : before + 1
    return value === wanted ? undefined : `life ${who}: wanted value ${wanted}, found ${value}`
  }
}
