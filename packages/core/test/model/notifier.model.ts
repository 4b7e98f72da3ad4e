/**
 * Models of the notifier's queue. They import the shipped files; no algorithm lives here. The invariants they name stand
 * in docs/notifier.md.
 *
 * Every model ends with a drain by whoever looks at the end, so "lost" means lost for good, not late.
 */
import { defineModel, Strategy } from "@selvedge/testing/model"
import * as Core from "../../src/notifier/internal/core.ts"
import * as Layout from "../../src/notifier/internal/layout.ts"
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

/** Invariant 3: without a recovery each token stands in the queue once at most, and nobody falls back to the flags. */
const oneEntryEach = ({ layout, region }: Memory): boolean => {
  const { cells, words } = TokenQueue.attach(region, layout)
  const tokens = cells.filter((cell) => cell >= 0)
  return new Set(tokens).size === tokens.length && (words[Layout.TAIL_WORD]! & Layout.RESCAN_BIT) === 0
}

export const sameToken = defineModel({
  name: "notifier: 2 producers × 2, one token",
  setup: () => make(1),
  invariant: oneEntryEach,
  threads: { p: producer(0, [0, 0]), q: producer(1, [0, 0]), consumer: consumer(2, 1) },
  check: (memory, { consumer }) => {
    nothingLost(
      both(consumer, rest(memory)),
      new Map([
        [
          0,
          [
            [0, 2],
            [1, 2]
          ]
        ]
      ])
    )
  }
})

export const differentTokens = defineModel({
  name: "notifier: 2 producers × 2, two tokens each",
  setup: () => make(2),
  invariant: oneEntryEach,
  threads: { p: producer(0, [0, 1]), q: producer(1, [1, 0]), consumer: consumer(2, 2) },
  check: (memory, { consumer }) => {
    nothingLost(
      both(consumer, rest(memory)),
      new Map([
        [
          0,
          [
            [0, 1],
            [1, 2]
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
  }
})

export const firstQueuedFirstOut = defineModel({
  name: "notifier: order of queueing, limit 1",
  setup: () => make(2),
  threads: {
    // The second producer begins when the first has ended, so the order is known.
    p: producer(0, [0, 1]),
    q: { run: producer(1, [0, 1]), after: "p" },
    consumer: consumer(3, 1)
  },
  check: (memory, { consumer }) => {
    const { tokens } = both(consumer, rest(memory))
    // Whatever was conflated when: 0 came first, and two hand-outs of one token are never neighbours unless queued so.
    if (tokens[0] !== 0) fail(`handed out ${tokens.join(", ")}`)
    if (tokens.filter((token) => token === 0).length > 2 || tokens.length > 4) fail(`too many: ${tokens.join(", ")}`)
  }
})

/** Receives until every producer's last news has been seen; a receive that gave up waiting is begun again. */
const receiver =
  (token: number, wanted: ReadonlyArray<number>, timeoutMillis = Infinity) =>
  (memory: Memory): number => {
    const queue = TokenQueue.attach(memory.region, memory.layout)
    const poller = TokenQueue.attachPoller(queue)!
    const data = new Int32Array(memory.news)
    const out = new Int32Array(1)
    let rounds = 0
    // Only the first receive may give up, after its first sleep, or the search would never end.
    let asked = 0
    const remaining = () => (timeoutMillis === Infinity || rounds > 0 ? Infinity : asked++ === 0 ? timeoutMillis : 0)
    for (let done = false; !done; rounds++) {
      const count = TokenQueue.receive(poller, out, 1, remaining)
      if (count === TokenQueue.ENDED) return rounds
      if (count === 1 && out[0] !== token) fail(`handed out ${out[0]}`)
      done = wanted.every((value, own) => Atomics.load(data, own) >= value)
    }
    TokenQueue.detachPoller(poller)
    return rounds
  }

export const sleeping = defineModel({
  name: "notifier: 2 notifies, a poller that sleeps",
  setup: () => make(1),
  threads: { p: producer(0, [0, 0]), receiver: receiver(0, [2]) }
})

export const sleepingWithTwo = defineModel({
  name: "notifier: 2 producers × 2, a poller that sleeps",
  setup: () => make(1),
  // Too many orders to exhaust; the one before and `closeWhileWaiting` exhaust the parts.
  options: { strategy: Strategy.chess({ preemptions: 3 }), requireExhaustive: false },
  threads: { p: producer(0, [0, 0]), q: producer(1, [0, 0]), receiver: receiver(0, [2, 2]) }
})

export const sleepingWithTimeout = defineModel({
  name: "notifier: a poller that sleeps, gives up, and sleeps again",
  setup: () => make(1),
  // The second round must not miss a notification because of what the first left behind.
  options: { timeouts: "any" },
  threads: { p: producer(0, [0, 0]), receiver: receiver(0, [2], 10) }
})

/** Receives until closed and empty; answers the tokens it was handed. */
const untilClosed = (memory: Memory): ReadonlyArray<number> => {
  const poller = TokenQueue.attachPoller(TokenQueue.attach(memory.region, memory.layout))!
  const out = new Int32Array(memory.layout.maxTokens)
  const tokens: Array<number> = []
  for (;;) {
    const count = TokenQueue.receive(poller, out, out.length, () => Infinity)
    if (count === TokenQueue.ENDED) return tokens
    tokens.push(...out.subarray(0, count))
  }
}

export const closeWhileWaiting = defineModel({
  name: "notifier: close against 2 notifies and a poller that sleeps",
  setup: () => make(2),
  threads: {
    p: producer(0, [0, 1]),
    closer: ({ layout, region }: Memory) => {
      const queue = TokenQueue.attach(region, layout)
      return [TokenQueue.close(queue), TokenQueue.close(queue)]
    },
    poller: untilClosed
  },
  check: (_, { closer, p, poller }) => {
    if (closer?.[0] !== true || closer[1] !== false) fail("exactly one call closes")
    p?.forEach((said, token) => {
      if (said === Core.QUEUED && !poller?.includes(token)) fail(`token ${token} was queued and not handed out`)
    })
  }
})

export const rescanUnderLimit = defineModel({
  name: "notifier: recovery under a limit of 1 beside 2 notifies",
  setup: () => make(2),
  threads: {
    p: producer(0, [0, 1]),
    recovery: ({ layout, region }: Memory) => {
      const queue = TokenQueue.attach(region, layout)
      TokenQueue.recover(queue)
      TokenQueue.recover(queue)
    },
    consumer: (memory: Memory) => {
      const poller = TokenQueue.attachPoller(TokenQueue.attach(memory.region, memory.layout))!
      return { poller, seen: consume(memory, poller, 3, 1) }
    }
  },
  check: (memory, { consumer }) => {
    const { poller, seen } = consumer!
    const all = both(seen, consume(memory, poller, 6, 1))
    nothingLost(
      all,
      new Map([
        [0, [[0, 1]]],
        [1, [[0, 2]]]
      ])
    )
  }
})

export const fullByRecovery = defineModel({
  name: "notifier: a queue of 2 places filled by recoveries",
  setup: () => make(1),
  threads: {
    p: producer(0, [0, 0, 0]),
    // Walks only, pops nothing: each walk hands the token out and leaves its entry in the queue.
    walker: (memory: Memory) => {
      const queue = TokenQueue.attach(memory.region, memory.layout)
      const poller = TokenQueue.attachPoller(queue)!
      const data = new Int32Array(memory.news)
      let last = 0
      const out = new Int32Array(1)
      for (let i = 0; i < 3; i++) {
        TokenQueue.recover(queue)
        poller.walkFirst = true
        if (TokenQueue.poll(poller, out, 1) === 1) last = Atomics.load(data, 0)
      }
      return { poller, last }
    }
  },
  check: (memory, { walker }) => {
    const seen = consume(memory, walker!.poller, 4, 1)
    const last = seen.news.at(-1)?.[0] ?? walker!.last
    if (last !== 3) fail(`the last news is 3, the handler saw ${last}`)
  }
})

export const deathOfProducer = defineModel({
  name: "notifier: a producer dies at any step beside 2 notifies",
  setup: () => make(1),
  options: { crash: { threads: ["p"] } },
  threads: { p: producer(0, [0, 0]), q: producer(1, [0, 0]), recovery, consumer: consumerWithWalk(2) },
  check: (memory, { consumer, q }) => {
    if (q === undefined) fail("the other producer was held up")
    const all = both(consumer!.seen, consume(memory, consumer!.poller, 6, 1))
    nothingLost(all, new Map([[0, [[1, 2]]]]))
  }
})

export const deathDuringWalk = defineModel({
  name: "notifier: a producer dies behind a walk under a limit of 1",
  // Somebody died before: token 1 is flagged and stands in no queue. Handing it out stops the first walk half-way.
  setup: () => {
    const memory = make(3)
    TokenQueue.attach(memory.region, memory.layout).flags[1] = 1
    return memory
  },
  options: { crash: { threads: ["p"] } },
  threads: {
    p: producer(0, [0, 2]),
    recovery,
    consumer: (memory: Memory) => {
      const queue = TokenQueue.attach(memory.region, memory.layout)
      const poller = TokenQueue.attachPoller(queue)!
      TokenQueue.recover(queue)
      return { poller, seen: consume(memory, poller, 2, 1) }
    }
  },
  check: (memory, { consumer }) => {
    consume(memory, consumer!.poller, 8, 1)
    const { flags } = TokenQueue.attach(memory.region, memory.layout)
    if (flags.some((flag) => flag !== 0)) fail("a flag is left: its token would be conflated for ever")
  }
})

export const deathOfTwoProducers = defineModel({
  name: "notifier: two producers die at any step",
  setup: () => make(1),
  options: { crash: { threads: ["p", "q"], together: true } },
  threads: {
    p: producer(0, [0, 0]),
    q: producer(1, [0, 0]),
    recovery,
    recoveryOfQ: { ...recovery, after: "q" },
    // Comes after both: the queue must still serve it.
    last: { after: "recoveryOfQ", run: producer(2, [0, 0]) }
  },
  check: (memory) => {
    const seen = rest(memory)
    nothingLost(seen, new Map([[0, [[2, 2]]]]))
  }
})

export const deathOfPoller = defineModel({
  name: "notifier: the poller dies at any step; the next one goes on",
  setup: () => make(2),
  options: { crash: { threads: ["poller"] } },
  threads: {
    p: producer(0, [0, 1]),
    poller: (memory: Memory) => consumer(2, 2)(memory),
    // Said after the death: nothing of the dead poller may swallow it.
    later: { after: "poller", run: producer(1, [1, 0]) }
  },
  check: (memory, _, { crashed }) => {
    const queue = TokenQueue.attach(memory.region, memory.layout)
    const seen = rest(memory, crashed.length > 0)
    nothingLost(
      seen,
      new Map([
        [0, [[1, 2]]],
        [1, [[1, 1]]]
      ])
    )
    if (queue.flags.some((flag) => flag !== 0)) fail("a flag is left: its token would be conflated for ever")
  }
})
