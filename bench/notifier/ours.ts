/**
 * The jobs of the notifier part, done with `Notifier`.
 */
import * as SharedMemory from "@selvedge/core/memory/SharedMemory"
import * as EventChannel from "@selvedge/core/notifier/EventChannel"
import * as Events from "@selvedge/core/notifier/Events"
import * as Notifier from "@selvedge/core/notifier/Notifier"
import * as Poller from "@selvedge/core/notifier/Poller"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { Worker } from "node:worker_threads"
import { check, percentiles, type Sample, startWatch } from "../harness.ts"
import { quartile } from "./clock.ts"

const layer = Layer.provide(Notifier.layer, SharedMemory.layerThread)
/** Lives as long as the process. */
const scope = Scope.makeUnsafe()
const run = <A, E>(effect: Effect.Effect<A, E, Notifier.Notifiers | Scope.Scope>): A =>
  Effect.runSync(effect.pipe(Effect.provide(layer), Effect.provideService(Scope.Scope, scope)))

const make = (maxTokens: number) => run(Notifier.make({ maxTokens }))

const MANY = 100_000
/** Tokens of a timed batch: enough for the clock not to count, few enough to stay in the nearest cache. */
const BATCH = 512

export const conflated = (): number => {
  const { notifier } = make(4096)
  check(Notifier.notifyUnsafe(notifier, 17) === "Queued", "the first is queued")
  return quartile({
    operations: MANY,
    batches: 100,
    timed: () => {
      let conflated = 0
      for (let i = 0; i < MANY; i++) if (Notifier.notifyUnsafe(notifier, 17) === "Conflated") conflated++
      check(conflated === MANY, "the others are conflated")
    }
  })
}

export const empty = (): number => {
  const { poller } = make(4096)
  const events = run(Events.make(4096))
  return quartile({
    operations: MANY,
    batches: 100,
    timed: () => {
      let found = 0
      for (let i = 0; i < MANY; i++) found += Poller.pollUnsafe(poller, events)
      check(found === 0, "nothing is ready")
    }
  })
}

export const fresh = (): number => {
  const { notifier, poller } = make(BATCH)
  const events = run(Events.make(BATCH))
  return quartile({
    operations: BATCH,
    batches: 4000,
    prepare: () => void Poller.pollUnsafe(poller, events),
    timed: () => {
      let queued = 0
      for (let token = 0; token < BATCH; token++) if (Notifier.notifyUnsafe(notifier, token) === "Queued") queued++
      check(queued === BATCH, "every one is new")
    }
  })
}

/** Polls `ready` tokens by `limit`; of as many notifiers as make a batch of tokens in all. */
export const poll = (ready: number, limit: number): number => {
  const sides = Array.from({ length: Math.max(1, BATCH / ready) }, () => make(ready))
  const tokens = sides.length * ready
  const events = run(Events.make(ready))
  return quartile({
    operations: tokens,
    batches: (4000 * BATCH) / tokens,
    prepare: () => {
      for (const { notifier } of sides)
        for (let token = 0; token < ready; token++) Notifier.notifyUnsafe(notifier, token)
    },
    timed: () => {
      let expected = 0
      for (const { poller } of sides) {
        for (let left = ready; left > 0; left -= limit) {
          check(Poller.pollUnsafe(poller, events, limit) === limit, "all are handed out")
          check(events.tokens[0] === expected % ready, "in order")
          expected += limit
        }
      }
    }
  })
}

export const roundTrip = async (times: number): Promise<Sample> => {
  const there = run(Notifier.allocate({ maxTokens: 64 }))
  const back = run(Notifier.allocate({ maxTokens: 64 }))
  const channel = EventChannel.fromPoller(run(Effect.orDie(Poller.attach(back, { role: "dedicated" }))))
  const events = run(Events.make(64))
  const worker = new Worker(new URL("./echo.ts", import.meta.url), {
    workerData: { there: run(Notifier.handle(there)), back: run(Notifier.handle(back)) }
  })
  await new Promise((resolve) => worker.once("message", resolve))
  const once = (token: number): void => {
    Notifier.notifyUnsafe(there, token)
    Effect.runSync(EventChannel.receiveBlocking(channel, events))
    check(events.length === 1 && events.tokens[0] === token, "the same token comes back")
  }
  for (let i = 0; i < times / 10; i++) once(i % 64)
  const micros: Array<number> = []
  for (let i = 0; i < times; i++) {
    const elapsed = startWatch("wall")
    once(i % 64)
    micros.push(elapsed() / 1000)
  }
  Effect.runSync(Notifier.close(there))
  await new Promise((resolve) => worker.once("exit", resolve))
  return percentiles(micros)
}
