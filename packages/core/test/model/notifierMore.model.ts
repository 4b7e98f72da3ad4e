/**
 * More models of the notifier's queue: three producers, sleepers, deaths beside a sleeper and in a full queue, and
 * linearizability.
 */
import { defineModel, linearizable, op, type Sequential, Strategy } from "@selvedge/testing/model"
import * as Core from "../../src/notifier/internal/core.ts"
import * as TokenQueue from "../../src/notifier/internal/tokenQueue.ts"
import {
  both,
  consume,
  consumer,
  consumerWithWalk,
  fail,
  make,
  type Memory,
  nothingLost,
  producer,
  recovery,
  rest
} from "./support/notifiers.ts"

/** Too many orders to exhaust with these sizes. */
const sampled = { strategy: Strategy.chess({ preemptions: 2 }), requireExhaustive: false } as const

export const threeProducers = defineModel({
  name: "notifier: 3 producers × 2, one token and two",
  setup: () => make(2),
  // Too many orders to exhaust; the pairs of them are exhausted in notifier.model.ts.
  options: sampled,
  threads: { p: producer(0, [0, 1]), q: producer(1, [1, 0]), r: producer(2, [0, 0]), consumer: consumer(2, 2) },
  check: (memory, { consumer }) =>
    nothingLost(
      both(consumer, rest(memory)),
      new Map([
        [
          0,
          [
            [0, 1],
            [1, 2],
            [2, 2]
          ]
        ],
        [
          1,
          [
            [0, 2],
            [1, 1]
          ]
        ]
      ])
    )
})

/** Receives one token at a time until it has seen what `wanted` says of producer 0. */
const receiveUntil = (memory: Memory, poller: TokenQueue.Poller, wanted: number): number => {
  const out = new Int32Array(1)
  const data = new Int32Array(memory.news)
  for (let rounds = 1; ; rounds++) {
    if (TokenQueue.receive(poller, out, 1, () => Infinity) === TokenQueue.ENDED) return rounds
    if (Atomics.load(data, 0) >= wanted) return rounds
  }
}

export const limitedSleeper = defineModel({
  name: "notifier: 2 notifies, a poller that takes one at a time and sleeps",
  setup: () => make(2),
  threads: {
    p: producer(0, [0, 1]),
    sleeper: (memory: Memory) => {
      const poller = TokenQueue.attachPoller(TokenQueue.attach(memory.region, memory.layout))!
      const out = new Int32Array(1)
      // Two tokens, each once: who slept on the second would sleep for ever.
      return [0, 1].map(() => {
        TokenQueue.receive(poller, out, 1, () => Infinity)
        return out[0]
      })
    }
  },
  check: (_, { sleeper }) => {
    if (sleeper?.join() !== "0,1") fail(`handed out ${sleeper?.join()}`)
  }
})

export const interruptedSleeper = defineModel({
  name: "notifier: a sleeper that is interrupted at any time, and the next one on its seat",
  setup: () => make(1),
  options: { timeouts: "any" },
  threads: {
    p: producer(0, [0, 0]),
    first: (memory: Memory) => {
      const poller = TokenQueue.attachPoller(TokenQueue.attach(memory.region, memory.layout))!
      let asked = 0
      const count = TokenQueue.receive(poller, new Int32Array(1), 1, () => (asked++ === 0 ? 10 : 0))
      TokenQueue.detachPoller(poller)
      return count === 1 ? Atomics.load(new Int32Array(memory.news), 0) : 0
    },
    second: {
      after: "first",
      run: (memory: Memory) => {
        const poller = TokenQueue.attachPoller(TokenQueue.attach(memory.region, memory.layout))!
        // The first may have been handed the last news: only then nothing is left to wait for.
        const seen = consume(memory, poller, 1, 1)
        if (seen.tokens.length === 0 && Atomics.load(new Int32Array(memory.news), 0) === 2) return 0
        return seen.news.at(-1)?.[0] === 2 ? 1 : receiveUntil(memory, poller, 2)
      }
    }
  }
})

export const deathBesideSleeper = defineModel({
  name: "notifier: a producer dies at any step, beside a poller that sleeps until the recovery",
  setup: () => make(1),
  options: { ...sampled, crash: { threads: ["p"] } },
  threads: {
    p: producer(0, [0, 0]),
    recovery: {
      after: "p",
      run: (memory: Memory) => {
        const queue = TokenQueue.attach(memory.region, memory.layout)
        Atomics.store(new Int32Array(memory.news), 1, 1)
        TokenQueue.recover(queue)
        TokenQueue.close(queue)
      }
    },
    sleeper: (memory: Memory) => {
      const poller = TokenQueue.attachPoller(TokenQueue.attach(memory.region, memory.layout))!
      const out = new Int32Array(1)
      while (TokenQueue.receive(poller, out, 1, () => Infinity) !== TokenQueue.ENDED);
      return Atomics.load(new Int32Array(memory.news), 1)
    }
  },
  check: (_, { sleeper }) => {
    if (sleeper !== 1) fail("the sleeper ended before the close")
  }
})

/** A queue of two places, both taken by entries whose tokens were handed out by walks. */
const makeFull = (): Memory => {
  const memory = make(1)
  const queue = TokenQueue.attach(memory.region, memory.layout)
  const poller = TokenQueue.attachPoller(queue)!
  for (let i = 0; i < 2; i++) {
    TokenQueue.notify(queue, 0)
    TokenQueue.recover(queue)
    poller.walkFirst = true
    if (TokenQueue.poll(poller, new Int32Array(1), 1) !== 1) fail("the walk found nothing")
  }
  TokenQueue.detachPoller(poller)
  return memory
}

export const deathWhenFull = defineModel({
  name: "notifier: a producer dies at any step in a full queue, beside another",
  setup: makeFull,
  options: { ...sampled, crash: { threads: ["p"] } },
  threads: { p: producer(0, [0, 0]), q: producer(1, [0, 0]), recovery, consumer: consumerWithWalk(2) },
  check: (memory, { consumer, p, q }) => {
    if (q === undefined) fail("the other producer was held up")
    const all = both(consumer!.seen, consume(memory, consumer!.poller, 8, 1))
    nothingLost(
      all,
      new Map([
        [
          0,
          p === undefined
            ? [[1, 2]]
            : [
                [0, 2],
                [1, 2]
              ]
        ]
      ])
    )
    const { flags } = TokenQueue.attach(memory.region, memory.layout)
    if (flags[0] !== 0) fail("a flag is left: its token would be conflated for ever")
  }
})

/** Sits down where the one before died, or left. */
const takesOver =
  (polls: number) =>
  (memory: Memory): void => {
    const queue = TokenQueue.attach(memory.region, memory.layout)
    const poller = TokenQueue.attachPoller(queue, TokenQueue.seat(queue))!
    consume(memory, poller, polls, 2)
    TokenQueue.detachPoller(poller)
  }

export const pollerDeathsWhenFull = defineModel({
  name: "notifier: a poller and its successor die at any step in a full queue, beside a producer",
  setup: makeFull,
  options: { crash: { threads: ["poller", "next"], together: true } },
  threads: {
    p: producer(0, [0, 0]),
    poller: takesOver(1),
    next: { after: "poller", run: takesOver(2) },
    // Nobody polls beside it.
    later: { after: "next", run: producer(1, [0]) }
  },
  check: (memory) => {
    const queue = TokenQueue.attach(memory.region, memory.layout)
    const poller = TokenQueue.attachPoller(queue, TokenQueue.seat(queue))!
    nothingLost(consume(memory, poller, 8, 1), new Map([[0, [[1, 1]]]]))
    // More than a lap: every place serves again.
    for (let i = 0; i < 5; i++) {
      TokenQueue.notify(queue, 0)
      if (consume(memory, poller, 2, 1).tokens.length !== 1) fail("a token that was queued is not handed out")
    }
  }
})

export const twoSuccessors = defineModel({
  name: "notifier: a poller dies at any step, and two successors come",
  setup: () => {
    const memory = make(2)
    const queue = TokenQueue.attach(memory.region, memory.layout)
    TokenQueue.notify(queue, 1)
    TokenQueue.notify(queue, 0)
    return memory
  },
  options: { ...sampled, crash: { threads: ["poller"] } },
  threads: {
    poller: (memory: Memory) => {
      const poller = TokenQueue.attachPoller(TokenQueue.attach(memory.region, memory.layout))!
      Atomics.store(new Int32Array(memory.news), 0, poller.seat)
      return consume(memory, poller, 2, 1).tokens
    },
    a: { after: "poller", run: successor },
    b: { after: "poller", run: successor }
  },
  check: (memory, { a, b, poller }, { crashed }) => {
    const { flags } = TokenQueue.attach(memory.region, memory.layout)
    if (crashed.length > 0 && a !== undefined && b !== undefined) fail("both successors were let in")
    if (poller !== undefined && poller.length !== 2) fail(`handed out ${poller.join()}`)
    // Whoever came in has found everything.
    if ((a ?? b) !== undefined && flags.some((flag) => flag !== 0)) fail("a flag is left: its token is lost")
  }
})

/** The tokens it was handed, if the first poller is known to have sat there and it got the seat. */
function successor(memory: Memory): ReadonlyArray<number> | undefined {
  const queue = TokenQueue.attach(memory.region, memory.layout)
  const dead = Atomics.load(new Int32Array(memory.news), 0)
  const poller = dead === 0 ? undefined : TokenQueue.attachPoller(queue, dead)
  return poller === undefined ? undefined : consume(memory, poller, 4, 2).tokens
}

interface Queue {
  readonly flagged: ReadonlyArray<number>
}

/** A list of tokens, oldest first. */
const sequential: Sequential<Queue> = {
  initial: { flagged: [] },
  apply: ({ flagged }, name, token) => {
    if (name === "poll") return [{ flagged: flagged.slice(1) }, flagged[0] ?? -1]
    if (flagged.includes(token as number)) return [{ flagged }, Core.CONFLATED]
    return [{ flagged: [...flagged, token as number] }, Core.QUEUED]
  }
}

const recorded =
  (tokens: ReadonlyArray<number>) =>
  ({ layout, region }: Memory): void => {
    const queue = TokenQueue.attach(region, layout)
    for (const token of tokens) op("notify", token, () => TokenQueue.notify(queue, token))
  }

/**
 * Polls of one token are linearizable, as long as no two producers share a token: who is conflated into another producer's
 * notification that is still under way may be served by a poll later than the next one.
 */
export const linear = defineModel({
  name: "notifier: 2 producers × 2 and 2 polls of one token are linearizable",
  setup: () => make(2),
  threads: {
    p: recorded([0, 0]),
    q: recorded([1, 1]),
    poller: ({ layout, region }: Memory) => {
      const poller = TokenQueue.attachPoller(TokenQueue.attach(region, layout))!
      const out = new Int32Array(1)
      for (let i = 0; i < 2; i++) op("poll", 1, () => (TokenQueue.poll(poller, out, 1) === 1 ? out[0] : -1))
    }
  },
  check: (_, __, { history }) => linearizable(history, sequential)
})
