/** What becomes of rings and notifiers when a process is killed. */
import { assert, describe, it } from "@effect/vitest"
import * as EventChannel from "@selvedge/core/notifier/EventChannel"
import * as Events from "@selvedge/core/notifier/Events"
import * as Notifier from "@selvedge/core/notifier/Notifier"
import * as Consumer from "@selvedge/core/ring/Consumer"
import * as Producer from "@selvedge/core/ring/Producer"
import * as Ring from "@selvedge/core/ring/Ring"
import * as RingSnapshot from "@selvedge/core/ring/RingSnapshot"
import * as KeepAlive from "@selvedge/node/main/KeepAlive"
import * as MappedMemory from "@selvedge/node/memory/MappedMemory"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Numbered } from "./fixtures/numbered.ts"
import { freshDirectory, participant, type Place, space } from "./fixtures/space.ts"

const multi = { record: Numbered, capacity: 8, producers: "multi" as const, vacantGrace: 50 }
const TIMEOUT = "4 minutes"

/** Roles that kill themselves, in the middle of what they do. */
const selfKilling = new Set(["half", "ownHalf", "flag"])

/** A participant that has said it is ready, and was killed. */
const killed = Effect.fnUntraced(function* ({ directory, name }: Place, ...args: ReadonlyArray<string>) {
  const one = yield* participant(directory, name, ...args)
  yield* Effect.promise(() => one.ready())
  if (!selfKilling.has(args[0] ?? "")) one.process.kill("SIGKILL")
  yield* Effect.promise(() => one.killed())
  return one
})

const participantsLeft = Effect.map(MappedMemory.participants, (all) => all.length)

const until = <E, R>(isSo: Effect.Effect<boolean, E, R>): Effect.Effect<void, E, R> =>
  Effect.flatMap(isSo, (done) => (done ? Effect.void : Effect.andThen(Effect.sleep(10), until(isSo))))

describe("a process that is killed", () => {
  it.live("holds producers up with its consumer's seat until somebody recovers the ring, and no longer [P3]", () =>
    space((place) =>
      Effect.gen(function* () {
        const ring = yield* Ring.make(multi).pipe(MappedMemory.named("numbers"))
        const producer = yield* Producer.make(ring)
        yield* killed(place, "seat", "numbers", "dead")
        const eight = Array.from({ length: 8 }, (_, value) => ({ who: 1, value }))
        yield* Producer.publishAll(producer, eight)
        const stuck = yield* Effect.flip(Producer.publish(producer, { who: 1, value: 8 }, { timeout: 300 }))
        assert.strictEqual(stuck._tag, "RingTimeout")
        yield* MappedMemory.recoverRing(ring)
        yield* Producer.publish(producer, { who: 1, value: 8 }, { timeout: TIMEOUT })
        const { givenUp, seats } = yield* RingSnapshot.snapshot(ring)
        assert.deepStrictEqual({ givenUp, seats: seats.length }, { givenUp: 8, seats: 0 })
      })
    )
  )

  it.live("keeps no place for the sake of a region that was removed while it had it open [P3]", () =>
    space((place) =>
      Effect.gen(function* () {
        const one = yield* Effect.scoped(
          Effect.gen(function* () {
            yield* Ring.make(multi).pipe(MappedMemory.named("numbers"))
            const opened = yield* participant(place.directory, place.name, "seat", "numbers", "late")
            yield* Effect.promise(() => opened.ready())
            return opened
          })
        )
        assert.strictEqual(yield* participantsLeft, 2)
        one.process.kill("SIGKILL")
        yield* Effect.promise(() => one.killed())
        yield* Effect.timeout(until(Effect.map(participantsLeft, (left) => left === 1)), TIMEOUT)
      })
    )
  )

  it.live("leaves a claim that is skipped by others and counted [P3]", () =>
    space((place) =>
      Effect.gen(function* () {
        const ring = yield* Ring.make(multi).pipe(MappedMemory.named("numbers"))
        yield* MappedMemory.recoverRing(ring)
        const consumer = yield* Consumer.make(ring, { id: "test" })
        const producer = yield* Producer.make(ring)
        yield* killed(place, "half", "numbers", "3")
        // Behind the hole.
        yield* Producer.publish(producer, { who: 2, value: 9 })
        const record = yield* Effect.timeout(Consumer.take(consumer), TIMEOUT)
        assert.deepStrictEqual({ ...record }, { who: 2, value: 9 })
        assert.strictEqual((yield* RingSnapshot.snapshot(ring)).tombstones, 3)
      })
    )
  )

  it.live("leaves a token that is revived [P3]", () =>
    space((place) =>
      Effect.gen(function* () {
        const { channel, notifier } = yield* EventChannel.make({ maxTokens: 16 }).pipe(
          Effect.provide(Notifier.layer),
          MappedMemory.named("ready")
        )
        yield* killed(place, "flag", "ready", "5")
        assert.strictEqual(yield* Notifier.notify(notifier, 5), "Conflated")
        const events = yield* Events.make(16)
        assert.strictEqual(yield* EventChannel.receive(channel, events, { timeout: 200 }), 0, "dead")
        yield* MappedMemory.recoverNotifier(notifier)
        yield* EventChannel.receive(channel, events, { timeout: TIMEOUT })
        assert.deepStrictEqual(events.toArray(), [5])
        assert.strictEqual(yield* Notifier.notify(notifier, 5), "Queued")
      })
    )
  )

  it.live("keeps its place until every region it had open is recovered, and then gives it back [P3]", () =>
    space(
      (place) =>
        Effect.gen(function* () {
          const ring = yield* Ring.make(multi).pipe(MappedMemory.named("numbers"))
          const dead = yield* killed(place, "seat", "numbers", "dead")
          // It is proved dead by its lock, whether or not anybody recovers.
          yield* until(Effect.map(MappedMemory.participants, (all) => all.some(({ isAlive }) => !isAlive)))
          const rows = yield* MappedMemory.participants
          assert.deepStrictEqual(
            rows.map(({ isAlive, isOwner, isThisOne, pid }) => ({ isAlive, isOwner, isThisOne, pid })),
            [
              { isAlive: true, isOwner: true, isThisOne: true, pid: process.pid },
              { isAlive: false, isOwner: false, isThisOne: false, pid: dead.process.pid }
            ]
          )
          assert.isAbove(rows[0]!.startTicks, 0)
          const attach = Effect.scoped(Layer.build(MappedMemory.layerAttached(place)))
          const message = () => Effect.map(Effect.flip(attach), (error) => error.message)
          yield* until(
            Effect.map(message(), (text) => text.endsWith("found 2 in use; 1 of them dead and not recovered yet"))
          )
          yield* MappedMemory.recoverRing(ring)
          yield* until(Effect.map(participantsLeft, (left) => left === 1))
          yield* attach
        }),
      { maxParticipants: 2 }
    )
  )

  it.live("is recovered from by a new owner, also if it was the owner and nobody was left [P3]", () =>
    Effect.gen(function* () {
      const place = { directory: yield* freshDirectory, name: "test" }
      yield* killed(place, "ownHalf", "numbers", "5")
      yield* Effect.gen(function* () {
        const memory = yield* MappedMemory.open("numbers")
        const ring = yield* Ring.attach(yield* MappedMemory.handle(memory), { record: Numbered })
        const consumer = yield* Consumer.make(ring, { id: "test", from: "earliest" })
        yield* Producer.publish(yield* Producer.make(ring), { who: 2, value: 9 })
        const stuck = yield* Effect.timeoutOption(Consumer.take(consumer), 200)
        assert.strictEqual(stuck._tag, "None")
        yield* MappedMemory.recoverRing(ring)
        const record = yield* Effect.timeout(Consumer.take(consumer), TIMEOUT)
        assert.deepStrictEqual({ ...record }, { who: 2, value: 9 })
        assert.strictEqual((yield* RingSnapshot.snapshot(ring)).tombstones, 5)
      }).pipe(Effect.scoped, Effect.provide(Layer.merge(MappedMemory.layerMapped(place), KeepAlive.layer)))
    }).pipe(Effect.scoped)
  )

  it.live("leaves its consumer's seat to an heir, who goes on where it had committed [P3]", () =>
    space((place) =>
      Effect.gen(function* () {
        const ring = yield* Ring.make({ ...multi, vacantGrace: "1 minute" }).pipe(MappedMemory.named("numbers"))
        yield* MappedMemory.recoverRing(ring)
        const producer = yield* Producer.make(ring)
        yield* killed(place, "seat", "numbers", "a")
        yield* Producer.publish(producer, { who: 1, value: 1 })
        yield* until(Effect.map(RingSnapshot.snapshot(ring), ({ seats }) => seats[0]?.state === "Vacant"))
        const heir = yield* Consumer.make(ring, { id: "a" })
        assert.deepStrictEqual({ ...(yield* Consumer.take(heir)) }, { who: 1, value: 1 })
      })
    )
  )
})
