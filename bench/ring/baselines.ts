/**
 * The same jobs with what a user would pick instead.
 */
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import * as Queue from "effect/Queue"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { BroadcastChannel, Worker } from "node:worker_threads"
import { RingBuffer } from "ringbuf.js"
import ThreadStream from "thread-stream"
import { check, percentiles, type Sample } from "../harness.ts"

export interface Job {
  readonly role: "port" | "portWide" | "broadcast" | "ringbuf" | "ringbufWide" | "echo"
  readonly memory: SharedArrayBuffer | undefined
  readonly records: number
  readonly batch: number
}

const start = async (job: Partial<Job>): Promise<Worker> => {
  const workerData = { role: "port", memory: undefined, records: 0, batch: 1, ...job }
  const worker = new Worker(new URL("./baselinesWorker.ts", import.meta.url), { workerData })
  await once(worker, "message")
  return worker
}

/** How much is sent before the loop gets a turn: a sender that never yields queues everything in memory. */
const BURST = 4096

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const finished = async (
  workers: ReadonlyArray<Worker>,
  records: number,
  send: () => Promise<void> | void
): Promise<number> => {
  const answers = workers.map(async (worker) => Number((await once(worker, "message"))[0]))
  const begin = performance.now()
  await send()
  const good = await Promise.all(answers)
  const seconds = (performance.now() - begin) / 1000
  check(
    good.every((n) => n === records),
    `everybody takes ${records}, found ${good.join()}`
  )
  for (const worker of workers) void worker.terminate()
  return records / seconds / 1e6
}

export const messagePort = async (batch: number, receivers: number, records: number): Promise<number> => {
  const workers: Array<Worker> = []
  for (let i = 0; i < receivers; i++) workers.push(await start({ records, batch }))
  return finished(workers, records, async () => {
    for (let next = 0; next < records; next += batch) {
      const message = batch === 1 ? next : Array.from({ length: batch }, (_, i) => next + i)
      for (const worker of workers) worker.postMessage(message)
      if (next % BURST === 0) await turn()
    }
  })
}

/** Records of 256 bytes: a number and what follows it. */
const WIDE = 32

export const messagePortWide = async (batch: number, records: number): Promise<number> => {
  const worker = await start({ role: "portWide", records, batch })
  const values = new Float64Array(WIDE * batch)
  return finished([worker], records, async () => {
    for (let next = 0; next < records; next += batch) {
      for (let i = 0; i < batch; i++) values[i * WIDE] = values[i * WIDE + WIDE - 1] = next + i
      worker.postMessage(values)
      if (next % BURST === 0) await turn()
    }
  })
}

export const ringbufWide = async (batch: number, records: number): Promise<number> => {
  const memory = RingBuffer.getStorageForCapacity(2048 * WIDE, Float64Array) as unknown as SharedArrayBuffer
  const ring = new RingBuffer(memory, Float64Array)
  const worker = await start({ role: "ringbufWide", records, memory, batch })
  const values = new Float64Array(WIDE * batch)
  return finished([worker], records, () => {
    for (let next = 0; next < records; next += batch) {
      for (let i = 0; i < batch; i++) values[i * WIDE] = values[i * WIDE + WIDE - 1] = next + i
      while (ring.availableWrite() < values.length) Atomics.pause()
      ring.push(values)
    }
  })
}

/** Strings of so many bytes, written when the stream says it has room; its worker counts them. */
export const threadStream = async (bytes: number, records: number): Promise<number> => {
  const done = new SharedArrayBuffer(16)
  const counts = new Float64Array(done)
  const stream = new ThreadStream({
    filename: fileURLToPath(new URL("./threadStreamWorker.ts", import.meta.url)),
    workerData: { done, bytes }
  })
  await once(stream, "ready")
  const begin = performance.now()
  for (let next = 0; next < records; next++) {
    const text = String(next).padEnd(bytes - 1, ".") + "\n"
    if (!stream.write(text)) await once(stream, "drain")
  }
  stream.end()
  await once(stream, "close")
  const seconds = (performance.now() - begin) / 1000
  check(counts[0] === records * bytes && counts[1] === 0, `${records * bytes} bytes, found ${counts.join()}`)
  return records / seconds / 1e6
}

export const broadcastChannel = async (receivers: number, records: number): Promise<number> => {
  const channel = new BroadcastChannel("bench")
  const workers: Array<Worker> = []
  for (let i = 0; i < receivers; i++) workers.push(await start({ role: "broadcast", records }))
  const rate = await finished(workers, records, async () => {
    for (let next = 0; next < records; next++) {
      channel.postMessage(next)
      if (next % BURST === 0) await turn()
    }
  })
  channel.close()
  return rate
}

export const ringbuf = async (batch: number, records: number): Promise<number> => {
  const memory = RingBuffer.getStorageForCapacity(8192, Float64Array) as unknown as SharedArrayBuffer
  const ring = new RingBuffer(memory, Float64Array)
  const worker = await start({ role: "ringbuf", records, memory, batch })
  const values = new Float64Array(batch)
  return finished([worker], records, () => {
    for (let next = 0; next < records; next += batch) {
      for (let i = 0; i < batch; i++) values[i] = next + i
      while (ring.availableWrite() < batch) Atomics.pause()
      ring.push(values)
    }
  })
}

export const roundTrip = async (trips: number): Promise<Sample> => {
  const worker = await start({ role: "echo" })
  const times: Array<number> = []
  for (let i = 0; i < trips; i++) {
    const begin = performance.now()
    const answer = new Promise<number>((resolve) => worker.once("message", resolve))
    worker.postMessage(i)
    check((await answer) === i, "the echo")
    if (i > trips / 4) times.push((performance.now() - begin) * 1000)
  }
  void worker.terminate()
  return percentiles(times)
}

export const effectQueue = async (batch: number, records: number): Promise<number> => {
  const values = Array.from({ length: batch }, (_, n) => ({ n }))
  let sum = 0
  const begin = performance.now()
  await Effect.runPromise(
    Effect.gen(function* () {
      const queue = yield* Queue.bounded<{ readonly n: number }>(4096)
      for (let i = 0; i < records; i += batch) {
        yield* Queue.offerAll(queue, values)
        for (const { n } of yield* Queue.takeAll(queue)) sum += n
      }
    })
  )
  check(sum === (records / batch) * ((batch * (batch - 1)) / 2), `all numbers, found a sum of ${sum}`)
  return records / ((performance.now() - begin) / 1000) / 1e6
}

export const effectPubSub = async (batch: number, records: number): Promise<number> => {
  const values = Array.from({ length: batch }, (_, n) => ({ n }))
  let sum = 0
  const begin = performance.now()
  await Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const hub = yield* PubSub.bounded<{ readonly n: number }>(4096)
        const subscription = yield* PubSub.subscribe(hub)
        for (let i = 0; i < records; i += batch) {
          yield* PubSub.publishAll(hub, values)
          for (const { n } of yield* PubSub.takeAll(subscription)) sum += n
        }
      })
    )
  )
  check(sum === (records / batch) * ((batch * (batch - 1)) / 2), `all numbers, found a sum of ${sum}`)
  return records / ((performance.now() - begin) / 1000) / 1e6
}
