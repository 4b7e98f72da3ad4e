/**
 * Models of the table of strands: slots that change hands, readers beside them, deaths, totals. Plain accesses are interleaved: probes race by
 * design, and rows are written plainly while readers load them.
 */
import { defineModel, Strategy } from "@selvedge/testing/model"
import { ownerOf } from "../../src/diagnostics/internal/owner.ts"
import * as Slots from "../../src/diagnostics/internal/slotTable.ts"
import * as Layout from "../../src/diagnostics/internal/strandLayout.ts"
import * as Table from "../../src/diagnostics/internal/strandTable.ts"
import * as Wide from "../../src/diagnostics/internal/wide.ts"
import * as Strands from "./support/strands.ts"

/** Ids below 10 are thread 0's, below 20 thread 1's. */
const ordinalOfId = (id: number): number => Math.floor(id / 10)
const looks =
  (times: number) =>
  (state: Strands.State): ReadonlyArray<ReadonlyArray<Strands.Seen>> =>
    Strands.look(state, times, ordinalOfId)

const everyoneLeft = (state: Strands.State, lives: number): void => {
  Strands.allFree(state)
  const { active, completed, lost, overflow, spawned } = Strands.sums(state)
  if (spawned + overflow !== lives || completed !== spawned) {
    Strands.fail(`of ${lives} lives ${spawned} spawned, ${completed} completed, ${overflow} found no slot`)
  }
  if (active !== 0 || lost !== 0) Strands.fail(`${active} active and ${lost} lost`)
  for (let seat = 0; seat < state.layout.seats; seat++) {
    if (Strands.wordsOf(state)[Layout.seatWord(seat) + Layout.SEAT_ACTIVE] !== 0) Strands.fail("a seat's count is off")
  }
}

export const oneSlot = defineModel({
  name: "strand: 2 threads × 2 lives on 1 slot, over the wrap of its generation",
  setup: () => Strands.make(1),
  options: { plain: "interleave" },
  threads: { a: Strands.lives(0, [1, 2]), b: Strands.lives(1, [11, 12]) },
  check: (state) => everyoneLeft(state, 4)
})

export const twoSlots = defineModel({
  name: "strand: 2 threads × 2 lives on 2 slots",
  // Of 4 seats, so that both begin their search at the first slot.
  setup: () => Strands.make(2, 4),
  options: { plain: "interleave" },
  threads: { a: Strands.lives(0, [1, 2]), b: Strands.lives(1, [11, 12]) },
  check: (state) => everyoneLeft(state, 4)
})

export const reader = defineModel({
  name: "strand: 2 lives in 1 slot beside 2 looks",
  setup: () => Strands.make(1),
  options: { plain: "interleave" },
  threads: { a: Strands.lives(0, [1, 2]), reader: looks(2) },
  check: (_, { reader }) => {
    const [first, second] = (reader ?? []).map((seen) => seen[0])
    if (first?.id === 2 && second?.id === 1) Strands.fail("an older strand after a newer one")
  }
})

export const readerBetween = defineModel({
  name: "strand: 2 threads × 1 life in 1 slot beside 2 looks",
  setup: () => Strands.make(1),
  options: { plain: "interleave" },
  threads: { a: Strands.lives(0, [1]), b: Strands.lives(1, [11]), reader: looks(2) },
  check: (state) => everyoneLeft(state, 2)
})

export const readerOfTwo = defineModel({
  name: "strand: 2 threads × 2 lives on 2 slots beside 2 looks",
  setup: () => Strands.make(2, 4),
  options: { plain: "interleave", strategy: Strategy.chess({ preemptions: 2 }) },
  threads: { a: Strands.lives(0, [1, 2]), b: Strands.lives(1, [11, 12]), reader: looks(2) },
  check: (state) => everyoneLeft(state, 4)
})

/** Releases the same handle twice, while another thread may take the slot in between. */
const releaseTwice = (state: Strands.State): ReadonlyArray<boolean> => {
  const table = Strands.threadOf(state, 0)
  const handle = Strands.register(table, 1)
  if (handle === Slots.NONE) return []
  return [Slots.release(table, handle), Slots.release(table, handle)]
}

export const releasedTwice = defineModel({
  name: "strand: a handle released twice beside 2 lives of another thread, 1 slot",
  setup: () => Strands.make(1),
  options: { plain: "interleave" },
  threads: {
    a: releaseTwice,
    b: (state: Strands.State) => {
      const table = Strands.threadOf(state, 1)
      const first = Strands.register(table, 11)
      if (first !== Slots.NONE) Slots.release(table, first)
      return Strands.register(table, 12) !== Slots.NONE
    }
  },
  check: (state, { a, b }) => {
    if (a !== undefined && a.length > 0 && a.join() !== "true,false") Strands.fail(`released: ${a.join()}`)
    const left = Strands.look(state, 1, ordinalOfId)[0]!.map((one) => one.id)
    if (left.join() !== (b === true ? "12" : "")) Strands.fail(`left: ${left.join()}`)
  }
})

/** The victim has a strand, gives it back, and takes another, which it keeps. */
const victim = (state: Strands.State): void => {
  const table = Strands.threadOf(state, 0)
  const handle = Strands.register(table, 1)
  if (handle !== Slots.NONE) Slots.release(table, handle)
  Strands.register(table, 2)
}

const reclaimer = {
  after: "victim",
  run: (state: Strands.State) => Slots.reclaim(Strands.wordsOf(state), state.layout, ownerOf(0, 0))
} as const

const deadLeftNothing = (state: Strands.State): void => {
  Strands.allFree(state)
  const sums = Strands.sums(state)
  if (sums.lost > 1) Strands.fail(`${sums.lost} lost of one`)
}

export const death = defineModel({
  name: "strand: a thread that dies at any step beside 2 lives of another, 1 slot",
  setup: () => Strands.make(1),
  options: { plain: "interleave", crash: { threads: ["victim"] } },
  threads: { victim, reclaimer, b: Strands.lives(1, [11, 12]) },
  check: (state) => {
    deadLeftNothing(state)
    if (Strands.lives(1, [13])(state) !== 1) Strands.fail("the slot is lost")
  }
})

export const deathBesideReader = defineModel({
  name: "strand: a thread that dies at any step beside 2 lives of another and 2 looks, 1 slot",
  setup: () => Strands.make(1),
  options: {
    plain: "interleave",
    crash: { threads: ["victim"] },
    strategy: Strategy.chess({ preemptions: 2 }),
    maxExecutions: 20_000
  },
  threads: {
    victim,
    reclaimer,
    b: Strands.lives(1, [11, 12]),
    reader: looks(2)
  },
  check: deadLeftNothing
})

const twice = {
  threads: { victim, reclaimer, second: reclaimer, b: Strands.lives(1, [11, 12]) },
  check: (
    state: Strands.State,
    { reclaimer, second }: { readonly reclaimer: number | undefined; readonly second: number | undefined }
  ) => {
    deadLeftNothing(state)
    if ((reclaimer ?? 0) + (second ?? 0) > 1) Strands.fail("one strand was freed twice")
  }
}

export const reclaimedTwice = defineModel({
  ...twice,
  name: "strand: 2 reclaim a thread that ended with a strand, beside 2 lives of another, 1 slot",
  setup: () => Strands.make(1),
  options: { plain: "interleave" }
})

export const reclaimedTwiceAnywhere = defineModel({
  ...twice,
  name: "strand: 2 reclaim a thread that died at any step, beside 2 lives of another, 1 slot",
  setup: () => Strands.make(1),
  options: { plain: "interleave", crash: { threads: ["victim"] }, maxExecutions: 40_000 }
})

export const neverFalselyLost = defineModel({
  name: "strand: totals beside 2 threads × 2 lives on 2 slots",
  setup: () => Strands.make(2),
  options: { plain: "interleave", strategy: Strategy.chess({ preemptions: 3 }), maxExecutions: 20_000 },
  threads: {
    a: Strands.lives(0, [1, 2]),
    b: Strands.lives(1, [11, 12]),
    reader: (state: Strands.State) => Strands.sums(state).lost
  },
  check: (_, { reader }) => reader === 0
})

export const totalsOfOne = defineModel({
  name: "strand: 2 totals beside 2 lives of a thread, 1 slot",
  setup: () => Strands.make(1, 1),
  options: { plain: "interleave" },
  threads: {
    a: Strands.lives(0, [1, 2]),
    reader: (state: Strands.State) => [Strands.sums(state), Strands.sums(state)] as const
  },
  check: (_, { reader }) => {
    const [first, second] = reader!
    if (first.lost !== 0 || second.lost !== 0) Strands.fail("a strand that lives counts as lost")
    if (second.spawned < first.spawned || second.completed < first.completed) Strands.fail("totals fell")
  }
})

/** Registers two strands, gives them back, and registers one. */
const peaking =
  (ordinal: number) =>
  (state: Strands.State): void => {
    const table = Strands.peakingThreadOf(state, ordinal)
    const handles = [Strands.register(table, 1), Strands.register(table, 2)]
    for (const handle of handles) Slots.release(table, handle)
    Strands.register(table, 3)
  }

export const peak = defineModel({
  name: "strand: the peak of 2 threads × 3 strands on 4 slots",
  setup: () => Strands.make(4),
  options: { plain: "interleave", strategy: Strategy.chess({ preemptions: 3 }), maxExecutions: 5000 },
  threads: { a: peaking(0), b: peaking(1) },
  // T3: what another thread registers in the same instant may be missing.
  invariant: (state) => Strands.activeIn(state) <= Strands.wordsOf(state)[Layout.PEAK_WORD]! + 1,
  check: (state) => {
    const found = Strands.wordsOf(state)[Layout.PEAK_WORD]!
    if (found < 2 || found > 4) Strands.fail(`a peak of ${found}`)
  }
})

const registersOne =
  (ordinal: number, leaves: boolean) =>
  (state: Strands.State): void => {
    const table = Strands.peakingThreadOf(state, ordinal)
    const handle = Strands.register(table, ordinal + 1)
    if (leaves) Slots.release(table, handle)
  }

export const peakOfThree = defineModel({
  name: "strand: the peak of 3 threads on 2 slots, one of which leaves while another adds up",
  setup: () => Strands.make(2, 3),
  options: { plain: "interleave", strategy: Strategy.chess({ preemptions: 2 }) },
  threads: { a: registersOne(0, true), b: registersOne(1, false), c: registersOne(2, false) },
  check: (state) => {
    const found = Strands.wordsOf(state)[Layout.PEAK_WORD]!
    if (found < 1 || found > 2) Strands.fail(`a peak of ${found} in 2 slots`)
  }
})

export const peakInTurn = defineModel({
  name: "strand: the peak of 2 threads, one after the other",
  setup: () => Strands.make(4),
  options: { plain: "interleave" },
  threads: { a: peaking(0), b: { after: "a", run: peaking(1) } },
  check: (state) => Strands.wordsOf(state)[Layout.PEAK_WORD] === 3
})

export const seats = defineModel({
  name: "strand: 3 threads of 2 ordinals take 2 seats, a fourth finds none",
  setup: () => {
    const layout = Layout.make(1, 2)
    const memory = new SharedArrayBuffer(layout.totalBytes)
    Layout.format(memory, layout)
    return { memory, layout }
  },
  threads: {
    a: (state: Strands.State) => Slots.takeSeat(Strands.wordsOf(state), 2, 7),
    b: (state: Strands.State) => Slots.takeSeat(Strands.wordsOf(state), 2, 8),
    again: (state: Strands.State) => Slots.takeSeat(Strands.wordsOf(state), 2, 7)
  },
  check: (state, { a, again, b }) => {
    if (a !== again || a === b || a! < 0 || b! < 0) Strands.fail(`seats ${a}, ${b}, ${again}`)
    if (Slots.takeSeat(Strands.wordsOf(state), 2, 9) !== -1) Strands.fail("a third ordinal has a seat")
  }
})

// -----------------------------------------------------------------------------
// Whole rows, as they are shipped
// -----------------------------------------------------------------------------

const tableOf = (state: Strands.State, ordinal: number): Table.StrandTable =>
  Table.attach(state.memory, state.layout, ownerOf(ordinal, 0), ordinal, 0)

const wholeRows = (state: Strands.State): ReadonlyArray<number> =>
  Table.rows(Strands.wordsOf(state), state.layout).map(({ id, kind, name, ordinal, startMillis }) => {
    if (startMillis !== id * 100) Strands.fail(`strand ${id} with the start ${startMillis}`)
    if (name !== `n${id}` || kind !== "k") Strands.fail(`strand ${id} is called ${name} and is a ${kind}`)
    if (ordinal !== ordinalOfId(id)) Strands.fail(`strand ${id} of ordinal ${ordinal}`)
    return id
  })

/** Registers all, then releases all but the last. */
const wholeLives =
  (ordinal: number, ids: ReadonlyArray<number>) =>
  (state: Strands.State): void => {
    const table = tableOf(state, ordinal)
    const handles = ids.map((id) => Table.register(table, id, 0, id * 100, `n${id}`, "k"))
    for (const handle of handles.slice(0, -1)) Slots.release(table.slots, handle)
  }

export const noRaceNeeded = defineModel({
  name: "strand: 1 thread registers 3 strands on 3 slots",
  setup: () => Strands.make(3),
  options: { plain: "interleave" },
  threads: {
    a: (state: Strands.State) => {
      const table = tableOf(state, 0)
      for (const id of [1, 2, 3]) Table.register(table, id, 0, id * 100, `n${id}`, "k")
    }
  },
  check: (state) => wholeRows(state).join() === "1,2,3"
})

export const whole = defineModel({
  name: "strand: whole rows of 2 threads × 2 strands on 2 slots beside 2 snapshots",
  setup: () => Strands.make(2),
  options: { plain: "interleave", strategy: Strategy.chess({ preemptions: 2 }), maxExecutions: 20_000 },
  threads: {
    a: wholeLives(0, [1, 2]),
    b: wholeLives(1, [11, 12]),
    reader: (state: Strands.State) => [wholeRows(state), wholeRows(state)]
  },
  check: (state) => void wholeRows(state)
})

// -----------------------------------------------------------------------------
// Wide numbers
// -----------------------------------------------------------------------------

const BEFORE_CARRY = 2 ** 32 - 2

const makeWide = (): SharedArrayBuffer => {
  const memory = new SharedArrayBuffer(4 * Wide.WIDE_WORDS)
  Wide.init(new Int32Array(memory), 0, BEFORE_CARRY)
  return memory
}

export const wide = defineModel({
  name: "strand: a wide number raised 4 times over a carry beside 2 reads, its writer dying at any step",
  setup: makeWide,
  options: { plain: "interleave", crash: { threads: ["writer"] } },
  threads: {
    writer: (memory: SharedArrayBuffer) => {
      const words = new Int32Array(memory)
      Wide.increment(words, 0)
      Wide.increment(words, 0)
      Wide.increment(words, 0)
      Wide.write(words, 0, 2 ** 33 + 7)
    },
    reader: (memory: SharedArrayBuffer) => {
      const words = new Int32Array(memory)
      return [Wide.read(words, 0), Wide.read(words, 0)] as const
    }
  },
  check: (memory, { reader }, { crashed }) => {
    const [first, second] = reader!
    if (first < BEFORE_CARRY || second < first || second > 2 ** 33 + 7) Strands.fail(`read ${first}, then ${second}`)
    const last = Wide.read(new Int32Array(memory), 0)
    if (last < second || (crashed.length === 0 && last !== 2 ** 33 + 7)) Strands.fail(`left ${last}`)
  }
})
