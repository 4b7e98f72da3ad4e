/**
 * Processes of threads: who is who, and who is started again by whom.
 */
import { assert, it } from "@effect/vitest"
import * as Backend from "@selvedge/core/workers/Backend"
import * as Container from "@selvedge/core/workers/Container"
import type { Frame } from "@selvedge/core/workers/Frame"
import type { Said } from "@selvedge/core/workers/Policy"
import * as WorkerRequest from "@selvedge/core/workers/WorkerRequest"
import * as HybridBackend from "@selvedge/node/workers/HybridBackend"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Do, Who } from "./fixtures/echo.ts"
import { Say } from "./fixtures/talking.ts"
import { fixture, quiet } from "./support.ts"

interface Told {
  readonly pid: number
  readonly ordinal: number
  readonly generation: number
  readonly frames: ReadonlyArray<Frame>
  readonly parent: Frame | null
}

const hybrid = Layer.merge(
  Layer.orDie(HybridBackend.layer({ threads: 2, intensity: { max: 1, period: "1 minute" } })),
  quiet
)

const echo = Backend.module(fixture("echo"))

const started = Effect.fnUntraced(function* (count: number) {
  const container = yield* Container.make()
  yield* container.run({ name: "echo", program: echo, count })
  yield* container.awaitReady
  /** What the threads say, asked in turn. */
  const all = Effect.map(
    Effect.replicateEffect(container.request(Who, "?"), count * 2),
    (answers) => answers as ReadonlyArray<Told>
  )
  return { container, all }
})

const path = ({ frames }: Told): string => frames.map(({ kind, ordinal }) => `${kind} ${ordinal}`).join(", ")

it.live("a thread in a process knows both, and threads of the same number have different parents [W3] [W4]", () =>
  Effect.gen(function* () {
    const { all } = yield* started(2)
    const told = yield* all
    const paths = ["process 0, thread 0", "process 0, thread 1", "process 1, thread 0", "process 1, thread 1"]
    assert.deepStrictEqual(told.map(path).toSorted(), paths)
    for (const one of told) assert.deepStrictEqual(one.parent, one.frames[0])
    assert.strictEqual(new Set(told.map(({ pid }) => pid)).size, 2)
  }).pipe(Effect.scoped, Effect.provide(hybrid))
)

it.live(
  "a thread that dies is started again in its process, with its number; too many, and the process is [W2] [W6]",
  () =>
    Effect.gen(function* () {
      const { all, container } = yield* started(1)
      const [{ pid }] = (yield* all) as readonly [Told]
      const error = yield* Effect.flip(container.request(Do, "exit"))
      assert.deepInclude(error, { reason: "WorkerGone", worker: "echo 0 [process 0, thread 0] life 1" })
      const lives = Effect.map(all, (told) => told.map((one) => [one.pid, path(one), one.generation].join()).toSorted())
      const wanted = [`${pid},process 0, thread 0,2`, `${pid},process 0, thread 1,1`]
      const isSo = Effect.map(
        Effect.orElseSucceed(lives, () => []),
        (found) => found.join() === wanted.join()
      )
      while (!(yield* isSo)) yield* Effect.sleep("20 millis")
      // The second death within a minute is one too many for the process.
      yield* Effect.flip(container.request(Do, "exit"))
      while ((yield* container.statistics).restarts === 0) yield* Effect.sleep("20 millis")
      yield* container.awaitReady
      const [row] = yield* container.status
      assert.deepStrictEqual([row?.ordinal, row?.generation, row?.lastExit?._tag], [0, 2, "Failed"])
    }).pipe(Effect.scoped, Effect.provide(hybrid))
)

it.live("a request fails for the reason it failed for in the process, and the thread is named [W4] [W5]", () =>
  Effect.gen(function* () {
    const container = yield* Container.make()
    yield* container.run({ name: "talking", program: Backend.module(fixture("talking")), count: 1 })
    yield* container.awaitReady
    const unknown = yield* Effect.flip(container.request(Who, "?"))
    assert.deepInclude(unknown, { reason: "UnknownRequest", detail: "it answers Say" })
    assert.match(unknown.worker, /^talking [01] \[process 0, thread [01]\] life 1$/)
    const wrong = WorkerRequest.make("Say", { payload: Schema.Int, success: Schema.Null })
    assert.strictEqual((yield* Effect.flip(container.request(wrong, 5))).reason, "InvalidPayload")
  }).pipe(Effect.scoped, Effect.provide(hybrid))
)

it.live("what a thread says of itself its process says, with the number of the thread [W4] [W7]", () =>
  Effect.gen(function* () {
    const heard: Array<Said> = []
    const policy = { said: ({ message }: { readonly message: Said }) => Effect.sync(() => void heard.push(message)) }
    const container = yield* Container.make({ policy })
    yield* container.run({ name: "talking", program: Backend.module(fixture("talking")), count: 1 })
    yield* container.awaitReady
    yield* container.request(Say, "indexing")
    while (heard.length < 4) yield* Effect.sleep("10 millis")
    const [{ text } = { text: "" }] = (yield* container.status).map((row) => ({ text: row.text }))
    const thread = text?.slice(0, "thread 0".length) ?? ""
    assert.include(["thread 0", "thread 1"], thread)
    assert.deepStrictEqual(heard, [
      { _tag: "StatusText", text: `${thread}: indexing` },
      { _tag: "Problem", message: `${thread}: indexing` },
      { _tag: "Reloading" },
      { _tag: "Restarting" }
    ])
  }).pipe(Effect.scoped, Effect.provide(hybrid))
)
