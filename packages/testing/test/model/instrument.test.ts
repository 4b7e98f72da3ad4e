/// <reference lib="esnext.sharedmemory" />
import { assert, describe, it } from "@effect/vitest"
import { choose, explore, exploreAsync, ModelError, type Model, Strategy, type Threads } from "@selvedge/testing/model"

const names = ["Int8Array", "Uint8Array", "Uint8ClampedArray", "Int16Array", "Uint16Array", "Int32Array", "Uint32Array"]
const more = ["Float32Array", "Float64Array", "BigInt64Array", "BigUint64Array", "DataView", "SharedArrayBuffer"]

const snapshot = (): ReadonlyArray<unknown> => [
  ...Object.getOwnPropertyNames(Atomics).map((name) => (Atomics as unknown as Record<string, unknown>)[name]),
  ...[...names, ...more].map((name) => (globalThis as unknown as Record<string, unknown>)[name]),
  (globalThis as unknown as { readonly WebAssembly: { readonly Memory: unknown } }).WebAssembly.Memory,
  ArrayBuffer.isView,
  Date.now,
  performance.now,
  Math.random
]

const word = () => new Int32Array(new SharedArrayBuffer(4))
const noop = (): void => undefined

describe("the instrumentation", () => {
  it("is out again after success, failure, and an error of the model [M4]", () => {
    const before = snapshot()
    explore({ setup: word, threads: { a: (x) => Atomics.add(x, 0, 1) } })
    assert.deepStrictEqual(snapshot(), before)
    const failed = explore({ setup: word, threads: { a: noop }, check: () => false })
    assert.strictEqual(failed._tag, "Failed")
    assert.deepStrictEqual(snapshot(), before)
    const refuse = (): never => {
      throw new Error("no memory today")
    }
    assert.throws(() => explore({ setup: refuse, threads: { a: noop } }), ModelError, "no memory today")
    assert.deepStrictEqual(snapshot(), before)
    assert.throws(
      () => explore({ setup: word, threads: { a: () => void explore({ setup: word, threads: { b: noop } }) } }),
      ModelError,
      "already running"
    )
    assert.deepStrictEqual(snapshot(), before)
  })

  it("is out again after an exploration that awaits, while it was in [M4]", async () => {
    const before = snapshot()
    let during = before
    const report = await exploreAsync({
      setup: word,
      threads: {
        sleeper: async (x) => {
          during = snapshot()
          const sleep = Atomics.waitAsync(x, 0, 0)
          return sleep.async ? await sleep.value : sleep.value
        },
        waker: async (x) => {
          Atomics.store(x, 0, 1)
          Atomics.notify(x, 0)
        }
      },
      check: (_, { sleeper }) => sleeper === "ok" || sleeper === "not-equal"
    })
    assert.strictEqual(report._tag, "Exhausted")
    assert.notDeepEqual(during, before)
    assert.deepStrictEqual(snapshot(), before)
  })

  const races = (body: (memory: SharedArrayBuffer) => unknown): string =>
    explore({ setup: () => new SharedArrayBuffer(16), threads: { a: body, b: body } }).failure?.kind ?? "none"

  for (const name of [...names, ...more.slice(0, 4)]) {
    it(`sees plain accesses through ${name} [M4]`, () => {
      const constructor = () =>
        (globalThis as unknown as Record<string, new (m: SharedArrayBuffer) => Int32Array>)[name]
      const value = (name.startsWith("Big") ? 1n : 1) as number
      const make = (memory: SharedArrayBuffer): Int32Array =>
        new (constructor() as new (m: SharedArrayBuffer) => Int32Array)(memory)
      assert.strictEqual(
        races((memory) => void (make(memory)[0] = value)),
        "data-race"
      )
      assert.strictEqual(
        races((memory) => make(memory).fill(value)),
        "data-race"
      )
      assert.strictEqual(
        races((memory) => make(memory)[0]),
        "none"
      )
    })
  }

  it("sees DataView, bulk methods and iteration, at any alignment [M4]", () => {
    assert.strictEqual(
      races((memory) => new DataView(memory).setUint16(3, 7)),
      "data-race"
    )
    assert.strictEqual(
      races((memory) => new DataView(memory).getFloat64(1)),
      "none"
    )
    assert.strictEqual(
      races((memory) => new Int32Array(memory).set([1, 2], 1)),
      "data-race"
    )
    assert.strictEqual(
      races((memory) => new Int32Array(memory).subarray(1, 2).copyWithin(0, 0)),
      "data-race"
    )
    assert.strictEqual(
      races((memory) => [...new Int32Array(memory)].length),
      "none"
    )
  })

  it("gives bulk methods the meaning they have outside [M4]", () => {
    const work = (view: Uint16Array) => {
      view.set([5, 3, 9, 1])
      view.sort()
      view.copyWithin(2, 0, 2)
      view.subarray(1, 3).fill(7)
      view.reverse()
      return [
        [...view],
        view.slice(1, 3).join(),
        view.indexOf(7),
        view.at(-1),
        view.includes(7),
        Array.from(view.map((n) => n * 2)),
        view.length
      ]
    }
    let inside: unknown
    explore({
      setup: () => new Uint16Array(new SharedArrayBuffer(8)),
      threads: { a: (view) => void (inside = work(view)) }
    })
    assert.deepStrictEqual(inside, work(new Uint16Array(4)))
  })

  it("explores shared WebAssembly memory [M4]", () => {
    const wasm = () =>
      (
        globalThis as unknown as {
          readonly WebAssembly: { Memory: new (d: object) => { readonly buffer: SharedArrayBuffer } }
        }
      ).WebAssembly
    const report = explore({
      setup: () => new (wasm().Memory)({ initial: 1, maximum: 1, shared: true }).buffer,
      threads: {
        a: (memory) => Atomics.add(new Int32Array(memory), 3, 1),
        b: (memory) => Atomics.add(new Int32Array(memory), 3, 1)
      },
      check: (memory) => new Int32Array(memory)[3] === 2
    })
    assert.strictEqual(report._tag, "Exhausted")
    assert.strictEqual(report.executions, 2)
  })

  it("takes 64-bit cells, wrapping and conversion from the host [M4]", () => {
    const report = explore({
      setup: () => new SharedArrayBuffer(16),
      threads: {
        a: (memory) => [
          Atomics.add(new BigInt64Array(memory), 0, 2n ** 63n),
          Atomics.store(new Uint8Array(memory), 9, 257),
          Atomics.load(new Uint8Array(memory), 9),
          Atomics.compareExchange(new Int8Array(memory), 10, 256, 3)
        ]
      },
      check: (memory, { a }) => {
        assert.deepStrictEqual(a, [0n, 257, 1, 0])
        assert.strictEqual(new BigInt64Array(memory, 0, 1)[0], -(2n ** 63n))
        assert.strictEqual(new Int8Array(memory)[10], 3)
      }
    })
    assert.strictEqual(report._tag, "Exhausted", report.failure?.message)
  })

  it("throws what the host throws, at the same place [M4]", () => {
    const message = (body: (x: Int32Array) => unknown, x: Int32Array): string => {
      try {
        body(x)
        return "nothing"
      } catch (error) {
        return (error as Error).name
      }
    }
    const bad: ReadonlyArray<(x: Int32Array) => unknown> = [
      (x) => Atomics.load(x, 1),
      (x) => Atomics.load(x, -1),
      (x) => Atomics.add(x, 0, 1n as unknown as number),
      () => Atomics.load(new Float64Array(8) as unknown as Int32Array, 0),
      (x) => x.set([1, 2], 0)
    ]
    const outside = bad.map((body) => message(body, new Int32Array(new SharedArrayBuffer(4))))
    explore({
      setup: word,
      threads: {
        a: (x) =>
          assert.deepStrictEqual(
            bad.map((body) => message(body, x)),
            outside
          )
      }
    })
    assert.notInclude(outside, "nothing")
  })

  it("makes time and chance part of the schedule [M4]", () => {
    const seen = new Set<string>()
    const look = (x: Int32Array): void => {
      const early = [Date.now(), performance.now(), Math.random()]
      Atomics.add(x, 0, 1)
      seen.add(JSON.stringify([...early, Date.now(), Math.random()]))
    }
    const report = explore({ setup: word, threads: { a: look, b: look } })
    assert.strictEqual(report._tag, "Exhausted")
    assert.strictEqual(seen.size, 1)
  })
})

describe("a model that cannot be explored", () => {
  const refused = (model: unknown, options: unknown, message: string): void => {
    assert.throws(() => explore(model as Model<unknown, Threads<unknown>>, options as object), ModelError, message)
  }

  it("is refused before anything runs, with what was wanted and what was found [M4]", () => {
    let ran = false
    const good = { setup: word, threads: { a: () => void (ran = true) } }
    const many = Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`t${i}`, noop]))
    refused({ setup: word, threads: many }, {}, "at most 16 are supported, found 17")
    refused({ setup: word, threads: {} }, {}, "at least one")
    refused({ setup: word, threads: { a: 5 } }, {}, "threads.a")
    refused({ setup: word, threads: { a: { run: noop, after: "b" } } }, {}, 'no thread "b"')
    refused({ setup: word, threads: { a: { run: noop, after: "b" }, b: { run: noop, after: "a" } } }, {}, "circle")
    refused(good, { strategy: { _tag: "Guess" } }, "strategy: wanted Strategy.dpor()")
    refused(good, { strategy: Strategy.chess({ preemptions: -1 }) }, "strategy.preemptions")
    refused(good, { timeouts: "sometimes" }, "timeouts: wanted any | never | lastResort")
    refused(good, { crash: { threads: ["z"] } }, 'no thread "z"')
    refused(good, { maxSteps: 0 }, "maxSteps")
    refused(good, { replay: "7x2" }, "no thread 7")
    assert.isFalse(ran)
  })

  it("is refused when it brings memory from outside [M4]", () => {
    const memory = new SharedArrayBuffer(4)
    const view = new Int32Array(memory)
    refused({ setup: () => new Int32Array(memory), threads: { a: noop } }, {}, "outside the model")
    refused({ setup: () => 0, threads: { a: () => Atomics.add(view, 0, 1) } }, {}, "outside the model")
    assert.strictEqual(view[0], 0)
  })

  it("is refused when it writes to shared memory through a constructor kept from before [M4]", () => {
    const Kept = Int32Array
    const sneak = (memory: SharedArrayBuffer): void => {
      Atomics.add(new Int32Array(memory), 1, 1)
      new Kept(memory)[0] = 5
      Atomics.add(new Int32Array(memory), 1, 1)
    }
    refused({ setup: () => new SharedArrayBuffer(8), threads: { a: sneak, b: noop } }, {}, "behind the checker's back")
  })

  it("is told what to do when it calls an Atomics function kept from before [M4]", () => {
    const { load } = Atomics
    const report = explore({ setup: word, threads: { a: (x) => load(x, 0) } })
    assert.strictEqual(report.failure?.kind, "exception")
    assert.include(report.failure?.message ?? "", "const { load } = Atomics")
  })

  it("is refused when it waits in its check, or chooses among nothing [M4]", () => {
    refused(
      { setup: word, threads: { a: noop }, check: (x: Int32Array) => Atomics.wait(x, 0, 0) },
      {},
      "only a thread's body may wait"
    )
    refused({ setup: word, threads: { a: () => choose(0) } }, {}, "choose: wanted")
  })

  it("fails as nondeterminism, before it is explored, when a body remembers something [M4]", () => {
    let calls = 0
    const report = explore({
      setup: word,
      threads: {
        a: (x) => (calls++ % 2 === 0 ? Atomics.load(x, 0) : Atomics.store(x, 0, 1)),
        b: (x) => Atomics.load(x, 0)
      }
    })
    assert.strictEqual(report.failure?.kind, "nondeterminism")
    assert.strictEqual(report.executions, 0)
    assert.include(report.failure?.message ?? "", "only its own variables and shared memory")
  })

  it("is refused when it awaits something from outside [M4]", async () => {
    const error = await exploreAsync({
      setup: word,
      threads: { a: () => new Promise<void>(() => undefined) }
    }).then(
      () => undefined,
      (reason: unknown) => reason
    )
    assert.instanceOf(error, ModelError)
    assert.include((error as Error).message, "does not control")
  })
})
