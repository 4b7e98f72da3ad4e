/**
 * Producers that die before any of their steps, one of them or two, and the recovery that a supervisor runs with the proof.
 *
 * Nobody is seated, so what keeps a hole from being overwritten is its intent alone. At the end every sequence of the last
 * lap has to be published, whole batches or none of them, and both lines have to be free.
 */
import { defineModel, type ExploreOptions, Strategy } from "@selvedge/testing/model"
import * as Bell from "../../src/memory/internal/bell.ts"
import type { RingCore } from "../../src/ring/internal/core.ts"
import * as Layout from "../../src/ring/internal/layout.ts"
import * as Membership from "../../src/ring/internal/membership.ts"
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

export const alone = defineModel({
  name: "the only producer dies at any step; another goes on",
  setup: () => Rings.makeRing({ capacity: 2, producers: 1, consumers: 1, start: START }),
  threads: {
    p: (state) => Rings.publishBatches(state, 0, [2, 1], 0),
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
  options: { crash: { threads: ["p"] } }
})

const oneOfTwo = (
  name: string,
  capacity: number,
  p: ReadonlyArray<number>,
  q: ReadonlyArray<number>,
  options: ExploreOptions
) =>
  defineModel({
    name,
    setup: () => Rings.makeRing({ capacity, producers: 2, consumers: 1, joined: 0, start: START }),
    threads: {
      p: (state: Rings.State) => Rings.publishBatches(state, 0, p, 0),
      q: (state: Rings.State) => Rings.publishBatches(state, 1, q, 10),
      supervisor: {
        run: (state: Rings.State) => recover(state, Rings.RECOVERER, Rings.ownerOfProducer(0)),
        after: "p"
      }
    },
    check: (state, _, { crashed }) => {
      expectNoHole(state)
      expectFree(state, crashed)
    },
    options: { crash: { threads: ["p"] }, ...options }
  })

const sampled: ExploreOptions = { strategy: Strategy.chess({ preemptions: 2 }), maxExecutions: 60_000 }

/** One recovery runs beside the other producer; what it had to leave is left to the one at the end. */
export const one = defineModel({
  name: "one of two producers dies at any step of a batch of 2 and one of 1",
  setup: () => Rings.makeRing({ capacity: 8, producers: 2, consumers: 1, joined: 0, start: START }),
  threads: {
    p: (state) => Rings.publishBatches(state, 0, [2, 1], 0),
    q: (state) => Rings.publishBatches(state, 1, [1, 1], 10),
    supervisor: {
      run: (state) => Recovery.recover(Rings.coreOf(state), Rings.RECOVERER, Rings.ownerOfProducer(0)) !== "Busy",
      after: "p"
    }
  },
  check: (state, { supervisor }, { crashed }) => {
    if (supervisor !== true) Rings.fail("the lock was free")
    const last = Recovery.recover(Rings.coreOf(state), Rings.RECOVERER, Rings.ownerOfProducer(0))
    if (last === "Busy" || last.pending > 0) Rings.fail("a hole is left")
    expectNoHole(state)
    expectFree(state, crashed)
  },
  options: { crash: { threads: ["p"] } }
})

export const oneOverLap = oneOfTwo("one of two producers dies, over 1 slot", 1, [1, 1], [1, 1], sampled)
export const oneBatchOverLap = oneOfTwo("one of two producers dies, batches over 2 slots", 2, [2, 1], [1, 1], sampled)

const bothOfTwo = (
  name: string,
  capacity: number,
  p: ReadonlyArray<number>,
  q: ReadonlyArray<number>,
  options: ExploreOptions
) =>
  defineModel({
    name,
    setup: () => Rings.makeRing({ capacity, producers: 2, consumers: 1, joined: 0, start: START }),
    threads: {
      p: (state: Rings.State) => Rings.publishBatches(state, 0, p, 0),
      q: (state: Rings.State) => Rings.publishBatches(state, 1, q, 10),
      proofOfP: {
        run: (state: Rings.State) => recover(state, Rings.RECOVERER, Rings.ownerOfProducer(0)),
        after: "p"
      },
      proofOfQ: {
        run: (state: Rings.State) => recover(state, Rings.RECOVERER + 1, Rings.ownerOfProducer(1)),
        after: "q"
      }
    },
    check: (state, _, { crashed }) => {
      expectNoHole(state)
      expectFree(state, crashed)
    },
    options: { crash: { threads: ["p", "q"], together: true }, ...options }
  })

export const both = bothOfTwo("two producers die, each at any step of batches of 2 and 1", 8, [2, 1], [1, 2], sampled)

/** One recovery at the end proves both: what two deaths leave behind, whatever their order. */
export const bothAtOnce = defineModel({
  name: "two producers die, each at any step of batches of 2 and 1, recovered afterwards",
  setup: () => Rings.makeRing({ capacity: 8, producers: 2, consumers: 1, joined: 0, start: START }),
  threads: {
    p: (state) => Rings.publishBatches(state, 0, [2, 1], 0),
    q: (state) => Rings.publishBatches(state, 1, [1, 2], 10)
  },
  check: (state, _, { crashed }) => {
    const core = Rings.coreOf(state)
    const found = crashed.map((name) =>
      Recovery.recover(core, Rings.RECOVERER, Rings.ownerOfProducer(name === "p" ? 0 : 1))
    )
    const last = found.at(-1)
    if (last !== undefined && (last === "Busy" || last.pending > 0)) Rings.fail("a hole is left")
    expectNoHole(state)
    expectFree(state, crashed)
  },
  options: { crash: { threads: ["p", "q"], together: true } }
})
