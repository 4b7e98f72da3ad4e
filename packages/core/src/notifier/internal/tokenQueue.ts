/**
 * The queue of tokens: flags, places, one poller. The protocol with its numbered invariants is docs/notifier.md; this
 * file is its only implementation, and the models explore this file.
 *
 * Plain synchronous code: no Effect, no time, no allocation after `attach`, nothing throws. Answers are numbers.
 *
 * JavaScript's atomics are sequentially consistent. Comments at a store say what it publishes and which load sees it, as
 * if they were not.
 *
 * @internal
 */
import * as Bell from "../../memory/internal/bell.ts"
import { CLOSED, CONFLATED, type Notified, QUEUED } from "./core.ts"
import * as Layout from "./layout.ts"
import {
  BELL_WORD,
  CLOSED_BIT,
  HEAD_WORD,
  PARKED_WORD,
  POLLER_WORD,
  RESCAN_BIT,
  SERIAL_SHIFT,
  serialIn,
  STEP,
  TAIL_WORD
} from "./layout.ts"

/** The sleeper's bit in the parked word. */
const PARKED = 1

/** Views over the region; a producer needs nothing else. */
export interface TokenQueue {
  readonly words: Int32Array
  readonly flags: Int32Array
  readonly cells: Int32Array
  readonly maxTokens: number
  readonly capacity: number
  readonly mask: number
  readonly shift: number
}

export const attach = (memory: SharedArrayBuffer, layout: Layout.Layout): TokenQueue => ({
  words: new Int32Array(memory, 0, layout.flagsWord),
  flags: new Int32Array(memory, layout.flagsWord * 4, layout.maxTokens),
  cells: new Int32Array(memory, layout.cellsWord * 4, layout.capacity),
  maxTokens: layout.maxTokens,
  capacity: layout.capacity,
  mask: layout.capacity - 1,
  shift: Layout.shiftOf(layout)
})

// -----------------------------------------------------------------------------
// Producers
// -----------------------------------------------------------------------------

/** Says that a token is ready. `token` has been checked. */
export const notify = (queue: TokenQueue, token: number): Notified =>
  flag(queue, token) ? CONFLATED : place(queue, token)

/** The first half of `notify`; `true` if the token was flagged already, and so all is done. */
export const flag = (queue: TokenQueue, token: number): boolean =>
  // Publishes what the producer wrote before; seen by the exchange of the poll that hands the token out (invariant 2).
  Atomics.exchange(queue.flags, token, 1) === 1

/** The other half, for a flag that was 0. */
export const place = (queue: TokenQueue, token: number): Notified => {
  const tail = Atomics.load(queue.words, TAIL_WORD)
  if ((tail & CLOSED_BIT) !== 0) return CLOSED
  return tryPlace(queue, tail, token) ? advanceAndWake(queue, tail) : placeAgain(queue, token)
}

/** Claims the place of `tail` and publishes the token in one step (invariant 4), if the cell is empty for this very lap. */
const tryPlace = ({ cells, mask, shift }: TokenQueue, tail: number, token: number): boolean => {
  const empty = Layout.emptyFor(tail, shift)
  // Seen by the load of the tail word in `poll`, through whoever advances it.
  return Atomics.compareExchange(cells, (tail >>> SERIAL_SHIFT) & mask, empty, token) === empty
}

/** Somebody else was there first, or the queue is full. */
const placeAgain = (queue: TokenQueue, token: number): Notified => {
  const { cells, words } = queue
  for (;;) {
    const head = Atomics.load(words, HEAD_WORD) // before the cell: invariant 5
    const tail = Atomics.load(words, TAIL_WORD)
    if ((tail & CLOSED_BIT) !== 0) return CLOSED
    const cell = Atomics.load(cells, (tail >>> SERIAL_SHIFT) & queue.mask)
    if (cell === Layout.emptyFor(tail, queue.shift)) {
      if (tryPlace(queue, tail, token)) return advanceAndWake(queue, tail)
    } else if (distance(tail, head) < queue.capacity) {
      // Empty for another lap: the tail that was read is old.
      if (cell >= 0) advance(words, tail)
    } else if (Atomics.load(words, HEAD_WORD) === head) {
      // Full, and not only by an old head: a recovery has queued tokens twice, or a dead poller has not said what it took (invariant 8).
      requestRescan(queue)
      return QUEUED
    }
  }
}

/** Places from `head` to `tail`, of words that hold serial × 4. */
const distance = (tail: number, head: number): number => ((serialIn(tail) - head) | 0) >>> SERIAL_SHIFT

/**
 * Moves the tail past the place of `tail`, unless somebody has. `false` if the queue was closed by then. The
 * compare-and-exchange publishes the cell to the load of the tail word in `poll`.
 */
const advance = (words: Int32Array, tail: number): boolean => {
  let seen = tail
  for (;;) {
    const found = Atomics.compareExchange(words, TAIL_WORD, seen, (seen + STEP) | 0)
    if (found === seen || serialIn(found) !== serialIn(tail)) return (found & CLOSED_BIT) === 0
    seen = found // the same place; only a bit below it has changed
  }
}

const advanceAndWake = (queue: TokenQueue, tail: number): Notified => {
  const open = advance(queue.words, tail)
  ring(queue)
  return open ? QUEUED : CLOSED
}

/** Asks the poller to look at all flags, and wakes it. */
const requestRescan = (queue: TokenQueue): void => {
  // Publishes the flags that are 1 so far; seen by the load of the tail word in `poll`.
  Atomics.or(queue.words, TAIL_WORD, RESCAN_BIT)
  ring(queue)
}

/** Wakes a poller that may be asleep. After the tail was written: see "Park" in the protocol. */
const ring = (queue: TokenQueue): void => {
  if ((Atomics.load(queue.words, PARKED_WORD) & PARKED) !== 0) wake(queue)
}

/** Also when nobody seems to sleep: somebody may have died between taking the mark away and ringing. */
export const wake = (queue: TokenQueue): void => Bell.ring(queue.words, PARKED_WORD, PARKED, BELL_WORD)

/** After the death of a producer or a poller, or at any time: nothing that was flagged stays unseen. */
export const recover = (queue: TokenQueue): void => {
  Atomics.or(queue.words, TAIL_WORD, RESCAN_BIT)
  wake(queue)
}

/** No more tokens; `true` for the call that closed. */
export const close = (queue: TokenQueue): boolean => {
  const before = Atomics.or(queue.words, TAIL_WORD, CLOSED_BIT)
  wake(queue)
  return (before & CLOSED_BIT) === 0
}

export const isClosed = (queue: TokenQueue): boolean => (Atomics.load(queue.words, TAIL_WORD) & CLOSED_BIT) !== 0

// -----------------------------------------------------------------------------
// The poller
// -----------------------------------------------------------------------------

/** The poller's own state: only its thread sees it. */
export interface Poller {
  readonly queue: TokenQueue
  /** Its number on the seat. */
  readonly seat: number
  /** Serial × 4 of the next place to pop. */
  head: number
  /** The next flag of a walk, or -1. */
  walk: number
  /** A rescan was asked for during the walk: begin again when it ends. */
  walkAgain: boolean
  /** Whether the walk goes first in the next poll: under a limit of one, queue and walk take turns. */
  walkFirst: boolean
  /** How many more plain looks may be believed; none during a walk. */
  glances: number
}

/** After so many plain looks that saw nothing, the next one is atomic. */
const GLANCES = 16

/** Who sits on the poller's seat: an odd number, or an even one if nobody does. */
export const seat = (queue: TokenQueue): number => Atomics.load(queue.words, POLLER_WORD)

/**
 * Takes the poller's seat; `undefined` if somebody has it. `dead`: the number of one who sat there and is dead, for
 * certain; two successors of one dead poller do not both get the seat.
 */
export const attachPoller = (queue: TokenQueue, dead?: number): Poller | undefined => {
  const before = Atomics.load(queue.words, POLLER_WORD)
  const afterDeath = (before & 1) !== 0
  if (afterDeath && before !== dead) return undefined
  const own = ((before | 1) + (afterDeath ? 2 : 0)) & 0x7fffffff
  if (Atomics.compareExchange(queue.words, POLLER_WORD, before, own) !== before) return undefined
  let head = Atomics.load(queue.words, HEAD_WORD)
  if (afterDeath) head = finishPops(queue, head)
  // A dead poller may have emptied cells, or have cleared `rescan`, and told nobody: what is flagged is looked at.
  return { queue, seat: own, head, walk: afterDeath ? 0 : -1, walkAgain: false, walkFirst: false, glances: 0 }
}

/** Moves head over cells a dead poller emptied without saying so. */
const finishPops = (queue: TokenQueue, published: number): number => {
  let head = published
  while (Atomics.load(queue.cells, (head >>> SERIAL_SHIFT) & queue.mask) === nextEmpty(queue, head))
    head = (head + STEP) | 0
  Atomics.store(queue.words, HEAD_WORD, head)
  return head
}

/** The mark a cell gets when its place is popped: empty for the same cell one lap on. */
const nextEmpty = (queue: TokenQueue, head: number): number =>
  Layout.emptyFor((head + (queue.capacity << SERIAL_SHIFT)) | 0, queue.shift)

/** Leaves the seat. The next poller finds what is in the queue, and walks if this one was walking. */
export const detachPoller = (poller: Poller): void => {
  const { words } = poller.queue
  if (poller.walk !== -1) recover(poller.queue)
  // The next even number, unless a successor has been let in.
  Atomics.compareExchange(words, POLLER_WORD, poller.seat, (poller.seat + 1) & 0x7fffffff)
}

/**
 * Fills `out` with at most `limit` ready tokens, oldest first, and says how many. `limit` is at most `out.length`, and at
 * least 1.
 */
export const poll = (poller: Poller, out: Int32Array, limit: number): number => {
  const tail = Atomics.load(poller.queue.words, TAIL_WORD)
  // The only load of an empty poll.
  if (tail === poller.head && poller.walk < 0) {
    poller.glances = GLANCES
    return 0
  }
  return drain(poller, tail, out, limit)
}

/**
 * Whether a poll need not be made: a plain look saw nothing. It costs a tenth of an atomic load, and may be stale: nothing
 * but what another thread's notification is ordered before, by a message say, has to be seen. So `false` is answered from time to
 * time, and nobody may go to sleep on it.
 */
export const seemsEmpty = (poller: Poller): boolean => {
  if (poller.glances === 0 || poller.queue.words[TAIL_WORD] !== poller.head) return false
  poller.glances--
  return true
}

const drain = (poller: Poller, tail: number, out: Int32Array, limit: number): number => {
  if ((tail & RESCAN_BIT) !== 0) {
    // Before the flags are read: a rescan asked for during the walk begins another one.
    Atomics.and(poller.queue.words, TAIL_WORD, ~RESCAN_BIT)
    // A walk under way goes on to its end first, or flags before that would wait for ever under a limit.
    if (poller.walk < 0) poller.walk = 0
    else poller.walkAgain = true
    poller.glances = 0
  }
  const end = serialIn(tail)
  if (poller.walk === -1) return pop(poller, end, out, 0, limit)
  let count = 0
  if (poller.walkFirst) {
    count = walk(poller, out, 0, (limit + 1) >> 1)
    count = pop(poller, end, out, count, limit)
  } else {
    count = pop(poller, end, out, 0, (limit + 1) >> 1)
    count = walk(poller, out, count, limit)
    count = pop(poller, end, out, count, limit)
  }
  poller.walkFirst = !poller.walkFirst
  return count
}

/** Pops up to `end`, filling `out` from `from` up to `to`; gives the new count. */
const pop = (poller: Poller, end: number, out: Int32Array, from: number, to: number): number => {
  const { cells, flags, mask, words } = poller.queue
  let { head } = poller
  let count = from
  const before = head
  while (head !== end && count < to) {
    const index = (head >>> SERIAL_SHIFT) & mask
    // Gives the place back; seen by the load of the cell in `place`, one lap on. Nothing was there if a poller that is dead now had
    // emptied this place a lap ago, and this one took what was put there since for what it had left (invariant 8).
    const token = Atomics.exchange(cells, index, nextEmpty(poller.queue, head))
    head = (head + STEP) | 0
    // By exchange, and before the token is handed out: invariants 2 and 6. It was 0: a walk has handed it out.
    if (token >= 0 && Atomics.exchange(flags, token, 0) === 1) out[count++] = token
  }
  if (head !== before) {
    poller.head = head
    // After the cells: a producer that sees this head sees them emptied (invariant 5).
    Atomics.store(words, HEAD_WORD, head)
  }
  return count
}

/** Hands out what is flagged, going on where the last walk stopped. */
const walk = (poller: Poller, out: Int32Array, from: number, to: number): number => {
  const { flags, maxTokens } = poller.queue
  let count = from
  while (poller.walk !== -1 && count < to) {
    const token = poller.walk
    if (Atomics.load(flags, token) === 1 && Atomics.exchange(flags, token, 0) === 1) out[count++] = token
    if (token + 1 < maxTokens) {
      poller.walk = token + 1
    } else {
      poller.walk = poller.walkAgain ? 0 : -1
      poller.walkAgain = false
    }
  }
  return count
}

/**
 * Whether there is nothing to do but sleep: nothing to poll, no walk, and not closed. A sleeper asks again after it has
 * set its bit; a limited poll that left something has not emptied the queue, so nobody sleeps after it.
 */
export const isIdle = (poller: Poller): boolean =>
  poller.walk === -1 && Atomics.load(poller.queue.words, TAIL_WORD) === poller.head

/** Closed, and nothing left: one load tells both, so what was queued before the close is handed out first. */
export const hasEnded = (poller: Poller): boolean =>
  poller.walk === -1 && Atomics.load(poller.queue.words, TAIL_WORD) === (poller.head | CLOSED_BIT)

/** What the sleeper sleeps on. */
export const bedOf = (queue: TokenQueue): Bed => ({
  words: queue.words,
  stateWord: PARKED_WORD,
  bit: PARKED,
  bellWord: BELL_WORD
})

interface Bed {
  readonly words: Int32Array
  readonly stateWord: number
  readonly bit: number
  readonly bellWord: number
}

/** The answer of `receive` when the queue was closed and is empty. */
export const ENDED = -1

/**
 * Blocks this thread until it was handed something; 0 if `remainingMillis` came to its end first.
 */
export const receive = (poller: Poller, out: Int32Array, limit: number, remainingMillis: () => number): number => {
  const { words } = poller.queue
  for (;;) {
    const count = poll(poller, out, limit)
    if (count > 0) return count
    if (hasEnded(poller)) return ENDED
    const millis = remainingMillis()
    if (millis <= 0) return 0
    const seen = Bell.prepare(words, PARKED_WORD, PARKED, BELL_WORD)
    // Again, after the mark: see "Park" in the protocol.
    if (isIdle(poller)) Bell.sleep(words, BELL_WORD, seen, millis)
  }
}
