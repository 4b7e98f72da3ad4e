/**
 * Who takes part in the models of the notifier: producers that write news and notify, consumers that are handed tokens and
 * read the news. All of the algorithm is in the shipped files.
 */
import * as Layout from "../../../src/notifier/internal/layout.ts"
import * as TokenQueue from "../../../src/notifier/internal/tokenQueue.ts"

export interface Memory {
  readonly region: SharedArrayBuffer
  readonly layout: Layout.Layout
  /** What producers have to say about each token; one writer per word. */
  readonly news: SharedArrayBuffer
}

/** A serial just before the wrap of 30 bits, so that every model also crosses it. */
const BEFORE_WRAP = 2 ** 30 - 1

export const make = (maxTokens: number, startSerial = BEFORE_WRAP): Memory => {
  const layout = Layout.make(maxTokens)
  const region = new SharedArrayBuffer(layout.totalBytes)
  Layout.format(region, layout, startSerial)
  return { region, layout, news: new SharedArrayBuffer(4 * 8) }
}

/** Writes news and notifies, once per token given; answers what each notify said. */
export const producer =
  (own: number, tokens: ReadonlyArray<number>) =>
  ({ layout, news, region }: Memory): ReadonlyArray<number> => {
    const queue = TokenQueue.attach(region, layout)
    const data = new Int32Array(news)
    return tokens.map((token, i) => {
      Atomics.store(data, own, i + 1)
      return TokenQueue.notify(queue, token)
    })
  }

/** What a consumer was handed, in order, with the news it then read. */
export interface Seen {
  readonly tokens: ReadonlyArray<number>
  readonly news: ReadonlyArray<ReadonlyArray<number>>
}

export const consume = (memory: Memory, poller: TokenQueue.Poller, polls: number, limit: number): Seen => {
  const data = new Int32Array(memory.news)
  const out = new Int32Array(Math.max(limit, 1))
  const tokens: Array<number> = []
  const news: Array<ReadonlyArray<number>> = []
  for (let i = 0; i < polls; i++) {
    const count = TokenQueue.poll(poller, out, limit)
    for (let j = 0; j < count; j++) {
      tokens.push(out[j]!)
      news.push([Atomics.load(data, 0), Atomics.load(data, 1), Atomics.load(data, 2)])
    }
  }
  return { tokens, news }
}

export const consumer =
  (polls: number, limit: number) =>
  (memory: Memory): Seen => {
    const poller = TokenQueue.attachPoller(TokenQueue.attach(memory.region, memory.layout))
    if (poller === undefined) throw new Error("the seat is taken")
    const seen = consume(memory, poller, polls, limit)
    // A walk under way would be lost with the poller's own state: the seat is given up only without one.
    if (poller.walk !== -1) throw new Error("a walk without a recovery")
    TokenQueue.detachPoller(poller)
    return seen
  }

/** Drains what is left, as the next poller would. */
export const rest = (memory: Memory, afterDeath = false): Seen => {
  const queue = TokenQueue.attach(memory.region, memory.layout)
  const poller = TokenQueue.attachPoller(queue, afterDeath ? TokenQueue.seat(queue) : undefined)
  if (poller === undefined) throw new Error("the seat is taken")
  return consume(memory, poller, 4, memory.layout.maxTokens)
}

export const fail = (message: string): never => {
  throw new Error(message)
}

/** Invariants 1 and 2: whoever is handed a token last has read the last news about it. */
export const nothingLost = (
  seen: Seen,
  expected: ReadonlyMap<number, ReadonlyArray<readonly [own: number, value: number]>>
) => {
  for (const [token, wanted] of expected) {
    const last = seen.tokens.lastIndexOf(token)
    if (last < 0) fail(`token ${token} was lost`)
    for (const [own, value] of wanted) {
      const found = seen.news[last]![own]!
      if (found < value) fail(`token ${token}: the last news of producer ${own} is ${value}, the handler saw ${found}`)
    }
  }
}

export const both = (a: Seen | undefined, b: Seen): Seen =>
  a === undefined ? b : { tokens: [...a.tokens, ...b.tokens], news: [...a.news, ...b.news] }

/** The recovery that a supervisor would run, after the producer `p` ended or died. */
export const recovery = {
  after: "p",
  run: ({ layout, region }: Memory) => TokenQueue.recover(TokenQueue.attach(region, layout))
}

/** A consumer whose poller may be in the middle of a walk when it ends. */
export const consumerWithWalk = (polls: number) => (memory: Memory) => {
  const poller = TokenQueue.attachPoller(TokenQueue.attach(memory.region, memory.layout))!
  return { poller, seen: consume(memory, poller, polls, 1) }
}
