/**
 * The exchange, a thread of its own: writes each tick into the slot of its symbol and notifies the symbol.
 *
 * It keeps to a rate, in bursts of a millisecond, and ends after so many seconds with a message of what it has done.
 */
import * as Notifier from "@selvedge/core/notifier/Notifier"
import * as SharedSlot from "@selvedge/core/notifier/SharedSlot"
import * as Effect from "effect/Effect"
import { parentPort, workerData } from "node:worker_threads"
import { nowMillis, Quote } from "./Quote.ts"

export interface Job {
  readonly quotes: SharedSlot.Handle
  readonly notifier: Notifier.Handle
  readonly ticksPerSecond: number
  readonly seconds: number
}

export interface Done {
  readonly ticks: number
  readonly conflated: number
  /** Of each symbol, its last tick; -1 if it had none. */
  readonly last: ReadonlyArray<number>
}

const job = workerData as Job

const attached = Effect.all([SharedSlot.attach(job.quotes, Quote), Notifier.attach(job.notifier)])
const [quotes, notifier] = Effect.runSync(attached)

const symbols = notifier.maxTokens
const last = new Int32Array(symbols).fill(-1)
const quote = { price: 100, writtenAt: 0, tick: 0 }
let ticks = 0
let conflated = 0

/** Some symbols are traded far more than others. */
const nextSymbol = (): number => {
  const random = Math.imul(ticks + 1, 0x9e3779b1) >>> 0
  return ((((random & 0xffff) * (random >>> 16)) / 2 ** 32) * symbols) | 0
}

const tick = (writtenAt: number): void => {
  const symbol = nextSymbol()
  quote.tick = last[symbol] = last[symbol]! + 1
  quote.price = 100 + ((ticks * 7 + symbol) % 1000) / 100
  quote.writtenAt = writtenAt
  SharedSlot.writeUnsafe(quotes, symbol, quote)
  if (Notifier.notifyUnsafe(notifier, symbol) === "Conflated") conflated++
  ticks++
}

const idle = new Int32Array(new SharedArrayBuffer(4))
const start = performance.now()
for (let elapsed = 0; elapsed < job.seconds; elapsed = (performance.now() - start) / 1000) {
  const due = elapsed * job.ticksPerSecond
  const writtenAt = nowMillis()
  while (ticks < due) {
    tick(writtenAt)
    if (ticks % 1024 === 0) break
  }
  // Nothing but this loop runs in this thread.
  if (ticks >= due) Atomics.wait(idle, 0, 0, 1)
}
parentPort!.postMessage({ ticks, conflated, last: Array.from(last) } satisfies Done)
