/// <reference lib="esnext.sharedmemory" />
import { assert, describe, it } from "@effect/vitest"
import { explore, type ExploreOptions, ModelError, printReport } from "@selvedge/testing/model"
import { stressOnThreads } from "@selvedge/testing/model/threads"

const word = () => new Int32Array(new SharedArrayBuffer(4))
const add = (x: Int32Array) => Atomics.add(x, 0, 1)

const refusal = (model: object | null, options: object = {}): string => {
  try {
    explore(model as never, options as ExploreOptions)
  } catch (error) {
    assert.instanceOf(error, ModelError)
    return (error as Error).message
  }
  return assert.fail("it was explored")
}

describe("a model that cannot be explored", () => {
  it("is refused when setup, check or invariant is async, which would agree to everything [M4]", () => {
    assert.include(refusal({ setup: async () => word(), threads: { a: add } }), "setup returned a promise")
    for (const name of ["check", "invariant"]) {
      const model = { setup: word, threads: { a: add }, [name]: async () => false }
      assert.include(refusal(model), `${name} returned a promise`)
    }
  })

  it("is refused when it is no model, or a thread is to die twice [M4, M6]", () => {
    assert.include(refusal(null), "A model is an object")
    assert.include(refusal({ setup: word, threads: { a: add } }, { replay: 5 }), "Not a schedule")
    const twice = { crash: { threads: ["a", "a"], together: true } }
    assert.include(refusal({ setup: word, threads: { a: add } }, twice), "named twice")
  })

  it("is refused with an option that is none, as given or in the model [M4]", () => {
    const model = { setup: word, threads: { a: add } }
    assert.include(refusal(model, { maxExecution: 5 }), 'options: there is no "maxExecution", only strategy, races')
    assert.include(refusal({ ...model, options: { race: "off" } }), 'there is no "race"')
    assert.include(refusal(model, 5 as never), "options: wanted an object, found 5")
    assert.include(refusal(model, { crash: { thread: ["a"] } }), 'crash: there is no "thread"')
    assert.include(refusal(model, { crash: { at: 5 } }), "crash.at: wanted a list")
    assert.include(refusal(model, { crash: "a" }), "crash: wanted {")
    const strategy = { _tag: "Random", iterations: 5, seed: Number.NaN }
    assert.include(refusal(model, { strategy }), "strategy.seed: wanted a whole number, found NaN")
  })

  it("is refused with a misspelt check, which would agree to everything, or role of a thread [M4]", () => {
    assert.include(refusal({ setup: word, threads: { a: add }, chek: () => false }), 'model: there is no "chek"')
    const threads = { a: add, b: { run: add, demon: true } }
    assert.include(refusal({ setup: word, threads }), 'threads.b: there is no "demon", only run, daemon, after')
  })

  it("fails with a generator for a thread, and with anything a thread can throw [M4]", () => {
    const generator = explore({
      setup: word,
      threads: {
        *a(x) {
          yield add(x)
        }
      }
    })
    assert.include(generator.failure?.message ?? "", "generator")
    const thrown = Object.create(null) as object
    const failed = explore({
      setup: word,
      threads: {
        a: () => {
          throw thrown
        }
      }
    })
    assert.strictEqual(failed.failure?.kind, "exception")
    assert.strictEqual(failed.failure?.error, thrown)
  })

  it("fails as nondeterminism when a body changes its ways in the middle of the search [M4]", () => {
    let calls = 0
    const three = (x: Int32Array) => void [add(x), add(x), add(x)]
    const report = explore({
      setup: word,
      threads: {
        a: (x) => {
          if (calls++ > 20) Atomics.load(x, 0)
          three(x)
        },
        b: three,
        c: three
      }
    })
    assert.strictEqual(report.failure?.kind, "nondeterminism")
    assert.isAbove(report.executions, 2, "the rehearsal saw nothing")
  })

  it("says of a schedule of another model that it does not fit [M4]", () => {
    const report = explore({ setup: word, threads: { a: (x) => [add(x), add(x)], b: add } }, { replay: "0.1x2.0" })
    assert.include(report.failure?.message ?? "", "belongs to another model")
  })
})

describe("a stress run on real threads", () => {
  it("is refused without a time, or with a module that is no text [M7]", async () => {
    const refused = (module: unknown, seconds: number) =>
      stressOnThreads({ module: module as string, name: "conflation" }, { seconds }).then(
        () => "it ran",
        (error: unknown) => (error instanceof ModelError ? error.message : String(error))
      )
    const url = new URL("./conflation.stress.ts", import.meta.url)
    assert.include(await refused(url.href, Number.NaN), "seconds: wanted")
    assert.include(await refused(url, 1), "module: wanted")
  })
})

describe("a printed failure", () => {
  it("says how to see it again without a test runner, too [M4]", () => {
    const report = explore({ setup: word, threads: { a: add }, check: () => false })
    assert.include(printReport("always", report), 'explore(model, { replay: "0" })')
  })
})

describe("an object of the host that is frozen", () => {
  it("leaves nothing of the instrumentation behind [M4]", () => {
    const { load } = Atomics
    const constructor = Int32Array
    // Cannot be undone, therefore last in this file.
    Object.defineProperty(Math, "random", { configurable: false, writable: false })
    assert.include(refusal({ setup: word, threads: { a: add } }), "random cannot be replaced")
    assert.strictEqual(Atomics.load, load)
    assert.strictEqual(Int32Array, constructor)
  })
})
