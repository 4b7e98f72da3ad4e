/**
 * Models of errands: threads that make no native calls ring doorbells by way of their process's ringer. They import the shipped files; the kernel's
 * futex is played by `Atomics.wait` and `Atomics.notify`, without the slice that ends a real sleep: a wake-up that is lost is a
 * deadlock here. The invariants they name stand in docs/mapped-memory.md.
 */
import { defineModel, Strategy } from "@selvedge/testing/model"
import * as Doorbell from "../../src/memory/internal/doorbell.ts"
import * as Errands from "../../src/memory/internal/errands.ts"

/** Rows of participants, in different words of bits. */
const ROWS = [1, 33] as const
/** Of a watcher's words: the thing it watches, and its doorbell. */
const THING = 0
const DOORBELL = 32
const ASLEEP = 64
const WORDS_OF_WATCHER = 96

interface Memory {
  readonly errands: SharedArrayBuffer
  readonly watchers: ReadonlyArray<SharedArrayBuffer>
}

const memoryOf = (watchers: number) => (): Memory => ({
  errands: new SharedArrayBuffer(Errands.BYTES),
  watchers: Array.from({ length: watchers }, () => new SharedArrayBuffer(WORDS_OF_WATCHER * 4))
})

const rowOf = (at: number): number => ROWS[at] ?? 0

/** A thread without native calls: makes each watcher's thing true, and rings. */
const asker =
  (...at: ReadonlyArray<number>) =>
  ({ errands, watchers }: Memory): void => {
    const words = new Int32Array(errands)
    for (const which of at) {
      const theirs = new Int32Array(watchers[which]!)
      Atomics.add(theirs, THING, 1)
      Doorbell.ring(theirs, DOORBELL, ASLEEP, () => Errands.ask(words, rowOf(which)))
    }
  }

/** The thread that makes the native calls for them. */
const ringer = {
  daemon: true,
  run: ({ errands, watchers }: Memory): void => {
    const words = new Int32Array(errands)
    const wake = (row: number): void => {
      const memory = watchers[ROWS.findIndex((one) => one === row)]
      if (memory === undefined) throw new Error(`wanted a row that was asked for, found ${row}`)
      Atomics.notify(new Int32Array(memory), DOORBELL)
    }
    while (Errands.turn(words, wake)) continue
  }
}

/** Of another process: sleeps until its thing was made true so often. */
const watcher =
  (which: number, times: number) =>
  ({ watchers }: Memory): number => {
    const words = new Int32Array(watchers[which]!)
    for (;;) {
      const seen = Doorbell.prepare(words, DOORBELL)
      if (Atomics.load(words, THING) === times) return times
      Doorbell.sleep(words, DOORBELL, ASLEEP, seen, (word, value) => Atomics.wait(words, word, value))
    }
  }

export const oneAsker = defineModel({
  name: "errands: 1 thread rings twice by the ringer, one watcher of another process (W2, W7)",
  setup: memoryOf(1),
  threads: { p: asker(0, 0), ringer, watcher: watcher(0, 2) }
})

export const twoWatchers = defineModel({
  name: "errands: 2 threads ring two watchers by one ringer, at most 2 preemptions (W2, W7)",
  setup: memoryOf(2),
  options: { strategy: Strategy.chess({ preemptions: 2 }), maxExecutions: 10_000 },
  threads: { p: asker(0, 1), q: asker(1), ringer, a: watcher(0, 1), b: watcher(1, 2) }
})

export const over = defineModel({
  name: "errands: the ringer ends when it is told to, with an errand beside (W7)",
  setup: memoryOf(1),
  threads: {
    p: asker(0),
    ringer: ringer.run,
    watcher: watcher(0, 1),
    owner: {
      after: "watcher",
      run: ({ errands }: Memory): void => Errands.end(new Int32Array(errands))
    }
  }
})
