/**
 * Holding the event loop: counted in this process, seen from outside in another.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Core from "@selvedge/core/memory/KeepAlive"
import * as KeepAlive from "@selvedge/node/main/KeepAlive"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { run } from "./fixtures/child.ts"

const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length

describe("KeepAlive", () => {
  it.effect("holds the loop with one timer until the last of several scopes closes [S8]", () =>
    Effect.gen(function* () {
      const before = timers()
      const first = yield* Scope.make()
      const second = yield* Scope.make()
      yield* Scope.provide(KeepAlive.hold, first)
      yield* Scope.provide(KeepAlive.hold, second)
      assert.strictEqual(timers(), before + 1)
      yield* Scope.close(first, Exit.void)
      assert.strictEqual(timers(), before + 1)
      yield* Scope.close(second, Exit.void)
      assert.strictEqual(timers(), before)
    })
  )

  it.effect("gives fibers that wait for shared memory a hold that is given back once [S8]", () =>
    Effect.gen(function* () {
      const hold = yield* Core.KeepAlive
      const before = timers()
      const release = hold()
      assert.strictEqual(timers(), before + 1)
      const other = hold()
      release()
      release()
      assert.strictEqual(timers(), before + 1)
      other()
      assert.strictEqual(timers(), before)
    }).pipe(Effect.provide(KeepAlive.layer))
  )

  it.effect("lets the loop go when the effect succeeds, fails or is interrupted [S8]", () =>
    Effect.gen(function* () {
      const before = timers()
      for (const ending of [Effect.void, Effect.fail("no"), Effect.interrupt]) {
        const inside = yield* Effect.exit(KeepAlive.during(Effect.andThen(Effect.sync(timers), Effect.asVoid(ending))))
        assert.strictEqual(Exit.isSuccess(inside), ending === Effect.void)
        assert.strictEqual(timers(), before)
      }
      assert.strictEqual(yield* KeepAlive.during(Effect.sync(timers)), before + 1)
    })
  )

  it("keeps a process alive that waits for nothing Node knows of, and it alone does [S8]", async () => {
    const [held, bare] = await Promise.all([run("./waiting.ts", ["held"]), run("./waiting.ts", ["bare"])])
    assert.deepStrictEqual([held.code, held.stdout], [0, "done\n"])
    assert.deepStrictEqual([bare.code, bare.stdout], [0, ""])
  })
})
