/** Finding each other, waiting for each other, and giving up on each other, between real processes. */
import { assert, describe, it } from "@effect/vitest"
import * as Producer from "@selvedge/core/ring/Producer"
import * as Readiness from "@selvedge/core/ring/Readiness"
import * as Ring from "@selvedge/core/ring/Ring"
import * as RingSnapshot from "@selvedge/core/ring/RingSnapshot"
import * as MappedMemory from "@selvedge/node/memory/MappedMemory"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { Numbered, sumOf } from "./fixtures/numbered.ts"
import { participant, space } from "./fixtures/space.ts"

const multi = { record: Numbered, capacity: 64, producers: "multi" as const, vacantGrace: "1 minute" as const }
const RECORDS = Array.from({ length: 100 }, (_, i) => ({ who: 1, value: i + 1 }))
const TIMEOUT = { timeout: "4 minutes" } as const

describe("between processes", () => {
  it.live(
    "consumers may be there before the ring, the producer is told of them, which waits for the required one that comes late [P1] [R9]",
    () =>
      space(({ directory, name }) =>
        Effect.gen(function* () {
          // It looks for a region that is not there yet.
          const early = yield* participant(directory, name, "consume", "numbers", "early")
          const ring = yield* Ring.make({ ...multi, requiredConsumers: 2 }).pipe(MappedMemory.named("numbers"))
          yield* Readiness.awaitConsumers(ring, { ids: ["early"] }, TIMEOUT)
          const producer = yield* Producer.make(ring)
          const publishing = yield* Effect.forkChild(
            Effect.forEach(RECORDS, (record) => Producer.publish(producer, record))
          )
          const late = yield* participant(directory, name, "consume", "numbers", "late")
          yield* Readiness.awaitConsumers(ring, { count: 2 }, TIMEOUT)
          yield* Fiber.join(publishing)
          yield* Ring.close(ring)
          for (const one of [early, late]) {
            assert.deepStrictEqual(yield* Effect.promise(() => one.ready().then(() => one.next())), {
              ...sumOf(RECORDS)
            })
          }
        })
      )
  )

  it.live(
    "a required consumer whose process is killed is told of once, and ends the watch when no heir comes [P3] [R9]",
    () =>
      space(({ directory, name }) =>
        Effect.gen(function* () {
          const ring = yield* Ring.make(multi).pipe(MappedMemory.named("numbers"))
          yield* MappedMemory.recoverRing(ring)
          const told: Array<string> = []
          const watching = yield* Effect.forkChild(
            Effect.flip(
              Readiness.watch(ring, {
                ids: ["needed"],
                startup: "4 minutes",
                grace: "3 seconds",
                interval: 20,
                onStall: ({ verdict }) => Effect.sync(() => void told.push(verdict))
              })
            )
          )
          const first = yield* participant(directory, name, "seat", "numbers", "needed")
          yield* Effect.promise(() => first.ready())
          yield* Readiness.awaitConsumers(ring, { ids: ["needed"] }, TIMEOUT)
          yield* Effect.sleep(100)
          yield* Effect.promise(() => first.kill())
          const stall = yield* Effect.timeout(Fiber.join(watching), "4 minutes")
          assert.deepStrictEqual([stall._tag, stall.verdict, stall.id], ["ConsumerStalled", "gone", "needed"])
          assert.deepStrictEqual(told, ["gone"])
          // What it has not taken is still kept for it.
          const seats = (yield* RingSnapshot.snapshot(ring)).seats
          assert.deepStrictEqual(
            seats.map(({ id, state }) => [id, state]),
            [["needed", "Vacant"]]
          )
        })
      )
  )

  it.live("a required consumer that never comes ends the watch, after it was told of [P1] [R9]", () =>
    space(() =>
      Effect.gen(function* () {
        const ring = yield* Ring.make(multi).pipe(MappedMemory.named("numbers"))
        const told: Array<string> = []
        const stall = yield* Effect.flip(
          Readiness.watch(ring, {
            ids: ["needed"],
            startup: "100 millis",
            grace: "100 millis",
            interval: 20,
            onStall: ({ verdict }) => Effect.sync(() => void told.push(verdict))
          })
        )
        assert.deepStrictEqual([stall.verdict, told], ["never attached", ["never attached"]])
      })
    )
  )
})
