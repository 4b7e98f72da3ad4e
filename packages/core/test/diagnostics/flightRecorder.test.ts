import { assert, describe, it } from "@effect/vitest"
import { FlightRecorder } from "@selvedge/core"
import * as SharedMemory from "@selvedge/core/memory/SharedMemory"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import * as Layout from "../../src/diagnostics/internal/recorderLayout.ts"
import * as Recorder from "../../src/diagnostics/internal/recorder.ts"
import { ownerOf } from "../../src/diagnostics/internal/owner.ts"
import { inMemory, withEnvironment } from "./support.ts"

const of = (events: number) => Effect.provide(inMemory(FlightRecorder.layer({ events })))

describe("a flight recorder", () => {
  it.effect("keeps the last events of all threads, oldest first, and overwrites the rest [D9]", () =>
    Effect.gen(function* () {
      const recorder = yield* FlightRecorder.FlightRecorder
      const worker = yield* FlightRecorder.attach(recorder.handle!, { ordinal: 2, generation: 1 })
      for (let i = 1; i <= 5; i++) {
        yield* TestClock.adjust(1000)
        yield* FlightRecorder.record("task.failed", { id: i, text: `task ${i}` })
      }
      worker.recordUnsafe("worker.exited", 0, "", 2 ** 41)
      const { events, torn } = yield* FlightRecorder.read
      assert.strictEqual(torn, 0)
      assert.deepStrictEqual(
        events.map(({ atMillis, id, ordinal, text, what }) => ({ atMillis, id, ordinal, text, what })),
        [
          { atMillis: 3000, id: 3, ordinal: 16_382, text: "task 3", what: "task.failed" },
          { atMillis: 4000, id: 4, ordinal: 16_382, text: "task 4", what: "task.failed" },
          { atMillis: 5000, id: 5, ordinal: 16_382, text: "task 5", what: "task.failed" },
          { atMillis: 2 ** 41, id: 0, ordinal: 2, text: "", what: "worker.exited" }
        ]
      )
      assert.deepStrictEqual(
        events.map(({ generation }) => generation),
        [0, 0, 0, 1]
      )
    }).pipe(of(4))
  )

  it.effect("long texts are cut between two characters and say so [D9]", () =>
    Effect.gen(function* () {
      yield* FlightRecorder.record("w".repeat(30), { text: `${"x".repeat(66)}€` })
      const [event] = (yield* FlightRecorder.read).events
      assert.deepInclude(event, { what: "w".repeat(24), text: "x".repeat(66), textCut: true })
    }).pipe(of(1))
  )

  it.effect("an entry that a thread died in is skipped, counted, and written again once it is reclaimed [D9]", () =>
    Effect.gen(function* () {
      const recorder = yield* FlightRecorder.FlightRecorder
      const memory = recorder.handle!.memory
      const layout = Layout.read(memory) as Layout.RecorderLayout
      yield* FlightRecorder.record("first")
      // What a thread leaves that dies between two of its stores.
      Recorder.begin(Recorder.attach(memory, layout, ownerOf(5, 1)))
      for (const what of ["second", "third", "fourth"]) yield* FlightRecorder.record(what)
      const names = Effect.map(FlightRecorder.read, ({ events, torn }) => [torn, ...events.map(({ what }) => what)])
      assert.deepStrictEqual(yield* names, [1, "fourth"])
      assert.strictEqual(recorder.reclaimUnsafe({ ordinal: 5, generation: 0 }), 0)
      assert.strictEqual(recorder.reclaimUnsafe({ ordinal: 5, generation: 1 }), 1)
      assert.strictEqual(recorder.reclaimUnsafe({ ordinal: 5, generation: 1 }), 0)
      for (const what of ["fifth", "sixth"]) yield* FlightRecorder.record(what)
      assert.deepStrictEqual(yield* names, [1, "fifth", "sixth"])
    }).pipe(of(2))
  )

  it.effect("when every entry is held by the dead, an event is given up and recording goes on [D9]", () =>
    Effect.gen(function* () {
      const recorder = yield* FlightRecorder.FlightRecorder
      const { memory } = recorder.handle!
      Recorder.begin(Recorder.attach(memory, Layout.read(memory) as Layout.RecorderLayout, ownerOf(5, 1)))
      assert.isFalse(recorder.recordUnsafe("lost", 0, "", 0))
      recorder.reclaimUnsafe({ ordinal: 5, generation: 1 })
      assert.isTrue(recorder.recordUnsafe("kept", 0, "", 0))
    }).pipe(of(1))
  )

  it.effect("has 256 entries unless told otherwise, a power of two, or is switched off and asks no clock [D9]", () =>
    Effect.gen(function* () {
      const variable = "SELVEDGE_FLIGHT_RECORDER_SIZE"
      const made = (env: Record<string, string>) => withEnvironment(env)(FlightRecorder.make())
      assert.strictEqual((yield* made({})).capacity, 256)
      assert.strictEqual((yield* made({ [variable]: "100" })).capacity, 128)
      assert.strictEqual((yield* made({ [variable]: "1" })).capacity, 1)
      for (const value of ["-1", "65537", "x"]) {
        const error = yield* Effect.flip(made({ [variable]: value }))
        assert.strictEqual(
          error.message,
          `${variable} (option events): wanted a whole number from 0 to 65536, found "${value}"`
        )
      }
      const off = yield* made({ [variable]: "0" })
      yield* FlightRecorder.record("x").pipe(
        Effect.provideService(FlightRecorder.FlightRecorder, off),
        Effect.provideService(Clock.Clock, new Proxy({} as Clock.Clock, { get: () => assert.fail("asked the clock") }))
      )
      assert.deepStrictEqual([off.isEnabled, off.handle, off.readUnsafe().events], [false, undefined, []])
    }).pipe(Effect.provide(SharedMemory.layerThread), Effect.scoped)
  )
})
