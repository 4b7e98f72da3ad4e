/**
 * 53-bit positions from 32-bit sequences.
 *
 * The epoch word counts half turns (2^31 sequences) of the claim word. A sequence near the claim word and the epoch word
 * differ by at most one half turn, which the sign of the sequence and its place in the half turn decide.
 *
 * **Invariants** (numbers of docs/memory.md)
 *
 * - E1. The epoch is moved by compare-and-exchange, by one, by a producer whose claim passes a multiple of 2^29, before it
 *   publishes. A producer that dies in between leaves the epoch behind by one for at most 2^29 sequences.
 * - E2. So for every live sequence the answer is exact.
 *
 * @internal
 */
import type { RingCore } from "./core.ts"
import * as Layout from "./layout.ts"

const HALF_TURN = 2 ** 31

/** Called for every claim; does something four times in a half turn. */
export const passed = (core: RingCore, from: number, to: number): void => {
  if ((from ^ to) >>> 29 !== 0) advance(core, to)
}

/** Moves the epoch if `sequence` is at the beginning of the half turn after it. */
export const advance = (core: RingCore, sequence: number): void => {
  const epoch = Atomics.load(core.words, Layout.EPOCH_WORD)
  // E1. Seen by the load in `position`, which gives the same answer before and after.
  if (halfOf(epoch, sequence) > epoch) Atomics.compareExchange(core.words, Layout.EPOCH_WORD, epoch, epoch + 1)
}

/** The 53-bit position of the claim word; exact however long this thread is kept from the processor in between. */
export const claimPosition = (core: RingCore): number => {
  for (;;) {
    const epoch = Atomics.load(core.words, Layout.EPOCH_WORD)
    const claim = Atomics.load(core.words, Layout.CLAIM_WORD)
    // The claim word was read while the epoch stood still, so it is less than a half turn away from it.
    if (Atomics.load(core.words, Layout.EPOCH_WORD) === epoch) return at(epoch, claim)
  }
}

/** The half turn of a sequence that is less than 2^30 away from the beginning or the end of it. */
const halfOf = (epoch: number, sequence: number): number => {
  if ((epoch & 1) === sequence >>> 31) return epoch
  return (sequence & 0x40000000) === 0 ? epoch + 1 : epoch - 1
}

/** The 53-bit position of a live sequence. */
export const position = (core: RingCore, sequence: number): number =>
  at(Atomics.load(core.words, Layout.EPOCH_WORD), sequence)

const at = (epoch: number, sequence: number): number => halfOf(epoch, sequence) * HALF_TURN + (sequence & 0x7fffffff)
