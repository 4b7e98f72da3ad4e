/**
 * The defects of earlier systems of this kind that must not come back, one test
 * each. `docs/requirements.md` lists them; `test/mutants/` brings each of them
 * into our code, and `npm run mutants` asks for its test here to go red.
 */
import { assert, describe, it } from "@effect/vitest"
import * as ShutdownReason from "@selvedge/core/shutdown/ShutdownReason"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as TaskRegistry from "@selvedge/core/tasks/TaskRegistry"
import type { ShutdownDeadlineExceeded } from "@selvedge/core/tasks/TaskRegistryError"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"

/** Runs up to the next step of everybody who can take one. */
const settle = Effect.repeat(Effect.yieldNow, { times: 20 })

const heeding = ShutdownToken.awaitDraining

const names = Effect.map(TaskRegistry.snapshot, (rows) => rows.map((row) => row.name))

/** Joins with a deadline of one second, lets all time it may need pass, and answers with the error. */
const joinTooLate = Effect.gen(function* () {
  const join = yield* Effect.forkChild(Effect.exit(TaskRegistry.joinAll("1 second")), { startImmediately: true })
  yield* TestClock.adjust("1 minute")
  const exit = yield* Fiber.join(join)
  assert.isTrue(Exit.isFailure(exit), "the join reported success")
  const error = yield* Effect.flip(exit)
  assert.strictEqual(error._tag, "ShutdownDeadlineExceeded")
  return error as ShutdownDeadlineExceeded
})

describe("flaws of task registries", () => {
  it.effect("forgets a task when it ends, long before anybody joins [T5] [flaw T5]", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const done = yield* TaskRegistry.spawn(Effect.void, { name: "succeeds", kind: "RpcHandler" })
      const failed = yield* TaskRegistry.spawn(Effect.fail("planned"), { name: "fails", kind: "RpcHandler" })
      const aborted = yield* TaskRegistry.spawn(Effect.never, { name: "aborted", kind: "RpcHandler" })
      yield* TaskRegistry.spawn(Deferred.await(gate), { name: "lives", kind: "RpcHandler" })
      assert.deepStrictEqual(yield* names, ["succeeds", "fails", "aborted", "lives"])
      yield* aborted.abort
      yield* Effect.all([done.await, failed.await])
      assert.deepStrictEqual(yield* names, ["lives"])
      assert.strictEqual(yield* TaskRegistry.size, 1)
      yield* Deferred.succeed(gate, undefined)
      yield* settle
      assert.isTrue(yield* TaskRegistry.isEmpty)
    }).pipe(Effect.provide(TaskRegistry.layerRoot()))
  )

  it.effect("waits in the join for a task that was spawned during the join [T7] [flaw T7]", () =>
    Effect.gen(function* () {
      const finish = yield* Deferred.make<void>()
      const handOver = TaskRegistry.spawn(Deferred.await(finish), { name: "late", kind: "RpcHandler", detached: true })
      yield* TaskRegistry.spawn(Effect.andThen(heeding, handOver), { name: "spawner", kind: "RpcHandler" })
      yield* settle
      const join = yield* Effect.forkChild(TaskRegistry.joinAll("1 minute"), { startImmediately: true })
      yield* settle
      assert.deepStrictEqual(yield* names, ["late"])
      assert.isUndefined(join.pollUnsafe())
      yield* Deferred.succeed(finish, undefined)
      yield* Fiber.join(join)
      assert.isTrue(yield* TaskRegistry.isEmpty)
    }).pipe(Effect.provide(TaskRegistry.layerRoot()))
  )

  it.effect("names one stuck task beside two that ended as one pending task [T8] [flaw T8: pending count]", () =>
    Effect.gen(function* () {
      yield* TaskRegistry.spawn(heeding, { name: "first", kind: "RpcHandler" })
      yield* TaskRegistry.spawn(Effect.never, { name: "stuck", kind: "RpcHandler" })
      yield* TaskRegistry.spawn(heeding, { name: "second", kind: "RpcHandler" })
      yield* settle
      const error = yield* joinTooLate
      assert.deepStrictEqual(
        error.pending.map((straggler) => straggler.name),
        ["stuck"]
      )
    }).pipe(Effect.provide(TaskRegistry.layerRoot()))
  )

  it.effect("interrupts the straggler and waits for its end [T8] [flaw T8: straggler detached]", () =>
    Effect.gen(function* () {
      let ended = false
      const closing = Effect.andThen(
        settle,
        Effect.sync(() => {
          ended = true
        })
      )
      const stuck = yield* TaskRegistry.spawn(Effect.ensuring(Effect.never, closing), {
        name: "stuck",
        kind: "RpcHandler"
      })
      yield* settle
      const error = yield* joinTooLate
      assert.isTrue(ended)
      assert.isTrue(Exit.hasInterrupts(yield* stuck.await))
      assert.deepStrictEqual(
        error.pending.map((straggler) => straggler.state),
        ["interrupted"]
      )
    }).pipe(Effect.provide(TaskRegistry.layerRoot()))
  )

  it.effect("shows in a snapshot during the join whom it waits for [T8] [flaw T8: list emptied]", () =>
    Effect.gen(function* () {
      yield* TaskRegistry.spawn(heeding, { name: "heeds", kind: "RpcHandler" })
      yield* TaskRegistry.spawn(Effect.never, { name: "stuck", kind: "RpcHandler" })
      yield* settle
      const join = yield* Effect.forkChild(Effect.exit(TaskRegistry.joinAll("1 second")), { startImmediately: true })
      yield* settle
      assert.deepStrictEqual(yield* names, ["stuck"])
      assert.strictEqual(yield* TaskRegistry.size, 1)
      yield* TestClock.adjust("1 minute")
      assert.isTrue(Exit.isFailure(yield* Fiber.join(join)))
    }).pipe(Effect.provide(TaskRegistry.layerRoot()))
  )

  it.effect("tells who joins again the same outcome [T8] [flaw T8: second join]", () =>
    Effect.gen(function* () {
      yield* TaskRegistry.spawn(Effect.never, { name: "stuck", kind: "RpcHandler" })
      yield* settle
      const error = yield* joinTooLate
      assert.isTrue(yield* TaskRegistry.isEmpty)
      const again = yield* joinTooLate
      assert.deepStrictEqual(again.pending, error.pending)
      assert.strictEqual(again.deadlineMillis, error.deadlineMillis)
    }).pipe(Effect.provide(TaskRegistry.layerRoot()))
  )
})

describe("flaws of shutdown tokens", () => {
  it.effect("keeps a child's request out of its parent's reason and phase [S1] [flaw S1]", () =>
    Effect.gen(function* () {
      const parent = yield* ShutdownToken.make
      const child = yield* parent.child
      assert.isTrue(child.requestUnsafe(ShutdownReason.Requested({ by: "child" })))
      assert.isUndefined(parent.requestedUnsafe())
      assert.strictEqual(parent.phaseUnsafe()._tag, "Running")
      assert.isTrue(child.forceUnsafe(ShutdownReason.Requested({ by: "child" })))
      assert.isUndefined(parent.requestedUnsafe())
      assert.strictEqual(parent.phaseUnsafe()._tag, "Running")
      parent.requestUnsafe(ShutdownReason.Requested({ by: "parent" }))
      const reasons = [parent, child].map((token) => token.requestedUnsafe())
      assert.deepStrictEqual(reasons, [
        ShutdownReason.Requested({ by: "parent" }),
        ShutdownReason.Requested({ by: "child" })
      ])
    })
  )
})
