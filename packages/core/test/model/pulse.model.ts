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
