/**
 * Litmus on two real threads: what was written before a notification, a conflated one too, is seen by whoever is handed the
 * token.
 *
 * A _burst_ is a few plain writes of a growing number, each followed by a notification of the same token. The consumer polls, and reads
 * the number each time it is handed the token. A burst is _lost_ if the queue is empty, the consumer has polled since, and it has not
 * read the burst's last number. With `records` the run ends after so many bursts. The same run has the consumer clear the flag by a plain store, which has to lose some: a litmus that cannot fail
 * shows nothing.
 */
import { Worker } from "node:worker_threads"
import * as Layout from "../../src/notifier/internal/layout.ts"
import type { Form, Job, Told } from "./litmus/worker.ts"

const WORKER = new URL("./litmus/worker.ts", import.meta.url)

const endOf = (worker: Worker): Promise<Told> =>
  new Promise((resolve, reject) => {
    let told: Told | undefined
    worker.on("message", (message: Told) => {
      told = message
    })
    worker.on("error", reject)
    worker.on("exit", (code) => (told === undefined ? reject(new Error(`a worker ended with ${code}`)) : resolve(told)))
  })

const race = async (form: Form, seed: number, millis: number): Promise<Told> => {
  const layout = Layout.make(1)
  const region = new SharedArrayBuffer(layout.totalBytes)
  Layout.format(region, layout)
  const shared = { region, board: new SharedArrayBuffer(4 * 32 * 4), form, seed, millis }
  const jobs: ReadonlyArray<Job> = [
    { role: "consumer", ...shared },
    { role: "producer", ...shared }
  ]
  const [, told] = await Promise.all(jobs.map((workerData) => endOf(new Worker(WORKER, { workerData }))))
  return told!
}

interface StressOptions {
  readonly seconds: number
  readonly seed: number
  readonly records?: number
}

export const run = async ({ records = Infinity, seconds, seed }: StressOptions) => {
  const shipped = { bursts: 0, notifies: 0, conflated: 0, lost: 0 }
  const plain = { bursts: 0, notifies: 0, conflated: 0, lost: 0 }
  const end = performance.now() + seconds * 1000
  // In turn, so that a busy minute hits both alike.
  for (let round = 0; performance.now() < end && shipped.bursts < records; round++) {
    const slice = Math.min(seconds * 250, 5000)
    for (const [form, sum, share] of [
      ["shipped", shipped, 0.75],
      ["plain", plain, 0.25]
    ] as const) {
      const told = await race(form, seed + round, slice * share)
      for (const key of ["bursts", "notifies", "conflated", "lost"] as const) sum[key] += told[key]
    }
  }
  const violations: Array<string> = []
  if (shipped.lost > 0) violations.push(`${shipped.lost} of ${shipped.bursts} bursts were lost`)
  if (shipped.conflated === 0) violations.push("nothing was conflated")
  // A short run on a busy machine may lose none; the counts say so. A long one that loses none cannot fail at all.
  if (plain.lost === 0 && seconds >= 60)
    violations.push(`a flag cleared by a plain store lost none of ${plain.bursts} bursts: the litmus cannot fail here`)
  const counts = {
    bursts: shipped.bursts,
    notifies: shipped.notifies,
    conflated: shipped.conflated,
    lost: shipped.lost,
    plainBursts: plain.bursts,
    plainLost: plain.lost
  }
  return { counts, violations }
}
