/**
 * What parts of the protocol cost, by leaving them out: sketches of one producer that is never held up, in one thread. They are no
 * rings; nobody could close them.
 */
import { check } from "../harness.ts"

const CAPACITY = 8192
/** A line apart. */
const CLAIM = 32
const CURSOR = 64
const STATE = 96
const STAMPS = 128

export type Form =
  /** Records and a cursor: what a ring that cannot be closed would do. */
  | "cursor"
  /** And the claim word before the records, with a look at closed: the shipped single producer. */
  | "claim"
  /** And a stamp for each record: what many producers do, without their intents. */
  | "stamp per record"
  /** And one stamp for each batch, which also says its length. */
  | "stamp per batch"

/** A word that is 0, and that the compiler does not know to be. */
const isQuiet = (words: Int32Array): boolean => Atomics.load(words, STATE) === 0

const publish = (words: Int32Array, slots: Float64Array, form: Form, next: number, batch: number): void => {
  if (form !== "cursor") {
    Atomics.exchange(words, CLAIM, next + batch)
    check(isQuiet(words), "nobody closes it")
  }
  for (let i = 0; i < batch; i++) slots[(next + i) & (CAPACITY - 1)] = next + i
  if (form === "stamp per record") {
    for (let i = batch - 1; i >= 0; i--) Atomics.store(words, STAMPS + ((next + i) & (CAPACITY - 1)), (next + i) << 2)
  } else if (form === "stamp per batch") {
    // Stamps inside the batch must not be those of an earlier lap; plain, as the head's orders them.
    for (let i = batch - 1; i > 0; i--) words[STAMPS + ((next + i) & (CAPACITY - 1))] = -1
    Atomics.store(words, STAMPS + (next & (CAPACITY - 1)), next << 2)
  } else Atomics.store(words, CURSOR, next + batch)
  check(isQuiet(words), "nobody sleeps")
}

/** Nanoseconds for a record: the lower quartile of many short batches of batches. */
export const price = (form: Form, batch: number): number => {
  const words = new Int32Array(new SharedArrayBuffer((STAMPS + CAPACITY) * 4))
  const slots = new Float64Array(new SharedArrayBuffer(CAPACITY * 8))
  const times: Array<number> = []
  let next = 0
  for (let round = -300; round < 1000; round++) {
    const begin = process.hrtime.bigint()
    for (let i = 0; i < CAPACITY; i += batch) {
      publish(words, slots, form, next, batch)
      next = (next + batch) & 0xfffffff
    }
    if (round >= 0) times.push(Number(process.hrtime.bigint() - begin))
  }
  check(slots[(next - 1) & (CAPACITY - 1)] === next - 1, "the last record is there")
  return times.toSorted((a, b) => a - b)[250]! / CAPACITY
}
