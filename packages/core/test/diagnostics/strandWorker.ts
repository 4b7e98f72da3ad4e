/**
 * A thread that registers and releases strands, and counts what it did, until it has done enough, or for ever if it is to be terminated.
 * It runs bare: no Effect, only the shipped internals.
 */
import { parentPort, workerData } from "node:worker_threads"
import * as Counters from "../../src/diagnostics/internal/counterTable.ts"
import * as CountersLayout from "../../src/diagnostics/internal/countersLayout.ts"
import * as Layout from "../../src/diagnostics/internal/strandLayout.ts"
import { ownerOf } from "../../src/diagnostics/internal/owner.ts"
import * as Recorder from "../../src/diagnostics/internal/eventTable.ts"
import * as RecorderLayout from "../../src/diagnostics/internal/recorderLayout.ts"
import * as Slots from "../../src/diagnostics/internal/slotTable.ts"
import * as Table from "../../src/diagnostics/internal/strandTable.ts"

/** Strands that a thread holds at most. */
export const HELD = 8

/** Additions between two flushes. */
export const FLUSH_EVERY = 16

export interface Job {
  readonly strands: SharedArrayBuffer
  readonly counters: SharedArrayBuffer
  readonly events: SharedArrayBuffer
  readonly ordinal: number
  readonly generation: number
  readonly seed: number
  /** Lives to go through; 0: for ever. */
  readonly lives: number
  /** Two words: one to wait on before the first life, so that all begin together, and how many have gathered. */
  readonly start: SharedArrayBuffer
  /** In the middle of its lives a thread holds all it can and waits for so many; 0: it does not. */
  readonly gather: number
}

export interface Told {
  readonly registered: number
  readonly overflowed: number
  readonly problems: ReadonlyArray<string>
}

/** Every row tells of its own thread: id and start are made of its ordinal. */
export const idOf = (ordinal: number, n: number): number => (ordinal + 1) * 2 ** 32 + n

const job = workerData as Job

/** Waits until so many threads are here. */
const gather = (wanted: number): void => {
  const start = new Int32Array(job.start)
  let here = Atomics.add(start, 1, 1) + 1
  Atomics.notify(start, 1)
  for (; here < wanted; here = Atomics.load(start, 1)) Atomics.wait(start, 1, here)
}

const run = (): Told => {
  const layout = Layout.read(job.strands) as Layout.StrandLayout
  const own = ownerOf(job.ordinal, job.generation)
  const seat = Slots.takeSeat(new Int32Array(job.strands), layout.seats, job.ordinal)
  const table = Table.attach(job.strands, layout, own, seat, job.generation)
  const counters = Counters.attach(
    job.counters,
    CountersLayout.read(job.counters) as CountersLayout.CountersLayout,
    own
  )
  const key = Counters.keyOf(1000, 0, "strands_done", job.ordinal, "")!
  const index = CountersLayout.valueIndex(Counters.register(counters, key))
  const events = Recorder.attach(
    job.events,
    RecorderLayout.read(job.events) as RecorderLayout.RecorderLayout,
    job.ordinal,
    job.generation
  )
  Recorder.record(events, "life.begun", job.generation, `${job.ordinal}`, job.generation)
  let random = job.seed | 1
  const next = (n: number): number => {
    random ^= random << 13
    random ^= random >>> 17
    random ^= random << 5
    return (random >>> 0) % n
  }
  const held: Array<number> = []
  const problems: Array<string> = []
  let registered = 0
  let overflowed = 0
  let pending = 0
  const flush = (): void => {
    if (pending > 0) Counters.add(counters.values, index, pending)
    pending = 0
  }
  const release = (at: number): void => {
    const [handle] = held.splice(at, 1)
    if (!Slots.release(table.slots, handle!)) problems.push(`strand ${handle} could not be released`)
    if (Slots.release(table.slots, handle!)) problems.push(`strand ${handle} was released twice`)
  }
  for (let n = 1; job.lives === 0 || n <= job.lives; n++) {
    const id = idOf(job.ordinal, n)
    const handle = Table.register(table, id, 0, id, `${job.ordinal}`, "Stress")
    if (handle === Slots.NONE) overflowed++
    else {
      registered++
      held.push(handle)
      Table.heartbeat(table, handle, id + 1)
      if (++pending === FLUSH_EVERY) flush()
    }
    if (job.gather > 0 && n > job.lives / 2 - HELD && n <= job.lives / 2) {
      if (n === job.lives / 2) gather(job.gather)
    } else {
      while (held.length > next(HELD)) release(next(held.length))
    }
    if (job.lives === 0 && (n & 63) === 0) Recorder.record(events, "life.goes.on", n, `${job.ordinal}`, n)
  }
  while (held.length > 0) release(held.length - 1)
  flush()
  return { registered, overflowed, problems }
}

// Not where only the constants are wanted.
if (parentPort !== null) {
  parentPort.postMessage("ready")
  Atomics.wait(new Int32Array(job.start), 0, 0)
  parentPort.postMessage(run())
}
