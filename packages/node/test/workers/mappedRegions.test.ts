/**
 * Mapped memory in the hands of workers: what a life leaves behind is there for the next one, and nothing stays taken.
 */
import { assert, describe, it } from "@effect/vitest"
import * as SharedMemory from "@selvedge/core/memory/SharedMemory"
import * as Producer from "@selvedge/core/ring/Producer"
import * as Ring from "@selvedge/core/ring/Ring"
import type * as Backend from "@selvedge/core/workers/Backend"
import { module } from "@selvedge/core/workers/Backend"
import * as Container from "@selvedge/core/workers/Container"
import * as WorkerExit from "@selvedge/core/workers/WorkerExit"
import * as WorkerRegions from "@selvedge/core/workers/WorkerRegions"
import * as MappedMemory from "@selvedge/node/memory/MappedMemory"
import * as ForkedBackend from "@selvedge/node/workers/ForkedBackend"
import * as HybridBackend from "@selvedge/node/workers/HybridBackend"
import * as ThreadedBackend from "@selvedge/node/workers/ThreadedBackend"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { End, Numbered, Pid, Take } from "./fixtures/sharing.ts"
import { mapped, mappedWith } from "./mapped.ts"
import { errorOf, fixture, quiet } from "./support.ts"

const sharing = module(fixture("sharing"))
const options = { record: Numbered, capacity: 64, producers: "multi" as const, vacantGrace: "1 minute" as const }

const backends: ReadonlyArray<readonly [string, "exit" | "kill", Layer.Layer<Backend.Backend>]> = [
  ["a thread", "exit", ThreadedBackend.layer()],
  ["a process", "kill", ForkedBackend.layer()],
  ["a thread of a hybrid", "exit", Layer.orDie(HybridBackend.layer({ threads: 1 }))],
  ["a process of a hybrid", "kill", Layer.orDie(HybridBackend.layer({ threads: 1 }))]
]

const others = Effect.map(MappedMemory.participants, (all) => all.filter(({ isThisOne }) => !isThisOne))

/** A request that waits while there is no worker for it. */
const asked = <A, E>(ask: Effect.Effect<A, E>): Effect.Effect<A> =>
  Effect.catch(ask, () => Effect.andThen(Effect.sleep(20), asked(ask)))

describe("a seat in mapped memory", () => {
  for (const [name, how, backend] of backends) {
    it.live(`of ${name} is there for its next life, however it ends, with nothing but recoverRing [P3] [W7]`, () =>
      Effect.gen(function* () {
        const ring = yield* Ring.make(options)
        yield* MappedMemory.recoverRing(ring)
        const producer = yield* Producer.make(ring)
        const regions = { numbers: ring.core.memory }
        const container = yield* Container.make()
        const child = yield* container.spawn({ name: "sharing", program: sharing, regions })
        yield* child.awaitReady
        for (let value = 1; value <= 4; value++) yield* Producer.publish(producer, { value })
        assert.deepStrictEqual(yield* container.request(Take, 2), [1, 2])
        const before = yield* others
        yield* Effect.exit(container.request(End, how))
        assert.deepStrictEqual(yield* asked(container.request(Take, 2)), [3, 4])
        assert.strictEqual((yield* others).length, before.length)
        assert.deepStrictEqual(
          (yield* others).filter(({ isAlive }) => !isAlive),
          []
        )
        // Told to stop, in order, it keeps its seat as well.
        yield* container.stop("5 seconds")
        assert.deepStrictEqual(yield* others, [])
        const next = yield* Container.make()
        yield* next.spawn({ name: "sharing", program: sharing, regions })
        yield* next.awaitReady
        for (let value = 5; value <= 6; value++) yield* Producer.publish(producer, { value })
        assert.deepStrictEqual(yield* next.request(Take, 2), [5, 6])
      }).pipe(Effect.scoped, Effect.provide([mapped, backend, quiet]))
    )
  }

  it.live("is recovered by ownerOf in the memory of one process [W7]", () =>
    Effect.gen(function* () {
      const ring = yield* Ring.make(options)
      const producer = yield* Producer.make(ring)
      const recover = (dead: Parameters<typeof WorkerRegions.ownerOf>[0]) =>
        Ring.recover(ring, WorkerRegions.ownerOf(dead))
      const container = yield* Container.make({ recover })
      const child = yield* container.spawn({
        name: "sharing",
        program: sharing,
        regions: { numbers: ring.core.memory }
      })
      yield* child.awaitReady
      for (let value = 1; value <= 4; value++) yield* Producer.publish(producer, { value })
      assert.deepStrictEqual(yield* container.request(Take, 2), [1, 2])
      yield* Effect.exit(container.request(End, "exit"))
      assert.deepStrictEqual(yield* asked(container.request(Take, 2)), [3, 4])
    }).pipe(Effect.scoped, Effect.provide([SharedMemory.layerThread, ThreadedBackend.layer(), quiet]))
  )
})

describe("a process with mapped memory", () => {
  it.live("gives its place among the participants back when it is killed, also where nobody recovers [P3]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make({ intensity: { max: 10, period: "1 minute" } })
      const memory = yield* MappedMemory.allocate("numbers", 8)
      yield* container.spawn({ name: "echo", program: module(fixture("echo")), regions: { memory } })
      yield* container.awaitReady
      for (let kills = 0; kills < 3; kills++) {
        const [{ pid } = { pid: 0 }] = yield* others
        process.kill(pid, "SIGKILL")
        yield* Effect.repeat(Effect.andThen(Effect.sleep(10), others), {
          while: (rows) => rows.length !== 1 || rows[0]?.pid === pid
        })
      }
      assert.strictEqual((yield* others).length, 1)
    }).pipe(Effect.scoped, Effect.provide([mappedWith({ maxParticipants: 2 }), ForkedBackend.layer(), quiet]))
  )

  it.live("that finds no place there fails its start, typed, and is not tried for ever [P2] [W6]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make({ intensity: { max: 1, period: "1 minute" } })
      const memory = yield* MappedMemory.allocate("numbers", 8)
      const program = module(fixture("echo"))
      const child = yield* container.spawn({ name: "echo", program, regions: { memory } })
      const error = yield* Effect.flip(container.awaitReady)
      assert.oneOf(error._tag, ["NotReady", "RestartIntensityExceeded"])
      const exit = yield* child.awaitEnded
      assert.strictEqual(errorOf(exit)?.name, "SpaceFull", WorkerExit.describe(exit))
    }).pipe(Effect.scoped, Effect.provide([mappedWith({ maxParticipants: 1 }), ForkedBackend.layer(), quiet]))
  )

  it.live("is refused memory that it could not find, by name, before anything starts [P5]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      const found = yield* MappedMemory.allocate("numbers", 8)
      const regions = { found, lost: new SharedArrayBuffer(8) }
      const error = yield* Effect.flip(container.spawn({ name: "echo", program: module(fixture("echo")), regions }))
      assert.deepInclude(error, {
        _tag: "StartFailed",
        reason: "MappingUnavailable",
        found: "other memory called lost"
      })
      assert.deepStrictEqual(yield* others, [])
    }).pipe(Effect.scoped, Effect.provide([mapped, ForkedBackend.layer(), quiet]))
  )
})

it.live("a thread of a hybrid has a place beside its process's, in the same process [P1] [W5]", () =>
  Effect.gen(function* () {
    const ring = yield* Ring.make({ ...options, maxConsumers: 8 })
    const container = yield* Container.make()
    yield* container.run({ name: "sharing", program: sharing, count: 1, regions: { numbers: ring.core.memory } })
    yield* container.awaitReady
    const pid = yield* container.request(Pid, null)
    const rows = yield* others
    assert.deepStrictEqual(
      rows.map((row) => row.pid),
      [pid, pid]
    )
  }).pipe(Effect.scoped, Effect.provide([mapped, Layer.orDie(HybridBackend.layer({ threads: 1 })), quiet]))
)
