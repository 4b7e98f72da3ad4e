/// <reference lib="esnext.sharedmemory" />
import { assert, describe, it } from "@effect/vitest"
import { choose, explore, type ExploreOptions, linearizable, op, printReport, Strategy } from "@selvedge/testing/model"

const words = (n: number) => () => new Int32Array(new SharedArrayBuffer(n * 4))
const word = words(1)

describe("explore", () => {
  it("counts executions that make a difference, and says when it has seen them all [M4]", () => {
    const times = (n: number) => (x: Int32Array) => {
      for (let i = 0; i < n; i++) Atomics.add(x, 0, 1)
    }
    const report = explore({
      setup: word,
      threads: { a: times(3), b: times(2), c: times(2) },
      check: (x) => x[0] === 7
    })
    assert.strictEqual(report._tag, "Exhausted")
    assert.strictEqual(report.executions, 210, "7! / (3! 2! 2!)")
    assert.strictEqual(report.longest, 7)
    const apart = explore({
      setup: words(3),
      threads: { a: (x) => Atomics.add(x, 0, 1), b: (x) => Atomics.add(x, 1, 1), c: (x) => Atomics.add(x, 2, 1) }
    })
    assert.strictEqual(apart.executions, 1, "nothing depends on anything")
  })

  it("ends at its limits as Sampled, and fails there only where exhaustion is required [M4]", () => {
    const model = {
      setup: word,
      threads: Object.fromEntries(
        ["a", "b", "c"].map((name) => [name, (x: Int32Array) => Array.from({ length: 6 }, () => Atomics.add(x, 0, 1))])
      )
    }
    assert.strictEqual(explore(model, { maxExecutions: 10 })._tag, "Sampled")
    assert.strictEqual(explore(model, { maxSeconds: 0.05 })._tag, "Sampled")
    const required = explore(model, { maxExecutions: 10, requireExhaustive: true })
    assert.strictEqual(required.failure?.kind, "not-exhausted")
    const chess = explore(model, { strategy: Strategy.chess({ preemptions: 1 }) })
    assert.strictEqual(chess._tag, "Sampled")
    assert.isAbove(chess.executions, 10)
  })

  it("reports an execution that never ends by its number of steps [M4]", () => {
    const report = explore(
      {
        setup: word,
        threads: {
          a: (x) => {
            for (;;) Atomics.add(x, 0, 1)
          }
        }
      },
      { maxSteps: 50 }
    )
    assert.strictEqual(report.failure?.kind, "step-limit")
    assert.include(report.failure?.message ?? "", "50 steps")
  })

  it("finds with every strategy a bug of depth two, and replays what it prints [M4]", () => {
    const model = {
      setup: word,
      threads: {
        a: (x: Int32Array) => Atomics.store(x, 0, Atomics.load(x, 0) + 1),
        b: (x: Int32Array) => Atomics.store(x, 0, Atomics.load(x, 0) + 1)
      },
      check: (x: Int32Array) => x[0] === 2
    }
    const strategies = [
      Strategy.dpor(),
      Strategy.chess({ preemptions: 1 }),
      Strategy.pct({ depth: 2, iterations: 200 }),
      Strategy.random({ iterations: 200 })
    ]
    for (const strategy of strategies) {
      const report = explore(model, { strategy })
      assert.strictEqual(report.failure?.kind, "check", strategy._tag)
      assert.include(["0.1x2.0", "1.0x2.1"], report.failure?.schedule, "shrunk to two switches")
      assert.strictEqual(explore(model, { replay: report.failure?.schedule }).failure?.trace, report.failure?.trace)
    }
    assert.strictEqual(
      explore(model, { strategy: Strategy.chess({ preemptions: 0 }) })._tag,
      "Sampled",
      "without a preemption there is no bug"
    )
  })

  it("prints thread, operation, cell, old and new value and the line of source [M4]", () => {
    const report = explore({
      name: "named",
      setup: (m) => {
        const view = word()
        m.label(view, "total")
        return view
      },
      threads: { writer: (x) => Atomics.exchange(x, 0, 7) },
      check: () => {
        throw new Error("no good")
      }
    })
    const text = printReport("named", report)
    assert.match(text, /writer\s+exchange total: 0 -> 7\s+\S*explore\.test\.ts:\d+/)
    assert.include(text, "=> check: no good")
    assert.include(text, "MODEL_REPLAY='0'")
  })

  it("tries every answer of choose [M4]", () => {
    const seen = new Set<string>()
    const report = explore({
      setup: word,
      threads: { a: () => `${choose(3)}${choose(2)}`, b: () => choose(2) },
      check: (_, { a, b }) => void seen.add(`${a}${b}`)
    })
    assert.strictEqual(report._tag, "Exhausted")
    assert.strictEqual(seen.size, 12)
  })
})

describe("waiting", () => {
  const sleeper = (timeout?: number) => (x: Int32Array) => Atomics.wait(x, 0, 0, timeout)
  const answers = (timeout: number | undefined, options: ExploreOptions): ReadonlyArray<string> => {
    const seen = new Set<string>()
    explore(
      {
        setup: word,
        threads: { sleeper: { run: sleeper(timeout), daemon: true }, waker: (x) => Atomics.notify(x, 0) },
        check: (_, { sleeper }) => void seen.add(String(sleeper))
      },
      options
    )
    return [...seen].toSorted()
  }

  it("ends a finite wait at any time, never, or only as the last resort [M4]", () => {
    assert.deepStrictEqual(answers(10, { timeouts: "any" }), ["ok", "timed-out"])
    assert.deepStrictEqual(answers(10, { timeouts: "never" }), ["ok", "undefined"])
    assert.deepStrictEqual(answers(10, { timeouts: "lastResort" }), ["ok", "timed-out"])
    assert.deepStrictEqual(answers(undefined, {}), ["ok", "undefined"])
    const both = explore(
      {
        setup: word,
        threads: { a: sleeper(10), b: (x) => Atomics.add(x, 0, 1) },
        check: (_, { a }) => a !== "timed-out" || true
      },
      { timeouts: "lastResort" }
    )
    assert.strictEqual(both._tag, "Exhausted")
  })

  it("calls a thread nobody wakes a deadlock, unless it is a daemon [M4]", () => {
    assert.strictEqual(explore({ setup: word, threads: { a: sleeper() } }).failure?.kind, "deadlock")
    assert.strictEqual(explore({ setup: word, threads: { a: { run: sleeper(), daemon: true } } })._tag, "Exhausted")
  })

  it("sees a bounded spin give up, and an endless one wait [M4]", () => {
    const spin = (turns: number, pause: boolean) => (x: Int32Array) => {
      for (let i = 0; i < turns; i++) {
        if (Atomics.load(x, 0) === 1) return "saw it"
        if (pause) Atomics.pause()
      }
      return "gave up"
    }
    for (const pause of [true, false]) {
      for (const [turns, expected] of [
        [40, ["gave up", "saw it"]],
        [Infinity, ["saw it"]]
      ] as const) {
        const seen = new Set<unknown>()
        const report = explore({
          setup: word,
          threads: { spinner: spin(turns, pause), writer: (x) => Atomics.store(x, 0, 1) },
          check: (_, { spinner }) => void seen.add(spinner)
        })
        assert.strictEqual(report._tag, "Exhausted")
        assert.deepStrictEqual([...seen].toSorted(), [...expected])
      }
    }
  })

  it("finds a plain read that spins, as a race and not as a hang [M4]", () => {
    const report = explore({
      setup: word,
      threads: {
        spinner: (x) => {
          while (x[0] === 0);
        },
        writer: (x) => Atomics.store(x, 0, 1)
      }
    })
    assert.strictEqual(report.failure?.kind, "data-race")
  })
})

describe("threads that die", () => {
  const lock = (x: Int32Array): void => {
    while (Atomics.compareExchange(x, 0, 0, 1) !== 0) Atomics.pause()
    Atomics.add(x, 1, 1)
    Atomics.store(x, 0, 0)
  }

  it("die before every one of their steps, and recovery runs afterwards [M6]", () => {
    const deaths = new Set<number>()
    const report = explore(
      {
        setup: words(3),
        threads: {
          victim: (x) => {
            for (let i = 0; i < 3; i++) Atomics.add(x, 2, 1)
          },
          janitor: { after: "victim", run: (x) => Atomics.load(x, 2) }
        },
        check: (x, { janitor }, { crashed }) => {
          if (crashed.length > 0) deaths.add(x[2] ?? -1)
          return janitor === x[2]
        }
      },
      { crash: { threads: ["victim"] } }
    )
    assert.strictEqual(report._tag, "Exhausted")
    assert.deepStrictEqual([...deaths].toSorted(), [0, 1, 2])
  })

  it("leave a lock nobody gives back, which is found with the step of the death in the schedule [M6]", () => {
    const report = explore({ setup: words(2), threads: { a: lock, b: lock } }, { crash: { threads: ["a"] } })
    assert.strictEqual(report.failure?.kind, "livelock")
    assert.match(report.failure?.schedule ?? "", /!a@[12]$/)
    assert.include(report.failure?.trace ?? "", "dies here")
  })

  it("die two at a time if asked [M6]", () => {
    const pairs = new Set<string>()
    const twice = (cell: number) => (x: Int32Array) => {
      Atomics.add(x, cell, 1)
      Atomics.add(x, cell, 1)
    }
    explore(
      {
        setup: words(2),
        threads: { a: twice(0), b: twice(1) },
        check: (x, _, { crashed }) => void (crashed.length === 2 && pairs.add(`${x[0]}${x[1]}`))
      },
      { crash: { threads: ["a", "b"], together: true } }
    )
    assert.deepStrictEqual([...pairs].toSorted(), ["00", "01", "10", "11"])
  })
})

describe("linearizable", () => {
  const call = (thread: string, name: string, arg: unknown, result: unknown, called: number, returned: number) => ({
    thread,
    name,
    arg,
    result,
    called,
    returned
  })
  const register = {
    initial: 0,
    apply: (state: number, name: string, arg: unknown) =>
      name === "write" ? ([arg as number, undefined] as const) : ([state, state] as const)
  }

  it("lets overlapping calls happen in either order, and others only in theirs [M5]", () => {
    const overlapping = [call("a", "write", 1, undefined, 0, 3), call("b", "read", undefined, 0, 1, 2)]
    assert.isTrue(linearizable(overlapping, register))
    const later = [call("a", "write", 1, undefined, 0, 1), call("b", "read", undefined, 0, 2, 3)]
    assert.isFalse(linearizable(later, register))
  })

  it("lets the call of a dead thread have happened or not, but not both [M5, M6]", () => {
    const pending = call("a", "write", 1, undefined, 0, -1)
    const reads = (...results: ReadonlyArray<number>) =>
      results.map((n, i) => call("b", "read", undefined, n, 2 + 2 * i, 3 + 2 * i))
    assert.isTrue(linearizable([pending, ...reads(0, 0)], register))
    assert.isTrue(linearizable([pending, ...reads(0, 1)], register))
    assert.isFalse(linearizable([pending, ...reads(1, 0)], register))
  })

  it("refutes a queue whose push is visible before it has the value [M5]", () => {
    const queue = {
      initial: 0,
      apply: (n: number, name: string) =>
        name === "push" ? ([n + 1, undefined] as const) : ([Math.max(n - 1, 0), n > 0] as const)
    }
    const report = explore({
      setup: words(2),
      threads: {
        a: (x) => op("push", 1, () => void Atomics.add(x, 0, 1)),
        b: (x) =>
          op("pop", undefined, () => {
            const n = Atomics.load(x, 0)
            if (n === 0) return false
            Atomics.store(x, 0, n - 1)
            return true
          }),
        c: (x) =>
          op("pop", undefined, () => {
            const n = Atomics.load(x, 0)
            if (n === 0) return false
            Atomics.store(x, 0, n - 1)
            return true
          })
      },
      check: (_, __, { history }) => linearizable(history, queue)
    })
    assert.strictEqual(report.failure?.kind, "check")
  })
})
