/**
 * Rings, notifiers and services that tell the counters and the flight recorder.
 */
import { assert, describe, it } from "@effect/vitest"
import {
  Consumer,
  Counters,
  Events,
  FlightRecorder,
  LocalNotifier,
  Main,
  Notifier,
  Poller,
  Producer,
  Record,
  Ring
} from "@selvedge/core"
import * as SharedMemory from "@selvedge/core/memory/SharedMemory"
import * as Waking from "@selvedge/core/memory/Waking"
import * as NotifierCounters from "@selvedge/core/notifier/NotifierCounters"
import * as RingCounters from "@selvedge/core/ring/RingCounters"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"

const memory = Layer.merge(SharedMemory.layerThread, Waking.layerLocal)
const around = Layer.mergeAll(Counters.layer({ counters: 64 }), FlightRecorder.layer({ events: 64 })).pipe(
  Layer.provideMerge(memory)
)

const values = (label: string) =>
  Effect.map(Counters.snapshot, (rows) =>
    Object.fromEntries(rows.filter((row) => row.label === label).map(({ name, value }) => [name, value]))
  )

describe("a ring's numbers", () => {
  it.effect("are published at an interval and at the end, and go on from one publisher to the next [D5] [R13]", () =>
    Effect.gen(function* () {
      const ring = yield* Ring.make({ record: Record.struct({ n: Record.i32 }), capacity: 8 })
      const producer = yield* Producer.make(ring)
      const consumer = yield* Consumer.make(ring, { id: "a" })
      const publishing = Effect.gen(function* () {
        yield* RingCounters.publish(ring, { name: "orders", interval: "1 second" })
        for (const n of [1, 2, 3]) yield* Producer.publish(producer, { n })
        yield* TestClock.adjust("1 second")
      })
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* publishing
          assert.deepInclude(yield* values("orders"), {
            ring_claimed: 3,
            ring_lag: 3,
            ring_seats: 1,
            ring_greatest_lag: 3
          })
          yield* Consumer.takeBatch(consumer, 2)
        })
      )
      const after = yield* values("orders")
      assert.deepInclude(after, { ring_claimed: 3, ring_greatest_lag: 3 })
      assert.isBelow(after["ring_lag"]!, 3)
      yield* Effect.scoped(publishing)
      assert.deepInclude(yield* values("orders"), { ring_claimed: 6 })
    }).pipe(Effect.scoped, Effect.provide(around))
  )
})

describe("a notifier's numbers", () => {
  it.effect("are published at an interval and at the end [D5]", () =>
    Effect.gen(function* () {
      const { notifier, poller } = yield* Notifier.make({ maxTokens: 8 })
      const events = yield* Events.make(8)
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* NotifierCounters.publish(notifier, { name: "feed", interval: "1 second" })
          for (const token of [1, 2, 2, 3]) yield* Notifier.notify(notifier, token)
          yield* TestClock.adjust("1 second")
          assert.deepStrictEqual(yield* values("feed"), { notifier_polled: 0, notifier_queued: 3 })
          yield* Poller.pollLimit(poller, events, 2)
        })
      )
      assert.deepStrictEqual(yield* values("feed"), { notifier_polled: 2, notifier_queued: 1 })
    }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(Notifier.layer, around)))
  )

  it.effect("tell how often a token was waiting already, of the producers that count it, and of no other [D5]", () =>
    Effect.gen(function* () {
      const { notifier, poller } = yield* Notifier.make({ maxTokens: 8 })
      const events = yield* Events.make(8)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const counting = yield* NotifierCounters.counting(notifier, { name: "feed", interval: "1 second" })
          const said = yield* Effect.forEach([1, 2, 2, 2], (token) => Notifier.notify(counting, token))
          assert.deepStrictEqual(said, ["Queued", "Queued", "Conflated", "Conflated"])
          yield* Notifier.notify(notifier, 1)
          assert.deepStrictEqual(yield* values("feed"), { notifier_conflated: 0 })
          yield* TestClock.adjust("1 second")
          assert.deepStrictEqual(yield* values("feed"), { notifier_conflated: 2 })
          yield* TestClock.adjust("1 second")
          // By either handle, a token is one token.
          assert.strictEqual(yield* Notifier.notify(counting, 1), "Conflated")
          yield* Poller.poll(poller, events)
          assert.deepStrictEqual(events.toArray(), [1, 2])
        })
      )
      assert.deepStrictEqual(yield* values("feed"), { notifier_conflated: 3 })
    }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(Notifier.layer, around)))
  )

  it.effect("of one thread have no queue to look at [D5] [N7]", () =>
    Effect.gen(function* () {
      const { notifier } = yield* Notifier.make({ maxTokens: 8 })
      const error = yield* Effect.flip(NotifierCounters.publish(notifier, { name: "feed" }))
      assert.strictEqual(error._tag, "LocalOnly")
      const refused = yield* Effect.flip(NotifierCounters.counting(notifier, { name: "feed" }))
      assert.strictEqual(refused._tag, "LocalOnly")
    }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(LocalNotifier.layer, around)))
  )
})

describe("a service's end", () => {
  it.effect("is counted, and told phase by phase [D5] [D9]", () =>
    Effect.gen(function* () {
      yield* Main.run(Layer.empty, { name: "quick", run: Effect.void })
      const { events } = yield* FlightRecorder.read
      const whats = events.map(({ what }) => what)
      assert.strictEqual(whats[0], "shutdown.requested")
      assert.strictEqual(whats.at(-1), "service.stopped")
      assert.include(events.at(-1)!.text, "exit code 0")
      assert.includeMembers(
        events.filter(({ what }) => what === "shutdown.phase").map(({ text }) => text),
        ["stopAccepting", "tasks", "close", "postStop"]
      )
      assert.deepInclude(yield* values(""), { shutdowns_requested: 1, shutdown_left_behind: 0 })
    }).pipe(Effect.provide(around))
  )
})
