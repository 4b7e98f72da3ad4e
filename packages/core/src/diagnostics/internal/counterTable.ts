/**
 * Labelled counters: cells that are added to a chain once and never leave it. The protocol with its numbered invariants is
 * docs/diagnostics.md; this file is its only implementation, and the models explore this file.
 *
 * | owner's word | in the chain | the cell is                                              |
 * | ------------ | ------------ | -------------------------------------------------------- |
 * | 0            | no           | free                                                     |
 * | an owner     | no           | being written by that owner                              |
 * | an owner     | yes          | a counter; its owner is about to say so, or has died     |
 * | `PUBLISHED`  | yes          | a counter                                                |
 *
 * Plain synchronous code: no Effect, no time, nothing throws. JavaScript's atomics are sequentially consistent. Comments at a store
 * say what it publishes and which load sees it, as if they were not.
 *
 * Source: the counters of Aeron and Agrona, for the idea of labelled counters in shared memory.
 *
 * @internal
 */
import * as Layout from "./countersLayout.ts"
import {
  CELL_ID,
  CELL_KIND,
  CELL_LABEL,
  CELL_LENGTHS,
  CELL_NAME,
  CELL_NEXT,
  CELL_ORDINAL,
  CELL_OWNER,
  HEAD_WORD,
  LABEL_WORDS,
  NAME_WORDS
} from "./countersLayout.ts"
import { NOBODY } from "./owner.ts"
import * as Text from "./text.ts"

/** The owner's word of a counter: no owner's, whose upper bits are never 0. */
export const PUBLISHED = 1

/** Answers of `register` instead of a cell. */
export const FULL = -1
/** The id is in use with another name or another kind. */
export const TAKEN = -2

/** One thread's side of the counters. */
export interface CounterTable {
  readonly words: Int32Array
  readonly values: BigInt64Array
  readonly layout: Layout.CountersLayout
  readonly own: number
}

export const attach = (memory: SharedArrayBuffer, layout: Layout.CountersLayout, own: number): CounterTable => ({
  words: new Int32Array(memory, 0, layout.totalBytes / 4),
  values: new BigInt64Array(memory, 0, layout.totalBytes / 8),
  layout,
  own
})

/** What makes a counter this one, with its texts in words. */
export interface Key {
  readonly id: number
  readonly ordinal: number
  readonly kind: number
  readonly lengths: number
  readonly name: Int32Array
  readonly label: Int32Array
}

/** `undefined` if one of the texts does not fit. */
export const keyOf = (id: number, kind: number, name: string, ordinal: number, label: string): Key | undefined => {
  const nameWords = new Int32Array(NAME_WORDS)
  const labelWords = new Int32Array(LABEL_WORDS)
  const nameLength = Text.encode(name, nameWords, 0, NAME_WORDS)
  const labelLength = Text.encode(label, labelWords, 0, LABEL_WORDS)
  if (((nameLength | labelLength) & Text.CUT) !== 0) return undefined
  return { id, ordinal, kind, lengths: nameLength | (labelLength << 16), name: nameWords, label: labelWords }
}

// -----------------------------------------------------------------------------
// Registering
// -----------------------------------------------------------------------------

/** The cell of a counter, an old one or a new one; or `FULL`, or `TAKEN`. */
export const register = (table: CounterTable, key: Key): number => {
  const { words } = table
  let seen = Atomics.load(words, HEAD_WORD)
  const known = find(words, seen, 0, key)
  if (known !== NOT_THERE) return known
  const cell = reserve(table)
  // Perhaps the last free cell went to the very same counter.
  if (cell === FULL) return orFull(find(words, Atomics.load(words, HEAD_WORD), 0, key))
  const at = Layout.cellWord(cell)
  fill(words, at, key)
  for (;;) {
    words[at + CELL_NEXT] = seen
    // Publishes the cell (K2); seen by the load of the head in `register` and `cells`.
    const before = Atomics.compareExchange(words, HEAD_WORD, seen, cell + 1)
    if (before === seen) {
      // From here on a reclaim leaves it alone without looking for it in the chain.
      Atomics.store(words, at + CELL_OWNER, PUBLISHED)
      return cell
    }
    // Somebody was first: only what came since can be the same counter (K1).
    const twin = find(words, before, seen, key)
    if (twin !== NOT_THERE) {
      Atomics.store(words, at + CELL_OWNER, NOBODY)
      return twin
    }
    seen = before
  }
}

const NOT_THERE = -3

const orFull = (found: number): number => (found === NOT_THERE ? FULL : found)

/** Looks through the chain from `from` down to `to`, exclusive. What is in it does not change any more: plain loads. */
const find = (words: Int32Array, from: number, to: number, key: Key): number => {
  for (let next = from; next !== to;) {
    const at = Layout.cellWord(next - 1)
    if (words[at + CELL_ID] === key.id) {
      const sameName =
        words[at + CELL_KIND] === key.kind &&
        ((words[at + CELL_LENGTHS]! ^ key.lengths) & 0xffff) === 0 &&
        isSame(words, at + CELL_NAME, key.name)
      if (!sameName) return TAKEN
      const same =
        words[at + CELL_ORDINAL] === key.ordinal &&
        words[at + CELL_LENGTHS] === key.lengths &&
        isSame(words, at + CELL_LABEL, key.label)
      if (same) return next - 1
    }
    next = words[at + CELL_NEXT]!
  }
  return NOT_THERE
}

const isSame = (words: Int32Array, at: number, text: Int32Array): boolean => {
  for (let i = 0; i < text.length; i++) if (words[at + i] !== text[i]) return false
  return true
}

const reserve = ({ layout, own, words }: CounterTable): number => {
  for (let cell = 0; cell < layout.capacity; cell++) {
    const at = Layout.cellWord(cell) + CELL_OWNER
    // Keeps others out (S1).
    if (Atomics.load(words, at) === NOBODY && Atomics.compareExchange(words, at, NOBODY, own) === NOBODY) return cell
  }
  return FULL
}

const fill = (words: Int32Array, at: number, key: Key): void => {
  words[at + CELL_ID] = key.id
  words[at + CELL_ORDINAL] = key.ordinal
  words[at + CELL_LENGTHS] = key.lengths
  words[at + CELL_KIND] = key.kind
  for (let i = 0; i < key.name.length; i++) words[at + CELL_NAME + i] = key.name[i]!
  for (let i = 0; i < key.label.length; i++) words[at + CELL_LABEL + i] = key.label[i]!
}

/**
 * Frees the cells that an owner who is dead, for certain, was writing. Counters stay: they belong to the ordinal. Gives the number of
 * cells that were freed.
 */
export const reclaim = (words: Int32Array, layout: Layout.CountersLayout, dead: number): number => {
  let freed = 0
  for (let cell = 0; cell < layout.capacity; cell++) {
    const at = Layout.cellWord(cell) + CELL_OWNER
    if (Atomics.load(words, at) !== dead) continue
    // Whether it is in the chain does not change: only its owner could have put it there (K3).
    const to = isInChain(words, cell) ? PUBLISHED : NOBODY
    if (Atomics.compareExchange(words, at, dead, to) === dead && to === NOBODY) freed++
  }
  return freed
}

const isInChain = (words: Int32Array, cell: number): boolean => {
  for (let next = Atomics.load(words, HEAD_WORD); next !== 0; next = words[Layout.cellWord(next - 1) + CELL_NEXT]!) {
    if (next - 1 === cell) return true
  }
  return false
}

// -----------------------------------------------------------------------------
// Counting
// -----------------------------------------------------------------------------

/** Small numbers as they are wanted: converting one costs as much as the addition. */
const SMALL: ReadonlyArray<bigint> = Array.from({ length: 257 }, (_, n) => BigInt(n))

const big = (n: number): bigint => SMALL[n] ?? BigInt(n)

/** `n` is a whole number. One instruction: no reader sees half of it, and a death is before it or after it (K4). */
export const add = (values: BigInt64Array, index: number, n: number): void => {
  if (n === 1) Atomics.add(values, index, 1n)
  else Atomics.add(values, index, big(n))
}

export const set = (values: BigInt64Array, index: number, n: number): void => {
  Atomics.store(values, index, big(n))
}

export const max = (values: BigInt64Array, index: number, n: number): void => {
  const value = big(n)
  let seen = Atomics.load(values, index)
  while (value > seen) {
    const found = Atomics.compareExchange(values, index, seen, value)
    if (found === seen) return
    seen = found
  }
}

export const read = (values: BigInt64Array, index: number): number => Number(Atomics.load(values, index))

// -----------------------------------------------------------------------------
// Reading
// -----------------------------------------------------------------------------

/** A counter as it was found. */
export interface Found {
  readonly id: number
  readonly ordinal: number
  readonly kind: number
  readonly name: string
  readonly label: string
  readonly value: number
}

/** All counters, in the order in which they were registered. */
export const counters = (words: Int32Array, values: BigInt64Array): Array<Found> => {
  const found: Array<Found> = []
  for (let next = Atomics.load(words, HEAD_WORD); next !== 0;) {
    const at = Layout.cellWord(next - 1)
    const lengths = words[at + CELL_LENGTHS]!
    found.push({
      id: words[at + CELL_ID]!,
      ordinal: words[at + CELL_ORDINAL]!,
      kind: words[at + CELL_KIND]!,
      name: Text.decode(words, at + CELL_NAME, lengths & 0xffff),
      label: Text.decode(words, at + CELL_LABEL, lengths >>> 16),
      value: read(values, Layout.valueIndex(next - 1))
    })
    next = words[at + CELL_NEXT]!
  }
  return found.toReversed()
}
