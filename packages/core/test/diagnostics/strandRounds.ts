/**
 * Rounds of real threads on one table, for the test and the stress script: threads that all end, and threads that are terminated.
 */
import { Worker } from "node:worker_threads"
import * as Counters from "../../src/diagnostics/internal/counterTable.ts"
import * as CountersLayout from "../../src/diagnostics/internal/countersLayout.ts"
import * as Events from "../../src/diagnostics/internal/eventTable.ts"
import { ownerOf } from "../../src/diagnostics/internal/owner.ts"
import * as Recorder from "../../src/diagnostics/internal/recorder.ts"
import * as RecorderLayout from "../../src/diagnostics/internal/recorderLayout.ts"
import * as Slots from "../../src/diagnostics/internal/slotTable.ts"
import * as Layout from "../../src/diagnostics/internal/strandLayout.ts"
import * as Table from "../../src/diagnostics/internal/strandTable.ts"
import type { Job, Told } from "./strandWorker.ts"

/** The shared memory of a round, and the threads' views of this one. */
export class Arena {
  readonly layout: Layout.StrandLayout
  readonly strands: SharedArrayBuffer
  readonly words: Int32Array
  readonly counters: Counters.CounterTable
  readonly events: SharedArrayBuffer
  readonly recorder: RecorderLayout.RecorderLayout

  private readonly seed: number

  constructor(capacity: number, threads: number, seed = 1) {
    this.seed = seed
    this.layout = Layout.make(capacity, threads)
    this.strands = new SharedArrayBuffer(this.layout.totalBytes)
    Layout.format(this.strands, this.layout)
    this.words = new Int32Array(this.strands)
    const counters = CountersLayout.make(threads)
    const memory = new SharedArrayBuffer(counters.totalBytes)
    CountersLayout.format(memory, counters)
    this.counters = Counters.attach(memory, counters, 0)
    this.recorder = RecorderLayout.make(64)
    this.events = new SharedArrayBuffer(this.recorder.totalBytes)
    RecorderLayout.format(this.events, this.recorder)
  }

  job(ordinal: number, generation: number, lives: number, start: SharedArrayBuffer, gather = 0): Job {
    const counters = this.counters.words.buffer as SharedArrayBuffer
    const seed = this.seed + ordinal * 7919 + generation
    return { strands: this.strands, counters, events: this.events, ordinal, generation, seed, lives, start, gather }
  }

  /** What is wrong with the rows that can be seen, and with the events. */
  look(): ReadonlyArray<string> {
    const problems: Array<string> = []
    for (const row of Table.rows(this.words, this.layout)) {
      const { beatMillis, id, kind, name, ordinal, startMillis } = row
      const isWhole = Math.floor(id / 2 ** 32) === ordinal + 1 && startMillis === id && name === `${ordinal}`
      if (!isWhole || kind !== "Stress" || (beatMillis !== id && beatMillis !== id + 1)) {
        problems.push(`a row of two strands: ${JSON.stringify(row)}`)
      }
    }
    for (const { atMillis, id, ordinal, text } of Events.read(new Int32Array(this.events), this.recorder).events) {
      if (text !== `${ordinal}` || atMillis !== id)
        problems.push(`an event of two: ${ordinal}, ${text}, ${id}, ${atMillis}`)
    }
    const { lost } = this.sums()
    if (lost > this.mostLost) problems.push(`${lost} lost of at most ${this.mostLost}`)
    return problems
  }

  /** Strands of threads that were terminated. */
  mostLost = 0

  sums(): Table.Sums {
    return Table.sums(this.words, this.layout)
  }

  /** Values of the counters, by ordinal. */
  totals(): ReadonlyMap<number, number> {
    return new Map(
      Counters.counters(this.counters.words, this.counters.values).map(({ ordinal, value }) => [ordinal, value])
    )
  }

  reclaim(ordinal: number, generation: number): number {
    const owner = ownerOf(ordinal, generation)
    Counters.reclaim(this.counters.words, this.counters.layout, owner)
    Recorder.reclaim(new Int32Array(this.events), this.recorder, owner)
    return Slots.reclaim(this.words, this.layout, owner)
  }
}

/** A thread, and what it told in the end. */
export interface Thread {
  readonly worker: Worker
  readonly ready: Promise<void>
  readonly told: Promise<Told | undefined>
}

export const startThread = (job: Job): Thread => {
  const worker = new Worker(new URL("./strandWorker.ts", import.meta.url), {
    workerData: job,
    execArgv: ["--no-warnings"]
  })
  const { promise: ready, resolve: isReady } = Promise.withResolvers<void>()
  const { promise: told, reject, resolve } = Promise.withResolvers<Told | undefined>()
  let last: Told | undefined
  worker.on("message", (message: "ready" | Told) => {
    if (message === "ready") isReady()
    else last = message
  })
  worker.on("error", reject)
  worker.on("exit", () => resolve(last))
  return { worker, ready, told }
}

/** Lets go all threads that wait for `start`. */
export const letGo = (start: SharedArrayBuffer): void => {
  const word = new Int32Array(start)
  Atomics.store(word, 0, 1)
  Atomics.notify(word, 0)
}
