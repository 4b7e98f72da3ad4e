/**
 * Models of the flight recorder: writers that overwrite each other, readers, and deaths, over the end of 31-bit tickets. Plain accesses are
 * interleaved: payloads are written plainly while readers load them.
 */
import { defineModel, Strategy } from "@selvedge/testing/model"
import { ownerOf } from "../../src/diagnostics/internal/owner.ts"
import * as Recorder from "../../src/diagnostics/internal/recorder.ts"
import * as Layout from "../../src/diagnostics/internal/recorderLayout.ts"

interface State {
  readonly memory: SharedArrayBuffer
  readonly layout: Layout.RecorderLayout
}

const fail = (message: string): never => {
  throw new Error(message)
}

/** Tickets begin so that 31 bits, and the word, end within the model. */
const LAST = 2 ** 32 - 2

const make = (capacity: number): State => {
  const layout = Layout.make(capacity)
  const memory = new SharedArrayBuffer(layout.totalBytes)
  Layout.format(memory, layout, LAST)
  return { memory, layout }
}

const recorderOf = ({ layout, memory }: State, ordinal: number): Recorder.Recorder =>
  Recorder.attach(memory, layout, ownerOf(ordinal, 0))

const WORDS = 2

/** Events are numbers, written twice. */
const writing =
  (ordinal: number, events: ReadonlyArray<number>) =>
  (state: State): number => {
    const recorder = recorderOf(state, ordinal)
    let recorded = 0
    for (const event of events) {
      const payload = Recorder.begin(recorder)
      if (payload === Recorder.NO_ENTRY) continue
      for (let i = 0; i < WORDS; i++) recorder.words[payload + i] = event
      Recorder.finish(recorder)
      recorded++
    }
    return recorded
  }

interface Read {
  readonly events: ReadonlyArray<number>
  readonly torn: number
}

/** What is there, oldest first; each event must be whole. */
const read = ({ layout, memory }: State): Read => {
  const words = new Int32Array(memory)
  const out = new Int32Array(WORDS)
  const found: Array<{ readonly event: number; readonly ticket: number }> = []
  let torn = Atomics.load(words, Layout.TORN_WORD)
  for (let entry = 0; entry < layout.capacity; entry++) {
    const ticket = Recorder.copyEntry(words, entry, out)
    if (ticket === Recorder.TORN) torn++
    if (ticket < 0) continue
    if (out[0] !== out[1] || out[0] === 0) fail(`half of ${out[0]} and half of ${out[1]}`)
    found.push({ event: out[0]!, ticket })
  }
  const next = Recorder.nextTicket(words)
  const sorted = found.toSorted((a, b) => Recorder.age(next, b.ticket) - Recorder.age(next, a.ticket))
  return { events: sorted.map(({ event }) => event), torn }
}

/** Events of one thread stay in their order. */
const inOrder = ({ events }: Read): void => {
  for (const decade of [0, 1]) {
    const own = events.filter((event) => Math.floor(event / 10) === decade)
    if (own.some((event, i) => i > 0 && event <= own[i - 1]!)) fail(`out of order: ${events.join()}`)
  }
}

export const overwriting = defineModel({
  name: "recorder: 2 threads × 2 events in 2 entries",
  setup: () => make(2),
  options: { plain: "interleave" },
  threads: { a: writing(0, [1, 2]), b: writing(1, [11, 12]) },
  check: (state, { a, b }) => {
    if (a !== 2 || b !== 2) fail("an event was given up")
    const last = read(state)
    inOrder(last)
    if (last.torn !== 0 || last.events.length !== 2) fail(`left ${last.events.join()} and ${last.torn} torn`)
  }
})

export const reader = defineModel({
  name: "recorder: 3 events in 1 entry beside 2 reads",
  setup: () => make(1),
  options: { plain: "interleave" },
  threads: { a: writing(0, [1, 2, 3]), reader: (state: State) => [read(state), read(state)] as const },
  check: (state, { reader }) => {
    const [first, second] = reader!.map(({ events }) => events[0] ?? 0) as [number, number]
    if (first > 0 && second > 0 && second < first) fail(`read ${second} after ${first}`)
    if (read(state).events.join() !== "3") fail("the last event is not there")
  }
})

export const readerOfTwo = defineModel({
  name: "recorder: 2 threads × 2 events in 2 entries beside 2 reads",
  setup: () => make(2),
  options: { plain: "interleave", strategy: Strategy.chess({ preemptions: 3 }), maxExecutions: 80_000 },
  threads: {
    a: writing(0, [1, 2]),
    b: writing(1, [11, 12]),
    reader: (state: State) => [read(state), read(state)] as const
  },
  check: (state) => void inOrder(read(state))
})

const reclaim = (state: State): number => Recorder.reclaim(new Int32Array(state.memory), state.layout, ownerOf(0, 0))

export const death = defineModel({
  name: "recorder: a writer dies at any step beside 3 events of another in 2 entries, then is reclaimed twice at once",
  setup: () => make(2),
  options: { plain: "interleave", crash: { threads: ["a"] } },
  threads: {
    a: writing(0, [1, 2]),
    one: { after: "a", run: reclaim },
    two: { after: "a", run: reclaim },
    b: writing(1, [11, 12, 13])
  },
  check: (state, { b, one, two }, { crashed }) => {
    if (b !== 3) fail("an event of who lives was given up")
    const last = read(state)
    inOrder(last)
    const torn = one! + two!
    if (torn > crashed.length || last.torn !== torn) fail(`${torn} reclaimed, ${last.torn} torn`)
    if (last.events.length === 0) fail("all that was written whole is gone")
    // All entries can be written again.
    writing(1, [14, 15])(state)
    if (read(state).events.join() !== "14,15") fail(`an entry is lost: ${read(state).events.join()}`)
  }
})

export const deathUnreclaimed = defineModel({
  name: "recorder: a writer dies at any step; nobody reclaims; another goes on, beside 2 reads, 2 entries",
  setup: () => make(2),
  options: { plain: "interleave", crash: { threads: ["a"] }, strategy: Strategy.chess({ preemptions: 2 }) },
  threads: {
    a: writing(0, [1]),
    b: writing(1, [11, 12, 13]),
    reader: (state: State) => [read(state), read(state)] as const
  },
  check: (state, { b, reader }, { crashed }) => {
    if (b !== 3) fail("an event of who lives was given up")
    for (const one of [...reader!, read(state)]) inOrder(one)
    if (read(state).torn > crashed.length) fail("more is torn than died")
  }
})
