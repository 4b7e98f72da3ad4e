import { assert, describe, it } from "@effect/vitest"
import * as Dump from "@selvedge/core/inspection/Dump"
import * as DumpSchema from "@selvedge/core/inspection/DumpSchema"
import * as DumpText from "@selvedge/core/inspection/DumpText"
import type * as Main from "@selvedge/core/service/Main"
import * as ShutdownReport from "@selvedge/core/shutdown/ShutdownReport"
import * as Backend from "@selvedge/core/workers/Backend"
import * as Container from "@selvedge/core/workers/Container"
import * as Incidents from "@selvedge/core/workers/Incidents"
import { MemoryUse } from "@selvedge/core/workers/MemoryUse"
import * as TestContainer from "@selvedge/testing/workers/TestContainer"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { IncidentLog } from "../../src/workers/internal/incidentLog.ts"
import { pass as passFinely, play, type Stage } from "../service/stage.ts"
import { crash, failingAfter, on, pass, patient, starting } from "./stage.ts"

describe("what a container had to do about its workers", () => {
  it.effect("is kept with when, who, what and what was done about it [W7] [W9]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      yield* container.run({ name: "late", program: starting, count: 1, startupTimeout: "2 seconds" })
      yield* container.run({ name: "a", program: patient, count: 1 })
      yield* pass(1000)
      yield* crash(1)
      yield* pass(1000)
      const { latest, totals } = yield* container.incidents
      assert.deepStrictEqual(latest, [
        { at: 1000, worker: "a 0 [fiber 1]", life: 1, what: "crashed", detail: "ended by SIGKILL" },
        {
          at: 2000,
          worker: "late 0 [fiber 0]",
          life: 1,
          what: "startup timeout",
          detail: "not ready within 2s: killed"
        }
      ])
      assert.deepStrictEqual(totals, { crashed: 1, "startup timeout": 1 })
    }).pipe(on())
  )

  it.effect("takes no more memory however much it is, and is counted in full [W9]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make({ intensity: { max: 1000, period: "1 second" } })
      yield* container.run({ name: "a", program: patient, count: 1 })
      for (let i = 0; i < Incidents.LATEST + 8; i++) yield* crash(0)
      const { latest, totals } = yield* container.incidents
      assert.deepStrictEqual([latest.length, totals.crashed], [Incidents.LATEST, Incidents.LATEST + 8])
      assert.deepStrictEqual([latest[0]?.life, latest.at(-1)?.life], [9, Incidents.LATEST + 8])
    }).pipe(on())
  )

  it("hides no crash behind the routine of recycling [W9]", () => {
    const log = new IncidentLog()
    const add = (life: number, what: Incidents.What) => log.add({ at: 0, worker: "a", life, what, detail: "" })
    add(1, "crashed")
    for (let life = 2; life < 100; life++) add(life, "recycled")
    add(100, "crashed")
    const lives = log.read().latest.map(({ life }) => life)
    assert.deepStrictEqual([lives.length, lives[0], lives[1], lives.at(-1)], [Incidents.LATEST, 1, 70, 100])
    assert.deepStrictEqual(log.read().totals, { crashed: 2, recycled: 98 })
  })

  it.effect("says when the policy let it live, and when it spoke nonsense [W7] [W8]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make({
        policy: { startupFailed: () => Effect.succeed("wait"), invalidMessage: () => Effect.succeed("keep") }
      })
      const workers = yield* TestContainer.TestContainer
      yield* container.run({ name: "late", program: starting, count: 1, startupTimeout: "1 second" })
      yield* pass(1500)
      yield* workers.say(0, { _tag: "Redy" })
      yield* pass(1)
      const { latest } = yield* container.incidents
      assert.strictEqual(latest[0]?.detail, "not ready within 1s: given as long again")
      assert.strictEqual(latest[1]?.what, "invalid message")
      assert.match(latest[1]!.detail, /^wanted one of Ready, .* found "Redy": kept$/)
    }).pipe(on())
  )
})

/** A service with one kind of worker, and a hand on them. */
const serviceOf = (
  spec: Container.ServiceSpec,
  options: Container.Options,
  hand: (container: Container.Container, workers: TestContainer.Shape) => void = () => {}
) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const container = yield* Container.make({ name: "crew", ...options })
      yield* container.run({ count: 1, ...spec })
      hand(container, yield* TestContainer.TestContainer)
    })
  ).pipe(Layer.provide(TestContainer.layer))

/** What the policy did and when, and the lines about workers in the report of the service, which was stopped after that. */
const story = Effect.fnUntraced(function* (
  spec: Container.ServiceSpec,
  options: Container.Options,
  act: (workers: TestContainer.Shape) => Effect.Effect<unknown>
) {
  const did: Array<string> = []
  let hand: TestContainer.Shape | undefined
  const policy: Container.Options["policy"] = {
    exited: ({ exit, facts }) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const how = exit._tag === "Killed" ? exit.reason : exit._tag
        did.push(`${now} ${facts.name}.${facts.generation} ${how}`)
      })
  }
  const App = serviceOf(spec, { policy, ...options }, (_, workers) => (hand = workers))
  const stop = (stage: Stage) => Effect.sync(() => stage.signals.signalUnsafe("SIGTERM"))
  const { outcome } = yield* play(App, { name: "app" }, (stage) =>
    Effect.andThen(
      Effect.suspend(() => act(hand!)),
      stop(stage)
    )
  )
  return { did, outcome, lines: linesOf(outcome) }
})

const linesOf = ({ report }: Main.Outcome): ReadonlyArray<string> =>
  ShutdownReport.render(report!).filter((line) => line.startsWith("worker"))

describe("a worker that fails its service is handled in bounded time and named in the report", () => {
  it.effect("when it blocks its loop [W7] [W9]", () =>
    Effect.gen(function* () {
      const spec = { name: "blocked", program: patient, healthTimeout: "1 second" } as const
      const { did, lines } = yield* story(spec, {}, (workers) =>
        Effect.gen(function* () {
          yield* passFinely(5000)
          yield* workers.freeze(0)
          yield* passFinely(2000)
        })
      )
      const [at = 0] = did.map((line) => Number(line.split(" ")[0]))
      assert.isAtLeast(at, 5750)
      assert.isAtMost(at, 6250)
      assert.deepStrictEqual(
        did.map((line) => line.replace(/^\d+ /, "")),
        ["blocked.1 health timeout", "blocked.2 Stopped"]
      )
      assert.deepStrictEqual(lines, [
        "worker blocked 0 [fiber 0]: health timeout in life 1: gave no sign of life for 1s: killed"
      ])
    })
  )

  it.effect("when it leaks memory: it is replaced when it holds too much, and never before that [W14] [W9]", () => {
    const MIB = 1_048_576
    let life = 0
    let bytes = 0
    // Four MiB more every second, of the newest life.
    const leaking = Backend.direct(
      Effect.suspend(() => {
        const me = ++life
        bytes = 8 * MIB
        return Effect.forever(
          Effect.andThen(
            Effect.sleep(1000),
            Effect.sync(() => void (me === life && (bytes += 4 * MIB)))
          )
        )
      })
    )
    return Effect.gen(function* () {
      const spec = { name: "leaking", program: leaking, recycle: { maxMemory: 24 * MIB } } as const
      const begun: Array<number> = []
      const options = {
        policy: { spawned: () => Effect.map(Clock.currentTimeMillis, (now) => void begun.push(now)) }
      }
      const { lines, outcome } = yield* story(spec, options, () => passFinely(13_000))
      // It holds more than 24 MiB after five seconds, which is told by a beat and seen at a look, each within a second.
      assert.strictEqual(begun.length, 3)
      for (const after of [begun[1]! - begun[0]!, begun[2]! - begun[1]!]) {
        assert.isAtLeast(after, 5000)
        assert.isAtMost(after, 7000)
      }
      assert.strictEqual(lines.length, 2)
      for (const line of lines) {
        assert.match(
          line,
          /^worker leaking 0 \[fiber [01]\]: recycled in life 1: it has reached its limit of memory, (28|32)\.0 MiB: to be replaced$/
        )
      }
      assert.strictEqual(outcome.exitCode, 0)
    }).pipe(Effect.provideService(MemoryUse, () => bytes))
  })

  it.effect("when it never gets ready [W7] [W9]", () =>
    Effect.gen(function* () {
      const spec = { name: "late", program: starting, startupTimeout: "2 seconds" } as const
      const { did, lines } = yield* story(spec, {}, () => passFinely(7000))
      assert.deepStrictEqual(did.slice(0, -1), [
        "2000 late.1 startup timeout",
        "4000 late.2 startup timeout",
        "6000 late.3 startup timeout"
      ])
      assert.match(did.at(-1)!, /late.4 Stopped$/)
      assert.deepStrictEqual(lines, [
        "worker late 0 [fiber 0]: startup timeout 3 times, the last in life 3: not ready within 2s: killed"
      ])
    })
  )

  it.effect("when it flaps: its restarts are delayed, and too many of them end the service [W6] [W9]", () =>
    Effect.gen(function* () {
      const backoff = Schedule.exponential("500 millis")
      const spec = { name: "flapping", program: failingAfter(100), backoff } as const
      const options = { critical: true, intensity: { max: 2, period: "1 minute" } } as const
      const { did, lines, outcome } = yield* story(spec, options, () => passFinely(5000))
      assert.strictEqual(did.length, 3)
      assert.isAtMost(Number(did.at(-1)!.split(" ")[0]), 2000)
      assert.deepStrictEqual(lines, [
        "worker flapping 0 [fiber 0]: crashed 3 times, the last in life 3: failed: string: planned",
        "worker flapping 0 [fiber 0]: gave up in life 3: wanted at most 2 restart(s) within 60000 ms, " +
          "found one more: flapping 0 failed: string: planned"
      ])
      assert.deepStrictEqual([outcome.exitCode, outcome.reason?._tag], [1, "Fatal"])
    })
  )

  it.effect("when its container was gone before the service was [W9]", () =>
    Effect.gen(function* () {
      const early = Effect.gen(function* () {
        const container = yield* Container.make({ name: "early" })
        yield* container.run({ name: "e", program: failingAfter(10), count: 1, restart: "temporary" })
        yield* container.awaitEnded
      }).pipe(Effect.scoped, Effect.provide(TestContainer.layer))
      const { outcome } = yield* play(Layer.empty, { run: early }, () => passFinely(1000))
      assert.deepStrictEqual(
        outcome.report!.workers.map((row) => [row.container, row.totals]),
        [["early", [{ what: "crashed", count: 1 }]]]
      )
    })
  )

  it.effect("and what was left out of the report's lines is counted in it [W9]", () =>
    Effect.gen(function* () {
      const spec = { name: "a", program: failingAfter(100) } as const
      const options = { intensity: { max: 1000, period: "1 minute" } } as const
      const { lines } = yield* story(spec, options, () => passFinely(4000))
      assert.match(
        lines[0]!,
        /^worker a 0 \[fiber 0\]: crashed 32 times, the last in life \d+: failed: string: planned$/
      )
      assert.match(lines[1]!, /^workers of "crew": crashed 4\d times in all$/)
    })
  )
})

describe("a dump", () => {
  it.effect("shows how each worker does, and what was done about them, as text and as JSON [D3] [W9]", () =>
    Effect.gen(function* () {
      let seen: DumpSchema.Dump | undefined
      const spec = { name: "a", program: patient, healthTimeout: "1 second" } as const
      const App = Layer.effectDiscard(
        Effect.forkScoped(
          Effect.andThen(
            Effect.sleep(2100),
            Effect.map(Dump.capture(), (dump) => void (seen = dump))
          )
        )
      ).pipe(Layer.provideMerge(serviceOf(spec, {}, (_, workers) => (hand = workers))))
      let hand: TestContainer.Shape | undefined
      yield* play(App, { name: "app" }, (stage) =>
        Effect.gen(function* () {
          yield* passFinely(1000)
          yield* hand!.crash(0)
          yield* passFinely(2000)
          stage.signals.signalUnsafe("SIGTERM")
        })
      )
      const [row] = seen!.workers
      assert.deepStrictEqual([row?.beatAgeMillis, row?.memoryBytes, row?.lastExit], [100, null, "ended by SIGKILL"])
      const text = DumpText.render(seen!)
      assert.include(
        text,
        '"a" [fiber 0] generation 2, Ready for 1.1s, last beat 100ms ago, the life before ended by SIGKILL'
      )
      assert.include(
        text,
        "incidents of workers, newest last:\n  1.1s ago, a 0 [fiber 0] life 1: crashed: ended by SIGKILL"
      )
      const json = yield* Schema.encodeEffect(DumpSchema.DumpJson)(seen!)
      const read = yield* Schema.decodeUnknownEffect(DumpSchema.DumpJson)(json)
      assert.deepStrictEqual([read.incidents, read.workers[0]?.beatAgeMillis], [seen!.incidents, 100])
      // One that was written before these were added.
      const added = ["incidents", "beatAgeMillis", "memoryBytes", "lastExit"]
      const older = JSON.parse(json, (key, value) => (added.includes(key) ? undefined : value))
      const before = yield* Schema.decodeUnknownEffect(DumpSchema.Dump)(older)
      assert.notInclude(DumpText.render(before), "last beat")
    })
  )
})
