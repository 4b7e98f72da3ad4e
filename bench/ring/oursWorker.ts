/**
 * The other thread of a ring: takes and checks, publishes, or sends back what it takes.
 */
import * as Consumer from "@selvedge/core/ring/Consumer"
import * as Producer from "@selvedge/core/ring/Producer"
import * as Ring from "@selvedge/core/ring/Ring"
import * as WaitStrategy from "@selvedge/core/memory/WaitStrategy"
import { once } from "node:events"
import { parentPort, workerData } from "node:worker_threads"
import { type Job, live, Small } from "./ours.ts"

const job = workerData as Job
const strategy = WaitStrategy[job.strategy]
const ring = await live(Ring.attach(job.handle, { record: Small, role: "dedicated" }))
const port = parentPort!

const take = async (): Promise<void> => {
  const consumer = await live(Consumer.make(ring, { id: job.id }))
  const wait = Consumer.waitWith(strategy)
  port.postMessage("ready")
  let count = 0
  let sum = 0
  const handler = ({ n }: Small): void => {
    sum += n
    count++
  }
  while (count < job.records && Consumer.awaitBlockingUnsafe(consumer, wait)) consumer.processUnsafe(handler, 4096)
  const each = job.batch === 0 ? 0 : job.records
  const alone = (each * (each - 1)) / 2
  const two = (each / 2) * (each / 2 - 1)
  port.postMessage(sum === alone || sum === two ? count : -1)
}

const publish = async (): Promise<void> => {
  const producer = await live(Producer.make(ring))
  port.postMessage("ready")
  await once(port, "message")
  for (let next = 0; next < job.records; next += job.batch) {
    const first = next
    producer.publishBlockingUnsafe(job.batch, (slot, i) => void (slot.n = first + i), strategy)
  }
  port.postMessage(job.records)
}

const echo = async (): Promise<void> => {
  const back = await live(Ring.attach(job.other!, { record: Small, role: "dedicated" }))
  const consumer = await live(Consumer.make(ring, { id: job.id }))
  const producer = await live(Producer.make(back))
  const wait = Consumer.waitWith(strategy)
  port.postMessage("ready")
  const reply = ({ n }: Small): void => void producer.publishUnsafe(1, (slot) => void (slot.n = n))
  while (Consumer.awaitBlockingUnsafe(consumer, wait)) consumer.processUnsafe(reply, 1)
}

await { take, publish, echo }[job.role]()
