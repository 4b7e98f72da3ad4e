/**
 * The memory that the main thread, the guard thread and its voice share: what to do when the budget is over.
 *
 * The main thread writes a whole new state at every phase of a shutdown and rings; the guard sleeps on the same word
 * until the deadline in it. Nothing here knows Effect, and nothing here waits on the main thread.
 *
 * **Units**: times are nanoseconds of `process.hrtime`, which is one clock for all threads of a process.
 *
 * **Layout** (lines of 128 bytes, one writer each; words of 4 bytes)
 *
 * ```text
 *      0  REVISION  counts the states written; the slot in force is REVISION & 1      main thread
 *      4  CLOSED    1: the guard is not wanted any more                               main thread
 *    128  ASKED     which text the voice is to write                                  guard thread
 *    256  SAID      the last text that was written                                    voice
 *    384  slot 0    i64 deadline, i32 exit code, i32 bytes of the report, report      main thread
 *         slot 1    the same, SLOT_BYTES further
 * ```
 *
 * **Invariants**
 *
 * 1. The writer only touches the slot that is not in force and then moves REVISION. A reader that sees the same
 *    REVISION before and after its copy has a state that was written as one.
 * 2. A report is cut at a character, never inside one, and says how much was cut.
 *
 * @internal
 */
import type { Abilities } from "./leaveProcess.ts"

const REVISION = 0
const CLOSED = 1
const ASKED = 32
const SAID = 64
const FIRST_SLOT = 384
const SLOT_HEAD = 16

/** How many bytes of a report are kept. */
export const REPORT_BYTES = 65_536
const SLOT_BYTES = SLOT_HEAD + REPORT_BYTES
const TOTAL_BYTES = FIRST_SLOT + 2 * SLOT_BYTES
/** Room for the note that says how much was cut. */
const NOTE_BYTES = 64

/** A deadline that is never reached: not armed. */
export const NEVER = 2n ** 63n - 1n

/** Text 1 is the report, text 2 the line before SIGKILL. */
export const REPORT = 1
export const LAST_LINE = 2

export interface State {
  readonly deadline: bigint
  readonly exitCode: number
}

export interface Memory {
  readonly buffer: SharedArrayBuffer
  readonly words: Int32Array
  readonly longs: BigInt64Array
  readonly bytes: Buffer
}

/** What is handed to the two threads. */
export interface ThreadData {
  readonly buffer: SharedArrayBuffer
  readonly abilities: Abilities
}

export const now = (): bigint => process.hrtime.bigint()

export const attach = (buffer: SharedArrayBuffer): Memory => ({
  buffer,
  words: new Int32Array(buffer),
  longs: new BigInt64Array(buffer),
  bytes: Buffer.from(buffer)
})

export const make = (): Memory => {
  const memory = attach(new SharedArrayBuffer(TOTAL_BYTES))
  memory.longs[slotOf(0) / 8] = NEVER
  return memory
}

// -- main thread -----------------------------------------------------------------------------------------------------

/** Puts a new state in force. A report of `undefined` leaves an empty one. */
export const write = (memory: Memory, state: State, report: string): void => {
  const revision = Atomics.load(memory.words, REVISION) + 1
  const slot = slotOf(revision)
  memory.longs[slot / 8] = state.deadline < NEVER ? state.deadline : NEVER
  memory.words[slot / 4 + 2] = state.exitCode
  memory.words[slot / 4 + 3] = writeReport(memory.bytes, slot + SLOT_HEAD, report)
  // Makes the slot visible; `read` and `sleep` load it first.
  Atomics.store(memory.words, REVISION, revision)
  Atomics.notify(memory.words, REVISION)
}

/** Sends the guard thread home. */
export const close = (memory: Memory): void => {
  Atomics.store(memory.words, CLOSED, 1)
  // The guard sleeps on REVISION: an empty state wakes it, and `isClosed` is looked at first.
  write(memory, { deadline: NEVER, exitCode: 0 }, "")
}

const slotOf = (revision: number): number => FIRST_SLOT + (revision & 1) * SLOT_BYTES

const writeReport = (bytes: Buffer, at: number, report: string): number => {
  const size = Buffer.byteLength(report)
  if (size <= REPORT_BYTES) return bytes.write(report, at, REPORT_BYTES)
  const kept = bytes.write(report, at, REPORT_BYTES - NOTE_BYTES)
  return kept + bytes.write(`\n… ${size - kept} more bytes of this report were cut`, at + kept, NOTE_BYTES)
}

// -- guard thread ----------------------------------------------------------------------------------------------------

export const isClosed = (memory: Memory): boolean => Atomics.load(memory.words, CLOSED) === 1

export const revisionOf = (memory: Memory): number => Atomics.load(memory.words, REVISION)

/** The state in force (invariant 1); with the report, for the voice. */
export const read = (memory: Memory): State & { readonly report: () => string } => {
  for (;;) {
    const revision = revisionOf(memory)
    const slot = slotOf(revision)
    const deadline = memory.longs[slot / 8] ?? NEVER
    const exitCode = memory.words[slot / 4 + 2] ?? 1
    const length = memory.words[slot / 4 + 3] ?? 0
    const text = slot + SLOT_HEAD
    if (revisionOf(memory) === revision) {
      return { deadline, exitCode, report: () => memory.bytes.toString("utf8", text, text + length) }
    }
  }
}

/**
 * Sleeps until a time (for good when it is `NEVER`), or until somebody wrote after `revision`. `true` when the time has
 * come, `false` when there is something new to read.
 */
export const sleep = (memory: Memory, until: bigint, revision: number): boolean => {
  for (;;) {
    if (revisionOf(memory) !== revision) return false
    const left = until - now()
    if (left <= 0n) return true
    Atomics.wait(memory.words, REVISION, revision, until === NEVER ? Infinity : Math.ceil(Number(left) / 1e6))
  }
}

/** Asks the voice for a text. */
export const ask = (memory: Memory, text: number): void => {
  Atomics.store(memory.words, ASKED, text)
  Atomics.notify(memory.words, ASKED)
}

/** Waits until the voice has written a text; `false` if it has not by then. */
export const waitSaid = (memory: Memory, text: number, until: bigint): boolean => {
  for (;;) {
    const said = Atomics.load(memory.words, SAID)
    if (said >= text) return true
    const left = until - now()
    if (left <= 0n) return false
    Atomics.wait(memory.words, SAID, said, Number(left) / 1e6)
  }
}

// -- voice -----------------------------------------------------------------------------------------------------------

/** Waits to be asked for something other than `seen`. */
export const waitAsked = (memory: Memory, seen: number): number => {
  for (;;) {
    const asked = Atomics.load(memory.words, ASKED)
    if (asked !== seen) return asked
    Atomics.wait(memory.words, ASKED, seen)
  }
}

export const said = (memory: Memory, text: number): void => {
  Atomics.store(memory.words, SAID, text)
  Atomics.notify(memory.words, SAID)
}

/** A pause of the calling thread. Not for a thread that runs fibers. */
export const pause = (millis: number): void => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, millis)
}

export const pauseUntil = (time: bigint): void => {
  for (let left = time - now(); left > 0n; left = time - now()) pause(Number(left) / 1e6)
}
