/**
 * What the explorer is timed on: a conflating notifier with several producers, and
 * a ring with one producer and one consumer over plain slots.
 */
import { defineModel } from "@selvedge/testing/model"

const CAPACITY = 2
const HEAD = 0
const TAIL = 1
const FLAGS = 2
const QUEUE = 4
const DATA = 6

const announce = (w: Int32Array, token: number): void => {
  if (Atomics.exchange(w, FLAGS + token, 1) === 1) return
  for (;;) {
    const tail = Atomics.load(w, TAIL)
    const placed = Atomics.compareExchange(w, QUEUE + (tail % CAPACITY), 0, token + 1) === 0
    Atomics.compareExchange(w, TAIL, tail, tail + 1)
    if (placed) return
  }
}

const poll = (w: Int32Array): number => {
  const head = Atomics.load(w, HEAD)
  const entry = Atomics.load(w, QUEUE + (head % CAPACITY))
  if (entry === 0) return -1
  Atomics.store(w, QUEUE + (head % CAPACITY), 0)
  Atomics.store(w, HEAD, head + 1)
  Atomics.exchange(w, FLAGS + entry - 1, 0)
  return Atomics.load(w, DATA + entry - 1)
}

/** Two producers that notify so many times each, and a consumer that polls twice. */
export const notifier = (times: number) => {
  const producer = (token: number) => (memory: SharedArrayBuffer) => {
    const w = new Int32Array(memory)
    for (let i = 0; i < times; i++) {
      Atomics.add(w, DATA + token, 1)
      announce(w, token)
    }
  }
  return defineModel({
    setup: () => new SharedArrayBuffer(32),
    threads: {
      first: producer(0),
      second: producer(1),
      consumer: (memory: SharedArrayBuffer) => {
        const w = new Int32Array(memory)
        return [poll(w), poll(w)]
      }
    },
    check: (memory, { consumer }) => {
      const w = new Int32Array(memory)
      return [0, 1].every((token) => w[FLAGS + token] === 1 || consumer?.includes(times) === true)
    }
  })
}

/** So many records through two slots. */
export const ring = (records: number) =>
  defineModel({
    setup: () => new SharedArrayBuffer(32),
    threads: {
      producer: (memory: SharedArrayBuffer) => {
        const w = new Int32Array(memory)
        for (let i = 0; i < records; i++) {
          while (i - Atomics.load(w, TAIL) >= CAPACITY);
          w[QUEUE + (i % CAPACITY)] = i + 1
          Atomics.store(w, HEAD, i + 1)
        }
      },
      consumer: (memory: SharedArrayBuffer) => {
        const w = new Int32Array(memory)
        let sum = 0
        for (let i = 0; i < records; i++) {
          while (Atomics.load(w, HEAD) <= i);
          sum += w[QUEUE + (i % CAPACITY)] ?? 0
          Atomics.store(w, TAIL, i + 1)
        }
        return sum
      }
    },
    check: (_, { consumer }) => consumer === (records * (records + 1)) / 2
  })
