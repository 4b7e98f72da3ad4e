/**
 * Joining a ring in ways it was not made for: refused, waiting for a lock, as the heir of the dead, interrupted.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Consumer from "@selvedge/core/ring/Consumer"
import * as Producer from "@selvedge/core/ring/Producer"
import * as Ring from "@selvedge/core/ring/Ring"
import * as RingSnapshot from "@selvedge/core/ring/RingSnapshot"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import * as Gate from "../../src/ring/internal/gate.ts"
import * as Layout from "../../src/ring/internal/layout.ts"
import { attached, fork, local, numbers, publishRange, ringOf, values } from "./support.ts"

describe("joining", () => {
  it.effect("one that is refused takes no seat, and leaves a vacant one as it was [R7] [R8]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf()
      const producer = yield* Producer.make(ring)
      const worker = yield* attached(ring)
      yield* Consumer.make(worker, { id: "a" })
      yield* publishRange(producer, 0, 2)
      yield* Ring.recover(ring, worker.owner)
      assert.strictEqual((yield* Effect.flip(Consumer.make(ring, { id: "a", from: 9 }))).reason, "InvalidOption")
      assert.strictEqual((yield* Effect.flip(Consumer.make(ring, { id: "b", from: 9 }))).reason, "InvalidOption")
      const { seats } = yield* RingSnapshot.snapshot(ring)
      assert.deepStrictEqual(
        seats.map(({ id, state }) => [id, state]),
        [["a", "Vacant"]]
      )
    }).pipe(Effect.provide(local))
  )

  it.effect("the heir of a vacant seat may begin after its cursor, up to what is claimed [R7] [R8]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf()
      const producer = yield* Producer.make(ring)
      const worker = yield* attached(ring)
      yield* Consumer.make(worker, { id: "a" })
      yield* publishRange(producer, 0, 4)
      yield* Ring.recover(ring, worker.owner)
      const heir = yield* Consumer.make(ring, { id: "a", from: 3 })
      assert.deepStrictEqual([heir.joinedAt, heir.position, heir.gaps], [0, 3, 0])
      assert.deepStrictEqual(numbers(yield* Consumer.takeBatch(heir, 9)), [3])
      assert.strictEqual(yield* Producer.tryPublish(producer, values(4, 8)), 0)
    }).pipe(Effect.provide(local))
  )

  it.effect("who waits for a lock whose holder died can be interrupted, sleeps, and has taken no seat [R7] [R10]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf()
      const { memory } = yield* Ring.handle(ring)
      // The lock's word, with an owner that nobody has recovered yet.
      const words = new Int32Array(memory)
      words[7 * 32] = 77
      const joining = yield* fork(Consumer.make(ring, { id: "a" }))
      yield* TestClock.adjust("1 second")
      assert.isUndefined(joining.pollUnsafe())
      yield* Fiber.interrupt(joining)
      const again = yield* fork(Consumer.make(ring, { id: "a" }))
      yield* Ring.recover(ring, 77)
      yield* TestClock.adjust("10 millis")
      assert.strictEqual((yield* Fiber.join(again)).id, "a")
      assert.strictEqual((yield* RingSnapshot.snapshot(ring)).seats.length, 1)
    }).pipe(Effect.provide(local))
  )

  it.effect("a recovery that is interrupted has begun the grace of what it made vacant [R7]", () =>
    Effect.gen(function* () {
      const ring = yield* ringOf({ capacity: 1, producers: "multi", vacantGrace: "5 seconds" })
      const worker = yield* attached(ring)
      yield* Consumer.make(worker, { id: "dead" })
      const producer = yield* Producer.make(ring)
      yield* Producer.publish(producer, { n: 0 })
      // A hole that may belong to somebody who lives keeps the recovery waiting: the same intent in two lines.
      const words = new Int32Array((yield* Ring.handle(ring)).memory)
      for (const [line, owner] of [
        [1, 88],
        [2, 99]
      ] as const) {
        words[Layout.producerWord(line) + Layout.PRODUCER_OWNER] = owner === 88 ? worker.owner : owner
        words[Layout.producerWord(line) + Layout.PRODUCER_INTENT] = Gate.intentOf(1)
      }
      words[Layout.CLAIM_WORD] = 2
      const recovering = yield* fork(Ring.recover(ring, worker.owner))
      assert.isUndefined(recovering.pollUnsafe())
      yield* Fiber.interrupt(recovering)
      assert.strictEqual((yield* RingSnapshot.snapshot(ring)).seats[0]?.state, "Vacant")
      yield* TestClock.adjust("6 seconds")
      assert.deepStrictEqual((yield* RingSnapshot.snapshot(ring)).seats, [])
    }).pipe(Effect.provide(local))
  )
})
