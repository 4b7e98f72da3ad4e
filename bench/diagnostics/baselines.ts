/**
 * The same jobs without ours. `linearScan` is how registries of this kind do it: look for a free slot from the first one on, by
 * compare-and-exchange of its id, and look for the id again to give it back. It has the start time written once the slot is taken, not before,
 * so it is the corrected form.
 */
import { check, perOperation, startWatch } from "../harness.ts"
import { fill, pairsPerSecond, type Table } from "./shared.ts"

/** Cells of 64 bits: the id, and behind all of them the times. */
const linear = (capacity: number, filled: number): Table<number> => {
  const ids = new Int32Array(new SharedArrayBuffer(capacity * 4))
  const times = new Int32Array(new SharedArrayBuffer(capacity * 4))
  // As registering one after the other would leave it, in less than its time.
  for (let slot = 0; slot < filled; slot++) ids[slot] = slot + 1
  return {
    register: (id) => {
      for (let slot = 0; slot < capacity; slot++) {
        if (Atomics.compareExchange(ids, slot, 0, id) === 0) {
          Atomics.store(times, slot, 1_000_000 + id)
          return id
        }
      }
      return undefined
    },
    unregister: (id) => {
      for (let slot = 0; slot < capacity; slot++) {
        if (Atomics.load(ids, slot) === id) return Atomics.compareExchange(ids, slot, id, 0) === id
      }
      return false
    }
  }
}

/** Free slots gather behind the others, where every search ends; they are there from the beginning. */
export const linearScan = (capacity: number): number => {
  const filled = Math.floor(capacity * 0.9)
  const live = Array.from({ length: filled }, (_, i) => i + 1)
  return pairsPerSecond(linear(capacity, filled), live, Math.ceil(60_000_000 / capacity), () => startWatch("cpu"))
}

export const scanWhenFull = (capacity: number): Promise<number> => {
  const table = linear(capacity, capacity)
  return perOperation({
    operations: 1000,
    watch: "cpu",
    batch: () => {
      for (let i = 0; i < 1000; i++) check(table.register(1) === undefined, "a full table takes none")
    }
  })
}

export const mapSnapshot = async (capacity: number): Promise<number> => {
  const strands = new Map<number, { readonly id: number; readonly name: string; readonly start: number }>()
  const live = fill(
    {
      register: (id) => {
        strands.set(id, { id, name: "request", start: id })
        return id
      },
      unregister: (id: number) => strands.delete(id)
    },
    capacity
  )
  const nanos = await perOperation({
    operations: 100,
    watch: "cpu",
    batch: () => {
      for (let i = 0; i < 100; i++)
        check(Array.from(strands.values(), (one) => ({ ...one })).length === live.length, "all")
    }
  })
  return nanos / 1000
}

export const atomicAdd = (): Promise<number> => {
  const words = new Int32Array(new SharedArrayBuffer(4))
  return perOperation({
    operations: 1_000_000,
    watch: "cpu",
    batch: () => {
      for (let i = 0; i < 1_000_000; i++) Atomics.add(words, 0, 1)
    }
  })
}
