/// <reference lib="esnext.sharedmemory" />
/**
 * Models that real worker threads load by name.
 */
import { choose, defineModel } from "../../../src/model/index.ts"

const setup = (m: { readonly label: (view: object, names: ReadonlyArray<string>) => void }): Int32Array => {
  const words = new Int32Array(new SharedArrayBuffer(8))
  m.label(words, ["flag", "data"])
  return words
}

const FLAG = 0
const DATA = 1

/** A conflating flag: cleared before the data is read, or after. */
const conflation = (before: boolean) =>
  defineModel({
    setup,
    threads: {
      producer: (w: Int32Array) => {
        for (let value = 1; value <= 3; value++) {
          Atomics.store(w, DATA, value)
          Atomics.exchange(w, FLAG, 1)
        }
      },
      consumer: (w: Int32Array) => {
        let seen = 0
        for (let turn = 0; turn < 12; turn++) {
          if (Atomics.load(w, FLAG) === 0) continue
          if (before) Atomics.exchange(w, FLAG, 0)
          seen = Atomics.load(w, DATA)
          if (!before) Atomics.store(w, FLAG, 0)
        }
        return seen
      }
    },
    check: (w: Int32Array, { consumer }) => w[FLAG] === 1 || consumer === 3
  })

export const clearAfterRead = conflation(false)
export const clearBeforeRead = conflation(true)

/** Sleeping, waking, choosing and dying, for replaying on real threads. */
export const everything = defineModel({
  setup,
  threads: {
    sleeper: (w: Int32Array) => {
      const woken = Atomics.wait(w, FLAG, 0)
      return `${woken} ${Atomics.load(w, DATA)}`
    },
    waker: (w: Int32Array) => {
      Atomics.store(w, DATA, 5 + choose(2))
      Atomics.add(w, FLAG, 1)
      return Atomics.notify(w, FLAG)
    }
  },
  check: (_: Int32Array, { sleeper }) => sleeper !== "ok 6"
})
