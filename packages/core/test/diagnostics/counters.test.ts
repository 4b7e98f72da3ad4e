import { assert, describe, it } from "@effect/vitest"
import { CounterId, Counters } from "@selvedge/core"
import * as SharedMemory from "@selvedge/core/memory/SharedMemory"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import { readFileSync } from "node:fs"
import { inMemory, withEnvironment, wordsOf } from "./support.ts"

const of = (counters: number) => Effect.provide(inMemory(Counters.layer({ counters })))

const orders: CounterId.CounterId = { id: 1000, name: "orders_taken", kind: "counter", help: "orders" }
const depth: CounterId.CounterId = { id: 1001, name: "queue_depth", kind: "gauge", help: "depth" }
const slowest: CounterId.CounterId = { id: 1002, name: "slowest_millis", kind: "max", help: "slowest" }

describe("counting", () => {
  it.effect("a counter is told by id, label and ordinal, and has one value however often it is registered [D5]", () =>
    Effect.gen(function* () {
      const first = yield* Counters.register(orders, "XETR")
      const again = yield* Counters.register({ ...orders, help: "other words" }, "XETR")
      const other = yield* Counters.register(orders, "XLON")
      yield* Counters.add(first, 3)
      yield* Counters.add(again)
      yield* Counters.add(other, 2 ** 53 - 2)
      yield* Counters.add(other)
      assert.deepStrictEqual(
        (yield* Counters.snapshot).map(({ label, name, value }) => ({ label, name, value })),
        [
          { label: "XETR", name: "orders_taken", value: 4 },
          { label: "XLON", name: "orders_taken", value: 2 ** 53 - 1 }
        ]
      )
    }).pipe(of(4))
  )

  it.effect("a gauge goes both ways, a greatest value only up [D5]", () =>
    Effect.gen(function* () {
      const gauge = yield* Counters.register(depth)
      yield* Counters.set(gauge, 5)
      yield* Counters.add(gauge, -12)
      const greatest = yield* Counters.register(slowest)
      for (const value of [3, 700, 40]) yield* Counters.max(greatest, value)
      assert.deepStrictEqual([yield* Counters.read(gauge), yield* Counters.read(greatest)], [-7, 700])
    }).pipe(of(4))
  )

  it.effect("amounts that cannot be are refused, and nothing is counted [D5]", () =>
    Effect.gen(function* () {
      const counter = yield* Counters.register(orders)
      const gauge = yield* Counters.register(depth)
      const refused = [
        Counters.add(counter, -1),
        Counters.add(counter, 1.5),
        Counters.add(counter, NaN),
        Counters.add(gauge, 2 ** 53),
        Counters.set(counter, 1),
        Counters.max(gauge, 1),
        Counters.set(gauge, Infinity)
      ]
      for (const one of refused) assert.strictEqual((yield* Effect.flip(one))._tag, "InvalidCounter")
      assert.throws(() => counter.addUnsafe(-1), /orders_taken.add: wanted a number from 0/)
      assert.throws(() => counter.setUnsafe(1))
      assert.throws(() => gauge.maxUnsafe(1))
      assert.deepStrictEqual([counter.readUnsafe(), gauge.readUnsafe()], [0, 0])
    }).pipe(of(4))
  )
})

describe("a worker's next life", () => {
  it.effect("goes on counting where the last one stopped, in the same series [D5]", () =>
    Effect.gen(function* () {
      const table = yield* Counters.Counters
      for (const generation of [0, 1, 2]) {
        const life = yield* Counters.attach(table.handle, { ordinal: 3, generation })
        const counter = yield* Effect.provideService(Counters.register(orders, "a"), Counters.Counters, life)
        yield* Counters.add(counter, 10)
      }
      assert.deepStrictEqual(table.snapshotUnsafe(), [
        { id: 1000, name: "orders_taken", kind: "counter", label: "a", ordinal: 3, value: 30 }
      ])
    }).pipe(Effect.scoped, of(4))
  )

  it.effect("two ordinals have a series each [D5]", () =>
    Effect.gen(function* () {
      const table = yield* Counters.Counters
      for (const ordinal of [0, 1]) {
        const life = yield* Counters.attach(table.handle, { ordinal, generation: 0 })
        yield* Counters.add(yield* Effect.provideService(Counters.register(orders), Counters.Counters, life), ordinal)
      }
      assert.deepStrictEqual(
        table.snapshotUnsafe().map(({ ordinal, value }) => [ordinal, value]),
        [
          [0, 0],
          [1, 1]
        ]
      )
    }).pipe(Effect.scoped, of(4))
  )
})

describe("batches", () => {
  it.effect("are counted when they are flushed: by their size, by hand, at an interval, at the end [D5]", () =>
    Effect.gen(function* () {
      const table = yield* Counters.make({ counters: 4 })
      yield* Effect.gen(function* () {
        const counter = yield* Counters.register(orders)
        const batch = table.batchUnsafe(counter, 3)
        for (let i = 0; i < 5; i++) batch.addUnsafe(10)
        assert.deepStrictEqual([counter.readUnsafe(), batch.pending], [30, 20])
        yield* Counters.flush
        assert.deepStrictEqual([counter.readUnsafe(), batch.pending], [50, 0])
        const patient = table.batchUnsafe(counter)
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* Counters.flushEvery("1 second")
            patient.addUnsafe(1)
            yield* TestClock.adjust("999 millis")
            assert.strictEqual(counter.readUnsafe(), 50)
            yield* TestClock.adjust("1 millis")
            assert.strictEqual(counter.readUnsafe(), 51)
            patient.addUnsafe(1)
          })
        )
        assert.strictEqual(counter.readUnsafe(), 52)
        patient.addUnsafe(1)
      }).pipe(Effect.provideService(Counters.Counters, table))
      return table
    }).pipe(
      Effect.scoped,
      // The table's own scope has ended: what was pending is there.
      Effect.map((table) => assert.strictEqual(table.snapshotUnsafe()[0]!.value, 53)),
      Effect.provide(SharedMemory.layerThread),
      withEnvironment({})
    )
  )
})

describe("what cannot be registered", () => {
  it.effect("an id taken by another name or kind, or by selvedge, is refused with who has it [D5]", () =>
    Effect.gen(function* () {
      yield* Counters.register(orders)
      const table = yield* Counters.Counters
      const before = wordsOf(table.handle)
      const other = yield* Effect.flip(Counters.register({ ...orders, name: "trades" }))
      assert.deepStrictEqual(
        [other._tag, other.message.includes("1000 in use for orders_taken (counter)")],
        ["CounterIdTaken", true]
      )
      assert.strictEqual((yield* Effect.flip(Counters.register({ ...orders, kind: "max" })))._tag, "CounterIdTaken")
      const reserved = yield* Effect.flip(Counters.register({ ...orders, id: 100 }))
      assert.strictEqual(
        reserved.message,
        "counter orders_taken: wanted an id of its own, found 100 in use for tasks_spawned"
      )
      assert.strictEqual((yield* Effect.flip(Counters.register({ ...orders, id: 999 })))._tag, "CounterIdTaken")
      // Another thread has not seen the first registration, and is told the same.
      const attached = yield* Counters.attach(table.handle, { ordinal: 1, generation: 0 })
      const there = attached.registerUnsafe({ ...orders, name: "trades" })
      assert.deepInclude(there, { _tag: "CounterIdTaken" })
      assert.strictEqual(wordsOf(table.handle), before)
    }).pipe(Effect.scoped, of(4))
  )

  it.effect("names and labels that do not fit are not cut, and names are words [D5]", () =>
    Effect.gen(function* () {
      const long = yield* Effect.flip(Counters.register(orders, "€".repeat(19)))
      assert.deepInclude(long, { _tag: "LabelTooLong", field: "label", bytes: 57, maxBytes: 56 })
      yield* Counters.register(orders, `${"€".repeat(18)}ab`)
      const name = yield* Effect.flip(Counters.register({ ...orders, name: "a".repeat(41) }))
      assert.deepInclude(name, { _tag: "LabelTooLong", field: "name", bytes: 41, maxBytes: 40 })
      for (const bad of ["", "Orders", "a b", "a-b", "_a", "a_", "1a", "ä", 7 as unknown as string]) {
        assert.deepInclude(yield* Effect.flip(Counters.register({ ...orders, name: bad })), { field: "name" })
      }
      for (const id of [0, -1, 1.5, 2 ** 31, NaN, "1000" as unknown as number]) {
        assert.deepInclude(yield* Effect.flip(Counters.register({ ...orders, id })), { field: "id" })
      }
      const kind = "timer" as unknown as CounterId.CounterKind
      assert.deepInclude(yield* Effect.flip(Counters.register({ ...orders, kind })), { field: "kind" })
      assert.deepInclude(yield* Effect.flip(Counters.register(orders, 7 as unknown as string)), { field: "label" })
      const nothing = null as unknown as CounterId.CounterId
      assert.deepInclude(yield* Effect.flip(Counters.register(nothing)), { _tag: "InvalidCounter", field: "counter" })
      assert.strictEqual((yield* Counters.snapshot).length, 1)
    }).pipe(of(4))
  )

  it.effect("a full table says so, and still finds what it has [D5]", () =>
    Effect.gen(function* () {
      yield* Counters.register(orders)
      yield* Counters.register(depth)
      const error = yield* Effect.flip(Counters.register(slowest))
      assert.strictEqual(error.message, "counter slowest_millis: wanted a free place, found all 2 taken")
      yield* Counters.register(orders)
    }).pipe(of(2))
  )

  it.effect("sizes that are none are refused with variable, value and range [D5]", () =>
    Effect.gen(function* () {
      for (const value of ["0", "-1", "65537", "x"]) {
        const error = yield* Effect.flip(withEnvironment({ SELVEDGE_COUNTERS_SIZE: value })(Counters.make()))
        assert.strictEqual(
          error.message,
          `SELVEDGE_COUNTERS_SIZE (option counters): wanted a whole number from 1 to 65536, found "${value}"`
        )
      }
      assert.strictEqual((yield* withEnvironment({})(Counters.make())).capacity, 1024)
    }).pipe(Effect.provide(SharedMemory.layerThread), Effect.scoped)
  )
})

describe("the list of ids", () => {
  const all = Object.values<CounterId.CounterId>(CounterId.ids)

  it("has no id and no name twice, each in a range of selvedge's, and each can be registered [D5]", () => {
    assert.strictEqual(new Set(all.map(({ id }) => id)).size, all.length)
    assert.strictEqual(new Set(all.map(({ name }) => name)).size, all.length)
    for (const one of all) {
      assert.isBelow(one.id, CounterId.FIRST_USER_ID)
      assert.isUndefined(CounterId.check(one))
      assert.strictEqual(CounterId.known(one.id), one)
    }
  })

  it("stands in docs/diagnostics.md as it is [D5]", () => {
    const documented = readFileSync(new URL("../../../../docs/diagnostics.md", import.meta.url), "utf8")
      .split("\n")
      .flatMap((line) => Array.from(line.matchAll(/^\| (\d+) +\| `(\w+)` +\| (\w+) +\| (.*?) +\|$/g)))
      .map(([, id, name, kind, help]) => ({ id: Number(id), name, kind, help }))
    assert.deepStrictEqual(documented, all as ReadonlyArray<unknown>)
  })
})
