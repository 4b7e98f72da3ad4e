/**
 * Ringing the doorbells of other processes, from any thread that has mapped memory.
 *
 * The bell of core wakes this process's threads and then tells of the ring (`Waking.reachBeyond`). If the bell lies in a region of
 * a space, its word is put on the region's list, and the doorbell of every other participant that has the region open is moved;
 * a watcher that sleeps on its doorbell is woken natively.
 *
 * **Invariants** (numbers of docs/mapped-memory.md)
 *
 * - W1. A bell is listed before its sleeper's bit is set, and before its ringer moves a doorbell.
 * - W2. A watcher whose doorbell was moved is woken, or does not fall asleep: doorbell.ts.
 *
 * @internal
 */
import * as Waking from "@selvedge/core/memory/Waking"
import type { Control } from "./control.ts"
import * as Doorbell from "./doorbell.ts"
import * as Errands from "./errands.ts"
import * as Layout from "./layout.ts"

/** What a thread needs to ring from a region. */
export interface Outward {
  /** The control file, mapped. */
  readonly words: Int32Array
  /** Wakes a participant's watcher. */
  readonly wake: (row: number) => void
  readonly participants: number
  /** The participant this thread belongs to. */
  readonly row: number
  readonly region: number
  /** Bells that are known to be listed. */
  readonly listed: Set<number>
}

const regions = new WeakMap<SharedArrayBuffer, Outward>()

const outwardOf = (words: Int32Array): Outward | undefined => regions.get(words.buffer as SharedArrayBuffer)

const list = (outward: Outward, words: Int32Array, bellWord: number): void => {
  const word = (words.byteOffset >> 2) + bellWord
  if (outward.listed.has(word)) return
  if (!Layout.listBell(outward.words, outward.region, word)) {
    throw new RangeError(`a region of mapped memory has at most ${Layout.BELLS} bells`)
  }
  outward.listed.add(word)
}

const reach: Waking.Reach = {
  sleeps: (words, bellWord) => {
    const outward = outwardOf(words)
    if (outward !== undefined) list(outward, words, bellWord)
  },
  rang: (words, bellWord) => {
    const outward = outwardOf(words)
    if (outward === undefined) return
    list(outward, words, bellWord)
    ringOthers(outward)
  }
}

/** How a thread without native calls wakes them: its process's ringer does. */
export const byErrand = (errands: SharedArrayBuffer): Outward["wake"] => {
  const words = new Int32Array(errands)
  return (row) => Errands.ask(words, row)
}

const ringOthers = ({ participants, region, row, wake, words }: Outward): void => {
  for (let other = 0; other < participants; other++) {
    const word = Layout.participantWord(other)
    if (other === row || Atomics.load(words, word) !== Layout.LIVE) continue
    if (Layout.hasOpened(words, other, region)) ringDoorbell(words, other, wake)
  }
}

/** W2. */
const ringDoorbell = (words: Int32Array, row: number, wake: Outward["wake"]): void => {
  const word = Layout.participantWord(row)
  Doorbell.ring(words, word + Layout.DOORBELL, word + Layout.ASLEEP, () => wake(row))
}

/** Rings a participant's own doorbell: its watcher has a message. */
export const ringOwn = ({ address, door, words }: Pick<Control, "address" | "door" | "words">, row: number): void =>
  ringDoorbell(words, row, Doorbell.wakerOf(door, address))

let installed = false

/** From now on, rings of this thread in that memory are heard by other processes. */
export const hearFrom = (memory: SharedArrayBuffer, outward: Outward): void => {
  if (!installed) Waking.reachBeyond(reach)
  installed = true
  regions.set(memory, outward)
}

/** No more. */
export const forget = (memory: SharedArrayBuffer): void => {
  regions.delete(memory)
}
