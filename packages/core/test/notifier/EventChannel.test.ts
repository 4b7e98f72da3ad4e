import { assert, describe, it } from "@effect/vitest"
import { EventChannel, Notifier, NotifierError, Poller } from "@selvedge/core"
import * as KeepAlive from "@selvedge/core/memory/KeepAlive"
import * as SharedMemory from "@selvedge/core/memory/SharedMemory"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { backends, eventsOf, shared } from "./support.ts"

/** Forks, and lets the fiber run until it waits. */
const started = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.tap(Effect.forkChild(effect, { startImmediately: true }), () => Effect.yieldNow)

const make = (maxTokens = 8) =>
  Effect.gen(function* () {
    const made = yield* EventChannel.make({ maxTokens })
    return { ...made, events: yield* eventsOf(maxTokens) }
  })

for (const [name, layer] of backends) {
  describe(`a channel of a notifier ${name}`, () => {
    it.effect("wakes a receiver with what is notified, and the next one with what came meanwhile [N6] [N7]", () =>
      Effect.gen(function* () {
        const { channel, events, notifier } = yield* make()
        const waiting = yield* started(EventChannel.receive(channel, events))
        assert.isUndefined(waiting.pollUnsafe())
        yield* Notifier.notify(notifier, 5)
        assert.strictEqual(yield* Fiber.join(waiting), 1)
        assert.deepStrictEqual(events.toArray(), [5])
        for (const token of [2, 0, 2]) yield* Notifier.notify(notifier, token)
        assert.strictEqual(yield* EventChannel.receive(channel, events), 2)
        assert.deepStrictEqual(events.toArray(), [2, 0])
      }).pipe(Effect.provide(layer))
    )

    it.effect("a limited receive leaves the rest, and the next does not sleep on it [N3] [N6] [N7]", () =>
      Effect.gen(function* () {
        const { channel, events, notifier } = yield* make()
        for (const token of [4, 1, 6, 3, 0]) yield* Notifier.notify(notifier, token)
        const seen: Array<number> = []
        for (let i = 0; i < 3; i++) seen.push(yield* EventChannel.receiveLimit(channel, events, 2), ...events)
        assert.deepStrictEqual(seen, [2, 4, 1, 2, 6, 3, 1, 0])
        assert.strictEqual(yield* EventChannel.receiveLimit(channel, events, 0), 0)
      }).pipe(Effect.provide(layer))
    )

    it.effect("a timeout ends the wait with an empty list, and takes nothing from who comes after [N6] [N7]", () =>
      Effect.gen(function* () {
        const { channel, events, notifier } = yield* make()
        const waiting = yield* started(EventChannel.receive(channel, events, { timeout: "2 seconds" }))
        yield* TestClock.adjust("1999 millis")
        assert.isUndefined(waiting.pollUnsafe())
        yield* TestClock.adjust("1 millis")
        assert.strictEqual(yield* Fiber.join(waiting), 0)
        yield* Notifier.notify(notifier, 1)
        assert.strictEqual(yield* EventChannel.receive(channel, events, { timeout: "2 seconds" }), 1)
        assert.deepStrictEqual(events.toArray(), [1])
      }).pipe(Effect.provide(layer))
    )

    it.effect("a timeout of zero and a try look once and never wait [N6] [N7]", () =>
      Effect.gen(function* () {
        const { channel, events, notifier } = yield* make()
        assert.strictEqual(yield* EventChannel.receive(channel, events, { timeout: 0 }), 0)
        assert.strictEqual(yield* EventChannel.tryReceive(channel, events), 0)
        for (const token of [7, 3]) yield* Notifier.notify(notifier, token)
        assert.strictEqual(yield* EventChannel.tryReceive(channel, events, 1), 1)
        assert.strictEqual(yield* EventChannel.receive(channel, events, { timeout: 0 }), 1)
        assert.deepStrictEqual(events.toArray(), [3])
      }).pipe(Effect.provide(layer))
    )

    it.effect("a close ends who waits, after everything was handed out [N6] [N7]", () =>
      Effect.gen(function* () {
        const { channel, events, notifier } = yield* make()
        const waiting = yield* started(Effect.flip(EventChannel.receive(channel, events)))
        yield* Notifier.close(notifier)
        assert.instanceOf(yield* Fiber.join(waiting), NotifierError.NotifierClosed)
        for (const options of [undefined, { timeout: 0 }, { timeout: 10 }]) {
          const again = yield* Effect.flip(EventChannel.receive(channel, events, options))
          assert.instanceOf(again, NotifierError.NotifierClosed)
        }
        const other = yield* make()
        yield* Notifier.notify(other.notifier, 2)
        yield* Notifier.close(other.notifier)
        assert.strictEqual(yield* EventChannel.receive(other.channel, other.events), 1)
        assert.strictEqual(
          (yield* Effect.flip(EventChannel.tryReceive(other.channel, other.events)))._tag,
          "NotifierClosed"
        )
      }).pipe(Effect.provide(layer))
    )

    it.effect("who waits ends when the poller leaves its seat [N6] [N7]", () =>
      Effect.gen(function* () {
        const notifier = yield* Notifier.allocate({ maxTokens: 8 })
        const scope = yield* Scope.make()
        const poller = yield* Scope.provide(Poller.attach(notifier), scope)
        const events = yield* eventsOf(8)
        const channel = EventChannel.fromPoller(poller)
        const waiting = yield* started(Effect.flip(EventChannel.receive(channel, events)))
        yield* Scope.close(scope, Exit.void)
        assert.instanceOf(yield* Fiber.join(waiting), NotifierError.PollerDetached)
      }).pipe(Effect.provide(layer))
    )

    it.effect("refuses a second fiber while one receives, and lets it in when that one was interrupted [N6] [N7]", () =>
      Effect.gen(function* () {
        const { channel, events, notifier } = yield* make()
        const waiting = yield* started(EventChannel.receive(channel, events))
        const others = yield* eventsOf(8)
        const busy = yield* Effect.flip(EventChannel.receive(channel, others))
        assert.instanceOf(busy, NotifierError.PollerBusy)
        assert.strictEqual((busy as NotifierError.PollerBusy).fiber, waiting.id)
        assert.strictEqual((yield* Effect.flip(Poller.poll(channel.poller, others)))._tag, "PollerBusy")
        assert.throws(() => Poller.pollUnsafe(channel.poller, others), NotifierError.PollerBusy)
        yield* Fiber.interrupt(waiting)
        yield* Notifier.notify(notifier, 1)
        assert.strictEqual(yield* Poller.poll(channel.poller, others), 1)
      }).pipe(Effect.provide(layer))
    )

    it.effect("an interruption while waiting loses no token [N6] [N7]", () =>
      Effect.gen(function* () {
        const { channel, events, notifier } = yield* make()
        for (let token = 0; token < 8; token++) {
          const waiting = yield* started(EventChannel.receive(channel, events))
          // The token has woken the fiber, which has not run yet, when the interruption comes.
          yield* Notifier.notify(notifier, token)
          yield* Fiber.interrupt(waiting)
          if (waiting.pollUnsafe()?._tag === "Success") continue
          assert.strictEqual(yield* EventChannel.tryReceive(channel, events), 1)
          assert.deepStrictEqual(events.toArray(), [token])
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("as a stream gives every token in order and ends with the close [N6] [N7]", () =>
      Effect.gen(function* () {
        const { channel, notifier } = yield* make()
        const reading = yield* started(Stream.runCollect(EventChannel.stream(channel)))
        for (const token of [3, 1]) yield* Notifier.notify(notifier, token)
        yield* Effect.yieldNow
        yield* Notifier.notify(notifier, 3)
        yield* Notifier.close(notifier)
        const seen = yield* Fiber.join(reading)
        assert.deepStrictEqual(Array.from(seen), [3, 1, 3])
      }).pipe(Effect.provide(layer))
    )

    it.effect("a stream that is ended early leaves its tokens to who comes after [N6] [N7]", () =>
      Effect.gen(function* () {
        const { channel, events, notifier } = yield* make()
        for (const token of [3, 1, 4]) yield* Notifier.notify(notifier, token)
        const first = yield* Stream.runCollect(Stream.take(EventChannel.stream(channel), 1))
        assert.deepStrictEqual(Array.from(first), [3])
        yield* EventChannel.receive(channel, events)
        assert.includeMembers(events.toArray(), [1, 4])
        // With a limit of one, only the one that was emitted comes again.
        for (const token of [3, 1, 4]) yield* Notifier.notify(notifier, token)
        yield* Stream.runDrain(Stream.take(EventChannel.stream(channel, { limit: 1 }), 2))
        yield* EventChannel.receive(channel, events)
        assert.deepStrictEqual(events.toArray(), [4, 1])
      }).pipe(Effect.provide(layer))
    )

    it.effect("refuses a limit that is none, in a receive and in a stream [N6] [N7]", () =>
      Effect.gen(function* () {
        const { channel, events } = yield* make()
        for (const limit of [-1, 0.5, NaN]) {
          assert.strictEqual(
            (yield* Effect.flip(EventChannel.receive(channel, events, { limit })))._tag,
            "InvalidLimit"
          )
          const stream = Stream.runDrain(EventChannel.stream(channel, { limit }))
          assert.strictEqual((yield* Effect.flip(stream))._tag, "InvalidLimit")
        }
        assert.strictEqual(
          (yield* Effect.flip(Stream.runDrain(EventChannel.stream(channel, { limit: 0 }))))._tag,
          "InvalidLimit"
        )
      }).pipe(Effect.provide(layer))
    )
  })
}

describe("blocking", () => {
  it.effect("is refused on a thread that runs fibers [N6]", () =>
    Effect.gen(function* () {
      const { channel, events } = yield* make()
      const refused = yield* Effect.flip(EventChannel.receiveBlocking(channel, events))
      assert.instanceOf(refused, NotifierError.WouldBlockEventLoop)
      assert.include(refused.message, 'wanted a poller attached with role "dedicated"')
    }).pipe(Effect.provide(shared))
  )

  it.effect("with a dedicated poller hands out what is there, and ends with the close [N6]", () =>
    Effect.gen(function* () {
      const notifier = yield* Notifier.allocate({ maxTokens: 8 })
      const channel = EventChannel.fromPoller(yield* Poller.attach(notifier, { role: "dedicated" }))
      const events = yield* eventsOf(8)
      for (const token of [6, 2]) yield* Notifier.notify(notifier, token)
      assert.strictEqual(yield* EventChannel.receiveBlocking(channel, events, { limit: 1 }), 1)
      assert.strictEqual(yield* EventChannel.receiveBlocking(channel, events, { limit: 0 }), 0)
      assert.strictEqual(yield* EventChannel.receiveBlocking(channel, events), 1)
      assert.deepStrictEqual(events.toArray(), [2])
      assert.strictEqual(yield* EventChannel.receiveBlocking(channel, events, { timeout: 0 }), 0)
      yield* Notifier.close(notifier)
      assert.strictEqual((yield* Effect.flip(EventChannel.receiveBlocking(channel, events)))._tag, "NotifierClosed")
    }).pipe(Effect.provide(shared))
  )
})

describe("waiting in real time", () => {
  const real = Layer.provide(Notifier.layer, SharedMemory.layerThread)

  it.live("is woken by a notification, and holds the event loop exactly while it waits [N6]", () =>
    Effect.gen(function* () {
      let holds = 0
      const counted = Effect.provideService(KeepAlive.KeepAlive, () => {
        holds++
        let held = true
        return () => {
          if (held) holds--
          held = false
        }
      })
      const { channel, events, notifier } = yield* make()
      const turn = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))
      const turns = (n: number) => Effect.repeat(turn, { times: n })
      for (let round = 0; round < 20; round++) {
        const waiting = yield* started(EventChannel.receive(channel, events).pipe(counted))
        yield* turns(round % 12)
        assert.isAtMost(holds, 1)
        if (round % 12 === 11) assert.strictEqual(holds, 1)
        if (round % 3 === 0) {
          yield* Fiber.interrupt(waiting)
          assert.strictEqual(holds, 0)
          continue
        }
        yield* Notifier.notify(notifier, round % 8)
        assert.strictEqual(yield* Fiber.join(waiting), 1)
        assert.deepStrictEqual(events.toArray(), [round % 8])
        assert.strictEqual(holds, 0)
      }
    }).pipe(Effect.provide(real))
  )

  it.effect("says in virtual time which layer to provide [N6]", () =>
    Effect.gen(function* () {
      const { channel, events } = yield* make()
      const exit = yield* Effect.exit(EventChannel.receive(channel, events))
      assert.include(String(Exit.isFailure(exit) ? exit.cause : ""), "Waking.layerLocal")
    }).pipe(Effect.provide(real))
  )
})
