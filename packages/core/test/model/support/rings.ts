/**
 * What the models of the ring have in common: rings of a few slots, and threads that publish and take through the shipped
 * internals. No algorithm is here; whatever orders memory is in `src/ring/internal`.
 *
 * Every thread attaches for itself. A record holds one number, written and read plainly, so an unordered access is a
 * reported race.
 */
import { type Model, Strategy, type Threads } from "@selvedge/testing/model"
import * as Bell from "../../../src/memory/internal/bell.ts"
import * as Claim from "../../../src/ring/internal/claim.ts"
import { RingCore } from "../../../src/ring/internal/core.ts"
import * as Gate from "../../../src/ring/internal/gate.ts"
import * as Layout from "../../../src/ring/internal/layout.ts"
import * as Membership from "../../../src/ring/internal/membership.ts"
import * as Read from "../../../src/ring/internal/read.ts"

export interface State {
  readonly memory: SharedArrayBuffer
  readonly layout: Layout.RingLayout
  /** First words of the seats joined in `setup`, by their owners from 11 on. */
  readonly seats: ReadonlyArray<number>
}

export interface RingOptions {
  readonly capacity: number
  readonly producers: number
  readonly multi?: boolean
  readonly consumers: number
  /** Seats taken before the threads start; default all. */
  readonly joined?: number
  readonly start?: number
  readonly required?: number
  /** State of the seats; default GATING. */
  readonly kind?: number
  /** Records published before the threads start, each holding its own distance from the start. */
  readonly published?: number
}

/** Owners: producers are 1, 2, …; consumers 11, 12, …; whoever recovers is 21. */
export const ownerOfProducer = (index: number): number => 1 + index
export const ownerOfConsumer = (index: number): number => 11 + index
export const RECOVERER = 21

export const idOf = (index: number): Uint8Array => Uint8Array.of(97 + index)

export const fail = (message: string): never => {
  throw new Error(message)
}

/** A ring with its producers' lines and consumers' seats taken. */
export const makeRing = (options: RingOptions): State => {
  const layout = Layout.make({
    capacity: options.capacity,
    slotBytes: 8,
    maxProducers: options.producers,
    multi: options.multi ?? options.producers > 1,
    maxConsumers: options.consumers,
    required: options.required ?? 0,
    start: options.start ?? 0,
    measures: false,
    fingerprint: { low: 0, high: 0 }
  })
  const memory = new SharedArrayBuffer(layout.totalBytes)
  Layout.format(memory, layout)
  const state: State = { memory, layout, seats: [] }
  const core = coreOf(state)
  for (let i = 0; i < options.producers; i++) Membership.joinProducer(core, ownerOfProducer(i))
  const seats: Array<number> = []
  for (let i = 0; i < (options.joined ?? options.consumers); i++) seats.push(joinNow(core, i, options.kind))
  if (options.published !== undefined) publishSome(state, 0, options.published, 0)
  return { ...state, seats }
}

export const joinNow = (core: RingCore, index: number, kind: number = Gate.GATING): number => {
  const request = { owner: ownerOfConsumer(index), id: idOf(index), generation: 0, state: kind }
  for (;;) {
    const seat = Membership.join(core, request)
    if (typeof seat === "number") return seat
    if (seat !== "Busy") return fail(`consumer ${index} could not join: ${seat}`)
    Bell.pause()
  }
}

export const coreOf = (state: State): RingCore => new RingCore(state.memory, state.layout)

/** Word of a record's number. */
const payload = (core: RingCore, sequence: number): number =>
  (core.layout.slotsByte >> 2) + (sequence & core.mask) * (core.layout.slotBytes >> 2)

export const write = (core: RingCore, sequence: number, value: number): void => {
  core.words[payload(core, sequence)] = value
}

export const peek = (core: RingCore, sequence: number): number => core.words[payload(core, sequence)] ?? 0

/** Publishes batches of these sizes, numbered on from `first`, spinning while there is no room. Answers how many records. */
export const publishBatches = (state: State, index: number, sizes: ReadonlyArray<number>, first: number): number => {
  const producer = new Claim.ProducerCore(coreOf(state), index)
  let done = 0
  for (const size of sizes) {
    for (;;) {
      const answer = Claim.tryClaim(producer, size)
      if (answer === Claim.REFUSED_CLOSED) return done
      if (answer === Claim.CLAIMED) break
      Bell.pause()
    }
    for (let i = 0; i < size; i++) write(producer.core, (producer.sequence + i) | 0, first + done + i)
    Claim.publish(producer, size)
    done += size
  }
  return done
}

export const publishSome = (state: State, index: number, count: number, first: number): number =>
  publishBatches(
    state,
    index,
    Array.from({ length: count }, () => 1),
    first
  )

/** A consumer on a seat joined in `setup`. */
export const consumerOn = (state: State, index: number): Read.ConsumerCore => {
  const core = coreOf(state)
  const seat = state.seats[index] ?? fail(`no seat ${index}`)
  const cursor = Atomics.load(core.words, seat + Layout.SEAT_CURSOR)
  return new Read.ConsumerCore(core, seat, cursor, cursor, false)
}

/** Takes at least `count` sequences, `limit` at a time, committing each run; `mayEnd`: or until the end of a closed ring. */
export const take = (
  consumer: Read.ConsumerCore,
  count: number,
  limit: number,
  mayEnd = false
): ReadonlyArray<number> => {
  const values: Array<number> = []
  let taken = 0
  while (taken < count) {
    const n = Read.poll(consumer, limit)
    if (n === 0) {
      if (mayEnd && Read.isAtEnd(consumer)) return values
      Bell.pause()
      continue
    }
    for (let i = 0; i < n; i++) {
      const at = (consumer.position + i) | 0
      if (!Read.isTombstone(consumer, at)) values.push(peek(consumer.core, at))
    }
    taken += n
    consumer.position = (consumer.position + n) | 0
    Read.commit(consumer, consumer.position)
  }
  return values
}

/** The numbers each producer gave, in its order: 0…, 10…, 20…; fails if one is missing, doubled or out of order. */
export const expectOrdered = (
  values: ReadonlyArray<number> | undefined,
  counts: ReadonlyArray<number>,
  who: string
): void => {
  const seen = counts.map(() => 0)
  for (const value of values ?? []) {
    const producer = Math.floor(value / 10)
    if (value !== producer * 10 + (seen[producer] ?? -1)) fail(`${who} took ${JSON.stringify(values)}`)
    seen[producer] = (seen[producer] ?? 0) + 1
  }
  counts.forEach((count, i) => {
    if (seen[i] !== count) fail(`${who} took ${JSON.stringify(values)}: wanted ${count} of producer ${i}`)
  })
}

/** A model that cannot be exhausted, tried again with random priorities: bugs that need more preemptions than it is given. */
export const byPriorities = <S, T extends Threads<S>>(model: Model<S, T>): Model<S, T> => ({
  ...model,
  name: `${model.name}, by priorities`,
  options: { ...model.options, strategy: Strategy.pct({ depth: 4, iterations: 5000 }) }
})
