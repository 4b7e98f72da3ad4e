/**
 * Claim, publish and take: one and two producers, one and two consumers, more records than slots, and sequences that
 * pass the end of their 32 bits.
 */
import { defineModel, type ExploreOptions, Strategy } from "@selvedge/testing/model"
import * as Core from "../../src/ring/internal/core.ts"
import * as Layout from "../../src/ring/internal/layout.ts"
import * as Read from "../../src/ring/internal/read.ts"
import * as Rings from "./support/rings.ts"

/** Two short of the sign's turn, and of the end of 32 bits. */
const BEFORE_SIGN = 2 ** 31 - 2
const BEFORE_TURN = 2 ** 32 - 2

const oneToOne = (name: string, start: number) =>
  defineModel({
    name,
    setup: () => Rings.makeRing({ capacity: 2, producers: 1, consumers: 1, start }),
    threads: {
      producer: (state) => Rings.publishSome(state, 0, 5, 0),
      consumer: (state) => Rings.take(Rings.consumerOn(state, 0), 5, 2)
    },
    check: (_, { consumer }) => Rings.expectOrdered(consumer, [5], "consumer")
  })

export const single = oneToOne("1→1, capacity 2, 5 records", 0)
export const singleSign = oneToOne("1→1 over the sign", BEFORE_SIGN)
export const singleTurn = oneToOne("1→1 over the end of 32 bits", BEFORE_TURN)

export const singleBatches = defineModel({
  name: "1→1 batches 3,2,1,3 over the end of 4 slots, taken 2 at a time",
  setup: () => Rings.makeRing({ capacity: 4, producers: 1, consumers: 1, start: BEFORE_TURN }),
  threads: {
    producer: (state) => Rings.publishBatches(state, 0, [3, 2, 1, 3], 0),
    consumer: (state) => Rings.take(Rings.consumerOn(state, 0), 9, 2)
  },
  check: (_, { consumer }) => Rings.expectOrdered(consumer, [9], "consumer")
})

export const broadcast = defineModel({
  name: "1→2, capacity 2, 4 records",
  setup: () => Rings.makeRing({ capacity: 2, producers: 1, consumers: 2, start: BEFORE_TURN }),
  threads: {
    producer: (state) => Rings.publishSome(state, 0, 4, 0),
    a: (state) => Rings.take(Rings.consumerOn(state, 0), 4, 2),
    b: (state) => Rings.take(Rings.consumerOn(state, 1), 4, 1)
  },
  check: (_, { a, b }) => {
    Rings.expectOrdered(a, [4], "a")
    Rings.expectOrdered(b, [4], "b")
  }
})

const twoToOne = (
  name: string,
  options: { readonly capacity: number; readonly published: number },
  sizes: readonly [ReadonlyArray<number>, ReadonlyArray<number>],
  explored: ExploreOptions
) => {
  const [p, q] = sizes.map((list) => list.reduce((sum, n) => sum + n, 0)) as [number, number]
  return defineModel({
    name,
    setup: () => Rings.makeRing({ ...options, producers: 2, consumers: 1, start: BEFORE_TURN }),
    threads: {
      p: (state) => Rings.publishBatches(state, 0, sizes[0], options.published),
      q: (state) => Rings.publishBatches(state, 1, sizes[1], 10),
      consumer: (state) => Rings.take(Rings.consumerOn(state, 0), p + q + options.published, 3)
    },
    check: (_, { consumer }) => Rings.expectOrdered(consumer, [options.published + p, q], "consumer"),
    options: explored
  })
}

const sampled: ExploreOptions = { strategy: Strategy.chess({ preemptions: 2 }) }

export const shared = twoToOne(
  "2→1, 2 records each, over the end of 4 slots and of 32 bits",
  { capacity: 4, published: 1 },
  [
    [1, 1],
    [1, 1]
  ],
  {}
)
export const sharedRoomy = twoToOne(
  "2→1, 2 records each, room for all, over the end of the slots",
  { capacity: 4, published: 0 },
  [
    [1, 1],
    [1, 1]
  ],
  {}
)
export const sharedTight = twoToOne(
  "2→1, 2 records each over 2 slots",
  { capacity: 2, published: 0 },
  [
    [1, 1],
    [1, 1]
  ],
  sampled
)
export const sharedBatches = twoToOne(
  "2→1, batches 2,1 and 1,2 over the end of 4 slots, taken 3 at a time",
  { capacity: 4, published: 0 },
  [
    [2, 1],
    [1, 2]
  ],
  sampled
)

/** Whoever sees the first record of a batch of a stamped ring sees all of them: runs are asked for in one poll. */
export const wholeBatches = defineModel({
  name: "batches of 2, 3 and 2, 1 over the end of 8 slots are seen whole or not at all, from either producer",
  setup: () => Rings.makeRing({ capacity: 8, producers: 2, consumers: 1, start: BEFORE_TURN }),
  threads: {
    p: (state) => Rings.publishBatches(state, 0, [2, 3], 0),
    q: (state) => Rings.publishBatches(state, 1, [2, 1], 10),
    consumer: (state) => {
      const consumer = Rings.consumerOn(state, 0)
      const ends: Array<number> = []
      for (let looks = 0; looks < 3; looks++) {
        const n = Read.poll(consumer, 8)
        const run = Array.from({ length: n }, (_, i) => Rings.peek(consumer.core, (consumer.position + i) | 0))
        ends.push(run.at(-1) ?? -1)
        consumer.position = (consumer.position + n) | 0
      }
      return ends
    }
  },
  // The last of a batch is 1, 4, 11 or 12; -1 is an empty look.
  check: (_, { consumer }) => (consumer ?? []).every((end) => [-1, 1, 4, 11, 12].includes(end)),
  options: { maxExecutions: 200_000 }
})

/** Nobody is seated: only intents keep one producer from the slot the other is writing. */
export const sharedUnobserved = defineModel({
  name: "2→0, 2 records each over 1 slot",
  setup: () => Rings.makeRing({ capacity: 1, producers: 2, consumers: 1, joined: 0, start: BEFORE_TURN }),
  threads: {
    p: (state) => Rings.publishSome(state, 0, 2, 0),
    q: (state) => Rings.publishSome(state, 1, 2, 10)
  },
  check: (state) => Layout.distance(BEFORE_TURN | 0, Core.claimed(Rings.coreOf(state))) === 4
})

export const sharedTightByPriorities = Rings.byPriorities(sharedTight)
export const sharedBatchesByPriorities = Rings.byPriorities(sharedBatches)
