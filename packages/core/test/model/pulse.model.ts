/**
 * Models of a pulse: a worker that beats and gets on beside a supervisor that looks, two lives that are given one line, and a worker
 * that dies at any step.
 */
import { defineModel } from "@selvedge/testing/model"
import * as Pulse from "../../src/workers/internal/pulse.ts"

const fail = (message: string): never => {
  throw new Error(message)
}

const KIB = 1024
const LIFE = 7

/** The count begins so that the word ends within the model. */
const BEGIN = 2 ** 32 - 1

const make = (): SharedArrayBuffer => {
  const memory = new SharedArrayBuffer(Pulse.BYTES)
  Pulse.wordsOf(memory)[1] = BEGIN
  return memory
}

/** Beats so often, with 1, 2, … KiB, and gets on after each. */
const beating = (times: number) => (memory: SharedArrayBuffer) => {
  const words = Pulse.wordsOf(memory)
  if (!Pulse.adopt(words, LIFE)) fail("its own line was another's")
  for (let i = 1; i <= times; i++) {
    Pulse.beat(words, i * KIB)
    Pulse.progress(words)
  }
}

interface Seen {
  readonly beats: number
  readonly progress: number
  readonly memory: number
}

const looking = (times: number) => (memory: SharedArrayBuffer) => {
  const words = Pulse.wordsOf(memory)
  const seen: Array<Seen> = []
  for (let i = 0; i < times; i++) {
    if (!Pulse.isOf(words, LIFE)) continue
    const progress = Pulse.progressOf(words)
    const beats = (Pulse.beatsOf(words) - BEGIN) >>> 0
    seen.push({ beats, progress, memory: (Pulse.memoryOf(words) ?? 0) / KIB })
  }
  return seen
}

const inOrder = (seen: ReadonlyArray<Seen>, written: number): void => {
  let last: Seen = { beats: 0, progress: 0, memory: 0 }
  for (const one of seen) {
    if (one.beats < last.beats || one.progress < last.progress || one.memory < last.memory) fail("it went back")
    // Invariant 3: what was measured for a beat is there when the beat is.
    if (one.memory < one.beats) fail(`beat ${one.beats} was seen with the memory of beat ${one.memory}`)
    if (one.progress > one.beats) fail("progress was seen before the beat it came after")
    if (one.memory > written) fail("a figure nobody wrote")
    last = one
  }
}

export const looked = defineModel({
  name: "pulse: a worker beats twice over the end of its word, a supervisor looks twice",
  setup: make,
  threads: { worker: beating(2), supervisor: looking(2) },
  check: (memory, { supervisor }) => {
    inOrder(supervisor as ReadonlyArray<Seen>, 2)
    const [end] = looking(1)(memory)
    if (end?.beats !== 2 || end.progress !== 2 || end.memory !== 2) fail(`in the end ${JSON.stringify(end)}`)
  }
})

const adopting = (generation: number) => (memory: SharedArrayBuffer) => {
  const words = Pulse.wordsOf(memory)
  const isMine = Pulse.adopt(words, generation)
  if (isMine) Pulse.beat(words, undefined)
  return isMine
}

export const twoLives = defineModel({
  name: "pulse: two lives are given one line",
  setup: make,
  threads: { late: adopting(LIFE), next: adopting(LIFE + 1) },
  check: (memory, { late, next }) => {
    if (late === next) fail("it was taken by both, or by nobody")
    const words = Pulse.wordsOf(memory)
    if (Pulse.isOf(words, LIFE) !== late || Pulse.isOf(words, LIFE + 1) !== next) fail("who has it is not who took it")
    if ((Pulse.beatsOf(words) - BEGIN) >>> 0 !== 1) fail("the other one beat in it")
  }
})

export const death = defineModel({
  name: "pulse: a worker dies at any step, a supervisor looks twice",
  setup: make,
  threads: { worker: beating(2), supervisor: looking(2) },
  options: { crash: { threads: ["worker"] } },
  check: (_, { supervisor }) => inOrder(supervisor as ReadonlyArray<Seen>, 2)
})

// -----------------------------------------------------------------------------
// A line of a table, which one life has after the other (docs/workers.md, H2 to H5)
// -----------------------------------------------------------------------------

const NEXT = LIFE + 1
/** What the life before has measured: more than the next one ever does. */
const OTHER_KIB = 1000

/** Of three lines, the one in the middle. */
const table = (): SharedArrayBuffer => new SharedArrayBuffer(3 * Pulse.BYTES)
const lineOf = (memory: SharedArrayBuffer): Uint32Array => Pulse.wordsOf(memory, 1)

const living = (life: number, times: number, kib: number) => (memory: SharedArrayBuffer) => {
  const words = lineOf(memory)
  if (!Pulse.adopt(words, life)) fail(`life ${life} was not given its line`)
  for (let i = 1; i <= times; i++) {
    Pulse.beat(words, (kib + i) * KIB)
    Pulse.progress(words)
  }
}

const watching = (life: number, times: number) => (memory: SharedArrayBuffer) => {
  const words = lineOf(memory)
  const seen: Array<Seen> = []
  for (let i = 0; i < times; i++) {
    if (!Pulse.isOf(words, life)) continue
    const progress = Pulse.progressOf(words)
    const beats = Pulse.beatsOf(words)
    seen.push({ beats, progress, memory: (Pulse.memoryOf(words) ?? 0) / KIB })
  }
  return seen
}

export const handedOn = defineModel({
  name: "pulse: a line is renewed when its life has ended at any step, and has another life that is watched",
  setup: table,
  threads: {
    first: living(LIFE, 2, OTHER_KIB),
    supervisor: { after: "first", run: (memory: SharedArrayBuffer) => Pulse.renew(lineOf(memory)) },
    second: { after: "supervisor", run: living(NEXT, 2, 0) },
    watcher: { after: "supervisor", run: watching(NEXT, 2) },
    /** Of the first life: it is forgotten by nobody, and nobody writes it any more. */
    mourner: { after: "supervisor", run: watching(LIFE, 2) }
  },
  options: { crash: { threads: ["first"] } },
  check: (memory, { mourner, watcher }) => {
    inOrder(watcher as ReadonlyArray<Seen>, 2)
    if ((mourner as ReadonlyArray<Seen>).length > 0) fail("a life that has ended gave a sign")
    const [end] = watching(NEXT, 1)(memory)
    if (end?.beats !== 2 || end.progress !== 2 || end.memory !== 2) fail(`in the end ${JSON.stringify(end)}`)
    const words = new Uint32Array(memory)
    const beside = [...words.subarray(0, Pulse.BYTES / 4), ...words.subarray((2 * Pulse.BYTES) / 4)]
    if (beside.some((word) => word !== 0)) fail("a line beside it was written")
  }
})

export const stranger = defineModel({
  name: "pulse: a life that comes for a line that is another's by now, which is watched",
  setup: table,
  threads: {
    first: living(LIFE, 1, OTHER_KIB),
    supervisor: { after: "first", run: (memory: SharedArrayBuffer) => Pulse.renew(lineOf(memory)) },
    second: { after: "supervisor", run: living(NEXT, 2, 0) },
    /** Told of the line by mistake, or twice: it comes when the line is another's. */
    stranger: {
      after: "second",
      run: (memory: SharedArrayBuffer) => {
        const words = lineOf(memory)
        const isMine = Pulse.adopt(words, LIFE)
        if (isMine) Pulse.beat(words, OTHER_KIB * KIB)
        return isMine
      }
    },
    watcher: { after: "supervisor", run: watching(NEXT, 2) }
  },
  check: (_, { stranger, watcher }) => {
    inOrder(watcher as ReadonlyArray<Seen>, 2)
    if (stranger) fail("two lives have one line")
  }
})
