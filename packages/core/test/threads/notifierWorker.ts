/**
 * The other thread of `notifier.test.ts`: says tokens, or blocks until it is told some.
 */
import { EventChannel, Events, Notifier, Poller } from "@selvedge/core"
import * as Effect from "effect/Effect"
import { parentPort, workerData } from "node:worker_threads"

export interface Job {
  readonly role: "producer" | "receiver" | "fibers"
  readonly handle: Notifier.Handle
  /** The last thing said about each token, a word each. */
  readonly news: SharedArrayBuffer
  readonly rounds: number
}

/** Told by the receiver: the tokens of a receive, or how it ended. */
export type Told = ReadonlyArray<number> | string

const { handle, news, role, rounds } = workerData as Job
const port = parentPort!

const produce = Effect.gen(function* () {
  const notifier = yield* Notifier.attach(handle)
  const words = new Int32Array(news)
  for (let round = 1; round <= rounds; round++) {
    for (let token = 0; token < words.length; token++) {
      // Not every token in every round, so that they come in many orders.
      if ((round + token) % 3 === 0 && round < rounds) continue
      Atomics.store(words, token, round)
      Notifier.notifyUnsafe(notifier, token)
    }
  }
})

const receive = Effect.gen(function* () {
  const notifier = yield* Notifier.attach(handle)
  const poller = yield* Poller.attach(notifier, { role: role === "receiver" ? "dedicated" : "fibers" })
  const channel = EventChannel.fromPoller(poller)
  const events = yield* Events.make(notifier.maxTokens)
  for (;;) {
    // This thread sleeps in here: its event loop turns no more.
    yield* EventChannel.receiveBlocking(channel, events)
    port.postMessage(events.toArray() satisfies Told)
  }
})

const main: Effect.Effect<void, { readonly _tag: string }> = role === "producer" ? produce : Effect.scoped(receive)

Effect.runSync(Effect.catch(main, (error) => Effect.sync(() => port.postMessage(error._tag satisfies Told))))
