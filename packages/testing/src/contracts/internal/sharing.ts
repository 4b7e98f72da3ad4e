/**
 * Memory that is handed to workers by name, and what lives in it.
 *
 * @internal
 */
import * as Notifier from "@selvedge/core/notifier/Notifier"
import { type AllocationFailed, SharedMemory } from "@selvedge/core/memory/SharedMemory"
import * as Consumer from "@selvedge/core/ring/Consumer"
import * as Producer from "@selvedge/core/ring/Producer"
import * as Ring from "@selvedge/core/ring/Ring"
import * as Container from "@selvedge/core/workers/Container"
import type { Regions } from "@selvedge/core/workers/WorkerRegions"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Scope } from "effect/Scope"
import type { CaseInMemory } from "./backendCase.ts"
import * as Ask from "../requests.ts"
import { claim, program, within } from "./claims.ts"

const RECORDS = 100_000
const TOKENS = 64
const shape = { record: Ask.Numbered, capacity: 1024 } as const

const allocate = (bytes: number): Effect.Effect<SharedArrayBuffer, AllocationFailed, SharedMemory | Scope> =>
  SharedMemory.use((memory) => memory.allocate(bytes))

/** Workers with regions, ready. */
const handed = Effect.fnUntraced(function* (regions: Regions, count = 1) {
  const container = yield* Container.make()
  yield* container.run({ name: "asking", program: program("asking"), count, regions })
  yield* within("they are ready", container.awaitReady)
  return container
})

const byName: CaseInMemory = {
  title: "shares memory that was handed over by name [W5]",
  needs: "shared memory",
  run: Effect.gen(function* () {
    const counts = yield* allocate(8)
    const container = yield* handed({ counts }, 2)
    for (const serviceOrdinal of [0, 1]) {
      yield* container.request(Ask.Add, "counts", { service: "asking", serviceOrdinal })
    }
    yield* claim("both added", Atomics.load(new Int32Array(counts), 0), 2)
  })
}

const rings: CaseInMemory = {
  title: "brings 100 000 records of a ring to a worker, and as many back, once and in order [W5] [P1]",
  needs: "shared memory",
  run: Effect.gen(function* () {
    const there = yield* Ring.make({ ...shape, requiredConsumers: 1 })
    const back = yield* Ring.make(shape)
    const container = yield* handed({ there: there.core.memory, back: back.core.memory })
    const asked = yield* Effect.forkChild(container.request(Ask.Consume, { region: "there", count: RECORDS }))
    const producer = yield* Producer.make(there)
    let wanted = 0
    for (let first = 1; first <= RECORDS; first += 64) {
      yield* Producer.publishWith(producer, Math.min(64, RECORDS + 1 - first), (slot, i) => {
        slot.value = first + i
        wanted = Ask.add(wanted, first + i)
      })
    }
    yield* claim("the worker's sum", yield* within("all are taken", Fiber.join(asked)), wanted)
    const consumer = yield* Consumer.make(back, { id: "supervisor" })
    yield* Effect.forkChild(container.request(Ask.Produce, { region: "back", count: RECORDS }))
    let sum = 0
    const taking = Effect.gen(function* () {
      for (let taken = 0; taken < RECORDS;) {
        const batch = yield* Consumer.takeBatch(consumer, 256)
        for (const { value } of batch) sum = Ask.add(sum, value)
        taken += batch.length
      }
    })
    yield* within("all come back", taking)
    yield* claim("the sum here", sum, wanted)
  })
}

const notifiers: CaseInMemory = {
  title: "wakes a worker that waits for the tokens of a notifier [W5] [P1] [P4]",
  needs: "shared memory",
  run: Effect.gen(function* () {
    const notifier = yield* Notifier.allocate({ maxTokens: TOKENS }).pipe(Effect.provide(Notifier.layer))
    const { memory } = yield* Notifier.handle(notifier)
    const container = yield* handed({ ready: memory })
    const asked = yield* Effect.forkChild(container.request(Ask.Poll, { region: "ready", count: TOKENS }))
    for (let token = 0; token < TOKENS; token++) {
      yield* Notifier.notify(notifier, token)
      if (token % 8 === 0) yield* Effect.sleep(5)
    }
    yield* claim("tokens", yield* within("all are heard", Fiber.join(asked)), TOKENS)
  })
}

/** @internal */
export const cases: ReadonlyArray<CaseInMemory> = [byName, rings, notifiers]
