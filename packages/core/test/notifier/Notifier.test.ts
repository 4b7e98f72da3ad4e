import { assert, describe, it } from "@effect/vitest"
import { Events, LocalNotifier, Notifier, NotifierError, Poller } from "@selvedge/core"
import * as SharedMemory from "@selvedge/core/memory/SharedMemory"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { backends, bytesOf, eventsOf, noNumbers, shared } from "./support.ts"

const range = (n: number, step = 1) => Array.from({ length: n }, (_, i) => i * step)

for (const [name, layer] of backends) {
  describe(`a notifier ${name}`, () => {
    it.effect("says a token once, however often it is notified, and again after it was handed out [N2] [N7]", () =>
      Effect.gen(function* () {
        const { notifier, poller } = yield* Notifier.make({ maxTokens: 8 })
        const events = yield* eventsOf(8)
        const said: Array<string> = []
        for (let i = 0; i < 2000; i++) said.push(yield* Notifier.notify(notifier, 3))
        assert.deepStrictEqual(said, ["Queued", ...Array<string>(1999).fill("Conflated")])
        assert.strictEqual(yield* Poller.poll(poller, events), 1)
        assert.deepStrictEqual([...events], [3])
        assert.strictEqual(yield* Poller.poll(poller, events), 0)
        assert.strictEqual(yield* Notifier.notify(notifier, 3), "Queued")
      }).pipe(Effect.provide(layer))
    )

    it.effect("hands out twenty tokens by a budget of five in four polls, oldest first [N3] [N4] [N7]", () =>
      Effect.gen(function* () {
        const { notifier, poller } = yield* Notifier.make({ maxTokens: 32 })
        const events = yield* eventsOf(32)
        const order = range(20).map((i) => (i * 7) % 20)
        for (const token of order) yield* Notifier.notify(notifier, token)
        for (let round = 0; round < 4; round++) {
          assert.strictEqual(yield* Poller.pollLimit(poller, events, 5), 5)
          assert.deepStrictEqual(events.toArray(), order.slice(round * 5, round * 5 + 5))
        }
        assert.strictEqual(yield* Poller.pollLimit(poller, events, 5), 0)
      }).pipe(Effect.provide(layer))
    )

    it.effect("a limit of zero clears the list and takes nothing [N3] [N7]", () =>
      Effect.gen(function* () {
        const { notifier, poller } = yield* Notifier.make({ maxTokens: 2 })
        const events = yield* eventsOf(2)
        yield* Notifier.notify(notifier, 0)
        yield* Poller.poll(poller, events)
        yield* Notifier.notify(notifier, 1)
        assert.strictEqual(yield* Poller.pollLimit(poller, events, 0), 0)
        assert.isTrue(events.isEmpty)
        yield* Poller.poll(poller, events)
        assert.deepStrictEqual(events.toArray(), [1])
      }).pipe(Effect.provide(layer))
    )

    it.effect("a list with less room than there is ready leaves the rest to the next poll [N3] [N7]", () =>
      Effect.gen(function* () {
        const { notifier, poller } = yield* Notifier.make({ maxTokens: 8 })
        const events = yield* eventsOf(3)
        for (const token of range(8)) yield* Notifier.notify(notifier, token)
        const seen: Array<ReadonlyArray<number>> = []
        while ((yield* Poller.poll(poller, events)) > 0) seen.push(events.toArray())
        assert.deepStrictEqual(seen, [
          [0, 1, 2],
          [3, 4, 5],
          [6, 7]
        ])
      }).pipe(Effect.provide(layer))
    )

    it.effect("holds 4096 tokens at once, and only one [N1] [N7]", () =>
      Effect.gen(function* () {
        for (const maxTokens of [1, 4096]) {
          const { notifier, poller } = yield* Notifier.make({ maxTokens })
          const events = yield* eventsOf(maxTokens)
          for (let lap = 0; lap < 3; lap++) {
            for (const token of range(maxTokens)) yield* Notifier.notify(notifier, token)
            assert.strictEqual(yield* Poller.poll(poller, events), maxTokens)
            assert.deepStrictEqual(events.toArray(), range(maxTokens))
          }
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("ten thousand rounds of notify and poll lose and invent nothing [N2] [N3] [N7]", () =>
      Effect.gen(function* () {
        const { notifier, poller } = yield* Notifier.make({ maxTokens: 7 })
        const events = yield* eventsOf(7)
        for (let round = 0; round < 10_000; round++) {
          const tokens = [round % 7, (round * 3 + 1) % 7]
          for (const token of tokens) Notifier.notifyUnsafe(notifier, token)
          Poller.pollUnsafe(poller, events)
          assert.deepStrictEqual(events.toArray(), [...new Set(tokens)])
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("a notification during the handling is delivered by the next poll [N4] [N7]", () =>
      Effect.gen(function* () {
        const { notifier, poller } = yield* Notifier.make({ maxTokens: 4 })
        const events = yield* eventsOf(4)
        yield* Notifier.notify(notifier, 1)
        yield* Poller.poll(poller, events)
        for (const token of events) assert.strictEqual(yield* Notifier.notify(notifier, token), "Queued")
        yield* Poller.poll(poller, events)
        assert.deepStrictEqual(events.toArray(), [1])
      }).pipe(Effect.provide(layer))
    )

    it.effect("takes no more tokens after a close and hands out what was queued [N2] [N7]", () =>
      Effect.gen(function* () {
        const { notifier, poller } = yield* Notifier.make({ maxTokens: 4 })
        const events = yield* eventsOf(4)
        yield* Notifier.notify(notifier, 2)
        assert.isTrue(yield* Notifier.close(notifier))
        assert.isFalse(yield* Notifier.close(notifier))
        assert.isTrue(yield* Notifier.isClosed(notifier))
        for (const token of [2, 3]) {
          const error = yield* Effect.flip(Notifier.notify(notifier, token))
          assert.instanceOf(error, NotifierError.NotifierClosed)
        }
        assert.strictEqual(Notifier.notifyUnsafe(notifier, 3), "Closed")
        yield* Poller.poll(poller, events)
        assert.deepStrictEqual(events.toArray(), [2])
      }).pipe(Effect.provide(layer))
    )

    it.effect("refuses every token that is not in its key space [N1] [N7]", () =>
      Effect.gen(function* () {
        const { notifier, poller } = yield* Notifier.make({ maxTokens: 8 })
        for (const token of [...noNumbers, 8] as ReadonlyArray<number>) {
          const error = yield* Effect.flip(Notifier.notify(notifier, token))
          assert.instanceOf(error, NotifierError.InvalidToken)
          assert.include(error.message, "wanted a token from 0 to 7, found ")
          assert.throws(() => Notifier.notifyUnsafe(notifier, token), NotifierError.InvalidToken)
        }
        assert.strictEqual(yield* Poller.poll(poller, yield* eventsOf(8)), 0)
      }).pipe(Effect.provide(layer))
    )

    it.effect("refuses every number of tokens that cannot be [N1] [N7]", () =>
      Effect.gen(function* () {
        for (const maxTokens of [...noNumbers, 0, 2 ** 28 + 1] as ReadonlyArray<number>) {
          const error = yield* Effect.flip(Notifier.make({ maxTokens }))
          assert.instanceOf(error, NotifierError.InvalidCapacity)
          assert.include(error.message, "maxTokens: wanted a whole number from 1 to 268435456, found ")
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("refuses a limit that is none, and leaves what is ready [N3] [N7]", () =>
      Effect.gen(function* () {
        const { notifier, poller } = yield* Notifier.make({ maxTokens: 8 })
        const events = yield* eventsOf(8)
        yield* Notifier.notify(notifier, 5)
        for (const limit of noNumbers.filter(
          (n) => n !== 2 ** 32 && n !== 2 ** 53 && n !== undefined
        ) as Array<number>) {
          assert.instanceOf(yield* Effect.flip(Poller.pollLimit(poller, events, limit)), NotifierError.InvalidLimit)
        }
        assert.strictEqual(yield* Poller.pollLimit(poller, events, 2 ** 53), 1)
      }).pipe(Effect.provide(layer))
    )

    it.effect("has one seat for a poller, and its number lets one successor in after a death [N1] [N10] [N7]", () =>
      Effect.gen(function* () {
        const { notifier } = yield* Notifier.make({ maxTokens: 8 })
        yield* Notifier.notify(notifier, 4)
        const taken = yield* Effect.flip(Poller.attach(notifier))
        assert.instanceOf(taken, NotifierError.PollerTaken)
        const afterDeathOf = (taken as NotifierError.PollerTaken).seat
        const successor = yield* Poller.attach(notifier, { afterDeathOf })
        assert.instanceOf(yield* Effect.flip(Poller.attach(notifier, { afterDeathOf })), NotifierError.PollerTaken)
        const events = yield* eventsOf(8)
        yield* Poller.poll(successor, events)
        assert.deepStrictEqual(events.toArray(), [4])
      }).pipe(Effect.provide(layer))
    )

    it.effect("a poller leaves its seat with its scope, and what is queued to the next [N1] [N10] [N7]", () =>
      Effect.gen(function* () {
        const notifier = yield* Notifier.allocate({ maxTokens: 8 })
        const scope = yield* Scope.make()
        const first = yield* Scope.provide(Poller.attach(notifier), scope)
        for (const token of [6, 1, 3]) yield* Notifier.notify(notifier, token)
        const events = yield* eventsOf(8)
        yield* Notifier.recover(notifier)
        yield* Poller.pollLimit(first, events, 1)
        assert.strictEqual(events.length, 1)
        const seen = events.toArray()
        yield* Scope.close(scope, Exit.void)
        assert.instanceOf(yield* Effect.flip(Poller.poll(first, events)), NotifierError.PollerDetached)
        const second = yield* Poller.attach(notifier)
        while ((yield* Poller.poll(second, events)) > 0) seen.push(...events)
        assert.sameMembers(seen, [1, 3, 6])
      }).pipe(Effect.provide(layer))
    )

    it.effect("closes for all when its scope ends [N1] [N7]", () =>
      Effect.gen(function* () {
        const { notifier } = yield* Effect.scoped(Notifier.make({ maxTokens: 8 }))
        assert.instanceOf(yield* Effect.flip(Notifier.notify(notifier, 1)), NotifierError.NotifierClosed)
      }).pipe(Effect.provide(layer))
    )
  })
}

describe("a notifier in memory", () => {
  it.effect("is joined by its posted handle, and a close on one side is noticed on the other [N2]", () =>
    Effect.gen(function* () {
      const { notifier, poller } = yield* Notifier.make({ maxTokens: 8 })
      const handle = structuredClone(yield* Notifier.handle(notifier))
      const other = yield* Notifier.attach(handle)
      assert.strictEqual(other.maxTokens, 8)
      yield* Notifier.notify(other, 7)
      const events = yield* eventsOf(8)
      yield* Poller.poll(poller, events)
      assert.deepStrictEqual(events.toArray(), [7])
      yield* Notifier.close(notifier)
      assert.instanceOf(yield* Effect.flip(Notifier.notify(other, 7)), NotifierError.NotifierClosed)
    }).pipe(Effect.provide(shared))
  )

  it.effect("is not touched by what is refused, nor after its close [N1]", () =>
    Effect.gen(function* () {
      const { notifier, poller } = yield* Notifier.make({ maxTokens: 8 })
      yield* Notifier.notify(notifier, 1)
      const before = yield* bytesOf(notifier)
      for (const token of noNumbers as ReadonlyArray<number>) yield* Effect.exit(Notifier.notify(notifier, token))
      yield* Effect.exit(Poller.pollLimit(poller, new Events.Events(8), -1))
      yield* Effect.exit(Poller.attach(notifier))
      assert.strictEqual(yield* bytesOf(notifier), before)
      yield* Notifier.close(notifier)
      const closed = yield* bytesOf(notifier)
      for (let token = 0; token < 8; token++) yield* Effect.exit(Notifier.notify(notifier, token))
      assert.strictEqual(yield* bytesOf(notifier), closed)
    }).pipe(Effect.provide(shared))
  )

  it.effect("publishes its size, asks for exactly that, and refuses a size for what cannot be [N1]", () =>
    Effect.gen(function* () {
      const asked: Array<number> = []
      const counting = Layer.succeed(SharedMemory.SharedMemory, {
        allocate: (bytes: number) => Effect.sync(() => (asked.push(bytes), new SharedArrayBuffer(bytes)))
      })
      for (const maxTokens of [1, 16, 17, 4096]) {
        const layer = Layer.provide(Notifier.layer, counting)
        yield* Effect.scoped(Notifier.make({ maxTokens })).pipe(Effect.provide(layer))
        assert.strictEqual(asked.at(-1), Notifier.byteSize(maxTokens))
        assert.isAtLeast(Notifier.byteSize(maxTokens), 4 * 3 * maxTokens)
      }
      for (const maxTokens of noNumbers as ReadonlyArray<number>) {
        assert.throws(() => Notifier.byteSize(maxTokens), NotifierError.InvalidCapacity)
      }
    })
  )

  it.effect("refuses what is not the handle of a notifier, or foreign, old, bent or short memory [N1] [N2]", () =>
    Effect.gen(function* () {
      const { notifier } = yield* Notifier.make({ maxTokens: 8 })
      const { memory } = yield* Notifier.handle(notifier)
      const damaged = (bytes: number, word: number, value: number): Notifier.Handle => {
        const copy = new SharedArrayBuffer(bytes)
        new Int32Array(copy).set(new Int32Array(memory, 0, bytes / 4))
        if (word >= 0) new Int32Array(copy)[word] = value
        return { _tag: "Notifier", memory: copy }
      }
      const full = memory.byteLength
      const cases: ReadonlyArray<readonly [unknown, string, string]> = [
        [undefined, "NotANotifier", "found undefined"],
        [{ memory: new ArrayBuffer(4096) }, "NotANotifier", "wanted the handle of a notifier"],
        [damaged(full, 0, 7), "NotANotifier", "wanted memory that holds a notifier"],
        [damaged(full, 1, 9), "OtherVersion", "wanted layout version 1, found version 9"],
        [damaged(full, 3, 9), "OtherShape", "found 8 tokens with a capacity of 9"],
        [damaged(full, 2, -1), "OtherShape", "found -1 tokens"],
        [damaged(full - 128, -1, 0), "RegionTooSmall", `at least ${full} bytes, found ${full - 128}`],
        [damaged(64, -1, 0), "RegionTooSmall", "found 64"],
        [{ memory: new SharedArrayBuffer(0) }, "RegionTooSmall", "found 0"]
      ]
      for (const [handle, tag, message] of cases) {
        const error = yield* Effect.flip(Notifier.attach(handle as Notifier.Handle))
        assert.strictEqual(error._tag, tag)
        assert.include(error.message, message)
      }
    }).pipe(Effect.provide(shared))
  )

  it.effect("says that there is no memory [N1]", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(Notifier.make({ maxTokens: 8 })))
      assert.strictEqual(error._tag, "AllocationFailed")
    }).pipe(
      Effect.provide(
        Layer.provide(
          Notifier.layer,
          Layer.succeed(SharedMemory.SharedMemory, {
            allocate: (bytes: number) =>
              Effect.fail(new SharedMemory.AllocationFailed({ bytes, cause: new RangeError("no room") }))
          })
        )
      )
    )
  )

  it.effect("a local one has no handle and no dedicated poller [N7]", () =>
    Effect.gen(function* () {
      const notifier = yield* Notifier.allocate({ maxTokens: 8 })
      assert.instanceOf(yield* Effect.flip(Notifier.handle(notifier)), NotifierError.LocalOnly)
      const refused = yield* Effect.flip(Poller.attach(notifier, { role: "dedicated" }))
      assert.instanceOf(refused, NotifierError.LocalOnly)
      yield* Poller.attach(notifier)
    }).pipe(Effect.provide(LocalNotifier.layer))
  )

  it.effect("a list of events refuses a capacity that cannot be [N3]", () =>
    Effect.gen(function* () {
      for (const capacity of [...noNumbers, 0] as ReadonlyArray<number>) {
        assert.instanceOf(yield* Effect.flip(Events.make(capacity)), NotifierError.InvalidCapacity)
      }
    })
  )
})
