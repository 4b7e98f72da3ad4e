/**
 * Producers that die before any of their steps, one of them or two, and the recovery that a supervisor runs with the proof.
 *
 * Nobody is seated, so what keeps a hole from being overwritten is its intent alone. At the end every sequence of the last
 * lap has to be published, whole batches or none of them, and both lines have to be free.
 */
import { defineModel, type ExecutionInfo, type ExploreOptions, Strategy } from "@selvedge/testing/model"
import * as Bell from "../../src/memory/internal/bell.ts"
import type { RingCore } from "../../src/ring/internal/core.ts"
import * as Claim from "../../src/ring/internal/claim.ts"
import * as Layout from "../../src/ring/internal/layout.ts"
import * as Membership from "../../src/ring/internal/membership.ts"
import * as Read from "../../src/ring/internal/read.ts"
import * as Recovery from "../../src/ring/internal/recovery.ts"
import * as Rings from "./support/rings.ts"

const START = 2 ** 32 - 2

/** Recovers until nothing is left that somebody alive may own. */
const recover = (state: Rings.State, me: number, dead: number): number => {
  const core = Rings.coreOf(state)
  for (;;) {
    Recovery.recover(core, me, dead)
    const before = linesOf(core)
    const done = Recovery.recover(core, me, dead)
    if (done !== "Busy" && done.pending === 0) return done.filled
    while (done !== "Busy" && linesOf(core) === before) Bell.pause()
    if (done === "Busy") Bell.pause()
  }
}

/** What owners and intents are; a hole that is pending stays so until somebody else's change. */
const linesOf = (core: RingCore): string => {
  const found: Array<number> = []
  for (let i = 0; i < core.layout.maxProducers; i++) {
    const line = Layout.producerWord(i)
    found.push(Atomics.load(core.words, line), Atomics.load(core.words, line + Layout.PRODUCER_INTENT))
  }
  return found.join()
}

/** Every sequence of the last lap is published, and its number is one its batch was to have. */
const expectNoHole = (state: Rings.State): void => {
  const core = Rings.coreOf(state)
  const claim = core.words[Layout.CLAIM_WORD] ?? 0
  const published = core.multi ? claim : core.words[Layout.CURSOR_WORD]
  if (published !== claim) Rings.fail(`claimed to ${claim}, published to ${published}`)
  const oldest = Math.max(Layout.distance(START | 0, claim) - core.capacity, 0)
  const values: Array<number | "tombstone"> = []
  for (let at = (START + oldest) | 0; at !== claim; at = (at + 1) | 0) {
    const stamp = core.words[Layout.stampWord(core.layout, at)] ?? 0
    const stamped = Layout.isStamped(stamp, at)
    if (core.multi && !stamped) Rings.fail(`sequence ${at} is a hole`)
    values.push(stamped && (stamp & Layout.TOMBSTONE) !== 0 ? "tombstone" : Rings.peek(core, at))
  }
  values.forEach((value, i) => {
    if (i > 0 && (value === 1 || value === 12) && values[i - 1] === "tombstone") {
      Rings.fail(`a batch was torn: ${JSON.stringify(values)}`)
    }
  })
  if (
    new Set(values.filter((value) => value !== "tombstone")).size !== values.filter((v) => v !== "tombstone").length
  ) {
    Rings.fail(`doubled: ${JSON.stringify(values)}`)
  }
}

const expectFree = (state: Rings.State, crashed: ReadonlyArray<string>): void => {
  const core = Rings.coreOf(state)
  for (let i = 0; i < state.layout.maxProducers; i++) {
    const line = Layout.producerWord(i)
    const owner = core.words[line] ?? 0
    const dead = crashed.includes(["p", "q"][i] ?? "")
    if (dead && owner !== 0) Rings.fail(`line ${i} is still ${owner}`)
    if ((core.words[line + Layout.PRODUCER_INTENT] ?? 0) !== 0) Rings.fail(`the intent of line ${i} is left`)
  }
  if (core.words[Layout.LOCK_WORD] !== 0) Rings.fail("the lock is held")
}

/** Nobody is seated unless `joined`: only intents keep a hole then. */
const ringOf =
  (capacity: number, producers: 1 | 2, joined: 0 | 1 = 0) =>
  (): Rings.State =>
    Rings.makeRing({ capacity, producers, consumers: 1, joined, start: START })

/** Producer p numbers its records from 0, q from 10. */
const p = (sizes: ReadonlyArray<number>) => (state: Rings.State) => Rings.publishBatches(state, 0, sizes, 0)
const q = (sizes: ReadonlyArray<number>) => (state: Rings.State) => Rings.publishBatches(state, 1, sizes, 10)

/** A supervisor that has the proof of a producer's death as soon as that has ended. */
const proof = (index: 0 | 1) => ({
  run: (state: Rings.State) => recover(state, Rings.RECOVERER + index, Rings.ownerOfProducer(index)),
  after: index === 0 ? "p" : "q"
})

/** What is left when every death was recovered. */
const expectRecovered = (state: Rings.State, _: unknown, { crashed }: ExecutionInfo): void => {
  expectNoHole(state)
  expectFree(state, crashed)
}

/** One recovery by the thread that checks. */
const recoverAtEnd = (state: Rings.State, index: 0 | 1): void => {
  const last = Recovery.recover(Rings.coreOf(state), Rings.RECOVERER, Rings.ownerOfProducer(index))
  if (last === "Busy" || last.pending > 0) Rings.fail("a hole is left")
}

const P_DIES: ExploreOptions = { crash: { threads: ["p"] } }
const BOTH_DIE: ExploreOptions = { crash: { threads: ["p", "q"], together: true } }
const SAMPLED: ExploreOptions = { strategy: Strategy.chess({ preemptions: 2 }), maxExecutions: 60_000 }

export const alone = defineModel({
  name: "the only producer dies at any step; another goes on",
  setup: ringOf(2, 1, 1),
  threads: {
    p: p([2, 1]),
    consumer: { run: (state) => Rings.take(Rings.consumerOn(state, 0), 4, 2), daemon: true },
    heir: {
      run: (state) => {
        const core = Rings.coreOf(state)
        const filled = recover(state, Rings.RECOVERER, Rings.ownerOfProducer(0))
        if (Atomics.load(core.words, Layout.producerWord(0)) === 0) Membership.joinProducer(core, Rings.RECOVERER)
        Rings.publishSome(state, 0, 1, 20)
        return filled
      },
      after: "p"
    }
  },
  check: (state, _, { crashed }) => {
    if (crashed.length > 0) expectNoHole(state)
  },
  options: P_DIES
})

/** One recovery runs beside the other producer; what it had to leave is left to the one at the end. */
export const one = defineModel({
  name: "one of two producers dies at any step of a batch of 2 and one of 1",
  setup: ringOf(8, 2),
  threads: {
    p: p([2, 1]),
    q: q([1, 1]),
    supervisor: {
      run: (state) => Recovery.recover(Rings.coreOf(state), Rings.RECOVERER, Rings.ownerOfProducer(0)) !== "Busy",
      after: "p"
    }
  },
  check: (state, { supervisor }, info) => {
    if (supervisor !== true) Rings.fail("the lock was free")
    recoverAtEnd(state, 0)
    expectRecovered(state, undefined, info)
  },
  options: P_DIES
})

/** Takes what is published: values, and where it has come to. */
const takeNow = (consumer: Read.ConsumerCore): ReadonlyArray<number> => {
  const values: Array<number> = []
  for (let n = Read.poll(consumer, 8); n > 0; n = Read.poll(consumer, 8)) {
    for (let i = 0; i < n; i++) {
      const at = (consumer.position + i) | 0
      if (!Read.isTombstone(consumer, at)) values.push(Rings.peek(consumer.core, at))
    }
    consumer.position = (consumer.position + n) | 0
    Read.commit(consumer, consumer.position)
  }
  return values
}

/** Whoever recovers also takes, so a tombstone in the place of a living producer's claim would be passed. */
export const oneSeen = defineModel({
  name: "one of two producers dies at any step of a batch of 2 and one of 1; every record of the other is taken",
  setup: ringOf(8, 2, 1),
  threads: {
    p: p([2, 1]),
    q: q([1, 1]),
    supervisor: {
      run: (state) => {
        const consumer = Rings.consumerOn(state, 0)
        Recovery.recover(consumer.core, Rings.RECOVERER, Rings.ownerOfProducer(0))
        return { consumer, values: takeNow(consumer) }
      },
      after: "p"
    }
  },
  check: (state, { supervisor }) => {
    if (supervisor === undefined) return
    const { consumer, values } = supervisor
    recoverAtEnd(state, 0)
    const all = [...values, ...takeNow(consumer)]
    const ofQ = all.filter((value) => value >= 10)
    const ofP = all.filter((value) => value < 10).join()
    if (ofQ.join() !== "10,11") Rings.fail(`took ${JSON.stringify(all)}`)
    if (!["", "0,1", "0,1,2"].includes(ofP)) Rings.fail(`a torn batch: ${JSON.stringify(all)}`)
  },
  options: P_DIES
})

const oneOverLapOf = (name: string, capacity: number, sizes: ReadonlyArray<number>) =>
  defineModel({
    name,
    setup: ringOf(capacity, 2),
    threads: { p: p(sizes), q: q([1, 1]), supervisor: proof(0) },
    check: expectRecovered,
    options: { ...P_DIES, ...SAMPLED }
  })

export const oneOverLap = oneOverLapOf("one of two producers dies, over 1 slot", 1, [1, 1])
export const oneBatchOverLap = oneOverLapOf("one of two producers dies, batches over 2 slots", 2, [2, 1])

export const both = defineModel({
  name: "two producers die, each at any step of batches of 2 and 1",
  setup: ringOf(8, 2),
  threads: { p: p([2, 1]), q: q([1, 2]), proofOfP: proof(0), proofOfQ: proof(1) },
  check: expectRecovered,
  options: { ...BOTH_DIE, ...SAMPLED }
})

/** Recovered at the end: what two deaths leave behind, whatever their order. */
export const bothAtOnce = defineModel({
  name: "two producers die, each at any step of batches of 2 and 1, recovered afterwards",
  setup: ringOf(8, 2),
  threads: { p: p([2, 1]), q: q([1, 2]) },
  check: (state, results, info) => {
    const core = Rings.coreOf(state)
    for (const name of info.crashed) {
      Recovery.recover(core, Rings.RECOVERER, Rings.ownerOfProducer(name === "p" ? 0 : 1))
    }
    const last = info.crashed.at(-1)
    if (last !== undefined) recoverAtEnd(state, last === "p" ? 0 : 1)
    expectRecovered(state, results, info)
  },
  options: BOTH_DIE
})

/** Asks for room so often and publishes where there is some; never waits for anybody. */
const ask = (state: Rings.State, index: number, times: number): number => {
  const producer = new Claim.ProducerCore(Rings.coreOf(state), index)
  let published = 0
  for (let i = 0; i < times; i++) {
    // Whether it would have to sleep is asked as well: that has to have an end, too.
    if (!Claim.hasAnswer(producer, 1)) continue
    if (Claim.tryClaim(producer, 1) !== Claim.CLAIMED) continue
    Rings.write(producer.core, producer.sequence, 10 * index + i)
    Claim.publish(producer, 1)
    published++
  }
  return published
}

/** An intent that was stored late, more than a lap behind, stays where it is until somebody proves the death. */
export const unrecovered = defineModel({
  name: "one of two producers dies over 1 slot and nobody recovers: the other has an answer each time",
  setup: ringOf(1, 2),
  threads: { p: (state: Rings.State) => ask(state, 0, 1), q: (state: Rings.State) => ask(state, 1, 3) },
  check: (_, { q }) => q !== undefined,
  options: { ...P_DIES, ...SAMPLED }
})

export const oneOverLapByPriorities = Rings.byPriorities(oneOverLap)
export const oneBatchOverLapByPriorities = Rings.byPriorities(oneBatchOverLap)
export const bothByPriorities = Rings.byPriorities(both)
