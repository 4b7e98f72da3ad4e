/// <reference lib="esnext.sharedmemory" />
/**
 * A sequence lock: one writer, a reader that never blocks it. Two words that must
 * be seen together, an odd sequence while they are being written.
 */
import { defineModel } from "@selvedge/testing/model"

const SEQUENCE = 0
const A = 1
const B = 2

const write = (words: Int32Array, value: number): void => {
  const sequence = Atomics.load(words, SEQUENCE)
  Atomics.store(words, SEQUENCE, sequence + 1)
  Atomics.store(words, A, value)
  Atomics.store(words, B, value)
  Atomics.store(words, SEQUENCE, sequence + 2)
}

const read = (words: Int32Array): readonly [number, number] => {
  for (;;) {
    const before = Atomics.load(words, SEQUENCE)
    if ((before & 1) === 0) {
      const a = Atomics.load(words, A)
      const b = Atomics.load(words, B)
      if (Atomics.load(words, SEQUENCE) === before) return [a, b]
    }
    Atomics.pause()
  }
}

export const seqlock = defineModel({
  name: "seqlock: a reader never sees half a write",
  setup: (m) => {
    const words = new Int32Array(new SharedArrayBuffer(12))
    m.label(words, ["sequence", "a", "b"])
    return words
  },
  threads: {
    writer: (words) => {
      write(words, 1)
      write(words, 2)
    },
    reader: (words) => [read(words), read(words)] as const
  },
  check: (_, { reader }) => reader?.every(([a, b]) => a === b) ?? false
})
