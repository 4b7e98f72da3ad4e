/** What becomes of the workers, the ring and the space of a supervisor that is killed, and of the one that is started in its place. */
import { assert, describe, it } from "@effect/vitest"
import * as Producer from "@selvedge/core/ring/Producer"
import * as Ring from "@selvedge/core/ring/Ring"
import * as KeepAlive from "@selvedge/node/main/KeepAlive"
import * as MappedMemory from "@selvedge/node/memory/MappedMemory"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { lastOf, tallyOf, WORKERS } from "./fixtures/board.ts"
import { Numbered } from "./fixtures/numbered.ts"
import { Participant } from "./fixtures/processes.ts"
import { freshDirectory, type Place } from "./fixtures/space.ts"

const supervisor = ({ directory, name }: Place) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const one = new Participant("./supervisor.ts", [directory, name])
      const line = await one.next()
      if (line["ready"] !== true) throw new Error(`the supervisor did not start: ${JSON.stringify(line)} ${one.stderr}`)
      return { one, pids: line["pids"] as ReadonlyArray<number> }
    }),
    ({ one }) => Effect.promise(() => one.kill())
  )

const others = Effect.map(MappedMemory.participants, (all) => all.filter(({ isThisOne }) => !isThisOne))

const until = <E, R>(isSo: Effect.Effect<boolean, E, R>): Effect.Effect<void, E, R> =>
  Effect.flatMap(isSo, (done) => (done ? Effect.void : Effect.andThen(Effect.sleep(10), until(isSo))))

describe("a supervisor that is killed", () => {
  it.live(
    "leaves its workers to drain and its space to the next one, and every record is counted once by each worker [P3] [W12]",
    () =>
      Effect.gen(function* () {
        const place = { directory: yield* freshDirectory, name: "test" }
        const first = yield* supervisor(place)
        yield* Effect.gen(function* () {
          const memory = yield* MappedMemory.open("numbers")
          const board = yield* MappedMemory.open("board")
          const ring = yield* Ring.attach(yield* MappedMemory.handle(memory), { record: Numbered })
          const producer = yield* Producer.make(ring)
          const last = lastOf(board)
          const publish = (from: number, to: number) =>
            Effect.gen(function* () {
              for (let value = from; value <= to; value++) {
                yield* Producer.publish(producer, { who: 1, value })
                yield* Effect.sleep(1)
              }
            })
          const counted = (value: number) => until(Effect.sync(() => last.every((seen) => seen >= value)))
          const once = (to: number): void => {
            for (let worker = 0; worker < WORKERS; worker++) {
              const tally = tallyOf(board, worker)
              for (let value = 1; value <= to; value++)
                assert.strictEqual(tally[value], 1, `worker ${worker}, ${value}`)
            }
          }

          const publishing = yield* Effect.forkChild(publish(1, 900))
          yield* counted(100)
          yield* Effect.promise(() => first.one.kill())
          // Nobody lives but the test: they have drained, and their seats gate.
          yield* until(Effect.map(others, (rows) => rows.every(({ isAlive }) => !isAlive)))
          assert.isAbove((yield* others).length, 0)
          const second = yield* supervisor(place)
          yield* counted(400)
          for (const pid of second.pids) process.kill(pid, "SIGKILL")
          yield* Effect.promise(() => second.one.kill())
          yield* supervisor(place)
          yield* Fiber.join(publishing)
          yield* counted(900)
          once(900)
          // The dead of all lives are recovered, and have given their places back.
          yield* until(Effect.map(others, (rows) => rows.length === WORKERS + 1))
        }).pipe(Effect.scoped, Effect.provide(Layer.merge(MappedMemory.layerAttached(place), KeepAlive.layer)))
      }).pipe(Effect.scoped)
  )
})
