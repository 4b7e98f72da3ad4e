/**
 * Models of the shared slots and of the generations of a token pool.
 */
import { defineModel } from "@selvedge/testing/model"
import * as Generations from "../../src/notifier/internal/generations.ts"
import * as Slot from "../../src/notifier/internal/slot.ts"
import * as TokenQueue from "../../src/notifier/internal/tokenQueue.ts"
import { fail, make, type Memory } from "./support/notifiers.ts"

/** Two words that always hold the same number, in a slot that begins just before the wrap of its sequence. */
const WORDS = 2
const BEFORE_WRAP = -4

const slotOf = (region: SharedArrayBuffer): Slot.Slot => ({ words: new Int32Array(region), payloadWords: WORDS })

const makeSlot = (sequence = BEFORE_WRAP): SharedArrayBuffer => {
  const region = new SharedArrayBuffer(4 * (Slot.BEFORE_COPIES + 2 * WORDS))
  new Int32Array(region)[0] = sequence
  return region
}

const writer =
  (values: ReadonlyArray<number>) =>
  (region: SharedArrayBuffer): ReadonlyArray<boolean> => {
    const slot = slotOf(region)
    return values.map((value) => Slot.write(slot, 0, Int32Array.of(value, value)))
  }

const readOnce = (slot: Slot.Slot): number => {
  const to = new Int32Array(WORDS)
  if (!Slot.read(slot, 0, to)) return -1
  if (to[0] !== to[1]) fail(`half of ${to[0]} and half of ${to[1]}`)
  return to[0]!
}

const reader =
  (times: number) =>
  (region: SharedArrayBuffer): ReadonlyArray<number> => {
    const slot = slotOf(region)
    return Array.from({ length: times }, () => readOnce(slot))
  }

const neverBack = (seen: ReadonlyArray<number> | undefined): void => {
  seen?.forEach((value, i) => {
    if (i > 0 && value < seen[i - 1]!) fail(`read ${seen.join()}: an older value after a newer one`)
  })
}

export const slot = defineModel({
  name: "slot: 3 writes beside 2 reads, over the wrap of the sequence",
  setup: () => makeSlot(),
  threads: { writer: writer([1, 2, 3]), reader: reader(2) },
  check: (region, { reader, writer }) => {
    neverBack(reader)
    if (writer?.includes(false) === true) fail("a lone writer was refused")
    if (readOnce(slotOf(region)) !== 3) fail("the last value was lost")
  }
})

export const slotNeverWritten = defineModel({
  name: "slot: 2 first writes beside 2 reads",
  setup: () => makeSlot(0),
  threads: { writer: writer([1, 2]), reader: reader(2) },
  check: (_, { reader }) => neverBack(reader)
})

export const slotTwoWriters = defineModel({
  name: "slot: 2 writers × 2 beside 1 read",
  setup: () => makeSlot(2),
  threads: { a: writer([1, 3]), b: writer([2, 4]), reader: reader(1) },
  check: (region, { a, b }) => {
    if (a?.[0] !== true && b?.[0] !== true) fail("both were refused")
    const value = readOnce(slotOf(region))
    const written = [
      ...(a ?? []).map((ok, i) => (ok ? [1, 3][i] : 0)),
      ...(b ?? []).map((ok, i) => (ok ? [2, 4][i] : 0))
    ]
    if (!written.includes(value)) fail(`${value} was never said to be written`)
  }
})

const deathOfWriter = (name: string, sequence: number) =>
  defineModel({
    name,
    setup: () => {
      const region = makeSlot(sequence)
      writer([1])(region)
      return region
    },
    options: { crash: { threads: ["writer"] } },
    threads: { writer: writer([2, 3]), reader: reader(2), next: { after: "writer", run: afterDeath } },
    check: (region, { next, reader }) => {
      neverBack(reader)
      if (reader === undefined) fail("the reader was held up")
      if (next?.[0] !== true || readOnce(slotOf(region)) !== 9) fail("the next writer was refused")
    }
  })

export const slotDeath = deathOfWriter("slot: a writer dies at any step beside 2 reads", 2)
export const slotDeathWrap = deathOfWriter("slot: a writer dies at any step beside 2 reads, over the wrap", BEFORE_WRAP)
/** The version after next is past the wrap. */
export const slotDeathMended = deathOfWriter(
  "slot: a writer dies at any step beside 2 reads, mended over the wrap",
  BEFORE_WRAP - 2
)

export const slotFirstDeath = defineModel({
  name: "slot: the first writer dies at any step beside a read",
  setup: () => makeSlot(0),
  options: { crash: { threads: ["writer"] } },
  threads: {
    writer: writer([1]),
    recovery: { after: "writer", run: (region: SharedArrayBuffer) => Slot.recover(slotOf(region), 0) },
    reader: reader(2)
  },
  check: (region, { reader }, { crashed }) => {
    neverBack(reader)
    const value = readOnce(slotOf(region))
    if (value !== 1 && (value !== -1 || crashed.length === 0)) fail(`read ${value}`)
  }
})

function afterDeath(region: SharedArrayBuffer): ReadonlyArray<boolean> {
  Slot.recover(slotOf(region), 0)
  return writer([9])(region)
}

/** One word of the pool beside the queue. */
interface Pool extends Memory {
  readonly marks: SharedArrayBuffer
}

const makePool = (generation: number): Pool => {
  const marks = new SharedArrayBuffer(4)
  new Int32Array(marks)[0] = generation << 1
  return { ...make(1), marks }
}

/** Writes news and notifies with a lease, as `TokenPool.notifyUnsafe` does. */
const say = ({ layout, marks, news, region }: Pool, own: number, value: number, generation: number): boolean => {
  Atomics.store(new Int32Array(news), own, value)
  if (!Generations.mark(new Int32Array(marks), 0, generation)) return false
  TokenQueue.notify(TokenQueue.attach(region, layout), 0)
  return true
}

const FORMER = Generations.MAX_GENERATION
const PRESENT = Generations.next(FORMER)

/** Polls, and keeps what `TokenPool.keepCurrent` would; says which owner's notifications they were. */
const owners = (pool: Pool, polls: number): ReadonlyArray<{ readonly retired: boolean; readonly news: number }> => {
  const poller = TokenQueue.attachPoller(TokenQueue.attach(pool.region, pool.layout))!
  const data = new Int32Array(pool.news)
  const out = new Int32Array(1)
  const kept: Array<{ readonly retired: boolean; readonly news: number }> = []
  for (let i = 0; i < polls; i++) {
    const retired = Atomics.load(data, 2) === 1
    if (TokenQueue.poll(poller, out, 1) === 1 && Generations.take(new Int32Array(pool.marks), 0)) {
      kept.push({ retired, news: Atomics.load(data, 1) })
    }
  }
  TokenQueue.detachPoller(poller)
  return kept
}

export const formerOwner = defineModel({
  name: "pool: a former owner's late notifications, the next owner's, and 2 polls",
  setup: () => makePool(FORMER),
  threads: {
    former: (pool: Pool) => [say(pool, 0, 1, FORMER), say(pool, 0, 2, FORMER)],
    owner: (pool: Pool) => {
      Generations.retire(new Int32Array(pool.marks), 0, FORMER)
      Atomics.store(new Int32Array(pool.news), 2, 1)
      return say(pool, 1, 1, PRESENT)
    },
    poller: (pool: Pool) => owners(pool, 2)
  },
  check: (pool, { owner, poller }) => {
    if (owner !== true) fail("the present owner was refused")
    const all = [...(poller ?? []), ...owners(pool, 4)]
    // Woken after the generation had changed: only by who has the present one, whose news are then there.
    for (const { news, retired } of all) if (retired && news !== 1) fail("woken by a former owner")
    if (!all.some(({ news }) => news === 1)) fail("the present owner's notification was lost")
    if (all.filter(({ retired }) => retired).length > 1) fail("one notification was handed out twice")
  }
})

export const poolDeath = defineModel({
  name: "pool: who notifies dies at any step beside another, then a recovery",
  setup: () => makePool(0),
  options: { crash: { threads: ["p"] } },
  threads: {
    p: (pool: Pool) => say(pool, 0, 1, 0),
    q: (pool: Pool) => [say(pool, 1, 1, 0), say(pool, 1, 1, 0)],
    recovery: {
      after: "p",
      run: (pool: Pool) => {
        const queue = TokenQueue.attach(pool.region, pool.layout)
        if (Generations.isMarked(new Int32Array(pool.marks), 0)) TokenQueue.notify(queue, 0)
        TokenQueue.recover(queue)
      }
    },
    poller: (pool: Pool) => owners(pool, 1)
  },
  check: (pool, { poller }) => {
    const all = [...(poller ?? []), ...owners(pool, 6)]
    if (!all.some(({ news }) => news === 1)) fail("a notification of who lives was lost")
    if (Generations.isMarked(new Int32Array(pool.marks), 0)) fail("a mark is left that nobody will be told of")
  }
})
