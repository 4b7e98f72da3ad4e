/** Rings and notifiers between two real processes, unchanged, over mapped memory. */
import * as EventChannel from "@selvedge/core/notifier/EventChannel"
import * as Events from "@selvedge/core/notifier/Events"
import * as Notifier from "@selvedge/core/notifier/Notifier"
import * as Consumer from "@selvedge/core/ring/Consumer"
import * as Producer from "@selvedge/core/ring/Producer"
import * as Ring from "@selvedge/core/ring/Ring"
import * as MappedMemory from "@selvedge/node/memory/MappedMemory"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { none, Numbered, sumOf } from "./fixtures/numbered.ts"
import { participant, space } from "./fixtures/space.ts"

const multi = { record: Numbered, capacity: 64, producers: "multi" as const }

describe("a ring between processes", () => {
  it.live("brings every record of two producing processes to two consuming ones, once and in order [P1]", () =>
    space(({ directory, name }) =>
      Effect.gen(function* () {
        const ring = yield* Ring.make({ ...multi, requiredConsumers: 2 }).pipe(MappedMemory.named("numbers"))
        const consumers = yield* Effect.forEach(["a", "b"], (id) =>
          participant(directory, name, "consume", "numbers", id)
        )
        yield* Effect.forEach(consumers, (one) => Effect.promise(() => one.ready()))
        const producers = yield* Effect.forEach(["1", "2"], (who) =>
          participant(directory, name, "produce", "numbers", who, "2000")
        )
        yield* Effect.forEach(producers, (one) => Effect.promise(() => one.ready().then(() => one.next())))
        yield* Ring.close(ring)
        const records = [1, 2].flatMap((who) => Array.from({ length: 2_000 }, (_, i) => ({ who, value: i + 1 })))
        const sums = yield* Effect.forEach(consumers, (one) => Effect.promise(() => one.next()))
        assert.deepStrictEqual(sums, [{ ...sumOf(records) }, { ...sumOf(records) }])
      })
    )
  )

  it.live("is closed by its maker for a consumer that sleeps in another process [P1] [P4]", () =>
    space(({ directory, name }) =>
      Effect.gen(function* () {
        const ring = yield* Ring.make(multi).pipe(MappedMemory.named("numbers"))
        const consumer = yield* participant(directory, name, "consume", "numbers", "a")
        yield* Effect.promise(() => consumer.ready())
        yield* Ring.close(ring)
        assert.deepStrictEqual(yield* Effect.promise(() => consumer.next()), { ...none })
        assert.strictEqual(yield* Effect.promise(() => consumer.end()), 0)
      })
    )
  )

  it.live(
    "waits for a required consumer that comes from another process, and goes on with restarted producers [P1]",
    () =>
      space(({ directory, name }) =>
        Effect.gen(function* () {
          const ring = yield* Ring.make({ ...multi, requiredConsumers: 1 }).pipe(MappedMemory.named("numbers"))
          const producer = yield* Producer.make(ring)
          const missing = yield* Effect.flip(Producer.publish(producer, { who: 5, value: 1 }, { timeout: 50 }))
          assert.strictEqual(missing._tag, "RingTimeout")
          const consumer = yield* participant(directory, name, "consume", "numbers", "late")
          yield* Effect.promise(() => consumer.ready())
          yield* Producer.publish(producer, { who: 5, value: 1 }, { timeout: "4 minutes" })
          for (const who of ["1", "2"]) {
            const once = yield* participant(directory, name, "produce", "numbers", who, "100")
            yield* Effect.promise(() => once.ready().then(() => once.end()))
          }
          yield* Ring.close(ring)
          const records = [1, 2].flatMap((who) => Array.from({ length: 100 }, (_, i) => ({ who, value: i + 1 })))
          const sum = yield* Effect.promise(() => consumer.next())
          assert.deepStrictEqual(sum, { ...sumOf([{ who: 5, value: 1 }, ...records]) })
        })
      )
  )

  it.live("answers across processes and back [P1] [P4]", () =>
    space(({ directory, name }) =>
      Effect.gen(function* () {
        const single = { record: Numbered, capacity: 8 }
        const there = yield* Ring.make(single).pipe(MappedMemory.named("there"))
        const back = yield* Ring.make(single).pipe(MappedMemory.named("back"))
        const consumer = yield* Consumer.make(back, { id: "test" })
        const producer = yield* Producer.make(there)
        const echo = yield* participant(directory, name, "echo", "there", "back")
        yield* Effect.promise(() => echo.ready())
        for (let value = 1; value <= 200; value++) {
          yield* Producer.publish(producer, { who: 7, value })
          assert.deepStrictEqual({ ...(yield* Consumer.take(consumer)) }, { who: 7, value })
        }
      })
    )
  )
})

describe("a notifier between processes", () => {
  const notifiers = Effect.provide(Notifier.layer)

  it.live("hands every token of two other processes out here [P1]", () =>
    space(({ directory, name }) =>
      Effect.gen(function* () {
        const { channel, notifier } = yield* EventChannel.make({ maxTokens: 256 }).pipe(
          notifiers,
          MappedMemory.named("ready")
        )
        yield* MappedMemory.recoverNotifier(notifier)
        const others = [
          yield* participant(directory, name, "notify", "ready", "0", "100"),
          yield* participant(directory, name, "notify", "ready", "100", "256")
        ]
        yield* Effect.forEach(others, (one) => Effect.promise(() => one.ready()))
        const events = yield* Events.make(256)
        const seen = new Set<number>()
        while (seen.size < 256) {
          yield* EventChannel.receive(channel, events)
          for (const token of events) seen.add(token)
        }
        assert.deepStrictEqual(
          Array.from(seen).toSorted((a, b) => a - b),
          Array.from({ length: 256 }, (_, i) => i)
        )
      })
    )
  )

  it.live("wakes a poller that sleeps in another process [P1] [P4]", () =>
    space(({ directory, name }) =>
      Effect.gen(function* () {
        const notifier = yield* Notifier.allocate({ maxTokens: 64 }).pipe(notifiers, MappedMemory.named("ready"))
        const poller = yield* participant(directory, name, "poll", "ready", "64")
        yield* Effect.promise(() => poller.ready())
        for (let token = 0; token < 64; token++) {
          yield* Notifier.notify(notifier, token)
          if (token % 8 === 0) yield* Effect.sleep(5)
        }
        assert.deepStrictEqual(yield* Effect.promise(() => poller.next()), { seen: 64 })
      })
    )
  )
})
