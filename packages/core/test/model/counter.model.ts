/**
 * Models of the counters: registering at once, adding over 32 bits, greatest values, deaths. Nothing here may race: plain accesses are
 * checked.
 */
import { defineModel, Strategy } from "@selvedge/testing/model"
import * as Table from "../../src/diagnostics/internal/counterTable.ts"
import * as Layout from "../../src/diagnostics/internal/countersLayout.ts"
import { ownerOf } from "../../src/diagnostics/internal/owner.ts"

interface State {
  readonly memory: SharedArrayBuffer
  readonly layout: Layout.CountersLayout
}

const fail = (message: string): never => {
  throw new Error(message)
}

const make = (capacity: number): State => {
  const layout = Layout.make(capacity)
  const memory = new SharedArrayBuffer(layout.totalBytes)
  Layout.format(memory, layout)
  return { memory, layout }
}

const tableOf = ({ layout, memory }: State, ordinal: number, generation = 0): Table.CounterTable =>
  Table.attach(memory, layout, ownerOf(ordinal, generation))

/** A counter of ordinal 0, whoever registers it, with one letter of a name and one of a label. */
const keyOf = (id: number, name: string, label = "x"): Table.Key => {
  const word = (text: string): Int32Array => Int32Array.of(text.charCodeAt(0))
  return { id, ordinal: 0, kind: 0, lengths: 0x10001, name: word(name), label: word(label) }
}

const registering =
  (ordinal: number, keys: ReadonlyArray<Table.Key>) =>
  (state: State): ReadonlyArray<number> => {
    const table = tableOf(state, ordinal)
    return keys.map((key) => Table.register(table, key))
  }

/** Ids and values as any thread finds them. */
const found = (
  state: State
): ReadonlyArray<{ readonly id: number; readonly label: string; readonly value: number }> => {
  const { values, words } = tableOf(state, 9)
  return Table.counters(words, values).map(({ id, label, value }) => ({ id, label, value }))
}

const onceEach = (state: State, wanted: ReadonlyArray<string>): void => {
  const there = found(state).map(({ id, label }) => `${id}${label}`)
  if (there.toSorted().join() !== wanted.join()) fail(`wanted ${wanted.join()}, found ${there.join()}`)
}

const usedCells = ({ layout, memory }: State): number => {
  const words = new Int32Array(memory)
  return Array.from({ length: layout.capacity }, (_, cell) => words[Layout.cellWord(cell)]).filter((one) => one !== 0)
    .length
}

export const registerAtOnce = defineModel({
  name: "counter: 2 threads register the same 2 counters, 4 cells",
  setup: () => make(4),
  threads: {
    a: registering(1, [keyOf(1, "a"), keyOf(2, "b")]),
    b: registering(2, [keyOf(2, "b"), keyOf(1, "a")])
  },
  check: (state, { a, b }) => {
    onceEach(state, ["1x", "2x"])
    if (a![0] !== b![1] || a![1] !== b![0]) fail(`cells ${a!.join()} and ${b!.join()}`)
    if (usedCells(state) !== 2) fail("a cell was left behind")
  }
})

export const registerThree = defineModel({
  name: "counter: 3 threads register 2 of 3 counters each",
  setup: () => make(6),
  options: { strategy: Strategy.chess({ preemptions: 2 }) },
  threads: {
    a: registering(1, [keyOf(1, "a"), keyOf(2, "b")]),
    b: registering(2, [keyOf(2, "b"), keyOf(1, "a", "y")]),
    c: registering(3, [keyOf(1, "a", "y"), keyOf(1, "a")])
  },
  check: (state) => {
    onceEach(state, ["1x", "1y", "2x"])
    if (usedCells(state) !== 3) fail("a cell was left behind")
  }
})

export const full = defineModel({
  name: "counter: 2 threads register 2 counters each, 1 cell",
  setup: () => make(1),
  threads: {
    a: registering(1, [keyOf(1, "a"), keyOf(1, "a")]),
    b: registering(2, [keyOf(2, "b"), keyOf(2, "b")])
  },
  check: (state, { a, b }) => {
    const of = (cells: ReadonlyArray<number> | undefined): string => cells!.join()
    const [had, hadNot] = of(a) === "0,0" ? [a, b] : [b, a]
    // The second try of who was second may find the cell given back by nobody: it is taken for good.
    if (of(had) !== "0,0" || of(hadNot) !== `${Table.FULL},${Table.FULL}`) fail(`${of(a)} and ${of(b)}`)
    if (found(state).length !== 1) fail("not one counter")
  }
})

export const taken = defineModel({
  name: "counter: 2 threads give 1 id to 2 names, 2 times each",
  setup: () => make(4),
  threads: {
    a: registering(1, [keyOf(1, "a"), keyOf(1, "a", "y")]),
    b: registering(2, [keyOf(1, "b"), keyOf(1, "b", "y")])
  },
  check: (state, { a, b }) => {
    const isTaken = (cells: ReadonlyArray<number> | undefined): boolean => cells!.every((cell) => cell === Table.TAKEN)
    const isHad = (cells: ReadonlyArray<number> | undefined): boolean => cells!.every((cell) => cell >= 0)
    if (!((isTaken(a) && isHad(b)) || (isTaken(b) && isHad(a)))) fail(`${a!.join()} and ${b!.join()}`)
    if (usedCells(state) !== 2) fail("a cell was left behind")
  }
})

const START = 2n ** 32n - 2n

const counting = (): State => {
  const state = make(1)
  Table.register(tableOf(state, 1), keyOf(1, "a"))
  new BigInt64Array(state.memory)[Layout.valueIndex(0)] = START
  return state
}

const INDEX = Layout.valueIndex(0)

export const adding = defineModel({
  name: "counter: 2 threads add 2 times each over 2^32 beside 2 reads",
  setup: counting,
  threads: {
    a: (state: State) => {
      const { values } = tableOf(state, 1)
      Table.add(values, INDEX, 1)
      Table.add(values, INDEX, 3)
    },
    b: (state: State) => {
      const { values } = tableOf(state, 2)
      Table.add(values, INDEX, 1)
      Table.add(values, INDEX, 1000)
    },
    reader: (state: State) => {
      const { values } = tableOf(state, 9)
      return [Table.read(values, INDEX), Table.read(values, INDEX)] as const
    }
  },
  check: (state, { reader }) => {
    const [first, second] = reader!
    if (first < Number(START) || second < first) fail(`read ${first}, then ${second}`)
    if (found(state)[0]!.value !== Number(START) + 1005) fail(`in the end ${found(state)[0]!.value}`)
  }
})

export const greatest = defineModel({
  name: "counter: 3 threads raise a greatest value 2 times each",
  setup: () => make(1),
  threads: {
    a: (state: State) => {
      const { values } = tableOf(state, 1)
      Table.max(values, INDEX, 3)
      Table.max(values, INDEX, 1)
    },
    b: (state: State) => {
      const { values } = tableOf(state, 2)
      Table.max(values, INDEX, 2)
      Table.max(values, INDEX, 5)
    },
    c: (state: State) => {
      const { values } = tableOf(state, 3)
      Table.max(values, INDEX, 4)
      Table.max(values, INDEX, 2)
      return Table.read(values, INDEX)
    }
  },
  check: (state, { c }) => {
    if (c! < 4) fail(`read ${c} after 4 was told`)
    if (Table.read(tableOf(state, 9).values, INDEX) !== 5) fail("the greatest was lost")
  }
})

/** Registers two counters and adds to both; dies anywhere. */
const countingLife =
  (generation: number) =>
  (state: State): void => {
    const table = tableOf(state, 0, generation)
    for (const key of [keyOf(1, "a"), keyOf(2, "b")]) {
      const cell = Table.register(table, key)
      if (cell < 0) fail(`no cell in life ${generation}: ${cell}`)
      Table.add(table.values, Layout.valueIndex(cell), 10 ** generation)
    }
  }

const reclaim = (state: State): number => Table.reclaim(tableOf(state, 9).words, state.layout, ownerOf(0, 0))

export const restarted = defineModel({
  name: "counter: a thread dies at any step, and its next life goes on, beside another that registers and reads",
  setup: () => make(3),
  options: { crash: { threads: ["first"] } },
  threads: {
    first: countingLife(0),
    next: {
      after: "first",
      run: (state: State) => {
        reclaim(state)
        countingLife(1)(state)
      }
    },
    other: (state: State) => {
      const cell = Table.register(tableOf(state, 1), keyOf(3, "c"))
      const seen = found(state).map(({ value }) => value)
      const again = found(state)
      return { cell, falling: seen.some((value, i) => again[i]!.value < value) }
    }
  },
  check: (state, { other }) => {
    onceEach(state, ["1x", "2x", "3x"])
    if (other!.cell < 0 || other!.falling) fail("a total fell, or there was no cell")
    if (usedCells(state) !== 3) fail("a cell was left behind")
    for (const { id, value } of found(state))
      if (id < 3 && value !== 10 && value !== 11) fail(`counter ${id} is ${value}`)
  }
})

export const reclaimedTwice = defineModel({
  name: "counter: 2 reclaim a dead thread at once, beside another that registers",
  setup: () => make(4),
  options: { crash: { threads: ["first"] } },
  threads: {
    first: countingLife(0),
    one: { after: "first", run: reclaim },
    two: { after: "first", run: reclaim },
    other: registering(1, [keyOf(3, "c"), keyOf(1, "a")])
  },
  check: (state, { one, other, two }) => {
    if (other!.some((cell) => cell < 0)) fail(`no cell: ${other!.join()}`)
    if (one! + two! > 1) fail("a cell was freed twice")
    if (usedCells(state) !== found(state).length) fail("a cell was left behind")
  }
})
