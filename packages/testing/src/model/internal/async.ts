/**
 * Executions whose bodies are async functions.
 *
 * A thread is _at an operation_, as in a plain execution, or _parked_: its code
 * awaits, and the end of one of its outstanding waits is what it can do next. It
 * is always taken off the stack when somebody else goes on, and run again from the
 * beginning with its past answers; the ends of waits are part of its log, and are
 * delivered again in their places. After each stretch of code the event loop comes
 * round twice, so that every promise the thread can settle by itself is settled.
 *
 * **Invariants**
 *
 * 1. Only one thread's code runs between two turns of the event loop.
 * 2. A parked thread without an outstanding wait awaits something the checker
 *    does not control; that is an error of the model.
 *
 * @internal
 */
import { ModelError } from "../ModelError.ts"
import type { Engine } from "./engine.ts"
import { type Host, NOBODY, RESCHEDULE, UNWIND } from "./execution.ts"
import type { ViewMeta, Waiter } from "./memory.ts"
import { LIST_WRITE, VISIBLE, WAIT_ASYNC, WAKE_ASYNC } from "./op.ts"

interface Delivery {
  readonly waiter: Waiter
  readonly value: unknown
}

/** Turns of the event loop a body may take to come to rest. */
const TURNS = 2

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

export class AsyncHost implements Host {
  readonly #engine: Engine
  readonly #outstanding: Array<Array<Waiter>> = []
  #parked = 0
  /** Of the run in progress. */
  #resolvers = new Map<Waiter, (value: unknown) => void>()

  constructor(engine: Engine) {
    this.#engine = engine
    engine.naive = true
  }

  begin(): void {
    this.#parked = 0
    for (let t = 0; t < this.#engine.threads; t++) this.#outstanding[t] = []
  }

  async run(): Promise<void> {
    const e = this.#engine
    e.naive = true
    let next = e.schedule()
    while (next >= 0) {
      await this.#resume(next)
      e.current = NOBODY
      if (!e.unwinding) next = e.schedule()
      else {
        e.unwinding = false
        next = e.target === RESCHEDULE ? e.schedule() : e.target
      }
    }
    e.current = NOBODY
  }

  waitAsync(view: ViewMeta, index: number, value: unknown, timeout: number): unknown {
    const e = this.#engine
    const thread = e.current
    const fresh = (e.position[thread] as number) === (e.logs[thread] as Array<unknown>).length
    const answer = e.perform(WAIT_ASYNC, view, index, value, timeout)
    if (typeof answer === "string") return { async: false, value: answer }
    const waiter = answer as Waiter
    if (fresh) (this.#outstanding[thread] as Array<Waiter>).push(waiter)
    return { async: true, value: new Promise((resolve) => this.#resolvers.set(waiter, resolve)) }
  }

  lastResort(): number {
    const e = this.#engine
    if (e.settings.timeouts !== "lastResort") return 0
    let mask = 0
    for (let t = 0; t < e.threads; t++) {
      if (((this.#parked >> t) & 1) === 0) continue
      if ((this.#outstanding[t] as Array<Waiter>).some((waiter) => waiter.timeout !== Infinity)) mask |= 1 << t
    }
    return mask
  }

  awaits(thread: number): Waiter | undefined {
    return ((this.#parked >> thread) & 1) === 1 ? this.#outstanding[thread]?.[0] : undefined
  }

  forget(thread: number): void {
    const e = this.#engine
    for (const waiter of this.#outstanding[thread] as Array<Waiter>) {
      const list = e.queue(waiter.view.region, waiter.cell.address - waiter.view.region.base)
      const at = list.waiters.indexOf(waiter)
      if (at >= 0) list.waiters.splice(at, 1)
      e.touched.list ??= list
      e.touched.flags |= LIST_WRITE | VISIBLE
    }
    this.#outstanding[thread] = []
    this.#parked &= ~(1 << thread)
  }

  /** Run the thread's code until it is at an operation that is not its turn, parked, or done. */
  async #resume(thread: number): Promise<void> {
    const e = this.#engine
    const definition = e.definitions[thread]
    if (definition === undefined) return
    this.#resolvers = new Map()
    this.#parked &= ~(1 << thread)
    e.current = thread
    e.granted = e.ungranted ? NOBODY : thread
    e.ungranted = false
    e.position[thread] = 0
    const run = { settled: false, failed: false, value: undefined as unknown }
    const settle = (failed: boolean) => (value: unknown) => {
      run.settled = true
      run.failed = failed
      run.value = value
    }
    try {
      Promise.resolve(definition.run(e.state as never)).then(settle(false), settle(true))
    } catch (error) {
      settle(true)(error)
    }
    await this.#rest(run)
    while (!run.settled && !e.unwinding && e.problem === undefined) {
      if (e.spin.probing === thread) return e.spin.escaped(thread, false)
      if (!this.#deliverNext(thread)) break
      await this.#rest(run)
    }
    this.#conclude(thread, run)
  }

  async #rest(run: { readonly settled: boolean }): Promise<void> {
    const e = this.#engine
    let last = -1
    for (let i = 0; i < TURNS && !run.settled && !e.unwinding; i++) {
      await turn()
      // It did something: it may want to do more.
      const now = e.current < 0 ? 0 : (e.position[e.current] as number)
      if (now !== last) i = 0
      last = now
    }
  }

  /** The end of a wait: one that is in the log, or the step it is this thread's turn to take. */
  #deliverNext(thread: number): boolean {
    const e = this.#engine
    const at = e.position[thread] as number
    const log = e.logs[thread] as Array<unknown>
    if (at < log.length) {
      if ((e.signatures[thread] as Array<number>)[at] !== WAKE_ASYNC) {
        e.diverged(thread, "it awaits where it went on before")
        return false
      }
      e.position[thread] = at + 1
      const delivery = log[at] as Delivery
      this.#resolvers.get(delivery.waiter)?.(delivery.value)
      return true
    }
    if (e.granted !== thread) return false
    if (e.crashAt[thread] === e.operations[thread]) {
      e.granted = NOBODY
      e.die(thread)
      return false
    }
    const possible = this.#deliverable(thread)
    if (possible.length === 0) return false
    const chosen = possible.length === 1 ? 0 : e.walker.choose(e.step, possible.length)
    if (possible.length > 1) e.choices.push(chosen)
    const waiter = possible[chosen] as Waiter
    const outstanding = this.#outstanding[thread] as Array<Waiter>
    outstanding.splice(outstanding.indexOf(waiter), 1)
    const value = this.#guarded(() => e.deliver(thread, waiter))
    this.#resolvers.get(waiter)?.(value)
    return true
  }

  /** A failed invariant leaves by throwing, and here there is no body to leave. */
  #guarded<A>(run: () => A): A | undefined {
    try {
      return run()
    } catch (error) {
      if (error !== UNWIND) throw error
      return undefined
    }
  }

  #deliverable(thread: number): ReadonlyArray<Waiter> {
    const e = this.#engine
    const any = e.settings.timeouts === "any" || e.barrier
    return (this.#outstanding[thread] as Array<Waiter>).filter((w) => w.notified || (any && w.timeout !== Infinity))
  }

  #conclude(
    thread: number,
    run: { readonly settled: boolean; readonly failed: boolean; readonly value: unknown }
  ): void {
    const e = this.#engine
    if (e.unwinding || e.problem !== undefined || ((e.dead >> thread) & 1) === 1) return
    if (e.spin.probing === thread) return e.spin.escaped(thread, false)
    if (run.settled) {
      if (run.failed) e.threw(thread, run.value)
      else e.finish(thread, run.value)
      return
    }
    const outstanding = this.#outstanding[thread] as Array<Waiter>
    if (outstanding.length === 0) {
      const name = e.definitions[thread]?.name ?? "?"
      const message = `${name} awaits something the checker does not control: a body may await only waitAsync and itself.`
      e.fatal = new ModelError({ reason: "misuse", message })
      e.fail("exception", message, thread)
      return
    }
    // It was this thread's turn, and all it did was to come to its first await.
    if (e.granted === thread) e.nothing(thread)
    this.#parked |= 1 << thread
    const crashes = e.crashAt[thread] === e.operations[thread]
    if (this.#deliverable(thread).length > 0 || crashes) e.ready |= 1 << thread
    else e.ready &= ~(1 << thread)
  }
}
