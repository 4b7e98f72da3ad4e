/** Threads of a process that make no native calls: who wakes others for them, and what their lives leave behind. */
import { assert, describe, it } from "@effect/vitest"
import * as Ring from "@selvedge/core/ring/Ring"
import * as MappedMemory from "@selvedge/node/memory/MappedMemory"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { readFileSync } from "node:fs"
import { once } from "node:events"
import { Worker } from "node:worker_threads"
import * as Errands from "../../src/memory/internal/errands.ts"
import * as Layout from "../../src/memory/internal/layout.ts"
import type { Job } from "./fixtures/publishingThread.ts"
import { Numbered } from "./fixtures/numbered.ts"
import { space } from "./fixtures/space.ts"

/** A row of the control file that nobody has. */
const NOBODY = 40

const mappings = Effect.sync(() => readFileSync("/proc/self/maps", "utf8").split("\n").length)

const fixture = (name: string, workerData: unknown): Worker =>
  new Worker(new URL(`./fixtures/${name}.ts`, import.meta.url), { workerData })

describe("the ringer", () => {
  it.live("wakes who sleeps in the kernel, for a thread that makes no native calls [P4]", () =>
    space(() =>
      Effect.gen(function* () {
        const { core } = yield* MappedMemory.MappedMemory
        const errands = new Int32Array(core.errands)
        const address = core.control.address + (Layout.participantWord(NOBODY) + Layout.DOORBELL) * 4
        const sleeper = fixture("sleeper", { address })
        // It may not sleep yet when it is asked for.
        const asking = Effect.repeat(
          Effect.sync(() => Errands.ask(errands, NOBODY)),
          Schedule.spaced("10 millis")
        )
        const said = Effect.promise(() => once(sleeper, "message"))
        assert.deepStrictEqual(yield* Effect.raceFirst(said, Effect.as(asking, ["asked in vain"])), ["woken"])
        yield* Effect.promise(() => once(sleeper, "exit"))
      })
    )
  )

  it.live("serves threads that come and go, and no mapping is left of them [P4]", () =>
    space(() =>
      Effect.gen(function* () {
        const ring = yield* Ring.make({ record: Numbered, capacity: 64, producers: "multi" }).pipe(
          MappedMemory.named("numbers")
        )
        const { memory } = ring.core
        const handle = yield* MappedMemory.handle(memory)
        const shared = yield* MappedMemory.share(memory)
        const live = Effect.promise(async () => {
          const job: Job = { handle, shared }
          const [code] = await once(fixture("publishingThread", job), "exit")
          assert.strictEqual(code, 0)
        })
        const lives = (count: number) => Effect.replicateEffect(live, count, { concurrency: 4, discard: true })
        // The first ones fill what the process keeps for all of them.
        yield* lives(3)
        const before = yield* mappings
        yield* lives(5)
        // One that loads koffi leaves 3.
        assert.isBelow((yield* mappings) - before, 12)
      })
    )
  )
})
