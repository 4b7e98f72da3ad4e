/**
 * Models of what wakes a process: doorbells and the list of bells. They import the shipped files; the kernel's futex is played by
 * `Atomics.wait` and `Atomics.notify`, without the slice that ends a real sleep: a wake-up that is lost is a deadlock here. The
 * invariants they name stand in docs/mapped-memory.md.
 */
import { defineModel, Strategy } from "@selvedge/testing/model"
import * as Doorbell from "../../src/memory/internal/doorbell.ts"
import * as Layout from "../../src/memory/internal/layout.ts"

const DOORBELL = 0
const ASLEEP = 32
/** Bells of a region that is played by other words of the same memory. */
const BELLS = [64, 96] as const

const wakeOn =
  (words: Int32Array) =>
  (word: number): void => {
    Atomics.notify(words, word)
  }
const sleepOn =
  (words: Int32Array) =>
  (word: number, value: number): void => {
    Atomics.wait(words, word, value)
  }

const memoryOf = () => ({ region: new SharedArrayBuffer(128 * 4) })
interface Memory {
  readonly region: SharedArrayBuffer
}

/** Moves its bell so often, and the doorbell each time. */
const ringer =
  (bell: number, times: number) =>
  ({ region }: Memory): void => {
    const words = new Int32Array(region)
    for (let i = 0; i < times; i++) {
      Atomics.add(words, bell, 1)
      Doorbell.ring(words, DOORBELL, ASLEEP, wakeOn(words))
    }
  }

/** Watches until its bells stand where they end. */
const watcher =
  (bells: ReadonlyArray<number>, times: number) =>
  ({ region }: Memory): number => {
    const words = new Int32Array(region)
    for (;;) {
      const seen = Doorbell.prepare(words, DOORBELL)
      if (bells.every((bell) => Atomics.load(words, bell) === times)) return times
      Doorbell.sleep(words, DOORBELL, ASLEEP, seen, sleepOn(words))
    }
  }

export const oneRinger = defineModel({
  name: "doorbell: 1 ringer × 2, one watcher that sleeps until it has seen all of it (W2)",
  setup: memoryOf,
  threads: { p: ringer(BELLS[0], 2), watcher: watcher([BELLS[0]], 2) }
})

export const twoRingers = defineModel({
  name: "doorbell: 2 ringers × 2, one watcher, at most 2 preemptions (W2)",
  setup: memoryOf,
  options: { strategy: Strategy.chess({ preemptions: 2 }), maxExecutions: 20_000 },
  threads: { p: ringer(BELLS[0], 2), q: ringer(BELLS[1], 2), watcher: watcher(BELLS, 2) }
})

/** The rows of a control file, as they are when nobody has listed a bell. */
const control = () => ({ region: new SharedArrayBuffer(Layout.BYTES) })

const lister =
  (...bells: ReadonlyArray<number>) =>
  ({ region }: Memory): boolean => {
    const words = new Int32Array(region)
    return bells.map((bell) => Layout.listBell(words, 0, bell)).every((listed) => listed)
  }

export const listing = defineModel({
  name: "bells: 3 threads list two bells each, every one once (W1)",
  setup: control,
  threads: { p: lister(5, 6), q: lister(6, 5), r: lister(7, 5) },
  check: ({ region }, { p, q, r }) => {
    const first = Layout.regionWord(0) + Layout.FIRST_BELL
    const listed = Array.from(new Int32Array(region).subarray(first, first + 4), (word) => word - 1)
    if (!p || !q || !r) throw new Error("wanted all of them listed")
    if (listed.toSorted((a, b) => a - b).join() !== "-1,5,6,7")
      throw new Error(`wanted 5, 6, 7 once, found ${listed.join()}`)
  }
})
