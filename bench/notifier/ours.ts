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
import { check, percentiles, perOperation, type Sample, startWatch } from "../harness.ts"

const layer = Layer.provide(Notifier.layer, SharedMemory.layerThread)
/** Lives as long as the process. */
const scope = Scope.makeUnsafe()
const run = <A, E>(effect: Effect.Effect<A, E, Notifier.Notifiers | Scope.Scope>): A =>
  Effect.runSync(effect.pipe(Effect.provide(layer), Effect.provideService(Scope.Scope, scope)))

const make = (maxTokens: number) => run(Notifier.make({ maxTokens }))

const MANY = 1_000_000
const CAPACITY = 4096

export const conflated = (): Promise<number> => {
  const { notifier } = make(CAPACITY)
  check(Notifier.notifyUnsafe(notifier, 17) === "Queued", "the first is queued")
  return perOperation({
    operations: MANY,
    watch: "cpu",
    batch: () => {
      let conflated = 0
      for (let i = 0; i < MANY; i++) if (Notifier.notifyUnsafe(notifier, 17) === "Conflated") conflated++
      check(conflated === MANY, "the others are conflated")
    }
  })
}

export const empty = (): Promise<number> => {
  const { poller } = make(CAPACITY)
  const events = run(Events.make(CAPACITY))
  return perOperation({
    operations: MANY,
    watch: "cpu",
    batch: () => {
      let found = 0
      for (let i = 0; i < MANY; i++) found += Poller.pollUnsafe(poller, events)
      check(found === 0, "nothing is ready")
    }
  })
}

/** Mean nanoseconds of the timed half of each round, per token. */
const halves = (rounds: number, tokens: number, prepare: () => void, timed: () => void): number => {
  let total = 0
  for (let round = -rounds; round < rounds; round++) {
    prepare()
    const elapsed = startWatch("cpu")
    timed()
    if (round >= 0) total += elapsed()
  }
  return total / (rounds * tokens)
}

export const fresh = (): number => {
  const { notifier, poller } = make(CAPACITY)
  const events = run(Events.make(CAPACITY))
  return halves(
    500,
    CAPACITY,
    () => void Poller.pollUnsafe(poller, events),
    () => {
      let queued = 0
      for (let token = 0; token < CAPACITY; token++) if (Notifier.notifyUnsafe(notifier, token) === "Queued") queued++
      check(queued === CAPACITY, "every one is new")
    }
  )
}

/** Polls `ready` tokens by `limit`; as many notifiers as make 4096 tokens in all, so that the clock does not count. */
export const poll = (ready: number, limit: number): number => {
  const sides = Array.from({ length: CAPACITY / ready }, () => make(ready))
  const events = run(Events.make(ready))
  return halves(
    500,
    CAPACITY,
    () => {
      for (const { notifier } of sides)
        for (let token = 0; token < ready; token++) Notifier.notifyUnsafe(notifier, token)
    },
    () => {
      let expected = 0
      for (const { poller } of sides) {
        for (let left = ready; left > 0; left -= limit) {
          check(Poller.pollUnsafe(poller, events, limit) === limit, "all are handed out")
          check(events.tokens[0] === expected % ready, "in order")
          expected += limit
        }
      }
    }
  )
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
