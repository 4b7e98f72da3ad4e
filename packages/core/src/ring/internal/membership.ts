/**
 * Who takes part: owners, producers' lines, consumers' seats.
 *
 * An _owner_ is a number for one life of a thread. Lines and seats carry it, so that a proof of its death reaches all of
 * them. A _seat_ is keyed by its consumer's id.
 *
 * | state    | gates | entered by                                              |
 * | -------- | ----- | ------------------------------------------------------- |
 * | FREE     | no    | the start; leaving; giving up                           |
 * | JOINING  | yes   | the first half of joining                               |
| GATING   | yes   | joining                                                 |
 * | READING  | no    | joining as drop oldest                                  |
 * | YIELDING | yes   | joining as one to be detached when it is slow           |
 * | EJECTED  | no    | a producer without room finding a YIELDING seat in its way |
 * | VACANT   | yes   | the proven death of the owner of a GATING seat          |
 *
 * **Invariants** (numbers of docs/memory.md)
 *
 * - M1. Joining, giving up and recovering hold the lock, whose word is the owner that holds it.
 * - M2. A joiner stores its cursor at the claim word, then JOINING, then reads the claim word again, moves its cursor there,
 *   and stores its state. With G1, no gate that missed the seat exceeds the cursor it ends with. A joiner that dies while
 *   JOINING has taken nothing, and its cursor may be behind a gate: its seat is freed, never vacant.
 * - M3. One id has at most one seat that is not FREE. A VACANT one is taken over only with a greater generation, and keeps
 *   its cursor.
 *
 * @internal
 */
import * as Histogram from "../../memory/internal/histogram.ts"
import { wake } from "./claim.ts"
import type { RingCore } from "./core.ts"
import * as Gate from "./gate.ts"
import * as Layout from "./layout.ts"
import * as Tally from "./tally.ts"

/** Why somebody may not join; `Busy` passes by itself. */
export type JoinProblem = "Busy" | "Duplicate" | "StaleGeneration" | "NoSeat"

export interface JoinRequest {
  readonly owner: number
  readonly id: Uint8Array
  /** 0: one more than the seat's last. */
  readonly generation: number
  /** `GATING`, `READING` or `YIELDING`. */
  readonly state: number
}

/** Whether a number can be an owner: one that is too large would be cut to that of somebody else. */
export const isOwner = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= 2 ** 31 - 1

/** A number nobody had before, for one life of a thread. */
export const newOwner = (core: RingCore): number => Atomics.add(core.words, Layout.NEXT_OWNER_WORD, 1)

/** M1. What the holder before has written is visible after; paired with `unlock`. */
export const tryLock = (core: RingCore, owner: number): boolean =>
  Atomics.compareExchange(core.words, Layout.LOCK_WORD, 0, owner) === 0

/** Gives the lock back. Seen by the next `tryLock`. */
export const unlock = (core: RingCore): void => {
  Atomics.store(core.words, Layout.LOCK_WORD, 0)
}

/** Takes a producer's line; its index, or -1. */
export const joinProducer = (core: RingCore, owner: number): number => {
  for (let i = 0; i < core.layout.maxProducers; i++) {
    if (Atomics.compareExchange(core.words, Layout.producerWord(i), 0, owner) === 0) return i
  }
  return -1
}

/** Gives a producer's line back. */
export const leaveProducer = (core: RingCore, index: number, owner: number): void => {
  Atomics.compareExchange(core.words, Layout.producerWord(index), owner, 0)
}

/** First words and owners of the lines that are taken; also of one whose owner is dead and whose hole is pending. */
export const linesOf = (core: RingCore): ReadonlyArray<{ readonly line: number; readonly owner: number }> =>
  Array.from({ length: core.layout.maxProducers }, (_, i) => {
    const line = Layout.producerWord(i)
    return { line, owner: Math.abs(Atomics.load(core.words, line + Layout.PRODUCER_OWNER)) }
  }).filter(({ owner }) => owner !== 0)

/** Where a seat's cursor stands. */
export const cursorOf = (core: RingCore, seat: number): number => Atomics.load(core.words, seat + Layout.SEAT_CURSOR)

/** Takes a seat; answers its first word. */
export const join = (core: RingCore, request: JoinRequest): number | JoinProblem => {
  if (!tryLock(core, request.owner)) return "Busy"
  const seat = seatFor(core, request)
  if (typeof seat === "number") sit(core, seat, request)
  unlock(core)
  // Producers may wait for consumers; after the lock, which whoever is woken may want.
  if (typeof seat === "number") wake(core, Layout.WRITERS_ASLEEP)
  return seat
}

const seatFor = (core: RingCore, request: JoinRequest): number | JoinProblem => {
  const { layout, words } = core
  let free = -1
  for (let i = 0; i < layout.maxConsumers; i++) {
    const seat = Layout.seatWord(layout, i)
    const state = Atomics.load(words, seat + Layout.SEAT_STATE)
    if (state === Gate.FREE) {
      if (free === -1) free = seat
      continue
    }
    if (!hasId(core, seat, request.id)) continue
    if (state !== Gate.VACANT) return "Duplicate"
    const last = words[seat + Layout.SEAT_GENERATION] ?? 0
    return request.generation === 0 || request.generation > last ? seat : "StaleGeneration"
  }
  return free === -1 ? "NoSeat" : free
}

const sit = (core: RingCore, seat: number, request: JoinRequest): void => {
  const { words } = core
  const last = words[seat + Layout.SEAT_GENERATION] ?? 0
  const takesOver = Atomics.load(words, seat + Layout.SEAT_STATE) === Gate.VACANT
  core.tookOver = takesOver
  words[seat + Layout.SEAT_GENERATION] = request.generation === 0 ? (takesOver ? last + 1 : 1) : request.generation
  words[seat + Layout.SEAT_OWNER] = request.owner
  // The one before may have died asleep.
  words[seat + Layout.SEAT_PARKED] = 0
  if (!takesOver) {
    writeId(words, seat, request.id)
    forget(core, seat)
    // What passed until now, with nobody seated, is counted before somebody is.
    Gate.refresh(core)
    Atomics.store(words, seat + Layout.SEAT_CURSOR, Atomics.load(words, Layout.CLAIM_WORD))
    // M2. Seen by every scan for the gate that starts from here on.
    Atomics.store(words, seat + Layout.SEAT_STATE, Gate.JOINING)
    // A scan that missed the seat has read the claim word before this load does.
    Atomics.store(words, seat + Layout.SEAT_CURSOR, Atomics.load(words, Layout.CLAIM_WORD))
  }
  // Seen by a recovery: the cursor is one from which everything is kept.
  Atomics.store(words, seat + Layout.SEAT_STATE, request.state)
}

/** A new consumer counts from 0; the heir of a vacant seat goes on. */
const forget = (core: RingCore, seat: number): void => {
  const { layout, words } = core
  for (let i = Layout.SEAT_PARKED; i < Layout.SEAT_COUNTED_END; i++) words[seat + i] = 0
  if (!layout.measures) return
  Histogram.clear(words, Layout.takeHistogramWord(layout, seat))
  Histogram.clear(words, Layout.handlerHistogramWord(layout, seat))
}

/** Gives a seat back. `false` if it was not that owner's. */
export const leave = (core: RingCore, seat: number, owner: number): boolean => {
  const { words } = core
  const state = Atomics.load(words, seat + Layout.SEAT_STATE)
  if (state === Gate.FREE || state === Gate.VACANT || words[seat + Layout.SEAT_OWNER] !== owner) return false
  // What this consumer has seen is not counted as unobserved.
  Gate.refresh(core)
  // Seen by every scan for the gate; an ejection that comes first only makes this one fail, and then the seat is EJECTED.
  if (Atomics.compareExchange(words, seat + Layout.SEAT_STATE, state, Gate.FREE) !== state) {
    Atomics.store(words, seat + Layout.SEAT_STATE, Gate.FREE)
  }
  if (core.layout.required > 0) Gate.refresh(core)
  wake(core, Layout.WRITERS_ASLEEP)
  return true
}

/** Frees a VACANT seat of that generation; how many records its consumer will not have seen, or -1, or `Busy`. */
export const giveUp = (core: RingCore, me: number, seat: number, generation: number): number | "Busy" => {
  const { words } = core
  if (!tryLock(core, me)) return "Busy"
  const isIt =
    Atomics.load(words, seat + Layout.SEAT_STATE) === Gate.VACANT && words[seat + Layout.SEAT_GENERATION] === generation
  const missed = isIt ? dismiss(core, seat) : -1
  unlock(core)
  wake(core, Layout.WRITERS_ASLEEP)
  return missed
}

/** Frees a dead consumer's seat and counts what it will not have seen. */
export const dismiss = (core: RingCore, seat: number): number => {
  const { words } = core
  const cursor = Atomics.load(words, seat + Layout.SEAT_CURSOR)
  Atomics.store(words, seat + Layout.SEAT_STATE, Gate.FREE)
  const missed = Layout.distance(cursor, Atomics.load(words, Layout.CLAIM_WORD))
  Tally.addCommon(core, Layout.GIVEN_UP_WORD, Math.max(0, missed))
  return missed
}

/** Bytes lie four to a word, the first one lowest. */
const byteAt = (words: Int32Array, seat: number, i: number): number =>
  ((words[seat + Layout.SEAT_ID + (i >> 2)] ?? 0) >>> ((i & 3) * 8)) & 255

const writeId = (words: Int32Array, seat: number, id: Uint8Array): void => {
  words[seat + Layout.SEAT_ID_LENGTH] = id.length
  for (let at = 0; at < id.length; at += 4) {
    let word = 0
    for (let i = 0; i < 4 && at + i < id.length; i++) word |= (id[at + i] ?? 0) << (i * 8)
    words[seat + Layout.SEAT_ID + (at >> 2)] = word
  }
}

const hasId = ({ words }: RingCore, seat: number, id: Uint8Array): boolean => {
  if (words[seat + Layout.SEAT_ID_LENGTH] !== id.length) return false
  for (let i = 0; i < id.length; i++) if (byteAt(words, seat, i) !== id[i]) return false
  return true
}

/** The id of a seat. Under the lock, or by its owner. */
export const idOf = ({ words }: RingCore, seat: number): Uint8Array => {
  const length = Math.min(Math.max(0, words[seat + Layout.SEAT_ID_LENGTH] ?? 0), Layout.MAX_ID_BYTES)
  return Uint8Array.from({ length }, (_, i) => byteAt(words, seat, i))
}

/** The first words of all seats. */
export const seatsOf = (core: RingCore): ReadonlyArray<number> =>
  Array.from({ length: core.layout.maxConsumers }, (_, i) => Layout.seatWord(core.layout, i))

/** One seat that is not free, as whoever holds the lock sees it. */
export interface Seated {
  readonly seat: number
  readonly id: Uint8Array
  readonly state: number
  readonly generation: number
  readonly owner: number
  readonly cursor: number
}

/** All seats that are not free, or `Busy`. */
export const list = (core: RingCore, me: number): ReadonlyArray<Seated> | "Busy" => {
  if (!tryLock(core, me)) return "Busy"
  const found: Array<Seated> = []
  for (const seat of seatsOf(core)) {
    const state = Atomics.load(core.words, seat + Layout.SEAT_STATE)
    if (state !== Gate.FREE) found.push(seatedAt(core, seat, state))
  }
  unlock(core)
  return found
}

/** A seat that is not free. Under the lock. */
export const seatedAt = (core: RingCore, seat: number, state: number): Seated => ({
  seat,
  id: idOf(core, seat),
  state,
  generation: core.words[seat + Layout.SEAT_GENERATION] ?? 0,
  owner: core.words[seat + Layout.SEAT_OWNER] ?? 0,
  cursor: Atomics.load(core.words, seat + Layout.SEAT_CURSOR)
})
