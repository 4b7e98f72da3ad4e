/// <reference lib="esnext.sharedmemory" />
/**
 * Mutual exclusion. What a lock protects is counted with plain accesses, so that
 * two threads inside at once are a data race.
 */
import { pair, words } from "./pair.ts"

const enter = (w: Int32Array, cell: number): void => {
  w[cell] = (w[cell] ?? 0) + 1
}

/** Both threads do the same, told which they are. */
const both = (body: (w: Int32Array, me: number) => void) => ({
  a: (w: Int32Array) => body(w, 0),
  b: (w: Int32Array) => body(w, 1)
})

const counted = (cell: number) => (w: Int32Array) => w[cell] === 2

const UNLOCKED = 0
const LOCKED = 1
const CONTENDED = 2

/** Drepper's second mutex; without `CONTENDED` the unlocker does not know that somebody sleeps. */
const lock = (w: Int32Array, cell: number, fixed: boolean): void => {
  if (Atomics.compareExchange(w, cell, UNLOCKED, LOCKED) === UNLOCKED) return
  while (Atomics.exchange(w, cell, fixed ? CONTENDED : LOCKED) !== UNLOCKED) {
    Atomics.wait(w, cell, fixed ? CONTENDED : LOCKED)
  }
}
const unlock = (w: Int32Array, cell: number): void => {
  if (Atomics.exchange(w, cell, UNLOCKED) === CONTENDED) Atomics.notify(w, cell, 1)
}

export const locks = [
  pair("Peterson's lock with plain reads", "data-race", (fixed) => ({
    setup: words("flag0", "flag1", "turn", "count"),
    threads: both((w, me) => {
      const read = (cell: number) => (fixed ? Atomics.load(w, cell) : (w[cell] ?? 0))
      Atomics.store(w, me, 1)
      Atomics.store(w, 2, 1 - me)
      while (read(1 - me) === 1 && read(2) === 1 - me) Atomics.pause()
      enter(w, 3)
      Atomics.store(w, me, 0)
    }),
    check: counted(3)
  })),

  pair("Peterson's lock: the turn given away before the flag is up", "data-race", (fixed) => ({
    setup: words("flag0", "flag1", "turn", "count"),
    threads: both((w, me) => {
      if (!fixed) Atomics.store(w, 2, 1 - me)
      Atomics.store(w, me, 1)
      if (fixed) Atomics.store(w, 2, 1 - me)
      while (Atomics.load(w, 1 - me) === 1 && Atomics.load(w, 2) === 1 - me) Atomics.pause()
      enter(w, 3)
      Atomics.store(w, me, 0)
    }),
    check: counted(3)
  })),

  pair("Dekker's lock: look at the other's flag, then raise the own", "data-race", (fixed) => ({
    setup: words("flag0", "flag1", "turn", "count"),
    threads: both((w, me) => {
      if (!fixed) {
        while (Atomics.load(w, 1 - me) === 1) Atomics.pause()
        Atomics.store(w, me, 1)
      } else {
        Atomics.store(w, me, 1)
        while (Atomics.load(w, 1 - me) === 1) {
          if (Atomics.load(w, 2) === me) continue
          Atomics.store(w, me, 0)
          while (Atomics.load(w, 2) !== me) Atomics.pause()
          Atomics.store(w, me, 1)
        }
      }
      enter(w, 3)
      Atomics.store(w, 2, 1 - me)
      Atomics.store(w, me, 0)
    }),
    check: counted(3)
  })),

  pair("ticket lock, off by one", "data-race", (fixed) => ({
    setup: words("next", "serving", "count"),
    threads: both((w) => {
      const ticket = Atomics.add(w, 0, 1)
      while (Atomics.load(w, 1) < (fixed ? ticket : ticket - 1)) Atomics.pause()
      enter(w, 2)
      Atomics.add(w, 1, 1)
    }),
    check: counted(2)
  })),

  pair("spin lock given back by a plain store", "data-race", (fixed) => ({
    setup: words("lock", "count"),
    threads: both((w) => {
      while (Atomics.compareExchange(w, 0, 0, 1) !== 0) Atomics.pause()
      enter(w, 1)
      if (fixed) Atomics.store(w, 0, 0)
      else w[0] = 0
    }),
    check: counted(1)
  })),

  pair("sleeping mutex that forgets who sleeps", "deadlock", (fixed) => ({
    setup: words("lock", "count"),
    threads: both((w) => {
      lock(w, 0, fixed)
      enter(w, 1)
      unlock(w, 0)
    }),
    check: counted(1)
  })),

  pair("two locks taken in opposite orders", "deadlock", (fixed) => ({
    setup: words("lock0", "lock1", "count"),
    threads: both((w, me) => {
      const first = fixed ? 0 : me
      lock(w, first, true)
      lock(w, 1 - first, true)
      enter(w, 2)
      unlock(w, 1 - first)
      unlock(w, first)
    }),
    check: counted(2)
  })),

  pair("spin lock whose holder leaves without giving it back", "livelock", (fixed) => ({
    setup: words("lock", "stop"),
    threads: both((w) => {
      while (Atomics.exchange(w, 0, 1) === 1);
      if (Atomics.exchange(w, 1, 1) === 0 && !fixed) return
      Atomics.store(w, 0, 0)
    })
  })),

  pair("semaphore: look at the count, then take one", "invariant", (fixed) => ({
    setup: (m) => {
      const w = words("free")(m)
      w[0] = 1
      return w
    },
    threads: both((w) => {
      const free = Atomics.load(w, 0)
      if (free === 0) return
      if (fixed) Atomics.compareExchange(w, 0, free, free - 1)
      else Atomics.sub(w, 0, 1)
    }),
    invariant: (w: Int32Array) => Atomics.load(w, 0) >= 0
  })),

  pair("barrier used again before everybody has left it", "deadlock", (fixed) => ({
    setup: words("arrived", "generation"),
    threads: both((w) => {
      for (let round = 0; round < 2; round++) {
        const generation = Atomics.load(w, 1)
        if (Atomics.add(w, 0, 1) === 1) {
          Atomics.store(w, 0, 0)
          Atomics.store(w, 1, generation + 1)
          Atomics.notify(w, 1)
        } else if (fixed) {
          while (Atomics.load(w, 1) === generation) Atomics.wait(w, 1, generation)
        } else {
          while (Atomics.load(w, 0) !== 0) Atomics.wait(w, 1, Atomics.load(w, 1))
        }
      }
    })
  }))
]
