/**
 * One exploration's engine: runs an execution of the model's threads, one step at
 * a time, in the order a walker asks for.
 *
 * A _step_ is one atomic operation and what the thread does after it until its
 * next. JavaScript cannot suspend a plain function, so a thread that must wait
 * is kept where it is by running the next thread _inside_ its pending operation;
 * only when a thread deeper in the stack has to go on is everything above it
 * unwound by a thrown sentinel, and later run again with its past answers.
 *
 * **States of a thread**
 *
 * | state | `ready` | `frozen` | leaves by |
 * | --- | --- | --- | --- |
 * | waiting for another to end | 0 | 0 | the end or death of that thread |
 * | able to step | 1 | 0 | a step |
 * | in `Atomics.wait` | 0, or 1 if it may time out | 0 | notification, timeout, death |
 * | spinning | 1 | 1 | a change of a cell its loop reads |
 * | done, dead | 0 | 0 | - |
 *
 * **Invariants**
 *
 * 1. What a thread has been told is in its log; a thread run again is told the
 *    same, touches nothing, and arrives where it was.
 * 2. While unwinding, every operation throws again, so that code which swallows
 *    exceptions cannot go on by mistake.
 * 3. No step disables another thread's step, except a barrier (`dpor.ts`, 4).
 *
 * @internal
 */
import { ModelError } from "../ModelError.ts"
import { Execution, NOBODY, RESCHEDULE, type Settings, textOf, type ThreadDefinition, UNWIND } from "./execution.ts"
import type { ViewMeta, Waiter } from "./memory.ts"
import { apply } from "./ops.ts"
import { BARRIER, CRASH, LIST_WRITE, LOCAL, NOTHING, PLAIN_LOAD, VISIBLE, WAKE_ASYNC } from "./op.ts"
import { Spin } from "./spin.ts"
import { DIVERGED, PRUNE, type Walker } from "./walker.ts"

const KEPT =
  ". If the view is one of the model's: a function or constructor kept from before the exploration, such as " +
  "`const { load } = Atomics`, is the host's own and does not know the model's views; write `Atomics.load`"

const MISFIT =
  "the schedule asks for a thread that cannot go on: it belongs to another model, or a body does not do the same every time"
const STRAYED =
  "the same steps as in an earlier execution led somewhere else: a body may change only its own variables and shared memory"

const isKeptFunction = (error: unknown): boolean =>
  error instanceof TypeError && /is not an? .*(typed array|TypedArray)|not a shared typed array/i.test(error.message)

export class Engine extends Execution {
  readonly spin: Spin

  constructor(definitions: ReadonlyArray<ThreadDefinition>, settings: Settings, walker: Walker) {
    super(definitions, settings, walker)
    this.spin = new Spin(this)
  }

  /** Run the threads until none can go on, the walker prunes, or something fails. */
  run(): void {
    let next = this.schedule()
    while (next >= 0) {
      this.#enter(next)
      if (!this.unwinding) next = this.schedule()
      else {
        this.unwinding = false
        next = this.target === RESCHEDULE ? this.schedule() : this.target
      }
    }
    this.current = NOBODY
  }

  /** Whose turn it is; negative when the execution is over. */
  schedule(): number {
    if (this.problem !== undefined) return NOBODY
    let enabled = this.ready & ~this.frozen
    this.barrier = false
    if (enabled === 0) {
      enabled = this.#lastResort()
      if (enabled === 0) return NOBODY
      this.barrier = true
    }
    if (this.step >= this.settings.maxSteps) {
      this.fail("step-limit", `no end after ${this.step} steps`, this.last)
      return NOBODY
    }
    const next = this.walker.pick(this.step, enabled, this.last, this.barrier)
    if (next === PRUNE) this.pruned = true
    else if (next >= 0 && ((this.frozen >> next) & 1) === 1) this.spin.despair(next)
    if (next === DIVERGED) this.fail("nondeterminism", this.walker.name === "replay" ? MISFIT : STRAYED, NOBODY)
    return next
  }

  /** Threads that can go on only because no other can; none: the execution has ended, well or not. */
  #lastResort(): number {
    let mask = 0
    if (this.settings.timeouts === "lastResort") {
      for (let t = 0; t < this.threads; t++) {
        const waiter = this.waiting[t]
        if (waiter !== undefined && !waiter.notified && waiter.timeout !== Infinity) mask |= 1 << t
      }
    }
    if (this.host !== undefined) mask |= this.host.lastResort()
    mask |= this.spin.lastChances()
    if (mask !== 0) return mask
    let left = 0
    for (let t = 0; t < this.threads; t++) {
      if (((this.done | this.dead) >> t) & 1) continue
      if (!(this.definitions[t] as ThreadDefinition).daemon) left |= 1 << t
    }
    if (left !== 0) this.stuck(left)
    return 0
  }

  /** Leave the running thread, and the execution with it. */
  abort(): never {
    this.unwinding = true
    this.target = NOBODY
    throw UNWIND
  }

  /** Leave the running thread; somebody else is chosen. */
  leave(): never {
    this.unwinding = true
    this.target = RESCHEDULE
    throw UNWIND
  }

  #enter(thread: number): void {
    const bit = 1 << thread
    const outer = this.current
    this.current = thread
    this.granted = this.ungranted ? NOBODY : thread
    this.ungranted = false
    this.onStack |= bit
    this.position[thread] = 0
    try {
      const result = (this.definitions[thread] as ThreadDefinition).run(this.state as never)
      if (!this.unwinding) this.finish(thread, result)
    } catch (error) {
      if (!this.unwinding) this.threw(thread, error)
    }
    this.current = outer
    this.onStack &= ~bit
  }

  finish(thread: number, result: unknown): void {
    if (this.spin.probing === thread) return this.spin.escaped(thread, false)
    if (result instanceof Promise) {
      result.catch(() => undefined)
      this.fail("exception", "the thread returned a promise: use exploreAsync", thread)
      return
    }
    if (Object.prototype.toString.call(result) === "[object Generator]") {
      this.fail("exception", "the thread is a generator, which nobody runs: write an ordinary function", thread)
      return
    }
    if ((this.position[thread] as number) < (this.logs[thread] as Array<unknown>).length) {
      return this.diverged(thread, "it ended earlier than before")
    }
    if (this.granted === thread) this.nothing(thread)
    this.results[thread] = result
    if (this.trace !== undefined) this.trace.step(thread, this.step - 1, "ends", undefined)
    this.ended(thread, false)
  }

  threw(thread: number, error: unknown): void {
    if (this.spin.probing === thread) return this.spin.escaped(thread, false)
    if (error instanceof ModelError) this.fatal = error
    const message = error instanceof Error ? `${error.name}: ${error.message}` : textOf(error)
    this.fail("exception", message + (isKeptFunction(error) ? KEPT : ""), thread, error)
  }

  /** Every operation of a model's thread comes through here. */
  perform(kind: number, view: ViewMeta | undefined, index: number, a: unknown, b: unknown): unknown {
    const thread = this.current
    const at = this.position[thread] as number
    const log = this.logs[thread] as Array<unknown>
    const signature =
      kind + (view === undefined ? 0 : (view.region.base + view.byteOffset + index * view.elementSize) * 32)
    if (at < log.length) return this.#again(thread, at, signature, kind)
    if (this.unwinding) throw UNWIND
    if (this.spin.probing === thread) return this.spin.probe(thread, kind, view, index, a, b)
    // Looked at on every arrival, granted or not: the answer may not depend on how the thread got here.
    if (this.spin.due(thread)) {
      this.spin.pause(thread)
      if (this.spin.probing === thread) return this.spin.probe(thread, kind, view, index, a, b)
    }
    if (this.granted !== thread) this.#await(thread)
    this.granted = NOBODY
    return this.#step(thread, kind, view, index, a, b, signature)
  }

  #again(thread: number, at: number, signature: number, kind: number): unknown {
    if ((this.signatures[thread] as Array<number>)[at] !== signature) {
      this.diverged(thread, `operation ${at + 1} is now another one (kind ${kind})`)
      this.abort()
    }
    this.position[thread] = at + 1
    return (this.logs[thread] as Array<unknown>)[at]
  }

  /** Let others run, on top of this thread's stack or below it, until it is this thread's turn. */
  #await(thread: number): void {
    let next = this.schedule()
    for (;;) {
      if (next === thread) return
      if (next < 0 || this.naive || ((this.onStack >> next) & 1) === 1) {
        this.target = next
        this.unwinding = true
        throw UNWIND
      }
      this.#enter(next)
      if (!this.unwinding) {
        next = this.schedule()
        continue
      }
      const target = this.target
      if (target === thread) {
        this.unwinding = false
        return
      }
      if (target !== RESCHEDULE && (target < 0 || ((this.onStack >> target) & 1) === 1)) throw UNWIND
      this.unwinding = false
      next = target === RESCHEDULE ? this.schedule() : target
    }
  }

  #step(
    thread: number,
    kind: number,
    view: ViewMeta | undefined,
    index: number,
    a: unknown,
    b: unknown,
    signature: number
  ): unknown {
    if (this.crashAt[thread] === this.operations[thread]) this.#die(thread)
    this.#clear()
    this.operations[thread] = (this.operations[thread] as number) + 1
    const result = apply(this, thread, kind, view, index, a, b)
    this.#commit(thread, kind)
    if (this.crashAt[thread] === this.operations[thread] && this.waiting[thread] !== undefined)
      this.ready |= 1 << thread
    this.push(thread, signature, result)
    if (this.problem !== undefined) this.abort()
    if (this.invariant !== undefined) this.look()
    return result
  }

  #clear(): void {
    const touched = this.touched
    touched.cell = undefined
    touched.list = undefined
    touched.flags = this.barrier ? BARRIER : 0
    touched.notifiedAt = -1
    touched.couldTimeOut = false
  }

  #commit(thread: number, kind: number): void {
    this.recorder?.step(thread, kind)
    this.audit?.compare(this, false)
    this.walker.executed(this.step, thread, this.touched)
    this.path.push(thread)
    this.last = thread
    this.step++
  }

  /** A step that touches nothing. */
  nothing(thread: number): void {
    this.#clear()
    this.granted = NOBODY
    this.#commit(thread, NOTHING)
  }

  #die(thread: number): never {
    this.die(thread)
    this.leave()
  }

  /** The thread dies here, and leaves the list of waiters it is in. */
  die(thread: number): void {
    this.#clear()
    const waiter = this.waiting[thread]
    if (waiter !== undefined) {
      const list = waiter.view.region.queue(waiter.cell.address - waiter.view.region.base)
      if (!waiter.notified) list.waiters.splice(list.waiters.indexOf(waiter), 1)
      this.touched.list = list
      this.touched.flags |= LIST_WRITE
      this.waiting[thread] = undefined
    }
    if (this.trace !== undefined) this.trace.step(thread, this.step, "dies here", undefined)
    this.host?.forget(thread)
    this.#commit(thread, CRASH)
    this.ended(thread, true)
  }

  /** One step that no call of the thread asked for: the end of a wait it awaits. */
  deliver(thread: number, waiter: Waiter): unknown {
    this.#clear()
    this.granted = NOBODY
    this.operations[thread] = (this.operations[thread] as number) + 1
    const value = apply(this, thread, WAKE_ASYNC, waiter.view, waiter.index, waiter, undefined)
    this.touched.flags |= VISIBLE
    this.#commit(thread, WAKE_ASYNC)
    this.push(thread, WAKE_ASYNC, { waiter, value })
    if (this.invariant !== undefined) this.look()
    return value
  }

  /** Run the invariant outside the threads. */
  look(): void {
    const thread = this.current
    this.current = NOBODY
    this.lookingAtInvariant = true
    try {
      this.invariant?.()
    } catch (error) {
      if (error instanceof ModelError) this.fatal = error
      this.fail("invariant", error instanceof Error ? error.message : textOf(error), thread, error)
    }
    this.lookingAtInvariant = false
    this.current = thread
    if (this.problem !== undefined && thread !== NOBODY) this.abort()
  }

  /** An answer that needs no turn: a clock, chance, a pause. */
  local(code: number, compute: (thread: number) => unknown): unknown {
    const thread = this.current
    const at = this.position[thread] as number
    const signature = LOCAL + code * 32
    if (at < (this.logs[thread] as Array<unknown>).length) return this.#again(thread, at, signature, LOCAL)
    if (this.unwinding) throw UNWIND
    const value = compute(thread)
    this.push(thread, signature, value)
    return value
  }

  /** `Atomics.pause()`: a hint, and to us the mark of a loop that waits. */
  pause(): void {
    const thread = this.current
    if (this.spin.probing === thread && !this.unwinding) return this.spin.turn(thread)
    const at = this.position[thread] as number
    const fresh = at === (this.logs[thread] as Array<unknown>).length
    this.local(0, () => undefined)
    if (fresh) this.spin.pause(thread)
  }

  waitAsync(view: ViewMeta, index: number, value: unknown, timeout: number): unknown {
    if (this.host !== undefined) return this.host.waitAsync(view, index, value, timeout)
    this.fail("exception", "Atomics.waitAsync needs a body that can await: use exploreAsync", this.current)
    return this.abort()
  }

  /** A plain read or write of shared memory: part of a step, and checked for races. */
  plain(kind: number, view: ViewMeta, index: number, value: unknown): unknown {
    if (this.settings.plain === "interleave") return this.perform(kind, view, index, value, undefined)
    const thread = this.current
    const at = this.position[thread] as number
    const signature = kind + (view.region.base + view.byteOffset + index * view.elementSize) * 32
    if (at < (this.logs[thread] as Array<unknown>).length) return this.#again(thread, at, signature, kind)
    if (this.unwinding) throw UNWIND
    if (this.spin.probing === thread) return this.spin.probe(thread, kind, view, index, value, undefined)
    if (kind === PLAIN_LOAD && this.spin.plainDue(thread)) {
      this.spin.pause(thread)
      if (this.spin.probing === thread) return this.spin.probe(thread, kind, view, index, value, undefined)
    }
    // A frozen thread stops here; it is let go by a change of what it reads.
    if (((this.frozen >> thread) & 1) === 1) this.perform(NOTHING, undefined, 0, undefined, undefined)
    const result = apply(this, thread, kind, view, index, value, undefined)
    this.push(thread, signature, result)
    if (this.problem !== undefined) this.abort()
    return result
  }
}
