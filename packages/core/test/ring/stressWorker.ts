/**
 * A producer or a consumer in a thread of its own, for `ring.stress.ts`. It is told what to do by its `workerData` and
 * posts `ready`, then what it has seen.
 */
import * as Consumer from "@selvedge/core/ring/Consumer"
import * as Producer from "@selvedge/core/ring/Producer"
import * as Ring from "@selvedge/core/ring/Ring"
import * as Record from "@selvedge/core/memory/Record"
import * as WaitStrategy from "@selvedge/core/memory/WaitStrategy"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { isMainThread, parentPort, workerData } from "node:worker_threads"

/** A number, its complement, and who published it. */
export const Checked = Record.struct({ n: Record.f64, not: Record.f64, producer: Record.i32 })
export type Checked = Record.Type<typeof Checked>

/** Where the rings begin: sequences pass the end of 32 bits in every round. */
export const START = 2 ** 32 - 50_000

export interface Job {
  readonly role: "producer" | "consumer"
  readonly handle: Ring.Handle
  /** Of a producer: its number, how many records, and the batches' size at most. */
  readonly producer: number
  readonly records: number
  readonly batch: number
  /** Of a consumer. */
  readonly id: string
  readonly producers: number
  /** Records are numbered by their position: an heir must begin where its cursor stands. */
  readonly numbered: boolean
  readonly whenSlow: "block" | "dropOldest"
}

/** A whole job: a consumer that takes everything, but for what is said. */
export const jobOf = (handle: Ring.Handle, job: Partial<Job>): Job => ({
  role: "consumer",
  handle,
  producer: 0,
  records: 0,
  batch: 1,
  id: "a",
  producers: 1,
  numbered: false,
  whenSlow: "block",
  ...job
})

export interface Seen {
  readonly count: number
  readonly first: number
  readonly last: number
  /** Records it knows to have missed. */
  readonly gaps: number
  readonly violations: ReadonlyArray<string>
}

const produce = (producer: Producer.Producer<Checked>, job: Job): Seen => {
  let next = 0
  let size = 1
  while (next < job.records) {
    size = (size % job.batch) + 1
    const n = Math.min(size, job.records - next)
    const first = next
    const published = producer.publishBlockingUnsafe(
      n,
      (slot, i) => {
        slot.n = first + i
        slot.not = -(first + i)
        slot.producer = job.producer
      },
      WaitStrategy.park
    )
    if (!published)
      return { count: next, first: 0, last: next - 1, gaps: 0, violations: ["the ring was closed under a producer"] }
    next += n
  }
  return { count: next, first: 0, last: next - 1, gaps: 0, violations: [] }
}

const consume = (consumer: Consumer.Consumer<Checked>, job: Job): Seen => {
  const wait = Consumer.waitWith(WaitStrategy.park)
  const violations: Array<string> = []
  const next = Array.from({ length: job.producers }, () => -1)
  let count = 0
  let first = -1
  let last = -1
  const handler = (record: Readonly<Checked>, position: number): void => {
    const { n, producer } = record
    if (record.not !== -n) violations.push(`${job.id}: ${n} and ${record.not} in one record`)
    const isNext = job.numbered || job.whenSlow === "dropOldest"
    const expected = isNext ? position - START : next[producer] === -1 ? n : next[producer]
    if (n !== expected) violations.push(`${job.id}: wanted ${expected} of producer ${producer}, found ${n}`)
    next[producer] = n + 1
    if (first === -1) first = n
    last = n
    count++
  }
  while (violations.length < 5 && Consumer.awaitBlockingUnsafe(consumer, wait)) consumer.processUnsafe(handler, 256)
  return { count, first, last, gaps: consumer.gaps, violations }
}

const main = Effect.gen(function* () {
  const job = workerData as Job
  const ring = yield* Ring.attach(job.handle, { record: Checked, role: "dedicated" })
  if (job.role === "producer") {
    const producer = yield* Producer.make(ring)
    parentPort?.postMessage("ready")
    parentPort?.postMessage(produce(producer, job))
  } else {
    const consumer = yield* Consumer.make(ring, { id: job.id, whenSlow: job.whenSlow })
    parentPort?.postMessage("ready")
    parentPort?.postMessage(consume(consumer, job))
  }
})

// The scope of the worker is its life: one that is terminated leaves its seat to the recovery.
if (!isMainThread) await Effect.runPromise(Effect.provideService(main, Scope.Scope, Scope.makeUnsafe()))
