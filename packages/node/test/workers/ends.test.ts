/**
 * How real threads and processes end, and what is known about it afterwards; what is refused before one starts.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Backend from "@selvedge/core/workers/Backend"
import * as Container from "@selvedge/core/workers/Container"
import * as Parallelism from "@selvedge/core/workers/Parallelism"
import * as ForkedBackend from "@selvedge/node/workers/ForkedBackend"
import * as HybridBackend from "@selvedge/node/workers/HybridBackend"
import * as ThreadedBackend from "@selvedge/node/workers/ThreadedBackend"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { availableParallelism } from "node:os"
import { Do } from "./fixtures/echo.ts"
import { errorOf, fixture, one, processes, quiet, threads } from "./support.ts"

/** Lets a ready worker do something that ends it. */
const endBy = Effect.fnUntraced(function* (what: string) {
  const { child, container } = yield* one("echo")
  yield* child.awaitReady
  yield* Effect.forkChild(Effect.exit(container.request(Do, what)))
  return yield* child.awaitEnded
})

describe.each([
  { kind: "thread", layer: threads },
  { kind: "process", layer: processes }
])("a worker that is a $kind", ({ layer }) => {
  it.live("tells an error nobody caught, with its stack [W8]", () =>
    Effect.gen(function* () {
      const exit = yield* endBy("throw")
      assert.strictEqual(exit._tag, "Uncaught")
      assert.strictEqual(errorOf(exit)?.message, "nobody catches this")
      assert.include(errorOf(exit)?.stack ?? "", "fixtures/echo")
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.live("tells an error of its main effect with what is behind it [W8]", () =>
    Effect.gen(function* () {
      const { child } = yield* one("failing")
      const exit = yield* child.awaitEnded
      assert.strictEqual(exit._tag, "Failed")
      assert.strictEqual(errorOf(exit)?.name, "NoTable")
      assert.strictEqual(errorOf(exit)?.message, "the table could not be opened: the disk is full")
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.live("that sends what no schema allows is reported with the path, and killed [W8]", () =>
    Effect.gen(function* () {
      const details: Array<string> = []
      const container = yield* Container.make({
        policy: {
          invalidMessage: ({ error }) => {
            details.push(error.detail)
            return Effect.succeed("kill")
          }
        }
      })
      const child = yield* container.spawn({
        name: "echo",
        program: Backend.module(fixture("echo")),
        restart: "temporary"
      })
      yield* child.awaitReady
      yield* Effect.forkChild(Effect.exit(container.request(Do, "babble")))
      const exit = yield* child.awaitEnded
      assert.deepStrictEqual(exit, { _tag: "Killed", reason: "invalid message" })
      assert.match(details.join(), /text/)
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.live("runs a program of plain JavaScript, by its path, to its end [W5]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      const program = Backend.module(new URL("./fixtures/plain.js", import.meta.url).pathname)
      const child = yield* container.spawn({ name: "plain", program, restart: "temporary" })
      assert.deepStrictEqual(yield* child.awaitEnded, { _tag: "Completed" })
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.live("is not started for a module that fails while it is loaded [W5]", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(one("brokenModule"))
      assert.strictEqual(error._tag, "StartFailed")
      assert.include(error.message, "ModuleBroken")
      assert.include(error.message, "this module cannot be loaded")
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.live("is not started for a value, nor for a name that is no address [W5]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      const refused = (program: Backend.ProgramRef) => Effect.flip(container.spawn({ name: "wrong", program }))
      assert.include((yield* refused(Backend.direct(Effect.void))).message, "NeedsModule")
      assert.include((yield* refused(Backend.module("some-package"))).message, "ModuleUnknown")
    }).pipe(Effect.scoped, Effect.provide(layer))
  )
})

it.live("a thread that fills its heap ends as out of memory, not as any other crash [W8]", () =>
  Effect.gen(function* () {
    const exit = yield* endBy("grow")
    assert.strictEqual(exit._tag, "OutOfMemory")
  }).pipe(
    Effect.scoped,
    Effect.provide(Layer.merge(ThreadedBackend.layer({ resourceLimits: { maxOldGenerationSizeMb: 48 } }), quiet))
  )
)

it.live("a process that fills its heap ends as out of memory, one that aborts by its signal [W8]", () =>
  Effect.gen(function* () {
    const execArgv = [...process.execArgv, "--max-old-space-size=48"]
    const small = Layer.merge(ForkedBackend.layer({ execArgv, output: "prefix" }), quiet)
    const exit = yield* Effect.provide(Effect.scoped(endBy("grow")), small)
    assert.strictEqual(exit._tag, "OutOfMemory")
    const aborted = yield* Effect.provide(Effect.scoped(endBy("abort")), small)
    assert.deepStrictEqual(aborted, { _tag: "Signalled", signal: "SIGABRT" })
  })
)

it.live("a service has as many workers as the machine runs threads at a time, unless it says how many [W4]", () =>
  Effect.gen(function* () {
    assert.strictEqual(yield* Parallelism.count(undefined), availableParallelism())
    assert.strictEqual(yield* Parallelism.count(3), 3)
  }).pipe(Effect.provide(ThreadedBackend.layer()))
)

it.live("a hybrid refuses numbers of threads that cannot be [W4]", () =>
  Effect.gen(function* () {
    for (const threads of [0, -1, 1.5, Number.NaN]) {
      const error = yield* Effect.flip(HybridBackend.make({ threads }))
      assert.include(error.message, "threads: wanted a whole number from 1 to 1024")
    }
  })
)
