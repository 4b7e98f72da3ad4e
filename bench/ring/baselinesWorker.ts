/**
 * The other thread of the baselines: counts and checks what it gets, or sends it back.
 */
import { BroadcastChannel, parentPort, workerData } from "node:worker_threads"
import { RingBuffer } from "ringbuf.js"
import type { Job } from "./baselines.ts"

const job = workerData as Job
const port = parentPort!
let count = 0
let isGood = true

const see = (n: number): void => {
  if (n !== count) isGood = false
  count++
}

const answer = (): void => port.postMessage(isGood ? count : -1)

const onPort = (): void => {
  port.on("message", (message: number | ReadonlyArray<number>) => {
    if (typeof message === "number") see(message)
    else for (const n of message) see(n)
    if (count === job.records) answer()
  })
}

const onBroadcast = (): void => {
  const channel = new BroadcastChannel("bench")
  channel.addEventListener("message", (event) => {
    see((event as unknown as { readonly data: number }).data)
    if (count === job.records) answer()
  })
}

const onRing = (): void => {
  const ring = new RingBuffer(job.memory as never, Float64Array)
  const values = new Float64Array(4096)
  port.postMessage("ready")
  while (count < job.records) {
    const n = ring.pop(values)
    for (let i = 0; i < n; i++) see(values[i] ?? -1)
    if (n === 0) Atomics.pause()
  }
  answer()
}

const WIDE = 32

const seeWide = (values: Float64Array, from: number): void => {
  if (values[from] !== values[from + WIDE - 1]) isGood = false
  see(values[from] ?? -1)
}

const onPortWide = (): void => {
  port.on("message", (values: Float64Array) => {
    for (let i = 0; i < values.length; i += WIDE) seeWide(values, i)
    if (count === job.records) answer()
  })
}

const onRingWide = (): void => {
  const ring = new RingBuffer(job.memory as never, Float64Array)
  const values = new Float64Array(64 * WIDE)
  port.postMessage("ready")
  while (count < job.records) {
    const n = ring.pop(values)
    for (let i = 0; i < n; i += WIDE) seeWide(values, i)
    if (n === 0) Atomics.pause()
  }
  answer()
}

const onEcho = (): void => void port.on("message", (message) => port.postMessage(message))

if (!job.role.startsWith("ringbuf")) port.postMessage("ready")
;({
  port: onPort,
  portWide: onPortWide,
  broadcast: onBroadcast,
  ringbuf: onRing,
  ringbufWide: onRingWide,
  echo: onEcho
})[job.role]()
