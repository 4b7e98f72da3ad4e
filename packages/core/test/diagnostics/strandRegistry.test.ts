import { assert, describe, it } from "@effect/vitest"
import { type Strand, StrandReader, StrandRegistry } from "@selvedge/core"
import * as SharedMemory from "@selvedge/core/memory/SharedMemory"
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { TestClock } from "effect/testing"
import { handleOf, inMemory, noIds, withEnvironment, wordsOf } from "./support.ts"

const of = (capacity: number) => Effect.provide(inMemory(StrandRegistry.layer({ capacity })))

const strand = (id: number, more: Partial<Strand.Strand> = {}): Strand.Strand => ({
  id,
  name: `strand ${id}`,
  kind: "RpcHandler",
  ...more
})

const some = (found: Option.Option<number>): number => Option.getOrThrow(found)

describe("registering", () => {
  it.effect("three strands get three slots, each with its own start [D1] [D3] [flaw D2: time overwritten]", () =>
    Effect.gen(function* () {
      const handles: Array<number> = []
      for (const id of [1, 2, 3]) {
        yield* TestClock.adjust(100)
        handles.push(some(yield* StrandRegistry.register(strand(id))))
      }
      const rows = yield* StrandRegistry.snapshot
      assert.strictEqual(new Set(handles).size, 3)
      assert.deepStrictEqual(
        rows.map(({ id, name, slot, startMillis }) => ({ id, name, slot, startMillis })),
        [
          { id: 1, name: "strand 1", slot: 0, startMillis: 100 },
          { id: 2, name: "strand 2", slot: 1, startMillis: 200 },
          { id: 3, name: "strand 3", slot: 2, startMillis: 300 }
        ]
      )
    }).pipe(of(8))
  )

  it.effect("a row has everything a strand said, and whose thread it is [D3]", () =>
    Effect.gen(function* () {
      const registry = yield* StrandRegistry.StrandRegistry
      const other = yield* StrandRegistry.attach(handleOf(registry), { ordinal: 3, generation: 5 })
      other.registerUnsafe(2 ** 53 - 1, "feed", "PeerConnection", 2 ** 40, 2 ** 41 + 7)
      assert.deepStrictEqual(yield* StrandRegistry.snapshot, [
        {
          slot: registry.snapshotUnsafe()[0]!.slot,
          slotGeneration: 1,
          id: 2 ** 53 - 1,
          name: "feed",
          nameCut: false,
          kind: "PeerConnection",
          ordinal: 3,
          generation: 5,
          parentId: 2 ** 40,
          startMillis: 2 ** 41 + 7,
          heartbeatMillis: 2 ** 41 + 7,
          state: "running"
        }
      ])
    }).pipe(of(4))
  )

  it.effect(
    "a strand that finds no slot runs untracked and is counted, and the next one gets what is freed [D1] [D4]",
    () =>
      Effect.gen(function* () {
        const first = some(yield* StrandRegistry.register(strand(1)))
        yield* StrandRegistry.register(strand(2))
        assert.isTrue(Option.isNone(yield* StrandRegistry.register(strand(3))))
        assert.isTrue(Option.isNone(yield* StrandRegistry.register(strand(4))))
        assert.deepInclude(yield* StrandRegistry.totals, { capacity: 2, active: 2, spawned: 2, overflow: 2, peak: 2 })
        yield* StrandRegistry.unregister(first)
        assert.isTrue(Option.isSome(yield* StrandRegistry.register(strand(5))))
        assert.deepStrictEqual((yield* StrandRegistry.snapshot).map(({ id }) => id).toSorted(), [2, 5])
      }).pipe(of(2))
  )

  it.effect("id 0 is refused and takes no slot [D1] [flaw D2: id zero]", () =>
    Effect.gen(function* () {
      const before = wordsOf(handleOf(yield* StrandRegistry.StrandRegistry))
      const error = yield* Effect.flip(StrandRegistry.register(strand(0)))
      assert.strictEqual(error.message, "id: wanted a whole number from 1 to 2^53 - 1, found 0")
      assert.strictEqual(wordsOf(handleOf(yield* StrandRegistry.StrandRegistry)), before)
    }).pipe(of(2))
  )

  it.effect("what cannot be is refused by name before anything changes [D1]", () =>
    Effect.gen(function* () {
      const before = wordsOf(handleOf(yield* StrandRegistry.StrandRegistry))
      const bad: Array<readonly [field: string, strand: unknown]> = [
        ...noIds.map((id) => ["id", { ...strand(1), id }] as const),
        ...noIds.filter((id) => id !== undefined).map((parentId) => ["parentId", { ...strand(1), parentId }] as const),
        ["name", { ...strand(1), name: "" }],
        ["name", { ...strand(1), name: 7 }],
        ["kind", { ...strand(1), kind: "" }],
        ["startMillis", { ...strand(1), startMillis: -1 }],
        ["startMillis", { ...strand(1), startMillis: NaN }],
        ["strand", null]
      ]
      for (const [field, one] of bad) {
        const error = yield* Effect.flip(StrandRegistry.register(one as Strand.Strand))
        assert.deepStrictEqual([error._tag, error.field], ["InvalidStrand", field])
      }
      assert.strictEqual(wordsOf(handleOf(yield* StrandRegistry.StrandRegistry)), before)
    }).pipe(of(2))
  )

  it.effect("long names and kinds are cut between two characters, and names say so [D3]", () =>
    Effect.gen(function* () {
      const names = ["x".repeat(56), "x".repeat(57), `${"x".repeat(54)}€`, `${"x".repeat(53)}😀`, `${"x".repeat(52)}😀`]
      for (const [i, name] of names.entries()) {
        yield* StrandRegistry.register(strand(i + 1, { name, kind: `${"k".repeat(23)}ä` }))
      }
      const rows = yield* StrandRegistry.snapshot
      assert.deepStrictEqual(
        rows.map(({ name, nameCut }) => [name, nameCut]),
        [
          ["x".repeat(56), false],
          ["x".repeat(56), true],
          ["x".repeat(54), true],
          ["x".repeat(53), true],
          [`${"x".repeat(52)}😀`, false]
        ]
      )
      assert.isTrue(rows.every(({ kind }) => kind === "k".repeat(23)))
    }).pipe(of(8))
  )

  it.effect("more names than a thread keeps encoded are all written as they are [D3]", () =>
    Effect.gen(function* () {
      const registry = yield* StrandRegistry.StrandRegistry
      for (let round = 0; round < 2; round++) {
        for (let id = 1; id <= 400; id++) {
          const handle = registry.registerUnsafe(id, `connection ${id}`, `kind ${id}`, undefined, id)
          assert.deepInclude(registry.snapshotUnsafe()[0], { name: `connection ${id}`, kind: `kind ${id}` })
          registry.unregisterUnsafe(handle)
        }
      }
    }).pipe(of(1))
  )
})

describe("unregistering", () => {
  it.effect(
    "the next owner of a slot keeps its start, whatever the last one says late [D2] [flaw D2: time zeroed]",
    () =>
      Effect.gen(function* () {
        yield* TestClock.adjust(100)
        const first = some(yield* StrandRegistry.register(strand(1)))
        assert.isTrue(yield* StrandRegistry.unregister(first))
        yield* TestClock.adjust(100)
        const second = some(yield* StrandRegistry.register(strand(2)))
        assert.isFalse(yield* StrandRegistry.unregister(first))
        assert.isFalse(yield* StrandRegistry.heartbeat(first))
        assert.isFalse(yield* StrandRegistry.mark(first, "parked"))
        assert.deepInclude((yield* StrandRegistry.snapshot)[0], { id: 2, startMillis: 200, slot: 0, state: "running" })
        assert.isTrue(yield* StrandRegistry.unregister(second))
        assert.deepStrictEqual(yield* StrandRegistry.snapshot, [])
        assert.deepInclude(yield* StrandRegistry.totals, { active: 0, spawned: 2, completed: 2, peak: 1, lost: 0 })
      }).pipe(of(1))
  )

  it.effect("a handle that is none, or another thread's, releases nothing [D1]", () =>
    Effect.gen(function* () {
      const registry = yield* StrandRegistry.StrandRegistry
      const other = yield* StrandRegistry.attach(handleOf(registry), { ordinal: 1, generation: 0 })
      const foreign = other.registerUnsafe(1, "other", "k", undefined, 1)
      for (const handle of [foreign, -1, NaN, 0.5, 2 ** 52, foreign + 2 ** 20]) {
        assert.isFalse(yield* StrandRegistry.unregister(handle))
      }
      assert.strictEqual((yield* StrandRegistry.totals).completed, 0)
      assert.isTrue(other.unregisterUnsafe(foreign))
    }).pipe(of(2))
  )

  it.effect("a scoped strand leaves with its scope, however that ends [D1]", () =>
    Effect.gen(function* () {
      yield* Effect.scoped(
        Effect.andThen(
          StrandRegistry.registerScoped(strand(1)),
          Effect.map(StrandRegistry.snapshot, (rows) => assert.strictEqual(rows.length, 1))
        )
      )
      yield* Effect.exit(Effect.scoped(Effect.andThen(StrandRegistry.registerScoped(strand(2)), Effect.fail("no"))))
      yield* Effect.exit(Effect.scoped(Effect.andThen(StrandRegistry.registerScoped(strand(3)), Effect.interrupt)))
      assert.deepInclude(yield* StrandRegistry.totals, { active: 0, spawned: 3, completed: 3 })
    }).pipe(of(2))
  )
})

describe("heartbeats and marks", () => {
  it.effect("a strand says that it is alive, and what it is about to do [D3]", () =>
    Effect.gen(function* () {
      const handle = some(yield* StrandRegistry.register(strand(1)))
      yield* TestClock.adjust("50 days")
      assert.isTrue(yield* StrandRegistry.heartbeat(handle))
      assert.isTrue(yield* StrandRegistry.mark(handle, "parked"))
      const [row] = yield* StrandRegistry.snapshot
      assert.deepInclude(row, { startMillis: 0, heartbeatMillis: 50 * 86_400_000, state: "parked" })
      yield* StrandRegistry.mark(handle, "busy")
      assert.strictEqual((yield* StrandRegistry.snapshot)[0]!.state, "busy")
      yield* StrandRegistry.mark(handle, "running")
      assert.strictEqual((yield* StrandRegistry.snapshot)[0]!.state, "running")
    }).pipe(of(1))
  )
})

describe("the death of a thread", () => {
  it.effect("its slots are freed by ordinal and generation, its strands are lost, and nobody else's [D1] [D4]", () =>
    Effect.gen(function* () {
      const registry = yield* StrandRegistry.StrandRegistry
      const dead = { ordinal: 7, generation: 2 }
      const other = yield* StrandRegistry.attach(handleOf(registry), dead)
      const next = yield* StrandRegistry.attach(handleOf(registry), { ordinal: 7, generation: 3 })
      other.registerUnsafe(1, "a", "k", undefined, 1)
      other.registerUnsafe(2, "b", "k", undefined, 1)
      next.registerUnsafe(3, "c", "k", undefined, 1)
      yield* StrandRegistry.register(strand(4))
      assert.strictEqual(yield* StrandRegistry.reclaim(dead), 2)
      assert.strictEqual(yield* StrandRegistry.reclaim(dead), 0)
      assert.deepStrictEqual((yield* StrandRegistry.snapshot).map(({ id }) => id).toSorted(), [3, 4])
      assert.deepInclude(yield* StrandRegistry.totals, { active: 2, spawned: 4, completed: 0, lost: 2 })
    }).pipe(of(4))
  )

  it.effect("the next life of an ordinal goes on with its totals [D4]", () =>
    Effect.gen(function* () {
      const registry = yield* StrandRegistry.StrandRegistry
      for (const generation of [0, 1, 2]) {
        const life = yield* StrandRegistry.attach(handleOf(registry), { ordinal: 7, generation })
        life.unregisterUnsafe(life.registerUnsafe(1, "a", "k", undefined, 1))
      }
      assert.deepInclude(registry.totalsUnsafe(), { spawned: 3, completed: 3, lost: 0 })
    }).pipe(of(4))
  )

  it.effect("more ordinals than the table has seats are refused, and an old one is not [D1]", () =>
    Effect.gen(function* () {
      const registry = yield* StrandRegistry.make({ capacity: 4, maxThreads: 2 })
      yield* StrandRegistry.attach(handleOf(registry), { ordinal: 0, generation: 0 })
      const error = yield* Effect.flip(StrandRegistry.attach(handleOf(registry), { ordinal: 1, generation: 0 }))
      assert.deepStrictEqual([error._tag, error.message.includes("ordinal 1")], ["NoSeat", true])
      yield* StrandRegistry.attach(handleOf(registry), { ordinal: 0, generation: 1 })
    }).pipe(Effect.provide(SharedMemory.layerThread))
  )

  it.effect("an ordinal or generation that cannot be is refused [D1]", () =>
    Effect.gen(function* () {
      const handle = handleOf(yield* StrandRegistry.StrandRegistry)
      for (const bad of [-1, 1.5, 16_383, NaN, "1", undefined]) {
        const identity = { ordinal: bad as number, generation: 0 }
        assert.strictEqual((yield* Effect.flip(StrandRegistry.attach(handle, identity)))._tag, "InvalidIdentity")
        assert.strictEqual((yield* Effect.flip(StrandRegistry.reclaim(identity)))._tag, "InvalidIdentity")
      }
      const error = yield* Effect.flip(StrandRegistry.attach(handle, { ordinal: 1, generation: 2 ** 31 }))
      assert.strictEqual(error.message, "generation: wanted a whole number from 0 to 2147483647, found 2147483648")
    }).pipe(of(1))
  )
})

describe("configuration", () => {
  const capacityOf = (env: Record<string, string>, capacity?: number) =>
    Effect.map(StrandRegistry.make({ capacity }), (made) => made.capacity).pipe(
      withEnvironment(env),
      Effect.provide(SharedMemory.layerThread)
    )

  it.effect("there are 1024 slots unless code or environment say otherwise [D1]", () =>
    Effect.gen(function* () {
      const variable = "SELVEDGE_STRAND_REGISTRY_SIZE"
      assert.strictEqual(yield* capacityOf({}), 1024)
      assert.strictEqual(yield* capacityOf({}, 16), 16)
      assert.strictEqual(yield* capacityOf({ [variable]: "32" }, 16), 32)
      assert.strictEqual(yield* capacityOf({ [variable]: " 64 " }), 64)
    })
  )

  it.effect("nonsense is refused with variable, value and range [D1]", () =>
    Effect.gen(function* () {
      for (const value of ["many", "-1", "1.5", "1e3", "0x10", "1048577", "99999999999999999999"]) {
        const error = yield* Effect.flip(capacityOf({ SELVEDGE_STRAND_REGISTRY_SIZE: value }))
        assert.strictEqual(
          error.message,
          `SELVEDGE_STRAND_REGISTRY_SIZE (option capacity): wanted a whole number from 0 to 1048576, found "${value}"`
        )
      }
      const threads = yield* Effect.flip(
        Effect.provide(StrandRegistry.make({ maxThreads: 0 }), SharedMemory.layerThread)
      )
      assert.strictEqual(threads.message, "maxThreads: wanted a whole number from 1 to 16384, found 0")
    })
  )

  it.effect("switched off it asks no clock, takes no memory, and everything answers no [D1]", () =>
    Effect.gen(function* () {
      const registry = yield* StrandRegistry.make({ capacity: 0 })
      const answers = yield* Effect.gen(function* () {
        return [
          Option.isNone(yield* StrandRegistry.register(strand(1))),
          yield* StrandRegistry.unregister(0),
          yield* StrandRegistry.reclaim({ ordinal: 0, generation: 0 }),
          (yield* StrandRegistry.snapshot).length,
          (yield* StrandRegistry.totals).overflow,
          Option.isNone(yield* StrandRegistry.handle)
        ]
      }).pipe(
        Effect.provideService(StrandRegistry.StrandRegistry, registry),
        Effect.provideService(Clock.Clock, new Proxy({} as Clock.Clock, { get: () => assert.fail("asked the clock") }))
      )
      assert.deepStrictEqual(answers, [true, false, 0, 0, 0, true])
    }).pipe(
      Effect.provideService(SharedMemory.SharedMemory, { allocate: () => Effect.die("asked for memory") }),
      withEnvironment({})
    )
  )

  it.effect("layerConfig reads its options from configuration [D1]", () =>
    Effect.gen(function* () {
      const layer = StrandRegistry.layerConfig({ capacity: Config.Int("SLOTS") })
      const made = Effect.provide(
        Effect.map(StrandRegistry.StrandRegistry, (registry) => registry.capacity),
        inMemory(layer)
      )
      assert.strictEqual(yield* made.pipe(withEnvironment({ SLOTS: "12" })), 12)
      assert.isTrue(Exit.isFailure(yield* Effect.exit(made.pipe(withEnvironment({ SLOTS: "x" })))))
    })
  )
})

describe("reading only", () => {
  it.effect("who observes takes no seat and sees the same [D1]", () =>
    Effect.gen(function* () {
      const registry = yield* StrandRegistry.make({ capacity: 2, maxThreads: 1 })
      registry.registerUnsafe(1, "a", "k", undefined, 5)
      const before = wordsOf(handleOf(registry))
      const reader = yield* StrandReader.observe(handleOf(registry))
      assert.deepStrictEqual(reader.snapshotUnsafe(), registry.snapshotUnsafe())
      assert.deepStrictEqual(reader.totalsUnsafe(), registry.totalsUnsafe())
      assert.strictEqual(wordsOf(handleOf(registry)), before)
    }).pipe(Effect.provide(SharedMemory.layerThread), withEnvironment({}))
  )
})
