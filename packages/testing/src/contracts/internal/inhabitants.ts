/**
 * What lives in regions works in any of them: each case makes it there, joins it a second time through its handle, and uses both ends.
 *
 * @internal
 */
import type { CounterId } from "@selvedge/core/diagnostics/CounterId"
import * as Counters from "@selvedge/core/diagnostics/Counters"
import * as FlightRecorder from "@selvedge/core/diagnostics/FlightRecorder"
import * as StrandRegistry from "@selvedge/core/diagnostics/StrandRegistry"
import * as Record from "@selvedge/core/memory/Record"
import * as EventChannel from "@selvedge/core/notifier/EventChannel"
import * as Events from "@selvedge/core/notifier/Events"
import * as Notifier from "@selvedge/core/notifier/Notifier"
import * as SharedSlot from "@selvedge/core/notifier/SharedSlot"
import * as Consumer from "@selvedge/core/ring/Consumer"
import * as Producer from "@selvedge/core/ring/Producer"
import * as Ring from "@selvedge/core/ring/Ring"
import * as RingSnapshot from "@selvedge/core/ring/RingSnapshot"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Case } from "./memoryCase.ts"
import { claim, holds } from "./claims.ts"

const Numbered = Record.struct({ who: Record.i32, value: Record.i32 })

/** Everything a consumer is given until the ring is closed, as text. */
const drain = (consumer: Consumer.Consumer<{ readonly who: number; readonly value: number }>) => {
  const seen: Array<string> = []
  const taking = Effect.map(Consumer.takeBatch(consumer, 16), (batch) => {
    for (const { value, who } of batch) seen.push(`${who}:${value}`)
  })
  return Effect.forever(taking).pipe(
    Effect.catchTag("RingClosed", () => Effect.void),
    Effect.map(() => seen)
  )
}

const COUNT = 500

const ring: Case = {
  title:
    "a ring brings every record of two producers to two consumers, over its end, while all of them wait for each other",
  run: Effect.gen(function* () {
    const here = yield* Ring.make({ record: Numbered, capacity: 8, producers: "multi", requiredConsumers: 2 })
    const there = yield* Ring.attach(yield* Ring.handle(here), { record: Numbered })
    const consumers = [yield* Consumer.make(here, { id: "a" }), yield* Consumer.make(there, { id: "b" })]
    const draining = yield* Effect.forEach(consumers, (one) => Effect.forkChild(drain(one)))
    const produce = (ring: typeof here, who: number) =>
      Effect.flatMap(Producer.make(ring), (producer) =>
        Effect.forEach(Array.from({ length: COUNT }), (_, value) => Producer.publish(producer, { who, value }), {
          discard: true
        })
      )
    yield* Effect.all([produce(here, 1), produce(there, 2)], { concurrency: 2, discard: true })
    yield* Ring.close(here)
    const all = [1, 2].flatMap((who) => Array.from({ length: COUNT }, (_, value) => `${who}:${value}`))
    for (const one of draining) {
      const seen = yield* Fiber.join(one)
      yield* claim("how many", seen.length, all.length)
      for (const who of ["1", "2"]) {
        const mine = (text: string) => text.startsWith(who)
        yield* claim(`in order, from ${who}`, seen.filter(mine).join(), all.filter(mine).join())
      }
    }
  })
}

const recovery: Case = {
  title: "a ring is recovered from the death of an owner: its seat is vacant, and its heir goes on",
  run: Effect.gen(function* () {
    const here = yield* Ring.make({ record: Numbered, capacity: 8 })
    const handle = yield* Ring.handle(here)
    const there = yield* Ring.attach(handle, { record: Numbered })
    yield* Consumer.make(there, { id: "a" })
    yield* Producer.publish(yield* Producer.make(here), { who: 1, value: 7 })
    const { vacated } = yield* Ring.recover(here, handle.owner)
    yield* claim("vacant seats", vacated.join(), "a")
    const heir = yield* Consumer.make(here, { id: "a" })
    yield* claim("its first record", (yield* Consumer.take(heir)).value, 7)
    yield* claim("seats", (yield* RingSnapshot.snapshot(here)).seats.length, 1)
  })
}

const notifier: Case = {
  title: "a notifier conflates, keeps the order of what was first, and wakes who waits",
  run: Effect.gen(function* () {
    const { channel, notifier: here } = yield* Effect.provide(EventChannel.make({ maxTokens: 32 }), Notifier.layer)
    const there = yield* Notifier.attach(yield* Notifier.handle(here))
    const events = yield* Events.make(32)
    const said = yield* Effect.forEach([3, 1, 3, 2], (token) => Notifier.notify(there, token))
    yield* claim("what was said", said.join(), "Queued,Queued,Conflated,Queued")
    yield* EventChannel.receive(channel, events)
    yield* claim("what was handed out", events.toArray().join(), "3,1,2")
    const waiting = yield* Effect.forkChild(EventChannel.receive(channel, events))
    yield* Effect.sleep(10)
    yield* Notifier.notify(there, 9)
    yield* claim("woken with", yield* Fiber.join(waiting), 1)
    yield* Notifier.close(there)
    yield* claim("the end", (yield* Effect.flip(EventChannel.receive(channel, events)))._tag, "NotifierClosed")
  })
}

const slots: Case = {
  title: "shared slots hold the latest value",
  run: Effect.gen(function* () {
    const here = yield* SharedSlot.make({ record: Numbered, slots: 4 })
    const there = yield* SharedSlot.attach(SharedSlot.handle(here), Numbered)
    for (let value = 1; value <= 5; value++) yield* SharedSlot.write(here, 2, { who: 1, value })
    yield* claim("the latest", SharedSlot.readUnsafe(there, 2)?.value, 5)
    yield* claim("one that was not written", SharedSlot.readUnsafe(there, 1), undefined)
  })
}

const strands: Case = {
  title: "a table of strands shows who runs, and loses those of a dead thread when they are reclaimed",
  run: Effect.gen(function* () {
    const here = yield* StrandRegistry.make({ capacity: 16 })
    const dead = { ordinal: 3, generation: 2 }
    const there = yield* StrandRegistry.attach({ ...here.handle! }, dead)
    const mine = here.registerUnsafe(1, "mine", "Task", undefined, 5)
    there.registerUnsafe(2, "theirs", "Task", 1, 6)
    const names = () => here.snapshotUnsafe().map(({ name }) => name)
    yield* claim("active", names().toSorted().join(), "mine,theirs")
    yield* claim("reclaimed", here.reclaimUnsafe(dead), 1)
    yield* claim("left", names().join(), "mine")
    yield* holds("given back", here.unregisterUnsafe(mine))
    yield* claim("active at the end", there.totalsUnsafe().active, 0)
  })
}

const orders: CounterId = { id: 1000, name: "orders", kind: "counter", help: "orders that were taken" }

const counters: Case = {
  title: "counters go on where the life before had stopped",
  run: Effect.gen(function* () {
    const here = yield* Counters.make({ counters: 16 })
    const total = () => here.snapshotUnsafe().map(({ name, ordinal, value }) => `${name} ${ordinal} ${value}`)
    for (const generation of [0, 1, 2]) {
      const there = yield* Counters.attach(here.handle, { ordinal: 5, generation })
      const counter = there.registerUnsafe(orders)
      if (!("addUnsafe" in counter)) return yield* counter
      counter.addUnsafe(10)
    }
    yield* claim("one row, of three lives", total().join(), "orders 5 30")
  })
}

const recorder: Case = {
  title: "a flight recorder keeps what another thread recorded",
  run: Effect.gen(function* () {
    const here = yield* FlightRecorder.make({ events: 16 })
    const there = yield* FlightRecorder.attach(here.handle!, { ordinal: 1, generation: 0 })
    const record = FlightRecorder.record("started", { text: "hello" })
    yield* Effect.provideService(record, FlightRecorder.FlightRecorder, there)
    yield* claim("events", here.readUnsafe().events.length, 1)
  })
}

/** @internal */
export const cases: ReadonlyArray<Case> = [ring, recovery, notifier, slots, strands, counters, recorder]
