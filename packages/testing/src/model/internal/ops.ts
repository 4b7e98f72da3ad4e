/**
 * What each operation does to memory, to the lists of waiters, to the clocks of
 * happens-before and to the footprint of the step.
 *
 * Values are computed by the host's own `Atomics`, so that conversion, wrapping
 * and the rules for bigints are the host's. A write that leaves the value as it
 * was, and a compare-and-exchange that fails, are reads to spinning threads; a
 * compare-and-exchange that fails is a read to everybody.
 *
 * @internal
 */
import { type Execution, WAITING } from "./execution.ts"
import { type Cell, type ViewMeta, type Waiter } from "./memory.ts"
import { native } from "./natives.ts"
import {
  ADD,
  AND,
  CALL,
  CALLS,
  CHOOSE,
  COMPARE_EXCHANGE,
  EXCHANGE,
  LIST_READ,
  LIST_WRITE,
  LOAD,
  NOTIFY,
  opNames,
  OR,
  PLAIN_LOAD,
  PLAIN_STORE,
  RETURN,
  RETURNS,
  STORE,
  SUB,
  VISIBLE,
  WAIT,
  WAIT_ASYNC,
  WAKE,
  WAKE_ASYNC,
  WRITES,
  XOR
} from "./op.ts"

const shown = (value: unknown): string => (typeof value === "bigint" ? `${value}n` : String(value))

/** Do the operation; the answer is what the model's code gets. */
export const apply = (
  e: Execution,
  thread: number,
  kind: number,
  view: ViewMeta | undefined,
  index: number,
  a: unknown,
  b: unknown
): unknown => {
  if (view === undefined) return withoutMemory(e, thread, kind, a, b)
  switch (kind) {
    case LOAD:
      return load(e, thread, view, index)
    case PLAIN_LOAD:
    case PLAIN_STORE:
      return plain(e, thread, kind, view, index, a)
    case WAIT:
    case WAIT_ASYNC:
      return wait(e, thread, kind, view, index, a, b as number)
    case WAKE:
    case WAKE_ASYNC:
      return wake(e, thread, view, a as Waiter | undefined)
    case NOTIFY:
      return notify(e, thread, view, index, a as number)
    default:
      return modify(e, thread, kind, view, index, a, b)
  }
}

const tell = (e: Execution, thread: number, text: string): void => e.trace?.step(thread, e.step, text, e.touched)

/** Bookkeeping of one atomic access. */
const access = (
  e: Execution,
  thread: number,
  cell: Cell,
  size: number,
  reads: boolean,
  writes: boolean,
  changed: boolean
) => {
  const touched = e.touched
  touched.cell = cell
  if (writes) touched.flags |= WRITES
  const races = e.races
  if (races.enabled) {
    if (reads) races.acquire(thread, cell, size)
    const conflict = races.atomic(thread, cell, size, reads, writes)
    if (conflict !== undefined) e.conflict(thread, writes ? "an atomic write" : "an atomic read", conflict)
    if (writes) {
      races.release(thread, cell, size)
      races.tick(thread)
    }
  }
  if (changed) {
    e.changed(thread, cell)
    if (cell.visible) touched.flags |= VISIBLE
  } else e.spin.idled(thread, cell)
}

const load = (e: Execution, thread: number, view: ViewMeta, index: number): unknown => {
  const cell = e.cell(view, index)
  access(e, thread, cell, view.elementSize, true, false, false)
  const value = native.load(view.typed, index)
  if (e.trace !== undefined) tell(e, thread, `load ${name(cell)} = ${shown(value)}`)
  return value
}

const name = (cell: Cell): string => cell.region.nameOf(cell.address)

const modify = (
  e: Execution,
  thread: number,
  kind: number,
  view: ViewMeta,
  index: number,
  a: unknown,
  b: unknown
): unknown => {
  const cell = e.cell(view, index)
  const typed = view.typed
  const old = native.load(typed, index)
  const value = a as number
  let answer: unknown = old
  let reads = true
  let writes = true
  switch (kind) {
    case STORE:
      answer = native.store(typed, index, value)
      reads = false
      break
    case ADD:
      native.add(typed, index, value)
      break
    case SUB:
      native.sub(typed, index, value)
      break
    case AND:
      native.and(typed, index, value)
      break
    case OR:
      native.or(typed, index, value)
      break
    case XOR:
      native.xor(typed, index, value)
      break
    case EXCHANGE:
      native.exchange(typed, index, value)
      break
    case COMPARE_EXCHANGE:
      native.compareExchange(typed, index, value, b as number)
      writes = old === coerce(view, a)
      break
    default:
      throw new Error(`unknown operation ${kind}`)
  }
  const now = native.load(typed, index)
  e.audit?.wrote(cell)
  access(e, thread, cell, view.elementSize, reads, writes, now !== old)
  if (e.trace !== undefined) tell(e, thread, modifyText(kind, cell, a, b, old, now, writes))
  return answer
}

const modifyText = (
  kind: number,
  cell: Cell,
  a: unknown,
  b: unknown,
  old: unknown,
  now: unknown,
  writes: boolean
): string => {
  const what = opNames[kind] ?? "?"
  if (kind === COMPARE_EXCHANGE) {
    return `${what} ${name(cell)} expects ${shown(a)}: ${writes ? `${shown(old)} -> ${shown(b)}` : `fails, it is ${shown(old)}`}`
  }
  return `${what} ${name(cell)}: ${shown(old)} -> ${shown(now)}`
}

const scratch = new Map<unknown, { [index: number]: number | bigint }>()

/** A value as an element of this view: what `Atomics` compares with. */
const coerce = (view: ViewMeta, value: unknown): number | bigint => {
  const constructor = view.real.constructor as new (length: number) => { [index: number]: number | bigint }
  let cell = scratch.get(constructor)
  if (cell === undefined) {
    cell = new constructor(1)
    scratch.set(constructor, cell)
  }
  cell[0] = value as number
  return cell[0] as number
}

const plain = (e: Execution, thread: number, kind: number, view: ViewMeta, index: number, value: unknown): unknown => {
  const cell = e.cell(view, index)
  const writes = kind === PLAIN_STORE
  const old = view.real[index]
  if (writes) view.real[index] = value as number
  const now = view.real[index]
  if (writes) e.audit?.wrote(cell)
  if (e.races.enabled) {
    const conflict = e.races.plain(thread, cell, writes)
    if (conflict !== undefined) e.conflict(thread, writes ? "a plain write" : "a plain read", conflict)
  }
  if (e.settings.plain === "interleave") {
    e.touched.cell = cell
    if (writes) e.touched.flags |= WRITES | (cell.visible ? VISIBLE : 0)
  }
  if (!Object.is(old, now)) e.changed(thread, cell)
  else e.spin.idled(thread, cell)
  if (e.trace !== undefined) {
    tell(
      e,
      thread,
      writes ? `plain write ${name(cell)}: ${shown(old)} -> ${shown(now)}` : `plain read ${name(cell)} = ${shown(now)}`
    )
  }
  return now
}

const wait = (
  e: Execution,
  thread: number,
  kind: number,
  view: ViewMeta,
  index: number,
  expected: unknown,
  timeout: number
): unknown => {
  const cell = e.cell(view, index)
  access(e, thread, cell, view.elementSize, true, false, false)
  const value = native.load(view.typed, index)
  const what = opNames[kind] ?? ""
  const queue = e.queue(view.region, cell.address - view.region.base)
  if (timeout > 0) {
    // Also when it does not sleep: with another value it would have, and then its order with a notification matters.
    // Whether two steps are dependent must not hang on a third that is independent of one of them.
    e.touched.list = queue
    e.touched.flags |= LIST_WRITE
  }
  if (value !== coerce(view, expected)) {
    if (e.trace !== undefined)
      tell(e, thread, `${what} ${name(cell)} while ${shown(expected)}: not-equal, it is ${shown(value)}`)
    return "not-equal"
  }
  if (timeout <= 0) {
    if (e.trace !== undefined) tell(e, thread, `${what} ${name(cell)}: timed-out at once`)
    return "timed-out"
  }
  const waiter: Waiter = {
    thread,
    view,
    index,
    timeout,
    cell,
    async: kind === WAIT_ASYNC,
    joined: e.races.snapshot(thread),
    told: undefined,
    notified: false,
    notifiedAt: -1
  }
  queue.waiters.push(waiter)
  e.spin.progressed(thread)
  if (e.trace !== undefined) tell(e, thread, `${what} ${name(cell)} while ${shown(expected)}: sleeps`)
  if (kind === WAIT_ASYNC) return waiter
  e.waiting[thread] = waiter
  if (timeout === Infinity || e.settings.timeouts !== "any") e.ready &= ~(1 << thread)
  return WAITING
}

const wake = (e: Execution, thread: number, view: ViewMeta, given: Waiter | undefined): unknown => {
  const waiter = given ?? (e.waiting[thread] as Waiter)
  if (given === undefined) e.waiting[thread] = undefined
  e.ready |= 1 << thread
  if (waiter.notified) {
    if (waiter.told !== undefined) e.races.joinSnapshot(thread, waiter.told)
    e.touched.notifiedAt = waiter.notifiedAt
    e.touched.couldTimeOut = waiter.timeout !== Infinity && e.settings.timeouts === "any"
    tellWake(e, thread, waiter, given === undefined)
    return "ok"
  }
  const queue = e.queue(view.region, waiter.cell.address - view.region.base)
  queue.waiters.splice(queue.waiters.indexOf(waiter), 1)
  e.touched.list = queue
  e.touched.flags |= LIST_WRITE
  e.time[thread] = (e.time[thread] as number) + waiter.timeout
  tellWake(e, thread, waiter, given === undefined)
  return "timed-out"
}

/** The end of a `waitAsync` comes from the checker: no line of the model's is on the stack. */
const tellWake = (e: Execution, thread: number, waiter: Waiter, called: boolean): void => {
  const how = waiter.notified ? "ok" : "timed-out"
  e.trace?.step(thread, e.step, `wakes from ${name(waiter.cell)}: ${how}`, called ? e.touched : undefined)
}

const notify = (e: Execution, thread: number, view: ViewMeta, index: number, count: number): number => {
  const at = view.byteOffset + index * view.elementSize
  const queue = e.queue(view.region, at)
  let woken = 0
  while (woken < count && queue.waiters.length > 0) {
    const waiter = queue.waiters.shift() as Waiter
    waiter.notified = true
    waiter.notifiedAt = e.step
    const gone = (((e.done | e.dead) >> waiter.thread) & 1) === 1
    if (!gone && (!waiter.async || e.waiting[waiter.thread] === undefined)) e.ready |= 1 << waiter.thread
    e.races.joinSnapshot(thread, waiter.joined)
    waiter.told = e.races.snapshot(thread)
    // Which of several awaited waits ends first depends on the order of their notifications.
    if (waiter.async) e.touched.flags |= VISIBLE
    woken++
  }
  if (woken > 0) {
    e.spin.progressed(thread)
  }
  if (count > 0) {
    e.touched.list = queue
    e.touched.flags |= woken > 0 ? LIST_WRITE : LIST_READ
  }
  if (e.trace !== undefined) tell(e, thread, `notify ${view.region.nameOf(queue.address)}: wakes ${woken}`)
  return woken
}

const withoutMemory = (e: Execution, thread: number, kind: number, a: unknown, b: unknown): unknown => {
  if (kind === CHOOSE) {
    const choice = e.walker.choose(e.step, a as number)
    e.choices.push(choice)
    e.spin.progressed(thread)
    if (e.trace !== undefined) tell(e, thread, `chooses ${choice} of ${a as number}`)
    return choice
  }
  if (kind === CALL) {
    e.touched.flags |= CALLS
    e.history.push({ thread, name: a as string, arg: b, called: e.step, returned: -1, result: undefined })
    if (e.trace !== undefined) tell(e, thread, `calls ${a as string}(${shown(b)})`)
    return undefined
  }
  if (kind === RETURN) {
    e.touched.flags |= RETURNS
    const record = e.history.findLast((entry) => entry.thread === thread && entry.returned < 0)
    if (record !== undefined) {
      record.returned = e.step
      record.result = a
    }
    if (e.trace !== undefined) tell(e, thread, `returns ${shown(a)}`)
    return undefined
  }
  if (e.trace !== undefined) tell(e, thread, "goes on")
  return undefined
}
