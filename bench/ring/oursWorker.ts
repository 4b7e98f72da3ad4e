/**
 * The other thread of a ring: takes and checks, publishes, or sends back what it takes.
 */
import * as Consumer from "@selvedge/core/ring/Consumer"
import * as Producer from "@selvedge/core/ring/Producer"
import * as Ring from "@selvedge/core/ring/Ring"
import * as RingNumbers from "@selvedge/core/ring/RingNumbers"
import { once } from "node:events"
import { parentPort, workerData } from "node:worker_threads"
import { type Job, live, Small, strategyOf, Wide } from "./ours.ts"

const job = workerData as Job
const strategy = strategyOf(job.strategy)
const attach = () => live(Ring.attach(job.handle, { record: Small, role: "dedicated" }))
const port = parentPort!

const take = async (): Promise<void> => {
  const consumer = await live(Consumer.make(await attach(), { id: job.id }))
  const wait = Consumer.waitWith(strategy, { gather: job.gather })
  port.postMessage("ready")
  let count = 0
  // In order from one producer; of two, whose numbers are alike, all of them.
  let misplaced = 0
  const sum = new Float64Array(1)
  const handler = ({ n }: Small): void => {
    if (n !== count) misplaced++
    sum[0]! += n
    count++
  }
  while (count < job.records && Consumer.awaitBlockingUnsafe(consumer, wait)) consumer.processUnsafe(handler, 4096)
  const half = job.records / 2
  port.postMessage(misplaced === 0 || sum[0] === half * (half - 1) ? count : -1)
}

const takeNumbers = async (): Promise<void> => {
  const consumer = await live(Consumer.make(await attach(), { id: job.id }))
  const wait = Consumer.waitWith(strategy, { gather: job.gather })
  port.postMessage("ready")
  const into = new Float64Array(4096)
  let count = 0
  let isGood = true
  while (count < job.records && Consumer.awaitBlockingUnsafe(consumer, wait)) {
    const n = RingNumbers.takeUnsafe(consumer, into)
    for (let i = 0; i < n; i++) if (into[i] !== count + i) isGood = false
    count += Math.max(0, n)
  }
  port.postMessage(isGood ? count : -1)
}

const takeWide = async (): Promise<void> => {
  const ring = await live(Ring.attach(job.handle, { record: Wide, role: "dedicated" }))
  const consumer = await live(Consumer.make(ring, { id: job.id }))
  const wait = Consumer.waitWith(strategy, { gather: job.gather })
  port.postMessage("ready")
  let count = 0
  let isGood = true
  const handler = ({ last, n }: Wide): void => {
    if (n !== count || last !== count) isGood = false
    count++
  }
  while (count < job.records && Consumer.awaitBlockingUnsafe(consumer, wait)) consumer.processUnsafe(handler, 4096)
  port.postMessage(isGood ? count : -1)
}

const publish = async (): Promise<void> => {
  const producer = await live(Producer.make(await attach()))
  port.postMessage("ready")
  await once(port, "message")
  let first = 0
  const write = (slot: Small, i: number): void => void (slot.n = first + i)
  for (; first < job.records; first += job.batch) producer.publishBlockingUnsafe(job.batch, write, strategy)
  port.postMessage(job.records)
}

const echo = async (): Promise<void> => {
  const back = await live(Ring.attach(job.other!, { record: Small, role: "dedicated" }))
  const consumer = await live(Consumer.make(await attach(), { id: job.id }))
  const producer = await live(Producer.make(back))
  const wait = Consumer.waitWith(strategy)
  port.postMessage("ready")
  let answer = 0
  const write = (slot: Small): void => void (slot.n = answer)
  const reply = ({ n }: Small): void => {
    answer = n
    producer.publishUnsafe(1, write)
  }
  while (Consumer.awaitBlockingUnsafe(consumer, wait)) consumer.processUnsafe(reply, 1)
}

await { take, takeNumbers, takeWide, publish, echo }[job.role]()
