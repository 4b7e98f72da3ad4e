/// <reference lib="esnext.sharedmemory" />
/**
 * Stacks, rings and tables without locks.
 */
import { linearizable, op } from "@selvedge/testing/model"
import { pair, words } from "./pair.ts"

const HEAD = 0
/** `next` of node n is at NEXT + n; node 0 is "none". */
const NEXT = 1

/** Node in the low half, a counter of changes in the high half, if the stack has one. */
const node = (head: number): number => head & 0xffff

const popFrom = (w: Int32Array, tagged: boolean): number => {
  for (;;) {
    const head = Atomics.load(w, HEAD)
    if (node(head) === 0) return 0
    const next = Atomics.load(w, NEXT + node(head))
    const tag = tagged ? ((head >> 16) + 1) << 16 : 0
    if (Atomics.compareExchange(w, HEAD, head, tag | next) === head) return node(head)
  }
}
const pushTo = (w: Int32Array, n: number, tagged: boolean): void => {
  for (;;) {
    const head = Atomics.load(w, HEAD)
    Atomics.store(w, NEXT + n, node(head))
    const tag = tagged ? ((head >> 16) + 1) << 16 : 0
    if (Atomics.compareExchange(w, HEAD, head, tag | n) === head) return
  }
}

const nodesOf = (w: Int32Array): ReadonlyArray<number> => {
  const nodes: Array<number> = []
  for (let n = node(w[HEAD] ?? 0); n !== 0 && nodes.length < 5; n = w[NEXT + n] ?? 0) nodes.push(n)
  return nodes
}

const CAPACITY = 2
const PUBLISHED = 0
const TAKEN = 1
const CLAIM = 2
const SLOTS = 3
const STAMPS = 5

export const structures = [
  pair("Treiber's stack with nodes used again (ABA)", "check", (fixed) => ({
    setup: (m) => {
      const w = words("head", "next0", "next1", "next2", "next3")(m)
      w.set([1, 0, 2, 3, 0])
      return w
    },
    threads: {
      slow: (w: Int32Array) => popFrom(w, fixed),
      busy: (w: Int32Array) => {
        const first = popFrom(w, fixed)
        const second = popFrom(w, fixed)
        if (first !== 0) pushTo(w, first, fixed)
        return second
      }
    },
    // Every node is in one place: on the stack, or with one of the threads.
    check: (w: Int32Array, { busy, slow }) => {
      const all = [...nodesOf(w), slow ?? 0, busy ?? 0].filter((n) => n !== 0)
      return all.length === 3 && new Set(all).size === 3
    }
  })),

  pair("ring: the reader moves its cursor before it reads", "data-race", (fixed) => ({
    setup: words("published", "taken", "claim", "slot0", "slot1"),
    threads: {
      producer: (w: Int32Array) => {
        for (let i = 0; i < 4; i++) {
          while (i - Atomics.load(w, TAKEN) >= CAPACITY) Atomics.pause()
          w[SLOTS + (i % CAPACITY)] = i + 1
          Atomics.store(w, PUBLISHED, i + 1)
        }
      },
      consumer: (w: Int32Array) => {
        const seen: Array<number | undefined> = []
        for (let i = 0; i < 4; i++) {
          while (Atomics.load(w, PUBLISHED) <= i) Atomics.pause()
          if (!fixed) Atomics.store(w, TAKEN, i + 1)
          seen.push(w[SLOTS + (i % CAPACITY)])
          if (fixed) Atomics.store(w, TAKEN, i + 1)
        }
        return seen
      }
    },
    check: (_: Int32Array, { consumer }) => String(consumer) === "1,2,3,4"
  })),

  pair("ring: two producers, one published cursor", "check", (fixed) => {
    const produce = (w: Int32Array): void => {
      const sequence = Atomics.add(w, CLAIM, 1)
      Atomics.store(w, SLOTS + sequence, 9)
      if (fixed) Atomics.store(w, STAMPS + sequence, 1)
      else Atomics.add(w, PUBLISHED, 1)
    }
    return {
      setup: words("published", "taken", "claim", "slot0", "slot1", "stamp0", "stamp1"),
      threads: {
        a: produce,
        b: produce,
        consumer: (w: Int32Array) => {
          const there = fixed ? Atomics.load(w, STAMPS) === 1 : Atomics.load(w, PUBLISHED) > 0
          return there ? Atomics.load(w, SLOTS) : 9
        }
      },
      check: (_: Int32Array, { consumer }) => consumer === 9
    }
  }),

  pair("ring: a reader joins where the writer no longer looks", "check", (fixed) => ({
    setup: (m) => {
      const w = words("published", "cursor", "claim", "slot0", "slot1", "value")(m)
      w[1] = -1
      return w
    },
    threads: {
      producer: (w: Int32Array) => {
        for (let i = 0; i < 3; i++) {
          Atomics.store(w, CLAIM, i + 1)
          const cursor = Atomics.load(w, 1)
          if (cursor >= 0 && i - cursor >= CAPACITY) return
          Atomics.store(w, SLOTS + (i % CAPACITY), i + 1)
          Atomics.store(w, PUBLISHED, i + 1)
        }
      },
      joiner: (w: Int32Array) => {
        let at = Atomics.load(w, fixed ? CLAIM : PUBLISHED)
        Atomics.store(w, 1, at)
        if (fixed) {
          for (let again = Atomics.load(w, CLAIM); again !== at; again = Atomics.load(w, CLAIM)) {
            at = again
            Atomics.store(w, 1, at)
          }
        }
        const published = Atomics.load(w, PUBLISHED)
        if (published <= at) return "nothing yet"
        // The oldest record it may read is the one at its cursor: it must still be there.
        return Atomics.load(w, SLOTS + (at % CAPACITY)) === at + 1 ? "right" : "overwritten"
      }
    },
    check: (_: Int32Array, { joiner }) => joiner !== "overwritten"
  })),

  pair("table: look for a free slot, then take it", "check", (fixed) => {
    const register = (id: number) => (w: Int32Array) => {
      for (let slot = 0; slot < 2; slot++) {
        if (fixed) {
          if (Atomics.compareExchange(w, slot, 0, id) === 0) return slot
        } else if (Atomics.load(w, slot) === 0) {
          Atomics.store(w, slot, id)
          return slot
        }
      }
      return -1
    }
    return {
      setup: words("slot0", "slot1"),
      threads: { a: register(1), b: register(2) },
      check: (_: Int32Array, { a, b }) => a !== b
    }
  }),

  pair("table: the start time written before the slot is owned", "check", (fixed) => {
    const register = (id: number) => (w: Int32Array) => {
      for (let slot = 0; slot < 2; slot++) {
        if (!fixed) Atomics.store(w, 2 + slot, id * 10)
        if (Atomics.compareExchange(w, slot, 0, fixed ? -1 : id) !== 0) continue
        if (fixed) {
          Atomics.store(w, 2 + slot, id * 10)
          Atomics.store(w, slot, id)
        }
        return
      }
    }
    return {
      setup: words("id0", "id1", "time0", "time1"),
      threads: { a: register(1), b: register(2) },
      check: (w: Int32Array) => [0, 1].every((slot) => w[2 + slot] === (w[slot] ?? 0) * 10)
    }
  }),

  pair("table: the slot freed before its time is cleared", "check", (fixed) => ({
    setup: (m) => {
      const w = words("id", "time")(m)
      w.set([1, 10])
      return w
    },
    threads: {
      leaver: (w: Int32Array) => {
        if (fixed) Atomics.store(w, 1, 0)
        Atomics.store(w, 0, 0)
        if (!fixed) Atomics.store(w, 1, 0)
      },
      comer: (w: Int32Array) => {
        if (Atomics.compareExchange(w, 0, 0, -1) !== 0) return
        Atomics.store(w, 1, 20)
        Atomics.store(w, 0, 2)
      }
    },
    check: (w: Int32Array) => w[1] === (w[0] ?? 0) * 10
  })),

  pair("table: a snapshot that mixes two owners", "check", (fixed) => ({
    setup: (m) => {
      const w = words("state", "time")(m)
      w.set([1, 10])
      return w
    },
    threads: {
      owners: (w: Int32Array) => {
        Atomics.store(w, 0, 0)
        Atomics.store(w, 1, 20)
        Atomics.store(w, 0, 2)
      },
      viewer: (w: Int32Array) => {
        const state = Atomics.load(w, 0)
        const time = Atomics.load(w, 1)
        if (state === 0 || (fixed && Atomics.load(w, 0) !== state)) return undefined
        return [state, time]
      }
    },
    check: (_: Int32Array, { viewer }) => !Array.isArray(viewer) || viewer[1] === viewer[0] * 10
  })),

  pair("join: wait until nobody is left, then close", "check", (fixed) => ({
    // One word: the number of live tasks, and CLOSED.
    setup: words("tasks", "started"),
    threads: {
      spawner: (w: Int32Array) => {
        for (;;) {
          const tasks = Atomics.load(w, 0)
          if ((tasks & 64) !== 0) return
          if (Atomics.compareExchange(w, 0, tasks, tasks + 1) === tasks) break
        }
        Atomics.store(w, 1, 1)
        Atomics.sub(w, 0, 1)
      },
      joiner: (w: Int32Array) => {
        if (fixed) Atomics.or(w, 0, 64)
        while ((Atomics.load(w, 0) & 63) !== 0) Atomics.pause()
        const started = Atomics.load(w, 1)
        if (!fixed) Atomics.or(w, 0, 64)
        return started
      }
    },
    // What started has been joined, so the joiner knows of it.
    check: (w: Int32Array, { joiner }) => w[1] === joiner
  })),

  pair("a claim that dies before it publishes", "livelock", (fixed) => ({
    setup: words("claim", "slot0", "slot1"),
    threads: {
      first: (w: Int32Array) => put(w, 1, fixed),
      second: (w: Int32Array) => put(w, 2, fixed),
      reader: {
        after: "second",
        run: (w: Int32Array) => {
          // It needs the oldest record to go on.
          while (Atomics.load(w, 1) === 0) Atomics.pause()
          return Atomics.load(w, 1)
        }
      }
    },
    options: { crash: { threads: ["first"] } }
  })),

  pair("counter that is read and written back", "check", (fixed) => {
    const add = (w: Int32Array) =>
      op("add", undefined, () => {
        if (fixed) return Atomics.add(w, 0, 1)
        const old = Atomics.load(w, 0)
        Atomics.store(w, 0, old + 1)
        return old
      })
    const twice = (w: Int32Array) => [add(w), add(w)]
    return {
      setup: words("count"),
      threads: { a: twice, b: twice },
      check: (_: Int32Array, __: unknown, { history }) =>
        linearizable(history, { initial: 0, apply: (n: number) => [n + 1, n] as const })
    }
  })
]

/** A place is claimed and then filled; or claimed and filled by one compare-and-exchange. */
const put = (w: Int32Array, value: number, fixed: boolean): void => {
  if (fixed) {
    for (let at = 0; at < 2; at++) if (Atomics.compareExchange(w, 1 + at, 0, value) === 0) return
    return
  }
  const at = Atomics.add(w, 0, 1)
  Atomics.store(w, 1 + at, value)
}
