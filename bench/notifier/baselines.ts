/**
 * What the notifier is measured against.
 */
import { Worker } from "node:worker_threads"
import { check, percentiles, type Sample, startWatch } from "../harness.ts"
import { quartile } from "./clock.ts"

const MANY = 100_000

export const exchange = (): number => {
  const words = new Int32Array(new SharedArrayBuffer(4096 * 4))
  return quartile({
    operations: MANY,
    batches: 100,
    timed: () => {
      let ones = 0
      for (let i = 0; i < MANY; i++) ones += Atomics.exchange(words, 17, 1)
      check(ones >= MANY - 1, "the word stays 1")
    }
  })
}

export const add = (): number => {
  const words = new Int32Array(new SharedArrayBuffer(4096 * 4))
  return quartile({
    operations: MANY,
    batches: 100,
    timed: () => {
      for (let i = 0; i < MANY; i++) Atomics.add(words, 17, 1)
      check(words[17] !== 0, "the word grows")
    }
  })
}

/** The worker sends every message back. */
const ECHO = `const { parentPort } = require("node:worker_threads")
parentPort.on("message", (message) => message === "end" ? parentPort.close() : parentPort.postMessage(message))`

const pingPong = async <A>(
  times: number,
  send: (worker: Worker, token: number) => void,
  read: (message: A) => number
): Promise<Sample> => {
  const worker = new Worker(ECHO, { eval: true })
  const once = (token: number): Promise<void> =>
    new Promise((resolve) => {
      worker.once("message", (message: A) => {
        check(read(message) === token, "the same token comes back")
        resolve()
      })
      send(worker, token)
    })
  for (let i = 0; i < times / 10; i++) await once(i % 64)
  const micros: Array<number> = []
  for (let i = 0; i < times; i++) {
    const elapsed = startWatch("wall")
    await once(i % 64)
    micros.push(elapsed() / 1000)
  }
  worker.postMessage("end")
  await new Promise((resolve) => worker.once("exit", resolve))
  return percentiles(micros)
}

export const messagePort = (times: number): Promise<Sample> =>
  pingPong<number>(
    times,
    (worker, token) => worker.postMessage(token),
    (message) => message
  )

/** Ready tokens are gathered in a Set, and posted as one message. */
export const setAndPost = (times: number): Promise<Sample> => {
  const ready = new Set<number>()
  return pingPong<ReadonlyArray<number>>(
    times,
    (worker, token) => {
      ready.add(token)
      worker.postMessage([...ready])
      ready.clear()
    },
    ([token]) => token!
  )
}
