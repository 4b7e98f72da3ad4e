/**
 * The state of one execution: what every thread has been told and is allowed to
 * do, the memory it shares, and who may go on. `engine.ts` moves it.
 *
 * @internal
 */
import type { FailureKind } from "../Model.ts"
import type { ModelError } from "../ModelError.ts"
import { type Cell, Memory, type Region, type ViewMeta, type Waiter } from "./memory.ts"
import { type Conflict, Races } from "./races.ts"
import { lowest, type Touched, type Walker } from "./walker.ts"

/** Thrown to take a thread off the stack. Models never see it, unless they catch everything. */
export const UNWIND: unique symbol = Symbol("@selvedge/testing/model: unwinding, do not catch")

/** Answer of the first half of a wait that blocks. */
export const WAITING: unique symbol = Symbol("waiting")

export const NOBODY = -1
export const RESCHEDULE = -3

export interface ThreadDefinition {
  readonly name: string
  readonly run: (state: never) => unknown
  readonly daemon: boolean
  /** The thread this one follows, or -1. */
  readonly after: number
}

export interface Settings {
  readonly plain: "check" | "interleave"
  readonly races: boolean
  readonly timeouts: "any" | "never" | "lastResort"
  readonly maxSteps: number
  readonly maxSpins: number
  readonly autoPause: number
}

export interface Problem {
  readonly kind: FailureKind
  readonly message: string
  readonly thread: number
  readonly error?: unknown
}

/** What `async.ts` adds. */
export interface Host {
  begin(): void
  run(): Promise<void>
  waitAsync(view: ViewMeta, index: number, value: unknown, timeout: number): unknown
  /** Threads that could go on by a timeout, if nothing else can happen. */
  lastResort(): number
  /** What a thread awaits. */
  awaits(thread: number): Waiter | undefined
  /** The thread dies: it awaits nothing any more. */
  forget(thread: number): void
}

/** One recorded call of `op(...)`, in the order of steps. */
export interface CallRecord {
  readonly thread: number
  readonly name: string
  readonly arg: unknown
  readonly called: number
  returned: number
  result: unknown
}

/** What `spin.ts` adds. */
export interface Spinning {
  begin(): void
  /** The thread has been told one more thing. */
  remember(thread: number, value: unknown): void
  /** The thread has looked at a cell and changed nothing. */
  idled(thread: number, cell: Cell): void
  /** The thread has done something that others can see. */
  progressed(thread: number): void
  /** What these threads look at has changed. */
  hope(threads: number): void
  /** The cells a frozen thread looks at, in words. */
  describe(thread: number): string
}

/** What `audit.ts` adds. */
export interface Auditing {
  /** Take memory as it is now. */
  begin(regions: ReadonlyArray<Region>): void
  wrote(cell: Cell): void
  /** After a step; `all` also where looking after every step would take too long. */
  compare(execution: Execution, all: boolean): void
}

/** A line of a trace, told only on the run that is printed. */
export interface TraceSink {
  /** Without `touched`: a step of which no line of source is to be told. */
  step(thread: number, step: number, text: string, touched: Touched | undefined): void
}

/** What was thrown, in words: also things that have none. */
export const textOf = (error: unknown): string => {
  try {
    return String(error)
  } catch {
    return "an object without a text"
  }
}

export abstract class Execution {
  readonly definitions: ReadonlyArray<ThreadDefinition>
  readonly threads: number
  readonly settings: Settings
  readonly memory: Memory
  readonly races: Races
  abstract readonly spin: Spinning
  walker: Walker
  invariant: (() => void) | undefined
  trace: TraceSink | undefined
  /** Compares memory with what the checker knows, after every step, to find writes it did not see. */
  audit: Auditing | undefined
  /** Told every step by kind. */
  recorder: { begin(): void; step(thread: number, kind: number): void } | undefined
  /** Unwind at every switch, to make a thread that cannot be run again show itself. */
  naive = false
  state: unknown = undefined
  /** Runs bodies that can await; without it, bodies are plain functions. */
  host: Host | undefined

  // ---- the execution
  stamp = 0
  step = 0
  /** The thread whose code is running, or `NOBODY` for setup, check and invariant. */
  current = NOBODY
  ready = 0
  frozen = 0
  done = 0
  dead = 0
  problem: Problem | undefined
  /** The model cannot be explored; thrown by whoever started the exploration. */
  fatal: ModelError | undefined
  pruned = false
  barrier = false
  readonly touched: Touched = { cell: undefined, list: undefined, flags: 0, notifiedAt: -1, couldTimeOut: false }
  readonly waiting: Array<Waiter | undefined> = []
  readonly results: Array<unknown> = []
  readonly crashAt: Int32Array
  readonly operations: Int32Array
  readonly path: Array<number> = []
  readonly choices: Array<number> = []
  readonly history: Array<CallRecord> = []
  /** Virtual milliseconds and chance, per thread, so that they depend on nothing but its own past. */
  readonly time: Float64Array
  readonly chance: Uint32Array
  lookingAtInvariant = false
  /** Whether the code now running belongs to the model: its setup, a body, an invariant or a check. */
  inModel = false
  /** Set when the invariant has read a cell it never read before. */
  visibleGrew = false

  // ---- logs (invariant 1)
  readonly logs: Array<Array<unknown>> = []
  readonly signatures: Array<Array<number>> = []
  readonly position: Int32Array

  // ---- the stack
  granted = NOBODY
  /** The thread entered next only goes back to where it was: it is not its turn. */
  ungranted = false
  unwinding = false
  target = NOBODY
  onStack = 0
  last = NOBODY

  constructor(definitions: ReadonlyArray<ThreadDefinition>, settings: Settings, walker: Walker) {
    const n = definitions.length
    this.definitions = definitions
    this.threads = n
    this.settings = settings
    this.memory = new Memory(n)
    this.races = new Races(n)
    this.races.enabled = settings.races && settings.plain === "check"
    this.walker = walker
    this.crashAt = new Int32Array(n).fill(-1)
    this.operations = new Int32Array(n)
    this.position = new Int32Array(n)
    this.time = new Float64Array(n)
    this.chance = new Uint32Array(n)
    for (let t = 0; t < n; t++) {
      this.logs.push([])
      this.signatures.push([])
    }
  }

  /** Forget the last execution. */
  begin(): void {
    this.stamp++
    this.step = 0
    this.current = NOBODY
    this.frozen = 0
    this.done = 0
    this.dead = 0
    this.ready = 0
    this.problem = undefined
    this.pruned = false
    this.barrier = false
    this.unwinding = false
    this.granted = NOBODY
    this.ungranted = false
    this.onStack = 0
    this.last = NOBODY
    this.path.length = 0
    this.choices.length = 0
    this.history.length = 0
    for (let t = 0; t < this.threads; t++) {
      if ((this.definitions[t] as ThreadDefinition).after < 0) this.ready |= 1 << t
      this.waiting[t] = undefined
      this.results[t] = undefined
      ;(this.logs[t] as Array<unknown>).length = 0
      ;(this.signatures[t] as Array<number>).length = 0
    }
    this.operations.fill(0)
    this.time.fill(0)
    this.chance.fill(0)
    this.memory.rewind()
    this.races.begin()
    this.spin.begin()
    this.walker.begin()
    this.host?.begin()
    this.recorder?.begin()
  }

  /** A step that touches nothing. */
  abstract nothing(thread: number): void

  stuck(left: number): void {
    const lines: Array<string> = []
    for (let m = left; m !== 0; m &= m - 1) {
      const t = lowest(m)
      const definition = this.definitions[t] as ThreadDefinition
      const waiter = this.waiting[t]
      const where = (cell: Cell): string => cell.region.nameOf(cell.address)
      if ((this.frozen >> t) & 1) lines.push(`${definition.name} spins for ever on ${this.spin.describe(t)}`)
      else if (waiter !== undefined)
        lines.push(`${definition.name} sleeps in wait(${where(waiter.cell)}) and nobody is left to notify it`)
      else {
        const awaited = this.host?.awaits(t)
        lines.push(
          awaited === undefined
            ? `${definition.name} never started: ${this.definitions[definition.after]?.name ?? "?"} did not end`
            : `${definition.name} awaits waitAsync(${where(awaited.cell)}) and nobody is left to notify it`
        )
      }
    }
    this.fail((this.frozen & left) !== 0 ? "livelock" : "deadlock", lines.join("; "), lowest(left))
  }

  fail(kind: FailureKind, message: string, thread: number, error?: unknown): void {
    if (this.problem === undefined) this.problem = { kind, message, thread, error }
  }

  /** A thread has ended or died: whoever follows it may start. */
  ended(thread: number, dead: boolean): void {
    if (dead) this.dead |= 1 << thread
    else this.done |= 1 << thread
    this.ready &= ~(1 << thread)
    this.frozen &= ~(1 << thread)
    for (let t = 0; t < this.threads; t++) {
      if ((this.definitions[t] as ThreadDefinition).after !== thread) continue
      this.ready |= 1 << t
      this.walker.follows(t, thread)
      this.races.join(t, thread)
    }
  }

  diverged(thread: number, how: string): void {
    this.fail("nondeterminism", `run again with the same answers, the thread did something else: ${how}`, thread)
  }

  /** Remember an answer (invariant 1). */
  push(thread: number, signature: number, value: unknown): void {
    const log = this.logs[thread] as Array<unknown>
    log.push(value)
    ;(this.signatures[thread] as Array<number>).push(signature)
    this.position[thread] = log.length
    this.spin.remember(thread, value)
  }

  /** Virtual time passes by looking at it, and by waiting in vain. */
  tickTime(thread: number): number {
    const now = this.time[thread] as number
    this.time[thread] = now + 1
    return now
  }

  rollChance(thread: number): number {
    let x = ((this.chance[thread] as number) + 0x9e3779b9) >>> 0
    this.chance[thread] = x
    x = Math.imul(x ^ (x >>> 16), 0x21f0aaad)
    x = Math.imul(x ^ (x >>> 15), 0x735a2d97)
    return ((x ^ (x >>> 15)) >>> 0) / 2 ** 32
  }

  /** The invariant reads a cell: from now on its changes are ordered among themselves. */
  see(view: ViewMeta, index: number): void {
    const cell = this.cell(view, index)
    for (const c of [cell, ...(cell.parts ?? [])]) {
      if (c.visible) continue
      c.visible = true
      this.visibleGrew = true
    }
  }

  /** A notification from setup, check or invariant: nobody can be woken there. */
  notifyOutside(_view: ViewMeta, _index: number): number {
    return 0
  }

  /** The cell of an element, ready for this execution. */
  cell(view: ViewMeta, index: number): Cell {
    let cell = view.cells[index]
    if (cell === undefined) {
      cell = view.region.cell(view.byteOffset + index * view.elementSize, view.elementSize)
      view.cells[index] = cell
    }
    if (cell.stamp !== this.stamp) this.refresh(cell)
    return cell
  }

  refresh(cell: Cell): void {
    cell.reset(this.stamp)
    if (cell.parts !== undefined) for (const part of cell.parts) if (part.stamp !== this.stamp) part.reset(this.stamp)
  }

  queue(region: Region, offset: number): Cell {
    const queue = region.queue(offset)
    if (queue.stamp !== this.stamp) queue.reset(this.stamp)
    return queue
  }

  /** The value of a cell has changed: whoever spins on it may look again. */
  changed(thread: number, cell: Cell): void {
    this.spin.progressed(thread)
    this.#changed(cell)
    if (cell.parts !== undefined) for (const part of cell.parts) this.#changed(part)
  }

  #changed(cell: Cell): void {
    cell.version++
    if (cell.watchers !== 0) {
      this.frozen &= ~cell.watchers
      this.spin.hope(cell.watchers)
      cell.watchers = 0
    }
  }

  conflict(thread: number, access: string, conflict: Conflict): void {
    const name = (t: number): string => this.definitions[t]?.name ?? "setup"
    const where = conflict.cell.region.nameOf(conflict.cell.address)
    const what = `${access} of ${where} by ${name(thread)} and ${conflict.otherAccess} by ${name(conflict.other)}`
    this.fail(conflict.kind, `${what} are not ordered by any synchronisation`, thread)
  }
}
