/** Waiting across processes: who sleeps, who wakes, and what it costs. */
import { assert, describe, it } from "@effect/vitest"
import * as Ring from "@selvedge/core/ring/Ring"
import * as MappedMemory from "@selvedge/node/memory/MappedMemory"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { Worker } from "node:worker_threads"
import { IDLE_MILLIS, SPUN_MILLIS } from "../spun.ts"
import * as Layout from "../../src/memory/internal/layout.ts"
import { Numbered, sumOf } from "./fixtures/numbered.ts"
import { participant, participantIn, space } from "./fixtures/space.ts"
import type { Job } from "./fixtures/publishingThread.ts"

const multi = { record: Numbered, capacity: 64, producers: "multi" as const, maxConsumers: 20 }

describe("waiting across processes", () => {
  it.live("costs no processor time and none of libuv's threads, in 16 places [P4]", () =>
    space(({ directory, name }) =>
      Effect.gen(function* () {
        yield* Ring.make(multi).pipe(MappedMemory.named("numbers"))
        // One thread: had a waiter taken it, no file could be read.
        const idle = yield* participantIn({ UV_THREADPOOL_SIZE: "1" }, directory, name, "idle", "numbers")
        yield* Effect.promise(() => idle.ready())
        const { millis, pool, read } = yield* Effect.promise(() => idle.next())
        assert.deepStrictEqual({ pool, read }, { pool: "1", read: 20 })
        assert.isBelow(Number(millis), IDLE_MILLIS, `of ${SPUN_MILLIS} that were spun`)
      })
    )
  )

  it.live("ends at once with its scope, not after the slice of its sleep [P4]", () =>
    space((place) =>
      Effect.gen(function* () {
        let woken = 0
        for (let i = 0; i < 10 && woken === 0; i++) {
          const scope = yield* Scope.make()
          const context = yield* Layer.buildWithScope(MappedMemory.layerAttached(place), scope)
          const { core } = yield* Effect.provide(MappedMemory.MappedMemory, context)
          const { control, row } = core
          const asleep = Layout.participantWord(row) + Layout.ASLEEP
          while (Atomics.load(control.words, asleep) === 0) yield* Effect.sleep(1)
          const { door } = control
          const { wake } = door
          const own = control.address + (Layout.participantWord(row) + Layout.DOORBELL) * 4
          const counted = (address: number): void => {
            if (address === own) woken++
            wake(address)
          }
          Object.assign(door, { wake: counted })
          yield* Scope.close(scope, Exit.void)
        }
        // Once in a slice it is awake for a moment, and looks by itself; not ten times in a row when it is told to end.
        assert.isAbove(woken, 0)
      })
    )
  )

  const fromThread = (adopts: boolean) =>
    space(({ directory, name }) =>
      Effect.gen(function* () {
        const ring = yield* Ring.make(multi).pipe(MappedMemory.named("numbers"))
        const consumer = yield* participant(directory, name, "consume", "numbers", "a")
        yield* Effect.promise(() => consumer.ready())
        const { memory, owner } = yield* MappedMemory.handle(ring.core.memory)
        const shared = adopts ? yield* MappedMemory.share(memory) : undefined
        const { core } = yield* MappedMemory.MappedMemory
        const { words } = core.control
        const row = Array.from({ length: 16 }, (_, i) => Layout.participantWord(i)).find(
          (word) => words[word + Layout.PID] === consumer.process.pid
        )!
        // It is asleep when its watcher is, and its consumer's bell is listed.
        const listed = Layout.regionWord(0) + Layout.FIRST_BELL
        while (Atomics.load(words, listed) === 0 || Atomics.load(words, row + Layout.ASLEEP) === 0)
          yield* Effect.sleep(5)
        yield* Effect.sleep(20)
        const before = Atomics.load(words, row + Layout.DOORBELL)
        const workerData: Job = { handle: { memory, owner }, shared }
        const thread = new Worker(new URL("./fixtures/publishingThread.ts", import.meta.url), { workerData })
        yield* Effect.promise(() => new Promise((resolve) => thread.once("exit", resolve)))
        const rung = Atomics.load(words, row + Layout.DOORBELL) - before
        // Closing would wake the consumer; the record has to do that itself.
        const seat = Effect.sync(() => Atomics.load(ring.core.words, ring.core.layout.seatsWord))
        while ((yield* seat) === 0) yield* Effect.sleep(20)
        assert.strictEqual(yield* seat, 1, "taken")
        yield* Ring.close(ring)
        assert.deepStrictEqual(yield* Effect.promise(() => consumer.next()), { ...sumOf([{ who: 3, value: 4 }]) })
        return rung
      })
    )

  it.live("is ended at once by another thread of this process that has adopted the region [P4]", () =>
    Effect.map(fromThread(true), (rung) => assert.isAbove(rung, 0))
  )

  it.live("is ended within a slice by a thread that knows nothing of other processes [P4]", () =>
    Effect.map(fromThread(false), (rung) => assert.strictEqual(rung, 0))
  )
})
