import { execFile } from "node:child_process"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as TaskRegistry from "@selvedge/core/tasks/TaskRegistry"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestTasks, TestTime } from "@selvedge/testing"

const loop = { kind: "BackgroundLoop" } as const

const hanging = Effect.gen(function* () {
  const inner = TaskRegistry.spawn(Effect.never, { ...loop, name: "write snapshot" })
  yield* TaskRegistry.spawn(Effect.andThen(inner, Effect.never), { ...loop, name: "aggregate" })
  yield* Effect.forkChild(Effect.withSpan(Effect.never, "poll"))
  return yield* Effect.never
})

const givenUp = <A, E>(test: Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const printed: Array<string> = []
    const watched = TestTasks.printOnTimeout(test, { name: "drains", print: (text) => printed.push(text) })
    const fiber = yield* Effect.forkChild(watched)
    yield* TestTime.settle
    yield* Fiber.interrupt(fiber)
    return printed
  })

describe("a test that is given up", () => {
  it.effect("prints the task tree, also of a registry provided inside, and the fibers outside any task [M1]", () =>
    Effect.gen(function* () {
      const printed = yield* givenUp(Effect.orDie(hanging.pipe(Effect.provide(TaskRegistry.layerRoot()))))
      assert.deepStrictEqual(printed, [
        [
          '"drains" was given up while these were alive:',
          '└─ "aggregate" (BackgroundLoop #1, 0ms)',
          '   └─ "write snapshot" (BackgroundLoop #2, 0ms)',
          '  outside any task: an unnamed fiber, "poll"'
        ].join("\n")
      ])
    })
  )

  it.effect("says so when there were no tasks [M1]", () =>
    Effect.gen(function* () {
      const printed = yield* givenUp(Effect.withSpan(Effect.never, "body"))
      assert.deepStrictEqual(printed, [
        '"drains" was given up while these were alive:\n  no tasks\n  outside any task: "body"'
      ])
    })
  )

  it.effect("is still interrupted, and its finalizers run after the printing [M1]", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const test = Effect.ensuring(
        Effect.never,
        Effect.sync(() => events.push("finalizer"))
      )
      const watched = TestTasks.printOnTimeout(test, { print: () => events.push("printed") })
      const fiber = yield* Effect.forkChild(watched)
      yield* TestTime.settle
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(events, ["printed", "finalizer"])
    })
  )

  it.effect("that ends by itself prints nothing and ends as it did [M1]", () =>
    Effect.gen(function* () {
      const printed: Array<string> = []
      const print = (text: string) => void printed.push(text)
      assert.strictEqual(yield* TestTasks.printOnTimeout(Effect.succeed(1), { print }), 1)
      assert.strictEqual(yield* Effect.flip(TestTasks.printOnTimeout(Effect.fail("no"), { print })), "no")
      assert.deepStrictEqual(printed, [])
    })
  )
})

describe("under vitest itself", () => {
  const outputOfFixture = Effect.suspend(() => {
    const root = fileURLToPath(new URL("./timeout-fixture/", import.meta.url))
    const vitest = join(dirname(createRequire(import.meta.url).resolve("vitest/package.json")), "vitest.mjs")
    return Effect.callback<string>((resume) => {
      const child = execFile(process.execPath, [vitest, "run", "--root", root], (_error, stdout, stderr) =>
        resume(Effect.succeed(stdout + stderr))
      )
      return Effect.sync(() => child.kill())
    })
  })

  // A whole vitest starts here, which takes a while on a busy machine.
  const options = { timeout: 60_000 }

  it.live(
    "a test that times out shows its task tree [M1]",
    () =>
      Effect.gen(function* () {
        const output = yield* outputOfFixture
        assert.include(output, "Test timed out in 200ms")
        assert.include(output, '"never drains" was given up while these were alive:')
        assert.include(output, '└─ "stuck connection" (PeerConnection #1')
      }),
    options
  )
})
