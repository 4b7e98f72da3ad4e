/// <reference lib="esnext.sharedmemory" />
/**
 * Telling another thread that something is there.
 */
import { pair, words } from "./pair.ts"

const FLAG = 0
const DATA = 1
const EPOCH = 2

export const signals = [
  pair("conflating flag cleared after the data was read", "check", (fixed) => ({
    setup: words("flag", "data"),
    threads: {
      producer: (w: Int32Array) => {
        for (const value of [1, 2]) {
          Atomics.store(w, DATA, value)
          Atomics.exchange(w, FLAG, 1)
        }
      },
      consumer: (w: Int32Array) => {
        let seen = 0
        for (let turn = 0; turn < 2; turn++) {
          if (Atomics.load(w, FLAG) === 0) continue
          if (fixed) Atomics.exchange(w, FLAG, 0)
          seen = Atomics.load(w, DATA)
          if (!fixed) Atomics.store(w, FLAG, 0)
        }
        return seen
      }
    },
    // Either the flag is up, or the last value has been seen.
    check: (w: Int32Array, { consumer }) => w[FLAG] === 1 || consumer === 2
  })),

  pair("conflating flag cleared by a plain store", "data-race", (fixed) => ({
    setup: words("flag", "data"),
    threads: {
      producer: (w: Int32Array) => {
        Atomics.store(w, DATA, 1)
        Atomics.exchange(w, FLAG, 1)
      },
      consumer: (w: Int32Array) => {
        if (fixed) Atomics.exchange(w, FLAG, 0)
        else w[FLAG] = 0
        return Atomics.load(w, DATA)
      }
    }
  })),

  pair("sleep on an epoch read after the poll", "deadlock", (fixed) => ({
    setup: words("flag", "data", "epoch"),
    threads: {
      producer: (w: Int32Array) => {
        Atomics.store(w, FLAG, 1)
        Atomics.add(w, EPOCH, 1)
        Atomics.notify(w, EPOCH)
      },
      consumer: (w: Int32Array) => {
        for (;;) {
          const before = Atomics.load(w, EPOCH)
          if (Atomics.exchange(w, FLAG, 0) === 1) return
          Atomics.wait(w, EPOCH, fixed ? before : Atomics.load(w, EPOCH))
        }
      }
    }
  })),

  pair("wake first, then say why", "deadlock", (fixed) => ({
    setup: words("flag"),
    threads: {
      producer: (w: Int32Array) => {
        if (!fixed) Atomics.notify(w, FLAG)
        Atomics.store(w, FLAG, 1)
        if (fixed) Atomics.notify(w, FLAG)
      },
      consumer: (w: Int32Array) => {
        while (Atomics.load(w, FLAG) === 0) Atomics.wait(w, FLAG, 0)
      }
    }
  })),

  pair("wake one of two who wait for different things", "deadlock", (fixed) => ({
    setup: words("stage"),
    threads: {
      first: (w: Int32Array) => {
        for (let stage = 0; stage !== 1; stage = Atomics.load(w, 0)) Atomics.wait(w, 0, stage)
        Atomics.store(w, 0, 2)
        Atomics.notify(w, 0, fixed ? Infinity : 1)
      },
      second: (w: Int32Array) => {
        for (let stage = 0; stage !== 2; stage = Atomics.load(w, 0)) Atomics.wait(w, 0, stage)
      },
      starter: (w: Int32Array) => {
        Atomics.store(w, 0, 1)
        Atomics.notify(w, 0, fixed ? Infinity : 1)
      }
    }
  })),

  pair("woken, so there must be something (if for while)", "invariant", (fixed) => ({
    setup: words("items"),
    threads: {
      a: (w: Int32Array) => consume(w, fixed),
      b: (w: Int32Array) => consume(w, fixed),
      producer: (w: Int32Array) => {
        for (let i = 0; i < 2; i++) {
          Atomics.add(w, 0, 1)
          Atomics.notify(w, 0)
        }
      }
    },
    invariant: (w: Int32Array) => (w[0] ?? 0) >= 0
  })),

  pair("timed out, so the token was not given", "check", (fixed) => ({
    setup: words("token"),
    threads: {
      giver: (w: Int32Array) => {
        if (Atomics.compareExchange(w, FLAG, 0, 1) === 0) Atomics.notify(w, FLAG, 1)
      },
      taker: (w: Int32Array) => {
        const timedOut = Atomics.wait(w, FLAG, 0, 100) === "timed-out"
        if (timedOut && !fixed) return "gave up"
        return Atomics.exchange(w, FLAG, 0) === 1
          ? "took it"
          : Atomics.compareExchange(w, FLAG, 0, -1) === 0
            ? "gave up"
            : "took it"
      }
    },
    // Nobody will look again: a token left behind by someone who gave up is lost, unless it has said so.
    check: (w: Int32Array, { taker }) => taker === "took it" || w[FLAG] === -1
  })),

  pair("a full queue leaves the flag up", "check", (fixed) => ({
    setup: (m) => {
      const w = words("flag0", "flag1", "queue")(m)
      return w
    },
    threads: {
      a: (w: Int32Array) => announce(w, 0, fixed),
      b: (w: Int32Array) => announce(w, 1, fixed)
    },
    // A flag that is up promises that its token is queued.
    check: (w: Int32Array) => [0, 1].every((token) => w[token] === 0 || w[2] === token + 1)
  }))
]

const consume = (w: Int32Array, fixed: boolean): void => {
  for (;;) {
    const items = Atomics.load(w, 0)
    if (items > 0 && Atomics.compareExchange(w, 0, items, items - 1) === items) return
    if (items > 0) continue
    Atomics.wait(w, 0, 0)
    if (fixed) continue
    Atomics.sub(w, 0, 1)
    return
  }
}

/** A queue of one place. */
const announce = (w: Int32Array, token: number, fixed: boolean): void => {
  if (Atomics.exchange(w, token, 1) === 1) return
  if (Atomics.compareExchange(w, 2, 0, token + 1) === 0) return
  if (fixed) Atomics.store(w, token, 0)
}
