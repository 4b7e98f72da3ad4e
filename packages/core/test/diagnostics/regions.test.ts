/**
 * Regions that were posted from elsewhere: each way in which one can be wrong is told, for all three tables, and nothing changes.
 */
import { assert, describe, it } from "@effect/vitest"
import { Counters, FlightRecorder, StrandReader, StrandRegistry } from "@selvedge/core"
import type { RegionRefused } from "@selvedge/core/diagnostics/DiagnosticsError"
import * as SharedMemory from "@selvedge/core/memory/SharedMemory"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { withEnvironment, withWord } from "./support.ts"

const identity = { ordinal: 1, generation: 0 }

type Handle = { readonly _tag: string; readonly memory: SharedArrayBuffer }
type Attached = Effect.Effect<unknown, { readonly _tag: string; readonly message: string }, Scope.Scope>

interface Table {
  readonly name: string
  readonly make: Effect.Effect<Handle, unknown, SharedMemory.SharedMemory | Scope.Scope>
  readonly joins: ReadonlyArray<(handle: Handle) => Attached>
}

const tables: ReadonlyArray<Table> = [
  {
    name: "StrandRegistry",
    make: Effect.map(StrandRegistry.make({ capacity: 4, maxThreads: 2 }), ({ handle }) => handle!),
    joins: [
      (handle) => StrandRegistry.attach(handle as StrandRegistry.Shape["handle"] & object, identity),
      (handle) => StrandReader.observe(handle as StrandReader.Handle)
    ]
  },
  {
    name: "Counters",
    make: Effect.map(Counters.make({ counters: 4 }), ({ handle }) => handle),
    joins: [
      (handle) => Counters.attach(handle as Counters.Handle, identity),
      (handle) => Counters.observe(handle as Counters.Handle)
    ]
  },
  {
    name: "FlightRecorder",
    make: Effect.map(FlightRecorder.make({ events: 4 }), ({ handle }) => handle!),
    joins: [
      (handle) => FlightRecorder.attach(handle as FlightRecorder.Handle, identity),
      (handle) => FlightRecorder.observe(handle as FlightRecorder.Handle)
    ]
  }
]

const [MAGIC, VERSION, FINGERPRINT, SHAPE] = [0, 1, 2, 4] as const

for (const { joins, make, name } of tables) {
  const refusals = (handle: unknown) =>
    Effect.forEach(
      joins,
      (join) => Effect.flip(join(handle as Handle)) as Effect.Effect<RegionRefused, never, Scope.Scope>
    )

  describe(`a region for ${name}`, () => {
    it.effect("is told apart from other memory, other versions, other rows and other sizes [D1] [D5] [D9]", () =>
      Effect.gen(function* () {
        const { memory } = yield* make
        const version = new Int32Array(memory)[VERSION]!
        const cases: ReadonlyArray<readonly [reason: string, memory: SharedArrayBuffer]> = [
          ["foreign", withWord(memory, MAGIC, 7)],
          ["foreign", new SharedArrayBuffer(memory.byteLength)],
          ["newerVersion", withWord(memory, VERSION, version + 1)],
          ["olderVersion", withWord(memory, VERSION, version - 1)],
          ["otherRows", withWord(memory, FINGERPRINT, 1)],
          ["otherRows", withWord(memory, FINGERPRINT + 1, 1)],
          ["otherShape", withWord(memory, SHAPE, 0)],
          ["otherShape", withWord(memory, SHAPE, -1)],
          ["otherShape", withWord(memory, SHAPE, 2 ** 30)],
          ["tooSmall", withWord(memory, SHAPE, 8)],
          ["tooSmall", new SharedArrayBuffer(64)]
        ]
        for (const [reason, region] of cases) {
          const before = Array.from(new Int32Array(region)).join()
          for (const error of yield* refusals({ _tag: name, memory: region })) {
            assert.deepStrictEqual([error._tag, error.table, error.reason], ["RegionRefused", name, reason])
            assert.match(error.message, /: wanted .+, found .+/)
          }
          assert.strictEqual(Array.from(new Int32Array(region)).join(), before)
        }
        const newer = (yield* refusals({ memory: withWord(memory, VERSION, version + 1) }))[0]!
        assert.strictEqual(newer.message, `${name} (newerVersion): wanted ${version}, found ${version + 1}`)
      }).pipe(Effect.provide(SharedMemory.layerThread), withEnvironment({}), Effect.scoped)
    )

    it.effect("is wanted in a handle [D1] [D5] [D9]", () =>
      Effect.gen(function* () {
        for (const handle of [undefined, null, 7, "x", {}, { memory: new ArrayBuffer(4096) }]) {
          for (const error of yield* refusals(handle)) assert.strictEqual(error.reason, "notAHandle")
        }
      }).pipe(Effect.scoped)
    )

    it.effect("is joined as often as one likes, also from a copy of the handle [D1] [D5] [D9]", () =>
      Effect.gen(function* () {
        const handle = yield* make
        for (const join of [...joins, ...joins]) yield* join({ ...handle })
      }).pipe(Effect.provide(SharedMemory.layerThread), withEnvironment({}), Effect.scoped)
    )
  })
}
