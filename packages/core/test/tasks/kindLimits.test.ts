import { assert, describe } from "@effect/vitest"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as TokenTree from "@selvedge/core/shutdown/TokenTree"
import * as TaskRegistry from "@selvedge/core/tasks/TaskRegistry"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import * as Kinds from "../../src/tasks/internal/kinds.ts"
import { gate, joining, left, missed, names, open, settle, task, test } from "./support.ts"

const spawning = (name: string, effect: Effect.Effect<void> = Effect.never) =>
  Effect.forkDetach(task(name, effect, { kind: "few" }), { startImmediately: true })
const few = { kinds: { few: { limit: 2 } } }

describe("a limit of live tasks", () => {
  test(
    "refuses with a typed error where the policy says so [T2]",
    () =>
      Effect.gen(function* () {
        const one = yield* task("one", Effect.never, { kind: "few" })
        yield* task("two", Effect.never, { kind: "few" })
        const error = yield* Effect.flip(task("three", Effect.never, { kind: "few" }))
        assert.strictEqual(error._tag, "TaskLimitReached")
        assert.strictEqual(
          error.message,
          'task "three" was not started: 2 task(s) of kind few are live, which is the limit'
        )
        yield* one.abort
        yield* task("three", Effect.never, { kind: "few" })
      }),
    { kinds: { few: { limit: 2, whenFull: "refuse" } } }
  )

  test(
    "lets spawns wait, first come first served, and never has more than the limit [T2]",
    () =>
      Effect.gen(function* () {
        const first = yield* Effect.forEach(["a", "b"], (name) => task(name, Effect.never, { kind: "few" }))
        const waiting = yield* Effect.forEach(["c", "d", "e"], (name) => spawning(name))
        assert.isTrue(waiting.every((fiber) => fiber.pollUnsafe() === undefined))
        yield* first[1]!.abort
        assert.deepStrictEqual(yield* names, ["a", "c"])
        assert.isDefined(waiting[0]!.pollUnsafe())
        yield* first[0]!.abort
        assert.deepStrictEqual(yield* names, ["c", "d"])
        yield* Effect.forEach(["c", "d"], (name) => TaskRegistry.abort(name))
        assert.deepStrictEqual(yield* names, ["e"])
      }),
    few
  )

  test(
    "does not let a later spawn overtake those who wait [T2]",
    () =>
      Effect.gen(function* () {
        const wait = yield* gate
        yield* Effect.forEach(["a", "b"], (name) => task(name, Deferred.await(wait), { kind: "few" }))
        yield* Effect.forEach(["c", "d", "e"], (name) => spawning(name))
        yield* open(wait)
        yield* spawning("f")
        yield* settle
        assert.deepStrictEqual(yield* names, ["c", "d"])
        yield* TaskRegistry.abort("c")
        assert.deepStrictEqual(yield* names, ["d", "e"])
      }),
    few
  )

  test(
    "loses no place when waiting spawns are interrupted [T2]",
    () =>
      Effect.gen(function* () {
        const first = yield* Effect.forEach(["a", "b"], (name) => task(name, Effect.never, { kind: "few" }))
        const waiting = yield* Effect.forEach(["c", "d", "e", "f"], (name) => spawning(name))
        yield* Fiber.interrupt(waiting[0]!)
        yield* Fiber.interrupt(waiting[2]!)
        yield* first[0]!.abort
        yield* first[1]!.abort
        assert.deepStrictEqual(yield* names, ["d", "f"])
        yield* Effect.forEach(["d", "f"], (name) => TaskRegistry.abort(name))
        yield* Effect.forEach(["g", "h"], (name) => task(name, Effect.never, { kind: "few" }))
        assert.deepStrictEqual(yield* names, ["g", "h"])
      }),
    few
  )

  test(
    "ends waiting roots with RegistryClosed when the registry closes, and lets children wait on [T2] [T7]",
    () =>
      Effect.gen(function* () {
        const first = yield* Effect.forEach(["a", "b"], (name) => task(name, Effect.never, { kind: "few" }))
        const outside = yield* spawning("outside")
        const parent = yield* task("parent", Effect.exit(task("inside", Effect.void, { kind: "few" })))
        yield* settle
        yield* TaskRegistry.close
        const error = yield* Effect.flip(Fiber.join(outside))
        assert.deepStrictEqual(
          [error._tag, error._tag === "RegistryClosed" && error.state],
          ["RegistryClosed", "closed"]
        )
        assert.strictEqual(parent.state, "running")
        yield* first[0]!.abort
        assert.isTrue(Exit.isSuccess(yield* Effect.flatten(parent.await)))
      }),
    few
  )

  test(
    "ends waiting children with RegistryClosed when the registry is forced [T2] [T7]",
    () =>
      Effect.gen(function* () {
        yield* Effect.forEach(["a", "b"], (name) => task(name, Effect.never, { kind: "few" }))
        const told: Array<string> = []
        const child = Effect.catchTag(task("inside", Effect.void, { kind: "few" }), "RegistryClosed", (error) =>
          Effect.sync(() => void told.push(error.state))
        )
        yield* task("parent", Effect.andThen(Effect.forkDetach(child), Effect.never))
        yield* settle
        yield* ShutdownToken.force({ _tag: "Reload" })
        yield* settle
        assert.deepStrictEqual(told, ["forced"])
        assert.strictEqual(yield* TaskRegistry.size, 0)
      }),
    few
  )

  test(
    "ends a waiting spawn when the task it waits in ends, if only that task gave it admission [T2] [T7]",
    () =>
      Effect.gen(function* () {
        yield* Effect.forEach(["a", "b"], (name) => task(name, Effect.never, { kind: "few" }))
        const told: Array<string> = []
        const orphan = (name: string) =>
          Effect.matchEffect(task(name, Effect.never, { kind: "few" }), {
            onFailure: (error) => Effect.sync(() => void told.push(`${name}: ${error._tag}`)),
            onSuccess: () => Effect.sync(() => void told.push(`${name}: started`))
          })
        const end = yield* gate
        yield* task("early", Effect.forkDetach(orphan("while open")))
        yield* task("late", Effect.andThen(Effect.forkDetach(orphan("while closed")), Deferred.await(end)))
        yield* settle
        assert.deepStrictEqual(told, [], "while the registry is open it would be admitted as a root")
        yield* TaskRegistry.close
        assert.deepStrictEqual(told, ["while open: RegistryClosed"])
        yield* open(end)
        yield* settle
        assert.deepStrictEqual(told.slice(1), ["while closed: RegistryClosed"])
      }),
    few
  )

  test(
    "starts ten thousand waiting spawns one after the other, each ending at once [T2]",
    () =>
      Effect.gen(function* () {
        const hold = yield* task("hold", Effect.never, { kind: "one" })
        let ran = 0
        const body = Effect.sync(() => void ran++)
        const waiting = yield* Effect.forEach(Array.from({ length: 10_000 }), () =>
          Effect.forkDetach(task("w", body, { kind: "one", startImmediately: true }), { startImmediately: true })
        )
        yield* hold.abort
        assert.strictEqual(ran, 10_000)
        assert.isTrue(waiting.every((fiber) => fiber.pollUnsafe()?._tag === "Success"))
        assert.strictEqual((yield* TaskRegistry.stats).peak, 1)
      }),
    { kinds: { one: { limit: 1 } } }
  )

  test(
    "forgets spawns that gave up, however long the kind stays full [T2] [T5]",
    () =>
      Effect.gen(function* () {
        yield* task("hold", Effect.never, { kind: "one" })
        for (let i = 0; i < 20_000; i++) {
          const fiber = yield* Effect.forkDetach(task("w", Effect.void, { kind: "one" }), { startImmediately: true })
          fiber.interruptUnsafe()
        }
        const last = yield* Effect.forkDetach(task("last", Effect.void, { kind: "one" }), { startImmediately: true })
        yield* TaskRegistry.abort("hold")
        assert.isTrue(Exit.isSuccess(yield* Fiber.await(last)))
      }),
    { kinds: { one: { limit: 1 } } }
  )

  test(
    "does not count against a join: waiting roots are refused and the live ones are awaited [T2] [T8]",
    () =>
      Effect.gen(function* () {
        yield* Effect.forEach(["a", "b"], (name) => task(name, Effect.never, { kind: "few" }))
        const outside = yield* spawning("outside")
        const join = yield* joining("1 second")
        assert.isDefined(outside.pollUnsafe())
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(left(yield* missed(join)), ["a:interrupted", "b:interrupted"])
      }),
    few
  )
})

describe("kinds made up at run time", () => {
  test("are not walked one and all for each new one [T5]", () =>
    Effect.sync(() => {
      let looks = 0
      const live = (kind: string) => ({ kind, live: 1, waiting: { size: 0 } }) as Kinds.KindState
      const kinds = new (class extends Map<string, Kinds.KindState> {
        override *values(): MapIterator<Kinds.KindState> {
          for (const kind of super.values()) {
            looks++
            yield kind
          }
        }
      })()
      const sweep = Kinds.makeSweep(kinds, () => false)
      for (let i = 0; i < 2000; i++) {
        sweep()
        kinds.set(`peer ${i}`, live(`peer ${i}`))
      }
      assert.isBelow(looks, 10_000)
      assert.strictEqual(kinds.size, 2000)
    }))

  test("are forgotten when their tasks have ended [T5]", () =>
    Effect.gen(function* () {
      const surrounding = TokenTree.nodeOf(yield* ShutdownToken.ShutdownToken)
      const kept = yield* task("kept", ShutdownToken.awaitDraining, { kind: "kept" })
      for (let i = 0; i < 2000; i++) {
        const handle = yield* task("t", task("child", Effect.void, { kind: `child of ${i}` }), { kind: `peer ${i}` })
        yield* handle.await
      }
      assert.isBelow(surrounding.descendantsUnsafe(), 600)
      assert.strictEqual(kept.state, "running")
      yield* TaskRegistry.joinAll("1 second")
      assert.isTrue(Exit.isSuccess(yield* kept.await))
    }))
})
