/**
 * The same jobs with what a user would pick instead.
 */
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { Worker } from "node:worker_threads"
import { Piscina } from "piscina"
import { Tinypool } from "tinypool"
import { check, percentiles, type Sample } from "../harness.ts"
import type { Kind } from "./ours.ts"

const here = (file: string): URL => new URL(file, import.meta.url)

const begin = (kind: Kind): Worker | ChildProcess =>
  kind === "threads"
    ? new Worker(here("./bareThread.ts"))
    : fork(here("./bareProcess.ts"), { serialization: "advanced" })

const end = async (worker: Worker | ChildProcess): Promise<void> => {
  const gone = once(worker, "exit")
  if (worker instanceof Worker) void worker.terminate()
  else worker.kill("SIGKILL")
  await gone
}

/** Milliseconds from the start to the word `ready`. */
export const startToReady = async (kind: Kind, starts: number): Promise<Sample> => {
  const millis: Array<number> = []
  for (let at = 0; at <= starts; at++) {
    const before = performance.now()
    const worker = begin(kind)
    await once(worker, "message")
    if (at > 0) millis.push(performance.now() - before)
    await end(worker)
  }
  return percentiles(millis)
}

/** Milliseconds from an exit to the next one's `ready`, with a restart loop of three lines. */
export const crashToReady = async (kind: Kind, crashes: number): Promise<Sample> => {
  const millis: Array<number> = []
  let worker = begin(kind)
  await once(worker, "message")
  for (let at = 0; at < crashes; at++) {
    await end(worker)
    const before = performance.now()
    worker = begin(kind)
    await once(worker, "message")
    millis.push(performance.now() - before)
  }
  await end(worker)
  return percentiles(millis)
}

const pools = {
  piscina: () => new Piscina({ filename: here("./double.js").href, minThreads: 1, maxThreads: 1 }),
  tinypool: () => new Tinypool({ filename: here("./double.js").href, minThreads: 1, maxThreads: 1 })
} as const

export type Pool = keyof typeof pools

/** Microseconds of one task after the other. */
export const roundTrip = async (name: Pool, requests: number): Promise<Sample> => {
  const pool = pools[name]()
  const micros: Array<number> = []
  for (let at = 0; at < requests * 1.2; at++) {
    const before = performance.now()
    const answer: unknown = await pool.run(at)
    if (at >= requests * 0.2) micros.push((performance.now() - before) * 1000)
    check(answer === at * 2, `${at} doubled is ${String(answer)}`)
  }
  await pool.destroy()
  return percentiles(micros)
}

/** Nanoseconds a task takes with so many at a time. */
export const tasks = async (name: Pool, items: number, atATime: number): Promise<number> => {
  const pool = pools[name]()
  await pool.run(0)
  let sum = 0
  const before = performance.now()
  for (let at = 0; at < items; at += atATime) {
    const answers: ReadonlyArray<number> = await Promise.all(
      Array.from({ length: atATime }, (_, i) => pool.run(at + i))
    )
    for (const answer of answers) sum += answer
  }
  const nanos = ((performance.now() - before) * 1e6) / items
  check(sum === items * (items - 1), `the sum of ${items} items is ${sum}`)
  await pool.destroy()
  return nanos
}
