/**
 * The table of lines that processes inherit: who has which, how long it is there, and who can touch it.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Backend from "@selvedge/core/workers/Backend"
import * as Pulse from "@selvedge/core/workers/Pulse"
import type { Facts } from "@selvedge/core/workers/WorkerContext"
import * as MappedMemory from "@selvedge/node/memory/MappedMemory"
import { type Lease, LINES, PulseTable } from "@selvedge/node/memory/PulseTable"
import * as ForkedBackend from "@selvedge/node/workers/ForkedBackend"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { pathToFileURL } from "node:url"
import * as Native from "../../src/memory/internal/native.ts"
import * as path from "node:path"
import { quiet } from "../workers/support.ts"
import { space } from "./fixtures/space.ts"

const table = Effect.map(
  Effect.promise(() => Native.open()),
  (door) => {
    if ("reason" in door) throw new Error(door.found)
    return new PulseTable(door)
  }
)

const take = (from: PulseTable): Effect.Effect<Lease> => Effect.map(from.lease, (lease) => lease!)

const all = (from: PulseTable) => Effect.replicateEffect(take(from), LINES)

describe("a table of lines", () => {
  it.live("gives each line to one life at a time, and each life a number of its own [W7] [W2]", () =>
    Effect.gen(function* () {
      const pulses = yield* table
      const leases = yield* all(pulses)
      assert.strictEqual(new Set(leases.map(({ line }) => line.index)).size, LINES)
      assert.strictEqual(yield* pulses.lease, undefined)
      const [first, second] = [leases[7]!, leases[3]!]
      Pulse.adopt(first.line)!.beatUnsafe(1_048_576)
      first.giveBack()
      second.giveBack()
      first.giveBack()
      const [next, after] = [yield* take(pulses), yield* take(pulses)]
      assert.deepStrictEqual([next.line.index, after.line.index], [first.line.index, second.line.index])
      assert.strictEqual(yield* pulses.lease, undefined)
      const lives = new Set([...leases, next, after].map(({ line }) => line.life))
      assert.deepStrictEqual([lives.size, lives.has(0)], [LINES + 2, false])
      const reader = Pulse.read(next.line)
      assert.deepStrictEqual(
        [reader.isAdoptedUnsafe(), reader.beatsUnsafe(), reader.memoryBytesUnsafe()],
        [false, 0, undefined]
      )
    }).pipe(Effect.provide(quiet))
  )

  it.live("cannot be cut or grown by whoever has its descriptor [P5]", () =>
    Effect.gen(function* () {
      const { fd } = yield* take(yield* table)
      for (const bytes of [0, 2 ** 20]) assert.throws(() => fs.ftruncateSync(fd, bytes), /EPERM/)
      assert.strictEqual(fs.fstatSync(fd).size, LINES * Pulse.BYTES)
    })
  )

  it.live("is there until its space is closed and its last line is back, in whatever order [W7]", () =>
    Effect.gen(function* () {
      const isOpen = ({ fd }: Lease): boolean => {
        try {
          return fs.readlinkSync(`/proc/self/fd/${fd}`).includes("selvedge-pulses")
        } catch {
          return false
        }
      }
      const [one, other] = [yield* table, yield* table]
      const [late, early] = [yield* take(one), yield* take(other)]
      one.close()
      assert.deepStrictEqual([isOpen(late), yield* one.lease], [true, undefined])
      late.giveBack()
      early.giveBack()
      assert.deepStrictEqual([isOpen(late), isOpen(early)], [false, true])
      other.close()
      assert.isFalse(isOpen(early))
    }).pipe(Effect.provide(quiet))
  )
})

const facts = (name: string): Facts => ({
  kind: "process",
  ordinal: 0,
  generation: 1,
  name,
  key: null,
  serviceOrdinal: 0,
  frames: [{ kind: "process", ordinal: 0, generation: 1, name }],
  attempt: 1,
  startedAt: 0
})

const request = (name: string): Backend.StartRequest => ({
  program: Backend.module(pathToFileURL(path.join(import.meta.dirname, "../workers/fixtures/echo.ts"))),
  regions: {},
  isJudged: true,
  context: facts(name)
})

describe("the line of a process", () => {
  it.live("is nobody else's when the process was killed, before it is gone [W7] [W2]", () =>
    space(() =>
      Effect.gen(function* () {
        const { core } = yield* MappedMemory.MappedMemory
        const gone = yield* Deferred.make<void>()
        const exited = (): void => void Deferred.doneUnsafe(gone, Effect.void)
        const link = yield* ForkedBackend.make().start(request("echo"), { message: () => {}, exited })
        yield* Effect.replicateEffect(core.pulses.lease, LINES - 1)
        link.kill()
        assert.strictEqual(yield* core.pulses.lease, undefined)
        yield* Deferred.await(gone)
        assert.strictEqual((yield* core.pulses.lease)?.line.index, link.pulse?.index)
      })
    ).pipe(Effect.provide(quiet))
  )

  it.live("is free again where the process did not come to be [W7]", () =>
    space(() =>
      Effect.gen(function* () {
        const { core } = yield* MappedMemory.MappedMemory
        const refused = Effect.scoped(
          ForkedBackend.make().start(request("a name\0that no process can have"), {
            message: () => {},
            exited: () => {}
          })
        )
        for (let i = 0; i < 3; i++) assert.strictEqual((yield* Effect.flip(refused)).reason, "SpawnRefused")
        const leases = yield* Effect.replicateEffect(core.pulses.lease, LINES)
        assert.isDefined(leases.at(-1))
      })
    ).pipe(Effect.provide(quiet))
  )
})
