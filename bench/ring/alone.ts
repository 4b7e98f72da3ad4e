/**
 * Both ends in one thread: records are published, and then taken, by turns. Nobody waits, so what is measured is what the calls
 * cost, and that repeats on a busy machine; two threads at work at once take about as long as the slower end.
 */
import * as Consumer from "@selvedge/core/ring/Consumer"
import * as Producer from "@selvedge/core/ring/Producer"
import * as RingNumbers from "@selvedge/core/ring/RingNumbers"
import { MessageChannel, receiveMessageOnPort } from "node:worker_threads"
import { RingBuffer } from "ringbuf.js"
import { check } from "../harness.ts"
import { live, makeRing, type Small } from "./ours.ts"

const TURN = 4096

/** The lower quartile of many turns, in nanoseconds for a record. */
const quartile = (turns: number, turn: (first: number) => void): number => {
  const times: Array<number> = []
  for (let i = 0; i < turns * 2; i++) {
    const begin = process.hrtime.bigint()
    turn(i * TURN)
    if (i >= turns) times.push(Number(process.hrtime.bigint() - begin))
  }
  return times.toSorted((a, b) => a - b)[turns >> 2]! / TURN
}

export const ours = async (batch: number): Promise<number> => {
  const ring = await makeRing()
  const producer = await live(Producer.make(ring))
  const consumer = await live(Consumer.make(ring, { id: "here" }))
  let next = 0
  let seen = 0
  let misplaced = 0
  const write = (slot: Small, i: number): void => void (slot.n = next + i)
  const handler = ({ n }: Small): void => {
    if (n !== seen) misplaced++
    seen++
  }
  const nanos = quartile(500, () => {
    for (const end = next + TURN; next < end; next += batch) producer.publishUnsafe(batch, write)
    for (let left = TURN; left > 0;) left -= consumer.processUnsafe(handler, TURN)
  })
  check(misplaced === 0 && seen === next, `${next} in order, found ${seen}`)
  return nanos
}

/** The same, moved as runs of numbers. */
export const numbers = async (batch: number): Promise<number> => {
  const ring = await makeRing()
  const producer = await live(Producer.make(ring))
  const consumer = await live(Consumer.make(ring, { id: "here" }))
  const values = new Float64Array(batch)
  const taken = new Float64Array(TURN)
  let seen = 0
  let misplaced = 0
  const nanos = quartile(500, (first) => {
    for (let next = first; next < first + TURN; next += batch) {
      for (let i = 0; i < batch; i++) values[i] = next + i
      RingNumbers.publishUnsafe(producer, values)
    }
    for (let left = TURN; left > 0;) {
      const n = RingNumbers.takeUnsafe(consumer, taken)
      for (let i = 0; i < n; i++) if (taken[i] !== seen++) misplaced++
      left -= n
    }
  })
  check(misplaced === 0 && seen === 1000 * TURN, `all in order, found ${seen}`)
  return nanos
}

export const ringbuf = (batch: number): number => {
  const memory = RingBuffer.getStorageForCapacity(8192, Float64Array) as unknown as SharedArrayBuffer
  const ring = new RingBuffer(memory, Float64Array)
  const values = new Float64Array(batch)
  const taken = new Float64Array(TURN)
  let seen = 0
  let misplaced = 0
  const nanos = quartile(500, (first) => {
    for (let next = first; next < first + TURN; next += batch) {
      for (let i = 0; i < batch; i++) values[i] = next + i
      ring.push(values)
    }
    const n = ring.pop(taken)
    for (let i = 0; i < n; i++) if (taken[i] !== seen++) misplaced++
  })
  check(misplaced === 0 && seen === 1000 * TURN, `all in order, found ${seen}`)
  return nanos
}

/** A message of `batch` numbers, or of one. */
export const messagePort = (batch: number): number => {
  const { port1, port2 } = new MessageChannel()
  let seen = 0
  let misplaced = 0
  const see = (n: number): void => {
    if (n !== seen++) misplaced++
  }
  const nanos = quartile(20, (first) => {
    for (let next = first; next < first + TURN; next += batch) {
      port1.postMessage(batch === 1 ? next : Array.from({ length: batch }, (_, i) => next + i))
    }
    for (let got = receiveMessageOnPort(port2); got !== undefined; got = receiveMessageOnPort(port2)) {
      const message = got.message as number | ReadonlyArray<number>
      if (typeof message === "number") see(message)
      else for (const n of message) see(n)
    }
  })
  port1.close()
  check(misplaced === 0 && seen === 40 * TURN, `all in order, found ${seen}`)
  return nanos
}
