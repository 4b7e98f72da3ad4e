import { assert, describe, it } from "@effect/vitest"
import { Notifier, Poller, TokenPool } from "@selvedge/core"
import * as SharedMemory from "@selvedge/core/memory/SharedMemory"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { backends, eventsOf, shared } from "./support.ts"

const make = (maxTokens: number) =>
  Effect.gen(function* () {
    const { notifier, poller } = yield* Notifier.make({ maxTokens })
    const pool = yield* TokenPool.make(notifier)
    const events = yield* eventsOf(maxTokens)
    const poll = Effect.map(Poller.poll(poller, events), () => {
      TokenPool.keepCurrent(pool, events)
      return events.toArray()
    })
    return { notifier, pool, poll }
  })

for (const [name, layer] of backends) {
  describe(`a token pool over a notifier ${name}`, () => {
    const provided = Effect.provide(Layer.merge(layer, SharedMemory.layerThread))

    it.effect("gives each token to one owner, and back when the owner's scope ends [N9]", () =>
      Effect.gen(function* () {
        const { pool } = yield* make(2)
        const first = yield* TokenPool.acquire(pool)
        const second = yield* Effect.scoped(
          Effect.gen(function* () {
            const lease = yield* TokenPool.acquire(pool)
            assert.strictEqual((yield* Effect.flip(TokenPool.acquire(pool)))._tag, "PoolExhausted")
            return lease
          })
        )
        assert.notStrictEqual(first.token, second.token)
        const third = yield* TokenPool.acquire(pool)
        assert.deepStrictEqual(third, { token: second.token, generation: second.generation + 1 })
      }).pipe(provided)
    )

    it.effect("a former owner's late notification wakes nobody, whenever it was said [N9]", () =>
      Effect.gen(function* () {
        const { pool, poll } = yield* make(1)
        const former = yield* Effect.scoped(
          Effect.gen(function* () {
            const lease = yield* TokenPool.acquire(pool)
            // Said while it was the owner, not yet polled when the next one comes.
            assert.strictEqual(yield* TokenPool.notify(pool, lease), "Queued")
            return lease
          })
        )
        const present = yield* TokenPool.acquire(pool)
        assert.strictEqual(yield* TokenPool.notify(pool, former), "Stale")
        assert.deepStrictEqual(yield* poll, [])
        assert.strictEqual(yield* TokenPool.notify(pool, former), "Stale")
        assert.deepStrictEqual(yield* poll, [])
        assert.strictEqual(yield* TokenPool.notify(pool, present), "Queued")
        assert.strictEqual(yield* TokenPool.notify(pool, present), "Conflated")
        assert.deepStrictEqual(yield* poll, [0])
        assert.deepStrictEqual(yield* poll, [])
      }).pipe(provided)
    )

    it.effect("refuses what is no lease, and says that the notifier is closed [N9]", () =>
      Effect.gen(function* () {
        const { notifier, pool } = yield* make(2)
        const lease = yield* TokenPool.acquire(pool)
        const wrong: ReadonlyArray<unknown> = [
          null,
          3,
          {},
          { token: 2, generation: 0 },
          { token: -1, generation: 0 },
          { token: 0, generation: 0.5 },
          { token: 0, generation: 2 ** 31 }
        ]
        for (const one of wrong) {
          const error = yield* Effect.flip(TokenPool.notify(pool, one as TokenPool.Lease))
          assert.strictEqual(error._tag, "InvalidToken")
        }
        yield* Notifier.close(notifier)
        assert.strictEqual((yield* Effect.flip(TokenPool.notify(pool, lease)))._tag, "NotifierClosed")
      }).pipe(provided)
    )

    it.effect("a recovery says again what was marked and not said [N9] [N10]", () =>
      Effect.gen(function* () {
        const { pool, poll } = yield* make(4)
        const { generation, token } = yield* TokenPool.acquire(pool)
        // Somebody died between the mark and the notification.
        pool.words[token] = (generation << 1) | 1
        assert.deepStrictEqual(yield* poll, [])
        yield* TokenPool.recover(pool)
        assert.deepStrictEqual(yield* poll, [token])
      }).pipe(provided)
    )
  })
}

describe("a token pool", () => {
  it.effect("is joined by its posted handle; foreign and short handles are refused [N9]", () =>
    Effect.gen(function* () {
      const { pool, poll } = yield* make(64)
      const handle = yield* TokenPool.handle(pool)
      const member = yield* TokenPool.attach(structuredClone(handle))
      const lease = yield* TokenPool.acquire(pool)
      yield* TokenPool.notify(member, structuredClone(lease))
      assert.deepStrictEqual(yield* poll, [lease.token])
      const short = { ...handle, memory: new SharedArrayBuffer(8) }
      const other = (word: number, value: number, bytes = handle.memory.byteLength) => {
        const memory = new SharedArrayBuffer(bytes)
        const words = new Int32Array(memory)
        words.set(new Int32Array(handle.memory).subarray(0, words.length))
        words[word] = value
        return { ...handle, memory }
      }
      for (const [wrong, tag] of [
        [undefined, "NotANotifier"],
        [{ ...handle, memory: 1 }, "NotANotifier"],
        [{ ...handle, notifier: undefined }, "NotANotifier"],
        [short, "RegionTooSmall"],
        [{ ...handle, memory: new SharedArrayBuffer(4096) }, "NotANotifier"],
        [{ ...handle, memory: handle.notifier.memory }, "NotANotifier"],
        [other(1, 2), "OtherVersion"],
        [other(4, 63), "OtherShape"],
        [other(4, 64, 256), "RegionTooSmall"]
      ] as const) {
        assert.strictEqual((yield* Effect.flip(TokenPool.attach(wrong as TokenPool.Handle)))._tag, tag)
      }
    }).pipe(Effect.provide(Layer.merge(shared, SharedMemory.layerThread)))
  )
})
