/**
 * A ring between real threads: a worker's synchronous loop and fibers of this one.
 */
import { assert, it } from "@effect/vitest"
import * as Consumer from "@selvedge/core/ring/Consumer"
import * as Producer from "@selvedge/core/ring/Producer"
import * as Ring from "@selvedge/core/ring/Ring"
import * as RingSnapshot from "@selvedge/core/ring/RingSnapshot"
import { KeepAlive } from "@selvedge/core/memory/KeepAlive"
import { layerThread } from "@selvedge/core/memory/SharedMemory"
import * as Effect from "effect/Effect"
import { Worker } from "node:worker_threads"
import { Numbered } from "./faultyWorker.ts"
import { Checked, type Job, jobOf } from "./stressWorker.ts"

const workerOf = <A>(ring: Ring.Ring<A>, job: Partial<Job>) =>
  Effect.acquireRelease(
    Effect.map(Ring.handle(ring), (handle) => {
      const execArgv = ["--conditions=@selvedge/source", "--no-warnings"]
      return {
        owner: handle.owner,
        worker: new Worker(new URL("./stressWorker.ts", import.meta.url), { workerData: jobOf(handle, job), execArgv })
      }
    }),
    ({ worker }) => Effect.promise(() => worker.terminate())
  )

it.live(
  "a fiber takes what a worker publishes, every record once, and holds the loop only while it waits [R10] [R4]",
  () =>
    Effect.gen(function* () {
      const records = 20_000
      let holds = 0
      let most = 0
      const ring = yield* Ring.make({ record: Checked, capacity: 64 })
      const consumer = yield* Consumer.make(ring, { id: "here" })
      yield* workerOf(ring, { role: "producer", records, batch: 16 })
      const takeAll = Effect.gen(function* () {
        let next = 0
        while (next < records) {
          for (const { n, not } of yield* Consumer.takeBatch(consumer, 32)) {
            assert.deepStrictEqual([n, not], [next, -next])
            next++
          }
        }
      })
      yield* Effect.provideService(takeAll, KeepAlive, () => {
        most = Math.max(most, ++holds)
        let isHeld = true
        return () => {
          if (isHeld) holds--
          isHeld = false
        }
      })
      assert.deepStrictEqual([holds, most], [0, 1])
    }).pipe(Effect.provide(layerThread))
)

it.live("a terminated producer leaves no hole once its death is proved, and another goes on [R3]", () =>
  Effect.gen(function* () {
    const ring = yield* Ring.make({ record: Checked, capacity: 32, producers: "multi" })
    const consumer = yield* Consumer.make(ring, { id: "here" })
    const dies = yield* workerOf(ring, { role: "producer", producer: 0, records: 1e9, batch: 16 })
    for (let taken = 0; taken < 500;) taken += (yield* Consumer.takeBatch(consumer, 8)).length
    yield* Effect.promise(() => dies.worker.terminate())
    const done = yield* Ring.recover(ring, dies.owner)
    assert.strictEqual(done.pending, 0)
    const { claimed } = yield* RingSnapshot.snapshot(ring)
    while (consumer.position < claimed) yield* Effect.sync(() => consumer.takeUnsafe(32))
    consumer.settle()
    yield* workerOf(ring, { role: "producer", producer: 1, records: 100, batch: 4 })
    for (let n = 0; n < 100; n++) {
      const record = yield* Consumer.take(consumer)
      assert.deepStrictEqual([record.producer, record.n], [1, n])
    }
  }).pipe(Effect.provide(layerThread))
)

it.live(
  "a thread that blocks for room or for records shows that it sleeps, and is freed by the close [R10] [R12]",
  () =>
    Effect.gen(function* () {
      const ring = yield* Ring.make({ record: Checked, capacity: 2 })
      const slow = yield* Consumer.make(ring, { id: "slow" })
      const taker = yield* workerOf(ring, { id: "taker" })
      const giver = yield* workerOf(ring, { role: "producer", records: 10, batch: 1 })
      const asleep = Effect.map(RingSnapshot.snapshot(ring), ({ producers, seats }) =>
        [...producers, ...seats.filter(({ id }) => id === "taker")].map(({ isParked, owner }) => [owner, isParked])
      )
      const wanted = [
        [giver.owner, true],
        [taker.owner, true]
      ]
      while (JSON.stringify(yield* asleep) !== JSON.stringify(wanted)) yield* Effect.sleep(1)
      const ended = Promise.all(
        [taker, giver].map(({ worker }) => new Promise((resolve) => worker.once("exit", resolve)))
      )
      yield* Ring.close(ring)
      assert.deepStrictEqual(yield* Effect.promise(() => ended), [0, 0])
      assert.lengthOf(yield* Consumer.takeBatch(slow, 9), 2)
    }).pipe(Effect.provide(layerThread))
)

it.live(
  "a thread that dies of a record leaves it to the heir of its seat, and holds no other record back [R6] [R7]",
  () =>
    Effect.gen(function* () {
      const ring = yield* Ring.make({ record: Numbered, capacity: 8 })
      const producer = yield* Producer.make(ring)
      const handle = yield* Ring.handle(ring)
      const execArgv = ["--conditions=@selvedge/source", "--no-warnings"]
      const worker = new Worker(new URL("./faultyWorker.ts", import.meta.url), { workerData: handle, execArgv })
      const error = new Promise<unknown>((resolve) => worker.once("error", resolve))
      const exit = new Promise<unknown>((resolve) => worker.once("exit", resolve))
      const differs = yield* Effect.promise(() => new Promise<unknown>((resolve) => worker.once("message", resolve)))
      assert.strictEqual(differs, "schema")
      const numbered = Array.from({ length: 8 }, (_, n) => ({ n }))
      yield* Producer.publishAll(producer, numbered)
      assert.include(String(yield* Effect.promise(() => error)), "cannot handle 5")
      assert.strictEqual(yield* Effect.promise(() => exit), 1)
      const recovered = yield* Ring.recover(ring, handle.owner)
      assert.deepStrictEqual(recovered.vacated, ["faulty"])
      // What was handled before it is free.
      assert.strictEqual(yield* Producer.tryPublish(producer, numbered.slice(0, 6)), 1)
      assert.strictEqual(yield* Producer.tryPublish(producer, numbered.slice(0, 5)), 0)
      const heir = yield* Consumer.make(ring, { id: "faulty" })
      assert.deepStrictEqual([heir.tookOver, heir.position], [true, 5])
      const taken = yield* Consumer.takeBatch(heir, 9)
      assert.deepStrictEqual(
        taken.map(({ n }) => n),
        [5, 6, 7, 0, 1, 2, 3, 4]
      )
    }).pipe(Effect.provide(layerThread))
)
