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
import * as Doorbell from "./doorbell.ts"
import * as Layout from "./layout.ts"
import type { Door } from "./native.ts"

/** What a thread needs to ring from a region. */
export interface Outward {
  readonly door: Door
  /** The control file, mapped. */
  readonly words: Int32Array
  readonly address: number
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

const ringOthers = ({ address, door, participants, region, row, words }: Outward): void => {
  for (let other = 0; other < participants; other++) {
    const word = Layout.participantWord(other)
    if (other === row || Atomics.load(words, word) !== Layout.LIVE) continue
    if (Layout.hasOpened(words, other, region)) ringDoorbell(door, words, address, word)
  }
}

/** W2. */
const ringDoorbell = (door: Door, words: Int32Array, address: number, participantWord: number): void =>
  Doorbell.ring(words, participantWord + Layout.DOORBELL, participantWord + Layout.ASLEEP, (word) =>
    door.wake(address + word * 4)
  )

/** Rings a participant's own doorbell: its watcher has a message. */
export const ringOwn = ({ address, door, words }: Pick<Outward, "address" | "door" | "words">, row: number): void =>
  ringDoorbell(door, words, address, Layout.participantWord(row))

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
