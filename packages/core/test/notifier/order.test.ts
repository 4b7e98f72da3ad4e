/**
 * Small programs in many orders: a seeded scheduler decides who runs next, and preempts.
 */
import { describe, it } from "@effect/vitest"
import { EventChannel, Notifier } from "@selvedge/core"
import * as FiberExplorer from "@selvedge/testing/scheduler/FiberExplorer"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { backends, eventsOf } from "./support.ts"

const check = (holds: boolean, what: string) => (holds ? Effect.void : Effect.fail(what))

/** Receives for ever; `handled` counts in the same turn in which a receive succeeds. */
const consumer = (channel: EventChannel.EventChannel, handled: Map<number, number>, timeout?: number) =>
  Effect.gen(function* () {
    const events = yield* eventsOf(2)
    for (;;) {
      yield* EventChannel.receive(channel, events, { timeout, limit: 2 })
      for (const token of events) handled.set(token, (handled.get(token) ?? 0) + 1)
    }
  })

for (const [name, layer] of backends) {
  describe(`in any order, ${name}`, () => {
    for (const timeout of [undefined, 3]) {
      const how = timeout === undefined ? "for ever" : "for a while"
      it.live(`consumers that wait ${how} and are interrupted lose no token [N6] [N7]`, () =>
        FiberExplorer.verify(
          Effect.gen(function* () {
            const { channel, notifier } = yield* EventChannel.make({ maxTokens: 4 })
            const handled = new Map<number, number>()
            const queued = new Map<number, number>()
            const producer = yield* Effect.forkChild(
              Effect.forEach([0, 1, 2, 3, 1, 0, 3, 2, 2, 1], (token) =>
                Effect.gen(function* () {
                  if ((yield* Notifier.notify(notifier, token)) === "Queued")
                    queued.set(token, (queued.get(token) ?? 0) + 1)
                  yield* Effect.yieldNow
                })
              )
            )
            for (let round = 0; round < 5; round++) {
              const fiber = yield* Effect.forkChild(consumer(channel, handled, timeout))
              yield* Effect.yieldNow
              yield* Effect.yieldNow
              yield* Fiber.interrupt(fiber)
            }
            yield* Fiber.join(producer)
            const last = yield* Effect.forkChild(consumer(channel, handled))
            yield* Effect.sleep("1 second")
            yield* Fiber.interrupt(last)
            for (const [token, times] of queued) {
              const found = handled.get(token) ?? 0
              yield* check(found === times, `token ${token} was queued ${times} times and handled ${found} times`)
            }
          }).pipe(Effect.provide(layer)),
          { seeds: 150 }
        )
      )
    }
  })
}
