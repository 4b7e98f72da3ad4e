/**
 * Threads that spin: which loops will never end by themselves, and when it is
 * worth running them again.
 *
 * A loop that reads the same values again and again multiplies executions without
 * showing anything new. When a thread pauses (`Atomics.pause()`, or enough
 * repeated reads without effect), the engine _probes_: it lets the thread go on
 * alone, writing nothing down. If the thread leaves its loop, or writes, the loop
 * is bounded and the pause means nothing: every interleaving of it is explored.
 * If it keeps reading, from the same place in the code, nothing it can do matters
 * until one of the cells it read changes: it is frozen until then. So only idle turns of endless loops are left
 * out, and a thread whose loop gives up after 100 turns is seen giving up.
 *
 * **Invariants**
 *
 * 1. A probe leaves no trace: no write, no step, no entry in the log.
 * 2. A verdict is remembered by everything it followed from: what the thread has
 *    been told so far, and the values its loop read.
 * 3. Where nobody else can go on, a frozen thread gets one long probe before the
 *    model is called live-locked.
 *
 * @internal
 */
import { type Execution, type Spinning, UNWIND } from "./execution.ts"
import { type Cell, type ViewMeta } from "./memory.ts"
import { native } from "./natives.ts"
import { ADD, AND, COMPARE_EXCHANGE, EXCHANGE, LOAD, OR, PLAIN_LOAD, PLAIN_STORE, STORE, SUB, WAIT, XOR } from "./op.ts"

/** Repeated turns after which the last chance is over. */
const LAST_CHANCE = 10_000

/** Verdicts kept per thread; forgetting one costs another probe, nothing else. */
const MAX_VERDICTS = 50_000

interface Verdict {
  readonly endless: boolean
  readonly views: ReadonlyArray<ViewMeta>
  readonly indexes: ReadonlyArray<number>
  readonly values: ReadonlyArray<unknown>
}

export class Spin implements Spinning {
  readonly #engine: Execution
  /** The thread being probed, or -1. */
  probing = -1
  #turns = 0
  #limit = 0
  #from = 0
  #time = 0
  #chance = 0
  #low = 0
  #high = 0
  readonly #views: Array<ViewMeta> = []
  readonly #indexes: Array<number> = []
  readonly #values: Array<unknown> = []
  readonly #met = new Set<Cell>()
  /** Where in the code the probe began, and whether it was there again towards its end. */
  #operations = 0
  #firstSite = 0
  #returned = false
  readonly #verdicts: Array<Map<number, Array<Verdict>>> = []

  // ---- by thread
  /** Two halves of a hash of everything the thread has been told. */
  readonly #lows: Int32Array
  readonly #highs: Int32Array
  readonly #idle: Int32Array
  readonly #patience: Int32Array
  readonly #plainIdle: Int32Array
  readonly #plainPatience: Int32Array
  readonly #epoch: Int32Array
  /** Threads on their last chance, and those that have had it. */
  #desperate = 0
  #hopeless = 0
  readonly #where: Array<ReadonlyArray<Cell>> = []

  constructor(engine: Execution) {
    this.#engine = engine
    const n = engine.threads
    this.#lows = new Int32Array(n)
    this.#highs = new Int32Array(n)
    this.#idle = new Int32Array(n)
    this.#patience = new Int32Array(n)
    this.#plainIdle = new Int32Array(n)
    this.#plainPatience = new Int32Array(n)
    this.#epoch = new Int32Array(n)
    for (let t = 0; t < n; t++) this.#verdicts.push(new Map())
  }

  begin(): void {
    this.probing = -1
    this.#lows.fill(0x811c9dc5)
    this.#highs.fill(0x1000193)
    this.#idle.fill(0)
    this.#patience.fill(this.#engine.settings.autoPause)
    this.#plainIdle.fill(0)
    this.#plainPatience.fill(64)
    this.#epoch.fill(0)
    this.#desperate = 0
    this.#hopeless = 0
  }

  /** The thread has been told one more thing. */
  remember(thread: number, value: unknown): void {
    let low: number
    if (typeof value === "number") low = (value | 0) ^ (((value - (value | 0)) * 0x7fffffff) | 0)
    else if (typeof value === "bigint") low = Number(BigInt.asIntN(32, value)) ^ Number(BigInt.asIntN(32, value >> 32n))
    else if (typeof value === "string") low = value.length * 31 + (value.charCodeAt(0) | 0)
    else low = 7
    this.#lows[thread] = Math.imul((this.#lows[thread] as number) ^ low, 0x01000193) + 1
    this.#highs[thread] = Math.imul((this.#highs[thread] as number) + low, 0x85ebca6b) ^ low
  }

  #key(thread: number): number {
    return ((this.#highs[thread] as number) & 0xfffff) * 2 ** 32 + ((this.#lows[thread] as number) >>> 0)
  }

  /** The thread has done something that others can see. */
  progressed(thread: number): void {
    this.#idle[thread] = 0
    this.#plainIdle[thread] = 0
    this.#epoch[thread] = (this.#epoch[thread] as number) + 1
    if (((this.#desperate >> thread) & 1) === 1) this.#desperate &= ~(1 << thread)
  }

  /** The thread has looked at a cell and changed nothing. */
  idled(thread: number, cell: Cell): void {
    const mark = ((this.#epoch[thread] as number) << 16) | (versionOf(cell) & 0xffff)
    if (cell.seen[thread] === mark) {
      this.#idle[thread] = (this.#idle[thread] as number) + 1
      this.#plainIdle[thread] = (this.#plainIdle[thread] as number) + 1
    } else cell.seen[thread] = mark
  }

  /** Whether so many reads without effect look like a loop. */
  due(thread: number): boolean {
    const patience = this.#patience[thread] as number
    if (patience === 0 || (this.#idle[thread] as number) < patience) return false
    this.#idle[thread] = 0
    this.#patience[thread] = patience * 2
    return true
  }

  plainDue(thread: number): boolean {
    const patience = this.#plainPatience[thread] as number
    if ((this.#plainIdle[thread] as number) < patience) return false
    this.#plainIdle[thread] = 0
    this.#plainPatience[thread] = patience * 2
    return true
  }

  /** The thread has paused: freeze it, let it pass, or start to find out which. */
  pause(thread: number): void {
    const desperate = ((this.#desperate >> thread) & 1) === 1
    const known = desperate ? undefined : this.#known(thread)
    if (known !== undefined) {
      if (known.endless) this.#freeze(thread, known)
      return
    }
    const e = this.#engine
    this.probing = thread
    this.#turns = 0
    this.#limit = desperate ? LAST_CHANCE : e.settings.maxSpins
    this.#from = (e.logs[thread] as Array<unknown>).length
    this.#time = e.time[thread] as number
    this.#chance = e.chance[thread] as number
    this.#low = this.#lows[thread] as number
    this.#high = this.#highs[thread] as number
    this.#views.length = 0
    this.#indexes.length = 0
    this.#values.length = 0
    this.#met.clear()
    this.#operations = 0
    this.#returned = false
  }

  #known(thread: number): Verdict | undefined {
    const verdicts = this.#verdicts[thread]?.get(this.#key(thread))
    if (verdicts === undefined) return undefined
    for (const verdict of verdicts) {
      let holds = true
      for (let i = 0; i < verdict.values.length; i++) {
        if (!Object.is((verdict.views[i] as ViewMeta).real[verdict.indexes[i] as number], verdict.values[i])) {
          holds = false
          break
        }
      }
      if (holds) return verdict
    }
    return undefined
  }

  /** A turn of a probe that touches no memory. */
  turn(thread: number): void {
    if (++this.#turns > this.#limit) this.#conclude(thread, true)
  }

  /** An operation of the probed thread: reads go on, anything else ends the probe. */
  probe(thread: number, kind: number, view: ViewMeta | undefined, index: number, a: unknown, b: unknown): unknown {
    if (view === undefined) return this.#conclude(thread, false)
    const e = this.#engine
    const cell = e.cell(view, index)
    if (this.#operations++ === 0) this.#firstSite = site()
    if (!this.#returned && this.#turns * 4 >= this.#limit * 3) this.#returned = site() === this.#firstSite
    if (this.#met.has(cell)) this.turn(thread)
    else {
      this.#met.add(cell)
      this.#views.push(view)
      this.#indexes.push(index)
      this.#values.push(view.real[index])
    }
    const value = view.real[index] as number | bigint
    const same = after(view, kind, value, a, b)
    if (kind === WAIT && same !== value) return "not-equal"
    if (kind === WAIT || !Object.is(same, value)) return this.#conclude(thread, false)
    return kind === STORE ? a : value
  }

  /** The probed thread ended, or did something that ends its loop. */
  escaped(thread: number, neverLeft: boolean): void {
    const e = this.#engine
    // An endless loop that comes after this one is no reason to stay in this one: leaving it is something new.
    const endless = neverLeft && (this.#operations === 0 || this.#returned)
    this.probing = -1
    ;(e.logs[thread] as Array<unknown>).length = this.#from
    ;(e.signatures[thread] as Array<number>).length = this.#from
    e.position[thread] = this.#from
    e.time[thread] = this.#time
    e.chance[thread] = this.#chance
    this.#lows[thread] = this.#low
    this.#highs[thread] = this.#high
    const verdict = { endless, views: [...this.#views], indexes: [...this.#indexes], values: [...this.#values] }
    const verdicts = this.#verdicts[thread] as Map<number, Array<Verdict>>
    const key = this.#key(thread)
    const before = verdicts.get(key)
    if (verdicts.size > MAX_VERDICTS) verdicts.clear()
    if (before === undefined) verdicts.set(key, [verdict])
    else before.push(verdict)
    this.#desperate &= ~(1 << thread)
    if (this.#limit === LAST_CHANCE) this.#idle[thread] = 0
    if (endless) {
      if (this.#limit === LAST_CHANCE) this.#hopeless |= 1 << thread
      this.#freeze(thread, verdict)
    }
    // Back to the pause, where the verdict is now known: as if it had been known the first time.
    e.unwinding = true
    e.target = thread
    e.ungranted = e.granted !== thread
  }

  #conclude(thread: number, endless: boolean): never {
    this.escaped(thread, endless)
    throw UNWIND
  }

  #freeze(thread: number, verdict: Verdict): void {
    const e = this.#engine
    // Its next step might be its death: that needs no change.
    if (e.crashAt[thread] === e.operations[thread]) return
    const cells: Array<Cell> = []
    for (let i = 0; i < verdict.views.length; i++) {
      const cell = e.cell(verdict.views[i] as ViewMeta, verdict.indexes[i] as number)
      if (cell.parts === undefined) cell.watchers |= 1 << thread
      else for (const part of cell.parts) part.watchers |= 1 << thread
      cells.push(cell)
    }
    this.#where[thread] = cells
    this.#patience[thread] = e.settings.autoPause
    this.#plainPatience[thread] = 64
    e.frozen |= 1 << thread
    if (e.granted === thread) e.nothing(thread)
  }

  /** Frozen threads that have not had their long probe yet (invariant 3). */
  lastChances(): number {
    const e = this.#engine
    let mask = 0
    for (let t = 0; t < e.threads; t++) {
      if (((e.frozen >> t) & 1) === 0 || ((this.#hopeless >> t) & 1) === 1) continue
      if (e.definitions[t]?.daemon === true) continue
      mask |= 1 << t
    }
    return mask
  }

  /** What these threads look at has changed. */
  hope(threads: number): void {
    this.#hopeless &= ~threads
  }

  /** The thread goes on although nothing has changed. */
  despair(thread: number): void {
    this.#engine.frozen &= ~(1 << thread)
    this.#desperate |= 1 << thread
    this.#idle[thread] = this.#patience[thread] as number
  }

  /** The cells a frozen thread looks at, in words. */
  describe(thread: number): string {
    const cells = this.#where[thread] ?? []
    const names = cells.slice(0, 4).map((cell) => cell.region.nameOf(cell.address))
    return names.length === 0 ? "nothing" : names.join(", ") + (cells.length > 4 ? ", …" : "")
  }
}

/** A number for the place in the model's code, callers included, that the current operation comes from. */
const site = (): number => {
  const carrier = Error as unknown as { stackTraceLimit: number; prepareStackTrace?: unknown }
  const { prepareStackTrace, stackTraceLimit } = carrier
  carrier.stackTraceLimit = 16
  carrier.prepareStackTrace = (_: unknown, frames: ReadonlyArray<{ getPosition(): number }>) =>
    // The first three are this one, `probe`, and the engine's: they depend on how the probe came about.
    frames.slice(3).reduce((hash, frame) => (Math.imul(hash, 31) + frame.getPosition()) | 0, 0)
  const hash = new Error().stack as unknown as number
  carrier.stackTraceLimit = stackTraceLimit
  carrier.prepareStackTrace = prepareStackTrace
  return hash
}

const versionOf = (cell: Cell): number => {
  if (cell.parts === undefined) return cell.version
  let sum = 0
  for (const part of cell.parts) sum += part.version
  return sum
}

/** The value an operation would leave behind; for a wait, the value it compares with. */
const after = (view: ViewMeta, kind: number, value: number | bigint, a: unknown, b: unknown): number | bigint => {
  if (kind === LOAD || kind === PLAIN_LOAD) return value
  const one = new (view.real.constructor as new (n: number) => { [index: number]: number | bigint })(1)
  const typed = one as unknown as Int32Array
  one[0] = value
  switch (kind) {
    case STORE:
    case PLAIN_STORE:
    case WAIT:
      one[0] = a as number
      break
    case ADD:
      native.add(typed, 0, a as number)
      break
    case SUB:
      native.sub(typed, 0, a as number)
      break
    case AND:
      native.and(typed, 0, a as number)
      break
    case OR:
      native.or(typed, 0, a as number)
      break
    case XOR:
      native.xor(typed, 0, a as number)
      break
    case EXCHANGE:
      native.exchange(typed, 0, a as number)
      break
    case COMPARE_EXCHANGE:
      native.compareExchange(typed, 0, a as number, b as number)
      break
    default:
      return Number.NaN
  }
  return one[0] as number
}
