/**
 * Soft cancellation stops before the shield, hard cancellation does not.
 */
import { assert, it } from "@effect/vitest"
import * as ShutdownReason from "@selvedge/core/shutdown/ShutdownReason"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as TaskRegistry from "@selvedge/core/tasks/TaskRegistry"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"

const because = ShutdownReason.Requested({ by: "test" })

/** A piece of work of ten seconds that notes how it ended. */
const work = (notes: Array<string>) =>
  Effect.onExit(Effect.sleep("10 seconds"), (exit) =>
    Effect.sync(() => void notes.push(Exit.isSuccess(exit) ? "finished" : "interrupted"))
  )

it.effect("work under a soft shield finishes after runUntilDraining has asked its loop to stop [S10]", () =>
  Effect.gen(function* () {
    const notes: Array<string> = []
    const loop = yield* Effect.forkChild(
      ShutdownToken.softShield(work(notes)).pipe(Effect.forever, ShutdownToken.runUntilDraining)
    )
    yield* TestClock.adjust("14 seconds")
    yield* ShutdownToken.request(because)
    yield* TestClock.adjust("5 seconds")
    assert.deepStrictEqual(notes, ["finished"])
    assert.isUndefined(loop.pollUnsafe())
    yield* TestClock.adjust("1 second")
    yield* Fiber.join(loop)
    assert.deepStrictEqual(notes, ["finished", "finished"])
  }).pipe(Effect.provide(ShutdownToken.layer))
)

it.effect("the same work without the shield is cut, so the shield is what keeps it [S10]", () =>
  Effect.gen(function* () {
    const notes: Array<string> = []
    const loop = yield* Effect.forkChild(work(notes).pipe(Effect.forever, ShutdownToken.runUntilDraining))
    yield* TestClock.adjust("14 seconds")
    yield* ShutdownToken.request(because)
    yield* Fiber.join(loop)
    assert.deepStrictEqual(notes, ["finished", "interrupted"])
  }).pipe(Effect.provide(ShutdownToken.layer))
)

it.effect("a force reaches into the shield: the work is interrupted at the tasks' deadline [S10] [T8]", () =>
  Effect.gen(function* () {
    const notes: Array<string> = []
    yield* TaskRegistry.spawn(ShutdownToken.softShield(work(notes)), { name: "writer", kind: "BackgroundLoop" })
    const join = yield* Effect.forkChild(Effect.flip(TaskRegistry.joinAll("3 seconds")))
    yield* TestClock.adjust("3 seconds")
    const error = yield* Fiber.join(join)
    assert.deepStrictEqual(notes, ["interrupted"])
    assert.deepInclude(error, { _tag: "ShutdownDeadlineExceeded" })
    assert.deepStrictEqual(error._tag === "ShutdownDeadlineExceeded" && error.pending.map((row) => row.state), [
      "interrupted"
    ])
  }).pipe(Effect.provide(TaskRegistry.layerRoot()))
)

it.effect("results, failures and defects pass through the shield [S10]", () =>
  Effect.gen(function* () {
    assert.strictEqual(yield* ShutdownToken.softShield(Effect.succeed(7)), 7)
    assert.strictEqual(yield* Effect.flip(ShutdownToken.softShield(Effect.fail("no"))), "no")
    assert.isTrue(Exit.hasDies(yield* Effect.exit(ShutdownToken.softShield(Effect.die("bug")))))
  }).pipe(Effect.provide(ShutdownToken.layer))
)
