import { assert, describe, it } from "@effect/vitest"
import { explore } from "@selvedge/testing/model"
import * as Effect from "effect/Effect"

describe("a body that runs an Effect", () => {
  const add = (x: Int32Array, atomic: boolean) =>
    Effect.gen(function* () {
      const seen = yield* Effect.sync(() => (atomic ? Atomics.add(x, 0, 1) : Atomics.load(x, 0)))
      if (!atomic) yield* Effect.sync(() => Atomics.store(x, 0, seen + 1))
    }).pipe(Effect.ensuring(Effect.sync(() => Atomics.add(x, 1, 1))))
  const model = (atomic: boolean) => ({
    setup: () => new Int32Array(new SharedArrayBuffer(8)),
    threads: {
      a: (x: Int32Array) => Effect.runSync(add(x, atomic)),
      b: (x: Int32Array) => Effect.runSync(add(x, atomic))
    },
    check: (x: Int32Array) => x[0] === 2 && x[1] === 2
  })

  it("is explored like any other function, finalizers and all [M4]", () => {
    assert.strictEqual(explore(model(true))._tag, "Exhausted")
    const broken = explore(model(false))
    assert.strictEqual(broken.failure?.kind, "check")
    assert.match(broken.failure?.trace ?? "", /effect\.test\.ts:\d+/)
  })
})
