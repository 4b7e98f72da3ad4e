/**
 * Joining and leaving while producers publish, seats of the dead, consumers that are detached, and readers that do not
 * gate.
 */
import { defineModel, Strategy } from "@selvedge/testing/model"
import * as Bell from "../../src/memory/internal/bell.ts"
import * as Claim from "../../src/ring/internal/claim.ts"
import * as Gate from "../../src/ring/internal/gate.ts"
import * as Layout from "../../src/ring/internal/layout.ts"
import * as Membership from "../../src/ring/internal/membership.ts"
import * as Read from "../../src/ring/internal/read.ts"
import * as Recovery from "../../src/ring/internal/recovery.ts"
import * as Rings from "./support/rings.ts"

const START = 2 ** 32 - 2

/** Joins at the claim word while the ring turns, and must then see every record from there on, whole. */
export const joinLatest = (state: Rings.State, index: number, count: number) => {
  const core = Rings.coreOf(state)
  const seat = Rings.joinNow(core, index)
  const joined = Atomics.load(core.words, seat + Layout.SEAT_CURSOR)
  const consumer = new Read.ConsumerCore(core, seat, joined, joined, false)
  const from = Layout.distance(START | 0, joined)
  return { from, values: Rings.take(consumer, count - from, 2) }
}

const expectFrom = (got: ReturnType<typeof joinLatest> | undefined, count: number): void => {
  if (got === undefined) return
  const wanted = Array.from({ length: count - got.from }, (_, i) => got.from + i)
  if (JSON.stringify(got.values) !== JSON.stringify(wanted)) {
    Rings.fail(`joined at ${got.from}, took ${JSON.stringify(got.values)}`)
  }
}

export const lateJoin = defineModel({
  name: "late join, latest, against 1 producer of 6 records over 2 slots",
  setup: () => Rings.makeRing({ capacity: 2, producers: 1, consumers: 1, joined: 0, start: START }),
  threads: {
    producer: (state) => Rings.publishSome(state, 0, 6, 0),
    joiner: (state) => joinLatest(state, 0, 6)
  },
  check: (_, { joiner }) => expectFrom(joiner, 6)
})

/** Tries each batch once, and waits for no room. */
const publishWhatFits = (state: Rings.State, index: number, sizes: ReadonlyArray<number>): void => {
  const producer = new Claim.ProducerCore(Rings.coreOf(state), index)
  for (const size of sizes) {
    if (Claim.tryClaim(producer, size) !== Claim.CLAIMED) continue
    for (let i = 0; i < size; i++) Rings.write(producer.core, (producer.sequence + i) | 0, producer.sequence)
    Claim.publish(producer, size)
  }
}

/**
 * The record a joiner begins with is kept until it takes it, however far the producers get. Too many orders to exhaust: sampled, beside
 * `lateJoin`.
 */
const lateJoinAgainst = (
  name: string,
  capacity: number,
  start: number,
  p: ReadonlyArray<number>,
  q: ReadonlyArray<number>
) =>
  defineModel({
    name,
    setup: () => Rings.makeRing({ capacity, producers: 2, consumers: 1, joined: 0, start }),
    threads: {
      p: (state: Rings.State) => publishWhatFits(state, 0, p),
      q: (state: Rings.State) => publishWhatFits(state, 1, q),
      joiner: (state: Rings.State) => Rings.joinNow(Rings.coreOf(state), 0)
    },
    check: (state: Rings.State, { joiner }) => {
      const { layout, memory } = state
      const words = new Int32Array(memory)
      const ahead = Layout.distance(words[joiner as number] ?? 0, words[Layout.CLAIM_WORD] ?? 0)
      return ahead >= 0 && ahead <= layout.capacity
    },
    options: { strategy: Strategy.chess({ preemptions: 3 }), maxExecutions: 100_000 }
  })

export const lateJoinShared = lateJoinAgainst(
  "late join, latest, against 2 producers that try twice each, over 1 slot",
  1,
  0,
  [1, 1],
  [1, 1]
)

/** A producer looks for room for 4 while there is room for the other's batches of 1: only one of them looks at the seats. */
export const lateJoinBatches = lateJoinAgainst(
  "late join, latest, against 2 producers that try batches of 2, 4 and 1, 1, over the end of 4 slots",
  4,
  START,
  [2, 4],
  [1, 1]
)

export const joinAndLeave = defineModel({
  name: "one consumer leaves and another joins while 5 records pass 2 slots",
  setup: () => Rings.makeRing({ capacity: 2, producers: 1, consumers: 1, start: START }),
  threads: {
    producer: (state) => Rings.publishSome(state, 0, 5, 0),
    leaver: (state) => {
      const consumer = Rings.consumerOn(state, 0)
      const values = Rings.take(consumer, 2, 1)
      Membership.leave(consumer.core, consumer.seat, Rings.ownerOfConsumer(0))
      return values
    },
    joiner: { run: (state) => joinLatest(state, 0, 5), after: "leaver" }
  },
  check: (_, { joiner, leaver }) => {
    Rings.expectOrdered(leaver, [2], "leaver")
    expectFrom(joiner, 5)
  }
})

export const sameId = defineModel({
  name: "two consumers with one id: one is refused",
  setup: () => Rings.makeRing({ capacity: 2, producers: 1, consumers: 2, joined: 0 }),
  threads: Object.fromEntries(
    ["a", "b"].map((name, i) => [
      name,
      (state: Rings.State) => {
        const core = Rings.coreOf(state)
        const request = { owner: Rings.ownerOfConsumer(i), id: Rings.idOf(7), generation: 0, state: Gate.GATING }
        for (;;) {
          const seat = Membership.join(core, request)
          if (seat !== "Busy") return seat
          Bell.pause()
        }
      }
    ])
  ),
  check: (_, results) => {
    const answers = [results["a"], results["b"]]
    return answers.filter((one) => one === "Duplicate").length === 1
  }
})

/** Records older than the join, copied and checked; then the gated rest. */
const readHistory = (state: Rings.State, count: number) => {
  const core = Rings.coreOf(state)
  const seat = Rings.joinNow(core, 0)
  const joined = Atomics.load(core.words, seat + Layout.SEAT_CURSOR)
  const retained = Math.max(0, Layout.distance(START | 0, joined) - core.capacity)
  const consumer = new Read.ConsumerCore(core, seat, joined, (START + retained) | 0, false)
  return copyAll(consumer, count, retained)
}

/** Takes one at a time, copying where it has to; answers values and what was missed. */
const copyAll = (consumer: Read.ConsumerCore, count: number, from: number) => {
  const values: Array<number> = []
  let missed = from
  for (;;) {
    if (Read.mustCopy(consumer)) missed += Read.skipLost(consumer)
    if (missed + values.length >= count) return { values, missed }
    const n = Read.poll(consumer, 1)
    if (n === 0) {
      Bell.pause()
      continue
    }
    const value = Rings.peek(consumer.core, consumer.position)
    const gone = Read.mustCopy(consumer) ? Read.lost(consumer, 1) : 0
    missed += gone
    if (gone === 0) values.push(value)
    consumer.position = (consumer.position + 1) | 0
    Read.commit(consumer, consumer.position)
  }
}

const expectCopies = (got: ReturnType<typeof copyAll> | undefined, count: number): void => {
  if (got === undefined) return
  const { missed, values } = got
  if (missed + values.length !== count) Rings.fail(`missed ${missed}, took ${JSON.stringify(values)}`)
  for (let i = 1; i < values.length; i++) {
    if ((values[i] ?? 0) <= (values[i - 1] ?? 0)) Rings.fail(`out of order: ${JSON.stringify(values)}`)
  }
  const first = count - values.length
  values.forEach((value, i) => {
    if (value < i || value > first + i) Rings.fail(`record ${i} is ${value} of ${JSON.stringify(values)}`)
  })
}

export const history = defineModel({
  name: "join at the earliest retained record while 3 more pass 2 slots",
  setup: () => Rings.makeRing({ capacity: 2, producers: 1, consumers: 1, joined: 0, start: START, published: 2 }),
  threads: {
    producer: (state) => Rings.publishSome(state, 0, 3, 2),
    reader: (state) => readHistory(state, 5)
  },
  check: (_, { reader }) => expectCopies(reader, 5),
  options: { plain: "interleave", races: "off" }
})

const dropOldest = (name: string, producers: 1 | 2) =>
  defineModel({
    name,
    setup: () =>
      Rings.makeRing({ capacity: 2, producers, consumers: 1, start: START, kind: Gate.READING, multi: producers > 1 }),
    threads: {
      producer: (state: Rings.State) => Rings.publishSome(state, 0, 4, 0),
      reader: (state: Rings.State) => {
        const consumer = Rings.consumerOn(state, 0)
        consumer.copies = true
        return copyAll(consumer, 4, 0)
      }
    },
    check: (_, { reader }) => expectCopies(reader, 4),
    options: { plain: "interleave", races: "off" }
  })

export const dropOldestAlone = dropOldest("drop oldest reader, 4 records over 2 slots", 1)
export const dropOldestShared = dropOldest("drop oldest reader of a stamped ring, 4 records over 2 slots", 2)

export const detach = defineModel({
  name: "a slow consumer is detached: it keeps what it copied and is told",
  setup: () => Rings.makeRing({ capacity: 2, producers: 1, consumers: 1, start: START, kind: Gate.YIELDING }),
  threads: {
    producer: (state) => Rings.publishSome(state, 0, 4, 0),
    slow: (state) => {
      const consumer = Rings.consumerOn(state, 0)
      consumer.copies = true
      const values: Array<number> = []
      while (values.length < 4) {
        if (Read.isEjected(consumer)) return { values, ejected: true }
        if (Read.poll(consumer, 1) === 0) {
          Bell.pause()
          continue
        }
        const value = Rings.peek(consumer.core, consumer.position)
        if (Read.lost(consumer, 1) > 0) return { values, ejected: Read.isEjected(consumer) }
        values.push(value)
        consumer.position = (consumer.position + 1) | 0
        Read.commit(consumer, consumer.position)
      }
      return { values, ejected: false }
    }
  },
  check: (_, { slow }) => {
    if (slow === undefined) return
    if (slow.values.length < 4 && !slow.ejected) Rings.fail("lost records without being detached")
    Rings.expectOrdered(slow.values, [slow.values.length], "slow")
  },
  options: { plain: "interleave", races: "off" }
})

/** Recovers a dead consumer, and what follows with its seat. */
const afterDeath = (name: string, then: (state: Rings.State) => { readonly from: number; readonly to: number }) =>
  defineModel({
    name,
    setup: () => Rings.makeRing({ capacity: 2, producers: 1, consumers: 1, start: START }),
    threads: {
      producer: (state: Rings.State) => Rings.publishSome(state, 0, 3, 0),
      consumer: (state: Rings.State) => Rings.take(Rings.consumerOn(state, 0), 3, 2).length,
      supervisor: { run: then, after: "consumer" }
    },
    check: (_: Rings.State, results) => {
      const seen = results.supervisor
      if (seen !== undefined && (seen.from < 0 || seen.to !== 3)) Rings.fail(`saw ${seen.from} to ${seen.to}`)
    },
    options: { crash: { threads: ["consumer"] } }
  })

const recoverConsumer = (state: Rings.State): void => {
  const done = Recovery.recover(Rings.coreOf(state), Rings.RECOVERER, Rings.ownerOfConsumer(0))
  if (done === "Busy") Rings.fail("nobody else holds the lock")
}

export const seatTakenOver = afterDeath(
  "a dead consumer's seat is vacant, gates, and is taken over with its cursor",
  (state) => {
    recoverConsumer(state)
    const core = Rings.coreOf(state)
    const seat = Rings.joinNow(core, 0)
    const cursor = Atomics.load(core.words, seat + Layout.SEAT_CURSOR)
    const from = Layout.distance(START | 0, cursor)
    const values = Rings.take(new Read.ConsumerCore(core, seat, cursor, cursor, false), 3 - from, 2)
    values.forEach((value, i) => {
      if (value !== from + i) Rings.fail(`resumed at ${from}, took ${JSON.stringify(values)}`)
    })
    return { from, to: from + values.length }
  }
)

export const seatGivenUp = afterDeath("a dead consumer's seat is given up: the producer goes on", (state) => {
  recoverConsumer(state)
  const core = Rings.coreOf(state)
  const seat = state.seats[0] ?? Rings.fail("no seat")
  const generation = core.words[seat + Layout.SEAT_GENERATION] ?? 0
  const missed = Membership.giveUp(core, Rings.RECOVERER, seat, generation)
  if (missed === "Busy" || missed < 0) return Rings.fail(`gave up ${missed}`)
  return { from: 0, to: 3 }
})

const joinerDying = (name: string, capacity: number, records: number) =>
  defineModel({
    name,
    setup: () => Rings.makeRing({ capacity, producers: 1, consumers: 1, joined: 0, start: START }),
    threads: {
      producer: (state: Rings.State) => Rings.publishSome(state, 0, records, 0),
      joiner: (state: Rings.State) => Rings.joinNow(Rings.coreOf(state), 0),
      supervisor: {
        run: (state: Rings.State) => {
          const core = Rings.coreOf(state)
          const done = Recovery.recover(core, Rings.RECOVERER, Rings.ownerOfConsumer(0))
          if (done === "Busy") return Rings.fail("the lock of the dead was not taken over")
          return joinLatest(state, 0, records)
        },
        after: "joiner"
      }
    },
    options: { crash: { threads: ["joiner"] } },
    check: (_: Rings.State, { supervisor }) => expectFrom(supervisor, records)
  })

export const joinerDies = joinerDying("a joiner dies at any step: another may join after the recovery", 2, 3)
export const joinerDiesTight = joinerDying("a joiner dies at any step, over 1 slot: another may join", 1, 2)

export const lateJoinSharedByPriorities = Rings.byPriorities(lateJoinShared)
export const lateJoinBatchesByPriorities = Rings.byPriorities(lateJoinBatches)
