/**
 * The gate: the sequence no producer may overwrite.
 *
 * A producer may claim `n` records at `c` when `c + n - gate ≤ capacity`. The gate is the least of the claim word, the
 * cursors of the seats that gate, and the starts of the producers' intents: an unpublished claim gates like a seat.
 *
 * **Invariants** (numbers of docs/memory.md)
 *
 * - G1. The claim word is read before the first seat and the first intent.
 * - G2. So no gate that anybody holds exceeds a cursor that gates, or the start of an unpublished claim; a gate once
 *   computed stays true and may be shared.
 * - G3. The shared word moves by compare-and-exchange from what its writer saw, so a writer that slept does not bring back
 *   a gate of another turn of the sequence.
 *
 * @internal
 */
import type { RingCore } from "./core.ts"
import * as Layout from "./layout.ts"
import * as Tally from "./tally.ts"

/** States of a seat. */
export const FREE = 0
/** A consumer that gates. */
export const GATING = 1
/** Its consumer died; it gates until it is taken over or given up. */
export const VACANT = 2
/** A consumer that does not gate: drop oldest. */
export const READING = 3
/** A consumer that was detached because it was slow, and has not left yet. */
export const EJECTED = 4
/** A consumer that gates until it is in the way. */
export const YIELDING = 5
/** A consumer whose cursor is not settled yet; it gates as well as it can. */
export const JOINING = 6

export const gates = (state: number): boolean => state === GATING || state === VACANT || state >= YIELDING

/**
 * An intent in one word: 31 bits of the start, and a bit that says there is one. 0 is none.
 *
 * The bit lost is found again from the claim word: a live start is less than 2^30 away from it.
 */
export const intentOf = (start: number): number => (start << 1) | 1

/** The start an intent names. */
export const startOf = (intent: number, near: number): number => (near + ((((intent >> 1) - near) << 1) >> 1)) | 0

/** Computes the gate (G1), and counts the seats that gate. */
export const compute = (core: RingCore): number => {
  const { layout, words } = core
  const claim = Atomics.load(words, Layout.CLAIM_WORD)
  let gate = claim
  let count = 0
  for (let i = 0; i < layout.maxConsumers; i++) {
    const seat = Layout.seatWord(layout, i)
    if (!gates(Atomics.load(words, seat + Layout.SEAT_STATE))) continue
    count++
    const cursor = Atomics.load(words, seat + Layout.SEAT_CURSOR)
    if (Layout.distance(gate, cursor) < 0) gate = cursor
  }
  core.seated = count
  if (count < layout.required)
    return Layout.distance(gate, claim - core.capacity) < 0 ? (claim - core.capacity) | 0 : gate
  if (core.multi) gate = leastIntent(core, gate, claim)
  return gate
}

const leastIntent = (core: RingCore, gate: number, claim: number): number => {
  let least = gate
  for (let i = 0; i < core.layout.maxProducers; i++) {
    const intent = Atomics.load(core.words, Layout.producerWord(i) + Layout.PRODUCER_INTENT)
    if (intent === 0) continue
    const start = startOf(intent, claim)
    if (Layout.distance(least, start) < 0) least = start
  }
  return least
}

/** Computes the gate, shares it, and counts what passed while nobody watched. */
export const refresh = (core: RingCore): number => {
  const { words } = core
  const before = Atomics.load(words, Layout.GATE_WORD)
  const gate = compute(core)
  const nobody = core.seated === 0
  // G3. Seen by the load of the gate in every claim: what the gate passed has been read for good.
  if (gate !== before && Atomics.compareExchange(words, Layout.GATE_WORD, before, gate) === before && nobody) {
    const passed = Layout.distance(before, gate)
    if (passed > 0) Tally.addCommon(core, Layout.UNOBSERVED_WORD, passed)
  }
  return gate
}

/** Detaches the consumers that are in the way and said they would yield. `true` if any was. */
export const eject = (core: RingCore, gate: number): boolean => {
  const { layout, words } = core
  let any = false
  for (let i = 0; i < layout.maxConsumers; i++) {
    const seat = Layout.seatWord(layout, i)
    if (Atomics.load(words, seat + Layout.SEAT_STATE) !== YIELDING) continue
    if (Atomics.load(words, seat + Layout.SEAT_CURSOR) !== gate) continue
    // Seen by the load of the state in the consumer's next take, and by every scan for the gate.
    if (Atomics.compareExchange(words, seat + Layout.SEAT_STATE, YIELDING, EJECTED) === YIELDING) any = true
  }
  return any
}
