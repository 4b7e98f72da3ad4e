/**
 * Lines in which processes show that they live: memory without a name, which a process inherits from its supervisor.
 *
 * A process needs no part in a space for it: it maps the table by the descriptor it is born with, and closes that. So the table takes none of
 * the space's rows, is never waited for, and is gone with the last who has it.
 *
 * ```text
 *  line  free ──lease──▶ given to one life ──giveBack──▶ free       the one that was free for longest is given first
 *  table none ──first lease──▶ open ──the space closes, and all lines are back──▶ closed
 * ```
 *
 * **Invariants** (numbers of docs/workers.md)
 *
 * - H1. One thread gives the lines of a table and takes them back.
 * - H2. A line is given back when its process was reaped, or never came to be.
 * - H3. Each life has a number of its own in its table.
 * - H7. The table is reserved and sealed, and stays while a line of it is given.
 *
 * @internal
 * @since 0.1.0
 */
import * as Pulse from "@selvedge/core/workers/Pulse"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as Native from "./internal/native.ts"
import { pages, WASM_PAGE_BYTES } from "./internal/pages.ts"

/** @internal */
export const LINES = WASM_PAGE_BYTES / Pulse.BYTES

/** A line for one life. @internal */
export interface Lease {
  readonly line: Pulse.Line
  /** To be inherited by its process. */
  readonly fd: number
  /** Nothing is left of it. Once. */
  readonly giveBack: () => void
}

interface Table {
  readonly fd: number
  readonly memory: SharedArrayBuffer
  /** The one at the front has been free for longest. */
  readonly free: Array<number>
  lives: number
}

/** The table beside one space, as its supervisor has it. @internal */
export class PulseTable {
  private readonly door: Native.Door
  private table: Table | undefined = undefined
  private isSaid = false
  private isClosed = false

  constructor(door: Native.Door) {
    this.door = door
  }

  /** Nothing if there is none; that is told the first time. */
  readonly lease: Effect.Effect<Lease | undefined> = Effect.suspend(() => {
    try {
      const table = this.opened()
      const lease = table && leaseOf(table, () => this.settle())
      return lease === undefined ? this.refused(`none of its ${LINES} lines is free`) : Effect.succeed(lease)
    } catch (error) {
      return this.refused(String(error))
    }
  })

  private opened(): Table | undefined {
    if (this.isClosed) throw new Error("its space is closed")
    this.table ??= make(this.door)
    return this.table
  }

  private refused(why: string): Effect.Effect<undefined> {
    if (this.isSaid) return Effect.succeed(undefined)
    this.isSaid = true
    const line = `there is no shared memory for the signs of life of a process, which sends them as messages: ${why}`
    return Effect.as(Effect.logWarning(line), undefined)
  }

  private settle(): void {
    const { table } = this
    if (!this.isClosed || table === undefined || table.free.length < LINES) return
    this.table = undefined
    // The pages go when nobody has the memory any more.
    fs.closeSync(table.fd)
  }

  /** The space is closed: nothing is given any more. */
  close(): void {
    this.isClosed = true
    this.settle()
  }
}

const make = (door: Native.Door): Table => {
  const memory = pages(WASM_PAGE_BYTES)
  const fd = door.nameless("selvedge-pulses", WASM_PAGE_BYTES)
  try {
    door.mapOver(door.addressOf(memory), WASM_PAGE_BYTES, fd)
  } catch (error) {
    fs.closeSync(fd)
    throw error
  }
  return { fd, memory, free: Array.from({ length: LINES }, (_, line) => line), lives: 0 }
}

const leaseOf = (table: Table, settle: () => void): Lease | undefined => {
  const index = table.free.shift()
  if (index === undefined) return undefined
  const line: Pulse.Line = { memory: table.memory, index, life: ++table.lives }
  // H4.
  Pulse.renewUnsafe(line)
  let isGiven = true
  const giveBack = (): void => {
    if (!isGiven) return
    isGiven = false
    table.free.push(index)
    settle()
  }
  return { line, fd: table.fd, giveBack }
}

/** What a process is told of its line. Plain. @internal */
export interface Inherited {
  readonly fd: number
  readonly index: number
  readonly life: number
}

/** In the process: its pulse, if the table can be mapped. The descriptor is closed in any case. @internal */
export const inherit = ({ fd, index, life }: Inherited): Effect.Effect<Pulse.Writer | undefined> =>
  Effect.promise(() => Native.open()).pipe(
    Effect.map((door) => {
      // Nothing but the table itself is mapped: pages behind the end of a file cannot be touched.
      if ("reason" in door || fs.fstatSync(fd).size !== WASM_PAGE_BYTES) return undefined
      const memory = pages(WASM_PAGE_BYTES)
      door.mapOver(door.addressOf(memory), WASM_PAGE_BYTES, fd)
      return Pulse.adopt({ memory, index, life })
    }),
    Effect.ensuring(Effect.sync(() => fs.closeSync(fd))),
    // H6.
    Effect.catchDefect(() => Effect.succeed(undefined))
  )
