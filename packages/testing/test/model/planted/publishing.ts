/// <reference lib="esnext.sharedmemory" />
/**
 * Handing data to another thread.
 */
import { pair, words } from "./pair.ts"

const DATA = 0
const FLAG = 1

export const publishing = [
  pair("publish before the payload is written", "data-race", (fixed) => ({
    setup: words("data", "flag"),
    threads: {
      producer: (w: Int32Array) => {
        if (fixed) w[DATA] = 7
        Atomics.store(w, FLAG, 1)
        if (!fixed) w[DATA] = 7
      },
      consumer: (w: Int32Array) => (Atomics.load(w, FLAG) === 1 ? w[DATA] : 7)
    },
    check: (_: Int32Array, { consumer }) => consumer === 7
  })),

  pair("publish by a plain store", "data-race", (fixed) => ({
    setup: words("data", "flag"),
    threads: {
      producer: (w: Int32Array) => {
        w[DATA] = 7
        if (fixed) Atomics.store(w, FLAG, 1)
        else w[FLAG] = 1
      },
      consumer: (w: Int32Array) => (Atomics.load(w, FLAG) === 1 ? w[DATA] : 7)
    },
    check: (_: Int32Array, { consumer }) => consumer === 7
  })),

  pair("sequence lock without reading the sequence again", "check", (fixed) => ({
    setup: words("sequence", "a", "b"),
    threads: {
      writer: (w: Int32Array) => {
        Atomics.store(w, 0, 1)
        Atomics.store(w, 1, 5)
        Atomics.store(w, 2, 5)
        Atomics.store(w, 0, 2)
      },
      reader: (w: Int32Array) => {
        for (;;) {
          const before = Atomics.load(w, 0)
          const pair = [Atomics.load(w, 1), Atomics.load(w, 2)] as const
          if ((before & 1) === 0 && (!fixed || Atomics.load(w, 0) === before)) return pair
          Atomics.pause()
        }
      }
    },
    check: (_: Int32Array, { reader }) => Array.isArray(reader) && reader[0] === reader[1]
  })),

  pair("sequence lock over plain words", "data-race", (fixed) => ({
    setup: words("sequence", "a"),
    threads: {
      writer: (w: Int32Array) => {
        Atomics.store(w, 0, 1)
        if (fixed) Atomics.store(w, 1, 5)
        else w[1] = 5
        Atomics.store(w, 0, 2)
      },
      reader: (w: Int32Array) => {
        for (;;) {
          const before = Atomics.load(w, 0)
          const value = fixed ? Atomics.load(w, 1) : w[1]
          if ((before & 1) === 0 && Atomics.load(w, 0) === before) return value
          Atomics.pause()
        }
      }
    }
  })),

  pair("once: test the flag, then set it", "check", (fixed) => ({
    setup: words("flag", "times"),
    threads: Object.fromEntries(
      ["a", "b"].map((name) => [
        name,
        (w: Int32Array) => {
          const mine = fixed ? Atomics.compareExchange(w, 0, 0, 1) === 0 : Atomics.load(w, 0) === 0
          if (!mine) return
          Atomics.store(w, 0, 1)
          Atomics.add(w, 1, 1)
        }
      ])
    ),
    check: (w: Int32Array) => w[1] === 1
  })),

  pair("a 64-bit value written in two halves", "mixed-size", (fixed) => ({
    setup: () => new SharedArrayBuffer(8),
    threads: {
      writer: (memory: SharedArrayBuffer) => {
        if (fixed) Atomics.store(new BigInt64Array(memory), 0, 0x1_0000_0001n)
        else {
          const halves = new Int32Array(memory)
          Atomics.store(halves, 0, 1)
          Atomics.store(halves, 1, 1)
        }
      },
      reader: (memory: SharedArrayBuffer) => Atomics.load(new BigInt64Array(memory), 0)
    },
    check: (_: SharedArrayBuffer, { reader }) => reader === 0n || reader === 0x1_0000_0001n
  })),

  pair("the last one out: count down, then look", "check", (fixed) => ({
    setup: (m) => {
      const w = words("owners", "freed")(m)
      w[0] = 2
      return w
    },
    threads: Object.fromEntries(
      ["a", "b"].map((name) => [
        name,
        (w: Int32Array) => {
          const left = Atomics.sub(w, 0, 1) - 1
          if ((fixed ? left : Atomics.load(w, 0)) === 0) Atomics.add(w, 1, 1)
        }
      ])
    ),
    check: (w: Int32Array) => w[1] === 1
  }))
]
