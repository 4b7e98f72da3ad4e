/** Threads of a process that make no native calls: who wakes others for them, and what they load. */
import { assert, describe, it } from "@effect/vitest"
import * as Ring from "@selvedge/core/ring/Ring"
import * as MappedMemory from "@selvedge/node/memory/MappedMemory"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { once } from "node:events"
import { createRequire, syncBuiltinESMExports } from "node:module"
import { Worker } from "node:worker_threads"
import * as Errands from "../../src/memory/internal/errands.ts"
import * as Layout from "../../src/memory/internal/layout.ts"
import type { Job } from "./fixtures/publishingThread.ts"
import { Numbered } from "./fixtures/numbered.ts"
import { space } from "./fixtures/space.ts"

/** A row of the control file that nobody has. */
const NOBODY = 40

const fixture = (name: string, workerData: unknown): Worker =>
  new Worker(new URL(`./fixtures/${name}.ts`, import.meta.url), { workerData })

const builtin = createRequire(import.meta.url)("node:worker_threads") as { Worker: typeof Worker }

const { Worker: before } = builtin

/** A process that has no thread for so many ringers, until the scope closes. */
const refusing = (refusals: { left: number }): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      builtin.Worker = class extends before {
        constructor(...args: ConstructorParameters<typeof Worker>) {
          if (String(args[0]).includes("ringerThread") && refusals.left-- > 0) throw new Error("no thread")
          super(...args)
        }
      }
      syncBuiltinESMExports()
    }),
    () =>
      Effect.sync(() => {
        builtin.Worker = before
        syncBuiltinESMExports()
      })
  )

describe("the ringer", () => {
  it.live("wakes who sleeps in the kernel, for a thread that makes no native calls [P4]", () =>
    space(() =>
      Effect.gen(function* () {
        const { core } = yield* MappedMemory.MappedMemory
        const errands = new Int32Array(core.errands)
        const address = core.control.address + (Layout.participantWord(NOBODY) + Layout.DOORBELL) * 4
        const sleeper = fixture("sleeper", { address })
        // It may have ended before anybody comes to ask for that.
        const ended = once(sleeper, "exit")
        // It may not sleep yet when it is asked for.
        const asking = Effect.repeat(
          Effect.sync(() => Errands.ask(errands, NOBODY)),
          Schedule.spaced("10 millis")
        )
        const said = Effect.promise(() => once(sleeper, "message"))
        // It has loaded koffi, as whoever makes native calls: the next test is about one that has not.
        assert.deepStrictEqual(yield* Effect.raceFirst(said, Effect.as(asking, [])), [{ woken: true, koffi: true }])
        yield* Effect.promise(() => ended)
      })
    )
  )

  it.live("comes to be when there is a thread for it again, and runs the errands that have waited [P4]", () =>
    space(() =>
      Effect.gen(function* () {
        const refusals = { left: 2 }
        yield* refusing(refusals)
        const warned: Array<string> = []
        const note = ({ message }: Error): void => void warned.push(message)
        yield* Effect.acquireRelease(
          Effect.sync(() => process.on("warning", note)),
          () => Effect.sync(() => process.off("warning", note))
        )
        const { core } = yield* MappedMemory.MappedMemory
        const errands = new Int32Array(core.errands)
        Errands.ask(errands, NOBODY)
        assert.deepStrictEqual([refusals.left, errands.filter((word) => word !== 0).length], [1, 2])
        // The bell stays as it is; the bit is taken.
        while (errands.filter((word) => word !== 0).length > 1) yield* Effect.sleep(10)
        assert.isBelow(refusals.left, 0)
        assert.lengthOf(
          warned.filter((line) =>
            /the ringer of .* has ended, another one takes its place: Error: no thread/.test(line)
          ),
          2
        )
      })
    )
  )

  it.live(
    "has a thread that was lent a region load no native code, whose memory would stay when it has ended [P4]",
    () =>
      space(() =>
        Effect.gen(function* () {
          const ring = yield* Ring.make({ record: Numbered, capacity: 64, producers: "multi" }).pipe(
            MappedMemory.named("numbers")
          )
          const { memory } = ring.core
          const job: Job = {
            handle: yield* MappedMemory.handle(memory),
            shared: yield* MappedMemory.share(memory)
          }
          const thread = fixture("publishingThread", job)
          const ended = once(thread, "exit")
          assert.deepStrictEqual(yield* Effect.promise(() => once(thread, "message")), [{ koffi: false }])
          yield* Effect.promise(() => ended)
        })
      )
  )
})
