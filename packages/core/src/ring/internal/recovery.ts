/**
 * What is done when somebody is proved dead.
 *
 * The caller proves the death of an owner; the ring then fills the holes that its producers left, frees their lines, and
 * makes its consumers' seats VACANT (those that never promised to gate are freed).
 *
 * **Invariants** (numbers of docs/memory.md)
 *
 * - D1. One recovery at a time, under the lock; a lock held by the dead is taken over. Each step may be repeated, so a
 *   recovery whose caller dies is made good by the next one.
 * - D2. An intent is a candidate, not a claim: at or past the claim word it is only cleared, and so it is unless the slot of its
 *   start still holds the stamp of the lap before. (A producer may store a stale intent laps later, and die.)
 * - D3. A hole is filled only when every producer whose intent starts there is proved dead. Its start is looked at again
 *   after the intents have been read.
 * - D4. A hole ends at the least of the claim word, the intents' starts and the published heads beyond its start, read in
 *   this order: claims are contiguous, and an intent is cleared only after its head is published.
 *
 * @internal
 */
import * as Claim from "./claim.ts"
import type { RingCore } from "./core.ts"
import * as Epoch from "./epoch.ts"
import * as Gate from "./gate.ts"
import * as Layout from "./layout.ts"
import * as Membership from "./membership.ts"
import * as Tally from "./tally.ts"

/** What a recovery did. */
export interface Recovered {
  /** Records that became tombstones. */
  readonly filled: number
  /** Holes that a producer not proved dead may own: recover again. */
  readonly pending: number
  /** Seats of the dead owner that are VACANT now. */
  readonly vacated: ReadonlyArray<Membership.Seated>
  /** Records that consumers freed at once will not have seen. */
  readonly dismissed: number
}

/** Recovers everything of a dead owner. */
export const recover = (core: RingCore, me: number, dead: number): Recovered | "Busy" => {
  if (!takeLock(core, me, dead)) return "Busy"
  bear(core, dead)
  const before = Atomics.load(core.words, Layout.TOMBSTONES_WORD)
  const pending = core.multi ? fillHoles(core) : finishAlone(core)
  const filled = (Atomics.load(core.words, Layout.TOMBSTONES_WORD) - before) | 0
  const seats = vacate(core, dead)
  Epoch.advance(core, Atomics.load(core.words, Layout.CLAIM_WORD))
  Membership.unlock(core)
  // The dead may have published, committed or closed without ringing.
  Claim.wakeAll(core)
  return { filled, pending, ...seats }
}

const takeLock = (core: RingCore, me: number, dead: number): boolean =>
  Membership.tryLock(core, me) || Atomics.compareExchange(core.words, Layout.LOCK_WORD, dead, me) === dead

/** Marks the lines of the dead: a negative owner. */
const bear = (core: RingCore, dead: number): void => {
  for (let i = 0; i < core.layout.maxProducers; i++) {
    Atomics.compareExchange(core.words, Layout.producerWord(i), dead, -dead)
  }
}

/** One producer: all that is claimed and not published is its hole. */
const finishAlone = (core: RingCore): number => {
  const { words } = core
  const line = Layout.producerWord(0)
  if (Atomics.load(words, line) >= 0) return 0
  const claim = Atomics.load(words, Layout.CLAIM_WORD)
  const cursor = Atomics.load(words, Layout.CURSOR_WORD)
  const n = Layout.distance(cursor, claim)
  if (n > 0) {
    fill(core, cursor, n)
    // Makes the tombstones visible; seen like a publication.
    Atomics.store(words, Layout.CURSOR_WORD, claim)
  }
  Atomics.store(words, line, 0)
  return 0
}

const fillHoles = (core: RingCore): number => {
  let pending = 0
  for (let i = 0; i < core.layout.maxProducers; i++) {
    const line = Layout.producerWord(i)
    if (Atomics.load(core.words, line) >= 0) continue
    if (!settle(core, line)) {
      pending++
      continue
    }
    Atomics.store(core.words, line + Layout.PRODUCER_INTENT, 0)
    // Last: from here on the line may be taken.
    Atomics.store(core.words, line, 0)
  }
  return pending
}

/** Whether the intent of a dead producer's line may be cleared now. */
const settle = (core: RingCore, line: number): boolean => {
  const { words } = core
  const claim = Atomics.load(words, Layout.CLAIM_WORD)
  const intent = Atomics.load(words, line + Layout.PRODUCER_INTENT)
  if (intent === 0) return true
  const start = Gate.startOf(intent, claim)
  if (Layout.distance(start, claim) <= 0) return true
  const limit = limitOf(core, start, claim)
  // D2, D3: whoever was not in the scan has published, or never had the claim.
  if (!isHole(core, start)) return true
  if (limit === start) return false
  fill(core, start, Layout.distance(start, firstHead(core, start, limit)))
  return true
}

/** The least of the claim word and the intents beyond `start`; `start` itself if somebody alive intends it. */
const limitOf = (core: RingCore, start: number, claim: number): number => {
  const { layout, words } = core
  let limit = claim
  for (let i = 0; i < layout.maxProducers; i++) {
    const line = Layout.producerWord(i)
    const intent = Atomics.load(words, line + Layout.PRODUCER_INTENT)
    if (intent === 0) continue
    const ahead = Layout.distance(start, Gate.startOf(intent, claim))
    if (ahead === 0 && Atomics.load(words, line) > 0) return start
    if (ahead > 0 && ahead < Layout.distance(start, limit)) limit = (start + ahead) | 0
  }
  return limit
}

const firstHead = (core: RingCore, start: number, limit: number): number => {
  let at = (start + 1) | 0
  while (at !== limit) {
    const stamp = Atomics.load(core.words, Layout.stampWord(core.layout, at))
    if (Layout.isStamped(stamp, at) && (stamp & Layout.INTERIOR) === 0) return at
    at = (at + 1) | 0
  }
  return limit
}

const isHole = (core: RingCore, sequence: number): boolean =>
  Layout.isStamped(Atomics.load(core.words, Layout.stampWord(core.layout, sequence)), (sequence - core.capacity) | 0)

const fill = (core: RingCore, start: number, n: number): void => {
  Tally.addTombstones(core, n)
  Claim.stamp(core, start, n, Layout.TOMBSTONE)
}

const vacate = (core: RingCore, dead: number): Pick<Recovered, "vacated" | "dismissed"> => {
  const { words } = core
  const vacated: Array<Membership.Seated> = []
  let dismissed = 0
  for (const seat of Membership.seatsOf(core)) {
    const state = Atomics.load(words, seat + Layout.SEAT_STATE)
    if (state === Gate.FREE || words[seat + Layout.SEAT_OWNER] !== dead) continue
    // It may have died while it took over a vacant one.
    if (state === Gate.GATING || state === Gate.VACANT) {
      // It goes on gating; seen by the next joiner with its id.
      Atomics.store(words, seat + Layout.SEAT_STATE, Gate.VACANT)
      vacated.push(Membership.seatedAt(core, seat, Gate.VACANT))
    } else dismissed += Membership.dismiss(core, seat)
  }
  return { vacated, dismissed }
}
