/**
 * A notifier between real threads.
 */
import { assert, describe, it } from "@effect/vitest"
import { Events, Notifier, Poller } from "@selvedge/core"
import * as SharedMemory from "@selvedge/core/memory/SharedMemory"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Worker } from "node:worker_threads"
import type { Job, Told } from "./notifierWorker.ts"

const layer = Layer.provide(Notifier.layer, SharedMemory.layerThread)

const execArgv = ["--conditions=@selvedge/source", "--no-warnings"]

const start = (job: Job) =>
  Effect.acquireRelease(
    Effect.sync(() => new Worker(new URL("./notifierWorker.ts", import.meta.url), { workerData: job, execArgv })),
    (worker) => Effect.promise(() => worker.terminate())
  )

const next = (worker: Worker) =>
  Effect.promise(
    () =>
      new Promise<Told>((resolve, reject) => {
        worker.once("error", reject)
        worker.once("message", (told: Told) => {
          worker.off("error", reject)
          resolve(told)
        })
      })
  )

const turn = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

describe("a notifier between two threads", () => {
  for (const limit of [64, 5]) {
    it.live(`hands the last news of 64 tokens over, by ${limit} at most, and loses none [N2] [N3] [N5]`, () =>
      Effect.gen(function* () {
        const rounds = 3000
        const { notifier, poller } = yield* Notifier.make({ maxTokens: 64 })
        const events = yield* Events.make(64)
        const words = new Int32Array(new SharedArrayBuffer(64 * 4))
        const seen = new Map<number, number>()
        const handle = yield* Notifier.handle(notifier)
        yield* start({ role: "producer", handle, news: words.buffer as SharedArrayBuffer, rounds })
        let handed = 0
        const isDone = () => seen.size === 64 && Array.from(seen.values()).every((news) => news === rounds)
        while (!isDone()) {
          // Without a turn of the loop in between, as a thread that does nothing else would.
          for (let i = 0; i < 500; i++) {
            handed += Poller.pollUnsafe(poller, events, limit)
            assert.isAtMost(events.length, limit)
            for (const token of events) {
              const news = Atomics.load(words, token)
              assert.isAtLeast(news, seen.get(token) ?? 0)
              seen.set(token, news)
            }
          }
          yield* turn
        }
        assert.isAtLeast(handed, 64)
      }).pipe(Effect.provide(layer))
    )
  }
})

describe("a dedicated worker", () => {
  it.live("sleeps in a blocking receive until it is told, each time, and ends with the close [N6]", () =>
    Effect.gen(function* () {
      const notifier = yield* Notifier.allocate({ maxTokens: 8 })
      const handle = yield* Notifier.handle(notifier)
      const worker = yield* start({ role: "receiver", handle, news: new SharedArrayBuffer(4), rounds: 0 })
      for (let round = 0; round < 50; round++) {
        const told = next(worker)
        yield* Notifier.notify(notifier, round % 8)
        assert.deepStrictEqual(yield* told, [round % 8])
        // Some rounds find it on its way to sleep, some asleep.
        if (round % 5 === 0) yield* Effect.sleep("2 millis")
      }
      const end = next(worker)
      yield* Notifier.close(notifier)
      assert.strictEqual(yield* end, "NotifierClosed")
    }).pipe(Effect.provide(layer))
  )

  it.live("that did not say so may not block: its fibers would stand still [N6]", () =>
    Effect.gen(function* () {
      const notifier = yield* Notifier.allocate({ maxTokens: 8 })
      const handle = yield* Notifier.handle(notifier)
      const worker = yield* start({ role: "fibers", handle, news: new SharedArrayBuffer(4), rounds: 0 })
      assert.strictEqual(yield* next(worker), "WouldBlockEventLoop")
    }).pipe(Effect.provide(layer))
  )
})
