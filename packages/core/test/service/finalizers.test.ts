/**
 * Naming the finalizers of layers that know nothing of selvedge: an ordinary stack, as a third party would write it.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { makeStage, pass, play, settle, type Stage } from "./stage.ts"

type Ending = "ends" | "hangs" | "dies"

/** What each resource does when it is released; everything else is an unchanged stack. */
const ending = Context.Reference<Readonly<Record<string, Ending>>>("test/ending", { defaultValue: () => ({}) })

const resource = (name: string) =>
  Effect.flatMap(ending, (endings) =>
    Effect.acquireRelease(Effect.succeed(name), () =>
      endings[name] === "hangs"
        ? Effect.never
        : endings[name] === "dies"
          ? Effect.die(new Error(`${name} died`))
          : Effect.void
    )
  )

class Pool extends Context.Service<Pool, { readonly query: string }>()("acme/Pool") {
  static readonly layer = Layer.effect(
    Pool,
    Effect.gen(function* () {
      yield* resource("pool")
      // A fiber that keeps connections alive, ended by the layer's scope.
      yield* Effect.forkScoped(
        Effect.onInterrupt(Effect.never, () =>
          Effect.flatMap(resource("keep-alive"), () => Effect.void).pipe(Effect.scoped)
        )
      )
      return Pool.of({ query: "select" })
    })
  )
}

class Cache extends Context.Service<Cache, { readonly get: string }>()("acme/Cache") {
  static readonly layer = Layer.effect(
    Cache,
    Effect.gen(function* () {
      yield* Pool
      yield* resource("cache")
      return Cache.of({ get: "x" })
    })
  )
}

class Metrics extends Context.Service<Metrics, { readonly count: number }>()("acme/Metrics") {
  static readonly layer = Layer.effect(
    Metrics,
    Effect.gen(function* () {
      // Builds its own little stack inside, as some libraries do.
      yield* Effect.provide(Pool, Pool.layer)
      yield* resource("metrics")
      return Metrics.of({ count: 0 })
    })
  )
}

const Warmer = Layer.effectDiscard(Effect.withSpan(Effect.andThen(Cache, resource("warmer")), "cache.warm"))
const Reporter = Layer.effectDiscard(resource("reporter")).pipe(Layer.withSpan("reporter.start"))
const Nameless = Layer.effectDiscard(resource("nameless"))

const App = Layer.mergeAll(Warmer, Reporter, Nameless, Metrics.layer).pipe(
  Layer.provideMerge(Cache.layer),
  Layer.provide(Pool.layer)
)

const sigterm = ({ signals }: Stage) => Effect.sync(() => signals.signalUnsafe("SIGTERM"))

const withEndings = <A, E>(app: Layer.Layer<A, E>, endings: Readonly<Record<string, Ending>>) =>
  Layer.provide(app, Layer.succeed(ending, endings))

const playWith = (
  endings: Readonly<Record<string, Ending>>,
  app: Layer.Layer<never> = Layer.orDie(Layer.effectDiscard(Effect.void).pipe(Layer.provide(App)))
) => play(withEndings(app, endings), {}, sigterm)

describe("a finalizer that never ends", () => {
  for (const [name, named] of [
    ["pool", "acme/Pool"],
    ["cache", "acme/Cache"],
    ["metrics", "acme/Metrics"],
    ["warmer", "span cache.warm"],
    ["reporter", "span reporter.start"]
  ] as const) {
    it.effect(`of ${name} is named ${named}, left, and costs no more than its reserve [S8]`, () =>
      Effect.gen(function* () {
        const { outcome, stage } = yield* playWith({ [name]: "hangs" })
        assert.deepStrictEqual(outcome.report?.leftBehind, [{ type: "finalizer", name: named, phase: "close" }])
        assert.strictEqual(outcome.exitCode, 124)
        // What the earlier phases left is its own as well: until D - postStop.
        assert.strictEqual(outcome.report?.durationMillis, 24_500)
        assert.strictEqual(stage.lines.filter((line) => line.text.includes(named)).length, 1)
      })
    )
  }

  it.effect("of a layer without services and without a span is named by its place [S8]", () =>
    Effect.gen(function* () {
      const { outcome } = yield* playWith({ nameless: "hangs" })
      const [left] = outcome.report!.leftBehind
      assert.match(left!.name, /^unnamed layer, number \d+ of \d+ in the order of building, after acme\/\w+/)
    })
  )

  it.effect("in a scoped fiber is named with the fiber [S8]", () =>
    Effect.gen(function* () {
      const { outcome } = yield* playWith({ "keep-alive": "hangs" })
      assert.match(outcome.report!.leftBehind[0]!.name, /^acme\/Pool \(fiber #\d+\)$/)
    })
  )

  it.effect("of several layers at once are all named, innermost only [S8]", () =>
    Effect.gen(function* () {
      const { outcome } = yield* playWith({ metrics: "hangs", warmer: "hangs", reporter: "hangs" })
      assert.sameMembers(
        outcome.report!.leftBehind.map((row) => row.name),
        ["acme/Metrics", "span cache.warm", "span reporter.start"]
      )
    })
  )

  it.effect("of a shared layer is named once, by itself and not by its users [S8]", () =>
    Effect.gen(function* () {
      const one = Layer.effectDiscard(Pool).pipe(Layer.provide(Pool.layer))
      const two = Layer.effectDiscard(Effect.andThen(Pool, resource("other"))).pipe(Layer.provide(Pool.layer))
      const { outcome } = yield* playWith({ pool: "hangs" }, Layer.mergeAll(one, two))
      assert.deepStrictEqual(
        outcome.report!.leftBehind.map((row) => row.name),
        ["acme/Pool"]
      )
    })
  )

  it.effect("of a fresh layer has the name of what is built with it [S8]", () =>
    Effect.gen(function* () {
      const { outcome } = yield* playWith({ pool: "hangs" }, Layer.fresh(Pool.layer))
      assert.strictEqual(outcome.report!.leftBehind[0]?.name, "acme/Pool")
      const inner = yield* playWith({ pool: "hangs" }, Layer.provide(Cache.layer, Layer.fresh(Pool.layer)))
      assert.strictEqual(inner.outcome.report!.leftBehind[0]?.name, "acme/Cache")
    })
  )

  it.effect("registered long after the build is found too [S8]", () =>
    Effect.gen(function* () {
      const late = yield* Deferred.make<void>()
      const Late = Layer.effectDiscard(
        Effect.gen(function* () {
          yield* resource("first")
          yield* Effect.forkScoped(
            Effect.andThen(
              Deferred.await(late),
              Effect.addFinalizer(() => Effect.never)
            )
          )
        })
      ).pipe(Layer.withSpan("late.layer"))
      const { outcome } = yield* play(Late, {}, (stage) =>
        Effect.gen(function* () {
          yield* Deferred.succeed(late, undefined)
          yield* settle
          yield* sigterm(stage)
        })
      )
      assert.deepStrictEqual(
        outcome.report!.leftBehind.map((row) => row.name),
        ["span late.layer"]
      )
    })
  )

  it.effect("of a build that failed ends the start, named, although nobody asked to stop [S8] [S4]", () =>
    Effect.gen(function* () {
      const Broken = Layer.effectDiscard(Effect.fail("no luck")).pipe(Layer.provide(Pool.layer))
      const { outcome, stage } = yield* play(withEndings(Broken, { pool: "hangs" }), {}, () => Effect.void)
      assert.strictEqual(outcome.exitCode, 1)
      assert.strictEqual(outcome.reason?._tag, "Fatal")
      assert.deepStrictEqual(outcome.report?.leftBehind, [{ type: "finalizer", name: "acme/Pool", phase: "lastWords" }])
      assert.strictEqual(stage.lines.filter((line) => line.text.includes("no luck")).length, 1)
    })
  )

  it.effect("of a build that failed just before a signal: the code is that of the failure [S8] [S7]", () =>
    Effect.gen(function* () {
      const Broken = Layer.effectDiscard(Effect.fail("no luck")).pipe(Layer.provide(Pool.layer))
      const { outcome } = yield* play(withEndings(Broken, { pool: "hangs" }), {}, sigterm)
      assert.strictEqual(outcome.exitCode, 1)
      assert.strictEqual(outcome.reason?._tag, "Signal")
      assert.deepStrictEqual(outcome.report?.failures, [{ where: "build", message: "no luck" }])
      assert.strictEqual(outcome.report?.leftBehind[0]?.name, "acme/Pool")
    })
  )

  it.effect("of a layer that another one stands in for does not end the start while it is only slow [S8]", () =>
    Effect.gen(function* () {
      const Slow = Layer.effectDiscard(
        Effect.andThen(
          Effect.addFinalizer(() => Effect.sleep("900 millis")),
          Effect.fail("no luck")
        )
      )
      const { outcome } = yield* play(
        Layer.catchCause(Slow, () => Layer.effectDiscard(Effect.sleep("10 seconds"))),
        { run: Effect.void },
        () => Effect.void
      )
      assert.strictEqual(outcome.reason?._tag, "RunCompleted")
      assert.strictEqual(outcome.exitCode, 0)
    })
  )
})

describe("a finalizer that dies", () => {
  for (const [name, named] of [
    ["pool", "acme/Pool"],
    ["cache", "acme/Cache"],
    ["reporter", "span reporter.start"]
  ] as const) {
    it.effect(`of ${name} is printed once with its name and stack, and the others still run [S8] [S7]`, () =>
      Effect.gen(function* () {
        const { outcome, stage } = yield* playWith({ [name]: "dies" })
        assert.strictEqual(outcome.exitCode, 1)
        assert.deepStrictEqual(outcome.report?.failures, [
          { where: `finalizer of ${named}`, message: `Error: ${name} died` }
        ])
        const told = stage.lines.filter((line) => line.text.includes(`${name} died`))
        assert.strictEqual(told.length, 1)
        assert.include(told[0]!.text, "finalizers.test.ts")
      })
    )
  }

  it.effect("beside another one: each is told once [S8]", () =>
    Effect.gen(function* () {
      const { outcome, stage } = yield* playWith({ pool: "dies", metrics: "dies" })
      assert.sameMembers(
        outcome.report!.failures.map((row) => row.where),
        ["finalizer of acme/Pool", "finalizer of acme/Metrics"]
      )
      for (const text of ["pool died", "metrics died"]) {
        assert.strictEqual(stage.lines.filter((line) => line.text.includes(text)).length, 1)
      }
    })
  )

  it.effect("when the build failed: both are told, each once [S8] [S9]", () =>
    Effect.gen(function* () {
      const Broken = Layer.effectDiscard(Effect.fail("no luck")).pipe(Layer.provide(Pool.layer))
      const stage = yield* makeStage
      const main = yield* stage.launch(withEndings(Layer.orDie(Broken), { pool: "dies" }))
      yield* pass(30_000, 1000)
      const outcome = yield* Effect.orDie(Fiber.join(main))
      assert.strictEqual(outcome.exitCode, 1)
      for (const text of ["no luck", "pool died"]) {
        assert.strictEqual(stage.lines.filter((line) => line.text.includes(text)).length, 1, text)
      }
      assert.deepStrictEqual(
        outcome.report?.failures.map((row) => row.where),
        ["build", "finalizer of acme/Pool"]
      )
    })
  )
})
