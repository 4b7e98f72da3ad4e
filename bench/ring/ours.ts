/**
 * The ring's side: records of one or of 32 numbers, every one checked by every consumer.
 */
import * as Consumer from "@selvedge/core/ring/Consumer"
import * as Processing from "@selvedge/core/ring/Processing"
import * as Producer from "@selvedge/core/ring/Producer"
import * as Ring from "@selvedge/core/ring/Ring"
import * as RingNumbers from "@selvedge/core/ring/RingNumbers"
import * as Record from "@selvedge/core/memory/Record"
import { layerThread } from "@selvedge/core/memory/SharedMemory"
import * as WaitStrategy from "@selvedge/core/memory/WaitStrategy"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { once } from "node:events"
import { Worker } from "node:worker_threads"
import { check, type Sample } from "../harness.ts"
import * as Trips from "../internal/trips.ts"

export const Small = Record.struct({ n: Record.f64 })
export type Small = Record.Type<typeof Small>

/** 256 bytes; the first and the last number of each record are written and read. */
const fields = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`f${i}`, Record.f64]))
export const Wide: Record.Record<{ n: number; last: number }> = Record.struct({
  n: Record.f64,
  ...fields,
  last: Record.f64
})
export type Wide = Record.Type<typeof Wide>

export type How = "spin" | "backoff" | "sleep" | "park"

export const strategyOf = (how: How): WaitStrategy.WaitStrategy =>
  how === "sleep" ? WaitStrategy.sleep(1) : WaitStrategy[how]

export interface Job {
  readonly role: "take" | "takeNumbers" | "takeWide" | "publish" | "echo"
  readonly handle: Ring.Handle
  readonly other: Ring.Handle | undefined
  readonly id: string
  readonly batch: number
  readonly records: number
  readonly strategy: How
  /** Of how many records a consumer wants to find. */
  readonly gather: number
}

const scope = Scope.makeUnsafe()
/** Rings of a benchmark live as long as its process. */
export const live = <A, E>(self: Effect.Effect<A, E, Scope.Scope>): Promise<A> =>
  Effect.runPromise(Effect.provideService(self, Scope.Scope, scope))

export const makeRing = (options: { readonly producers?: "single" | "multi"; readonly capacity?: number } = {}) =>
  live(Ring.make({ record: Small, capacity: 8192, role: "dedicated", ...options }).pipe(Effect.provide(layerThread)))

const start = async <A>(ring: Ring.Ring<A>, job: Partial<Job>): Promise<Worker> => {
  const handle = await live(Ring.handle(ring))
  const workerData = {
    role: "take",
    handle,
    other: undefined,
    id: "a",
    batch: 64,
    records: 0,
    strategy: "park",
    gather: 1,
    ...job
  }
  const worker = new Worker(new URL("./oursWorker.ts", import.meta.url), { workerData })
  await once(worker, "message")
  return worker
}

const answerOf = async (worker: Worker): Promise<number> => Number((await once(worker, "message"))[0])

export interface Throughput {
  readonly batch: number
  readonly consumers: number
  readonly records: number
  readonly gather?: number
  /** Whether the ring is made for several producers, of which there is one. */
  readonly stamped?: boolean
}

const sendAndCheck = async (
  workers: ReadonlyArray<Worker>,
  records: number,
  publish: (next: number) => number
): Promise<number> => {
  const answers = workers.map(answerOf)
  const begin = performance.now()
  for (let next = 0; next < records;) next = publish(next)
  const good = await Promise.all(answers)
  const seconds = (performance.now() - begin) / 1000
  check(
    good.every((n) => n === records),
    `every consumer takes ${records}, found ${good.join()}`
  )
  return records / seconds / 1e6
}

/** Millions of records a second from one producer through so many consumers, all checked. */
export const throughput = async ({ batch, consumers, records, ...how }: Throughput): Promise<number> => {
  const ring = await makeRing({ producers: how.stamped === true ? "multi" : "single" })
  const workers: Array<Worker> = []
  for (let i = 0; i < consumers; i++) {
    workers.push(await start(ring, { id: `c${i}`, records, gather: how.gather ?? 1 }))
  }
  const producer = await live(Producer.make(ring))
  let first = 0
  // Made once: a closure for each batch costs as much as an atomic store.
  const write = (slot: Small, i: number): void => void (slot.n = first + i)
  return sendAndCheck(workers, records, (next) => {
    first = next
    producer.publishBlockingUnsafe(batch, write, WaitStrategy.park)
    return next + batch
  })
}

/** The same, moved as runs of numbers. */
export const numbers = async (batch: number, records: number): Promise<number> => {
  const ring = await makeRing()
  const worker = await start(ring, { role: "takeNumbers", records })
  const producer = await live(Producer.make(ring))
  const values = new Float64Array(batch)
  return sendAndCheck([worker], records, (next) => {
    for (let i = 0; i < batch; i++) values[i] = next + i
    RingNumbers.publishBlockingUnsafe(producer, values, WaitStrategy.park)
    return next + batch
  })
}

/** The same with records of 256 bytes. */
export const wide = async (batch: number, records: number): Promise<number> => {
  const options = { record: Wide, capacity: 2048, role: "dedicated" as const }
  const ring = await live(Ring.make(options).pipe(Effect.provide(layerThread)))
  const worker = await start(ring, { role: "takeWide", records })
  const producer = await live(Producer.make(ring))
  let first = 0
  const write = (slot: Wide, i: number): void => {
    slot.n = first + i
    slot.last = first + i
  }
  return sendAndCheck([worker], records, (next) => {
    first = next
    producer.publishBlockingUnsafe(batch, write, WaitStrategy.park)
    return next + batch
  })
}

export const twoProducers = async (batch: number, records: number): Promise<number> => {
  const ring = await makeRing({ producers: "multi" })
  const taker = await start(ring, { records: 2 * records })
  const answer = answerOf(taker)
  const givers = [
    await start(ring, { role: "publish", batch, records }),
    await start(ring, { role: "publish", batch, records })
  ]
  const ends = givers.map(answerOf)
  const begin = performance.now()
  for (const giver of givers) giver.postMessage("go")
  await Promise.all(ends)
  const taken = await answer
  const seconds = (performance.now() - begin) / 1000
  check(taken === 2 * records, `${2 * records} are taken, found ${taken}`)
  return (2 * records) / seconds / 1e6
}

/** Microseconds there and back between two threads. */
export const roundTrip = async (strategy: How, trips: number): Promise<Sample> => {
  const [there, back] = [await makeRing(), await makeRing()]
  await start(there, { role: "echo", other: await live(Ring.handle(back)), strategy })
  const producer = await live(Producer.make(there))
  const consumer = await live(Consumer.make(back, { id: "back" }))
  return Trips.blocking(producer, consumer, strategyOf(strategy), trips)
}

/** Microseconds there and back where this side is a fiber that sleeps. */
export const wake = async (trips: number): Promise<Sample> => {
  const options = { record: Small, capacity: 64 }
  const make = () => live(Ring.make(options).pipe(Effect.provide(layerThread)))
  const [there, back] = [await make(), await make()]
  await start(there, { role: "echo", other: await live(Ring.handle(back)), strategy: "spin" })
  const producer = await live(Producer.make(there))
  const consumer = await live(Consumer.make(back, { id: "back" }))
  const held = setInterval(() => undefined, 60_000)
  const times = await Effect.runPromise(Trips.fibers(producer, consumer, trips))
  clearInterval(held)
  return times
}

/** Processor time of a second in which nothing happens, in percent of a core. */
export const idle = async (): Promise<number> => {
  const ring = await makeRing()
  await start(ring, { records: 1 })
  const fibers = await live(Ring.attach(await live(Ring.handle(ring)), { record: Small }))
  const consumer = await live(Consumer.make(fibers, { id: "fiber" }))
  const waiting = Effect.runFork(Consumer.take(consumer))
  await new Promise((resolve) => setTimeout(resolve, 200))
  const before = process.cpuUsage()
  await new Promise((resolve) => setTimeout(resolve, 1000))
  const { system, user } = process.cpuUsage(before)
  waiting.interruptUnsafe()
  return (system + user) / 10_000
}

/** Millions of records a second through effects of one thread. */
export const effects = async (batch: number, how: "takeBatch" | "stream", records: number): Promise<number> => {
  const ring = await makeRing({ capacity: 4096 })
  const producer = await live(Producer.make(ring))
  const consumer = await live(Consumer.make(ring, { id: "a" }))
  const values = Array.from({ length: batch }, (_, n) => ({ n }))
  let sum = 0
  const begin = performance.now()
  const take = Effect.gen(function* () {
    for (let i = 0; i < records; i += batch) {
      yield* Producer.publishAll(producer, values)
      for (const { n } of yield* Consumer.takeBatch(consumer, batch)) sum += n
    }
  })
  const feed = Effect.gen(function* () {
    for (let i = 0; i < records; i += batch) yield* Producer.publishAll(producer, values)
    yield* Ring.close(ring)
  })
  const drain = Stream.runForEachArray(Processing.stream(consumer, { limit: batch }), (got) =>
    Effect.sync(() => {
      for (const { n } of got) sum += n
    })
  )
  await Effect.runPromise(how === "takeBatch" ? take : Effect.all([feed, drain], { concurrency: 2, discard: true }))
  const seconds = (performance.now() - begin) / 1000
  check(sum === (records / batch) * ((batch * (batch - 1)) / 2), `all numbers, found a sum of ${sum}`)
  return records / seconds / 1e6
}
