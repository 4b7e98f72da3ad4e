/**
 * A layer built by a service is built and released exactly as Effect does it alone: the same order, the same sharing,
 * the same error. Random layer graphs; the oracle is `Layer.build` without a service.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Main from "@selvedge/core/service/Main"
import * as Seed from "@selvedge/testing/faults/Seed"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { quietly } from "./stage.ts"

type AnyLayer = Layer.Layer<never, string>

/** Nobody asks a graph for its services by type. */
const hidden = <A, E>(layer: Layer.Layer<A, E>): Layer.Layer<never, E> => layer

/** A graph of up to twelve layers over each other; the last is the whole. Built anew for each run of a seed. */
const randomGraph = (seed: number, log: Array<string>): AnyLayer => {
  const next = Seed.stream(seed)
  const pick = <A>(from: ReadonlyArray<A>): A => from[Math.floor(next() * from.length)]!
  const layers: Array<AnyLayer> = []
  const leaf = (index: number): AnyLayer => {
    const key = Context.Service<string>(`test/Service${index}`)
    const [fails, dies, waits, forks, discards] = [
      next() < 0.06,
      next() < 0.08,
      next() < 0.3,
      next() < 0.3,
      next() < 0.3
    ]
    const body = Effect.gen(function* () {
      log.push(`acquire ${index}`)
      yield* Effect.addFinalizer((exit) =>
        Effect.andThen(
          Effect.sync(() => void log.push(`release ${index} ${exit._tag}`)),
          dies ? Effect.die(`finalizer ${index}`) : Effect.void
        )
      )
      if (waits) yield* Effect.yieldNow
      if (forks) {
        yield* Effect.forkScoped(
          Effect.onInterrupt(Effect.never, () => Effect.sync(() => void log.push(`interrupt ${index}`)))
        )
      }
      yield* Effect.addFinalizer(() => Effect.sync(() => void log.push(`second ${index}`)))
      if (fails) return yield* Effect.fail(`layer ${index}`)
      return `value ${index}`
    })
    return discards ? Layer.effectDiscard(body) : hidden(Layer.effect(key, body))
  }
  const size = 3 + Math.floor(next() * 10)
  for (let index = 0; index < size; index++) {
    const shape = next()
    const [one, other] = layers.length === 0 ? [undefined, undefined] : [pick(layers), pick(layers)]
    if (one === undefined || other === undefined || shape < 0.45) layers.push(leaf(index))
    else if (shape < 0.6) layers.push(Layer.mergeAll(one, other, leaf(index)))
    else if (shape < 0.75) layers.push(Layer.provide(leaf(index), one))
    else if (shape < 0.85) layers.push(Layer.provideMerge(leaf(index), [one, other]))
    else if (shape < 0.9) layers.push(Layer.fresh(one))
    else if (shape < 0.95) layers.push(Layer.catchCause(one, () => leaf(index)))
    else layers.push(Layer.effectDiscard(Effect.provide(Effect.void, one)))
  }
  return Layer.mergeAll(...(layers.slice(-3) as [AnyLayer]))
}

const alone = (seed: number) =>
  Effect.gen(function* () {
    const log: Array<string> = []
    const scope = yield* Scope.make()
    const built = yield* Effect.exit(Scope.provide(Layer.build(randomGraph(seed, log)), scope))
    log.push("built")
    yield* Effect.exit(Scope.close(scope, Exit.isSuccess(built) ? Exit.void : built))
    return { log, failure: Exit.isFailure(built) ? built.cause : undefined }
  })

const inService = (seed: number) =>
  Effect.gen(function* () {
    const log: Array<string> = []
    const outcome = yield* Main.run(randomGraph(seed, log), {
      run: Effect.sync(() => void log.push("built"))
    }).pipe(quietly([]))
    return { log, outcome }
  })

const wordsOf = (cause: Cause.Cause<unknown>): ReadonlyArray<string> =>
  cause.reasons.flatMap((reason) =>
    reason._tag === "Fail" ? [String(reason.error)] : reason._tag === "Die" ? [String(reason.defect)] : []
  )

describe("a layer in a service", () => {
  it.effect("is acquired and released in the order of Layer.build, with its sharing and its errors [S5] [S8]", () =>
    Effect.gen(function* () {
      let failed = 0
      for (let seed = 0; seed < 400; seed++) {
        const expected = yield* alone(seed)
        const { log, outcome } = yield* inService(seed)
        // A failed build never comes to `run`, and says nothing there.
        const expectedLog =
          expected.failure === undefined ? expected.log : expected.log.filter((line) => line !== "built")
        assert.deepStrictEqual(log, expectedLog, `seed ${seed}`)
        const failures = outcome.report!.failures
        if (expected.failure !== undefined) {
          failed++
          assert.strictEqual(outcome.exitCode, 1, `seed ${seed}`)
          const told = failures.flatMap((row) => row.message.split("; "))
          assert.sameMembers(Array.from(new Set(told)), Array.from(new Set(wordsOf(expected.failure))), `seed ${seed}`)
        } else {
          const dead = log.some((line) => line.startsWith("release")) && failures.length > 0
          assert.strictEqual(outcome.exitCode, dead ? 1 : 0, `seed ${seed}`)
        }
      }
      // The graphs are worth something: some fail, most do not.
      assert.isAbove(failed, 40)
      assert.isBelow(failed, 300)
    })
  )
})
