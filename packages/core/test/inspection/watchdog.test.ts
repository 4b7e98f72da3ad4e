/**
 * Verdicts over strands and loops that live in virtual time: what is an alarm, what is not, and how often it is told.
 */
import { assert, describe, it } from "@effect/vitest"
import type { Row, State } from "@selvedge/core/diagnostics/Strand"
import * as Verdict from "@selvedge/core/inspection/Verdict"
import * as Watchdog from "@selvedge/core/inspection/Watchdog"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"

const row = (given: Partial<Row>): Row => ({
  slot: 0,
  slotGeneration: 1,
  ordinal: 0,
  generation: 0,
  id: 1,
  name: "one",
  nameCut: false,
  kind: "RpcHandler",
  parentId: undefined,
  startMillis: 0,
  heartbeatMillis: 0,
  state: "running",
  ...given
})

const environment = (env: Record<string, string>) =>
  Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnvRecord(env))

const policyOf = (options: Watchdog.Options) => Watchdog.resolve(options).pipe(environment({}))

interface Beating {
  readonly rows: Array<Row>
  readonly set: (index: number, change: Partial<Row>) => void
}

const table = (...rows: ReadonlyArray<Partial<Row>>): Beating => {
  const list = rows.map((one, slot) => row({ slot, id: slot + 1, ...one }))
  return { rows: list, set: (index, change) => void (list[index] = { ...list[index]!, ...change }) }
}

/** Watches, and notes what is told with the millisecond. */
const watching = (policy: Verdict.Policy, strands: Beating, loops: Beating = table()) =>
  Effect.gen(function* () {
    const told: Array<readonly [number, boolean, string]> = []
    yield* Watchdog.watch({
      policy,
      strands: { snapshotUnsafe: () => strands.rows },
      loops: { snapshotUnsafe: () => loops.rows },
      onTelling: ({ dump, lines }) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          for (const line of lines) told.push([now, dump, line])
        })
    }).pipe(Effect.forkScoped({ startImmediately: true }))
    return told
  })

/** Time passes; whoever beats does so every 50 ms. */
const pass = (millis: number, beat: (now: number) => void) =>
  Effect.gen(function* () {
    for (let left = millis; left > 0; left -= 50) {
      beat(yield* Clock.currentTimeMillis)
      yield* TestClock.adjust(50)
    }
  })

describe("verdicts", () => {
  it.effect("a strand is old from the limit of its kind on, and never where there is none [D7]", () =>
    Effect.gen(function* () {
      const policy = yield* policyOf({ old: { RpcHandler: "1 second", "*": "5 seconds", BackgroundLoop: "365 days" } })
      const strands = table({}, { kind: "Maintenance", startMillis: 1000 }, { kind: "BackgroundLoop" })
      const told = yield* watching(policy, strands)
      yield* pass(900, () => {})
      assert.deepStrictEqual(told, [])
      yield* pass(200, () => {})
      assert.deepStrictEqual(told, [[1000, true, 'strand "one" (RpcHandler #1) is old: alive for 1.0s (limit 1.0s)']])
      yield* pass(6000, () => {})
      assert.deepStrictEqual(
        told.slice(1).map(([at, dump]) => [at, dump]),
        [
          [6000, true],
          [6000, true]
        ]
      )
      assert.isFalse(told.some(([, , line]) => line.includes("BackgroundLoop")))
    })
  )

  it.effect("a strand that gives no heartbeat is told, one that is parked or announced long work is not [D7]", () =>
    Effect.gen(function* () {
      const policy = yield* policyOf({ noHeartbeat: "500 millis" })
      const states: ReadonlyArray<State> = ["running", "parked", "busy", "running"]
      const strands = table(...states.map((state, index) => ({ state, name: `s${index}` })))
      const told = yield* watching(policy, strands)
      yield* pass(3000, (now) => strands.set(3, { heartbeatMillis: now }))
      assert.deepStrictEqual(told, [
        [500, true, 'strand "s0" (RpcHandler #1) gives no heartbeat for 500ms (limit 500ms)']
      ])
      strands.set(0, { heartbeatMillis: 3000 })
      strands.set(1, { heartbeatMillis: 3000, state: "running" })
      yield* pass(400, (now) => strands.set(3, { heartbeatMillis: now }))
      assert.lengthOf(told, 1)
      yield* pass(200, (now) => strands.set(3, { heartbeatMillis: now }))
      assert.deepStrictEqual(
        told.slice(1).map(([at, , line]) => [at, /"(\w+)"/.exec(line)?.[1]]),
        [
          [3500, "s1"],
          [3500, "s0"]
        ].toSorted()
      )
    })
  )

  it.effect(
    "a loop that does not turn is blocked; one that is parked never, one that is busy only for so long [D7]",
    () =>
      Effect.gen(function* () {
        const policy = yield* policyOf({ blocked: "1 second", longestBusy: "3 seconds" })
        const kind = "EventLoop"
        const loops = table(
          { kind, name: "main" },
          { kind, name: "ring", state: "parked" },
          { kind, name: "long", state: "busy" }
        )
        const told = yield* watching(policy, table(), loops)
        yield* pass(2000, (now) => loops.set(0, { heartbeatMillis: now }))
        assert.deepStrictEqual(told, [])
        yield* pass(1500, () => {})
        assert.deepStrictEqual(
          told.map(([at, dump, line]) => [at, dump, line.split(" by ")[0]]),
          [
            [3000, true, 'event loop "long" blocked for 3.0s (limit 3.0s)'],
            [3000, true, 'event loop "main" blocked for 1.0s (limit 1.0s)']
          ]
        )
        assert.include(told[0]?.[2], "by code that cannot be asked")
      })
  )

  it.effect("a process that was stopped has nobody who was silent meanwhile [D7]", () =>
    Effect.gen(function* () {
      const policy = yield* policyOf({ blocked: "1 second" })
      let watch = Verdict.begin(0)
      const loops = [row({ name: "main", heartbeatMillis: 0 })]
      const silentAt = (now: number) => {
        watch = Verdict.look(watch, now, policy)
        return Verdict.suspects(watch, loops, policy).length
      }
      assert.deepStrictEqual([100, 200, 300].map(silentAt), [0, 0, 0])
      // SIGSTOP for a minute: the first look after it comes with the first turn of everybody else.
      assert.strictEqual(silentAt(60_000), 0)
      assert.deepStrictEqual([60_100, 60_500, 60_900, 60_999].map(silentAt), [0, 0, 0, 0])
      assert.strictEqual(silentAt(61_000), 1)
    })
  )
})

describe("who holds a loop", () => {
  const blocked = { loop: row({ name: "main", kind: "EventLoop" }), forMillis: 1500 }
  const by = (kind: string, allowedMillis: number | null = null): Verdict.Culprit => ({
    task: { id: 7, name: "crunch", kind },
    allowedMillis,
    stack: ["at crunch (/app/crunch.ts:1:1)"]
  })

  it.effect("has the limit of its kind, or what it announced [D7]", () =>
    Effect.gen(function* () {
      const policy = yield* policyOf({
        blocked: { "*": "1 second", Maintenance: "2 seconds", RpcHandler: "100 millis" }
      })
      const limitOf = (culprit: Verdict.Culprit | undefined, forMillis = 1500) =>
        Verdict.judgeLoop({ ...blocked, forMillis }, culprit, policy)?.limitMillis
      assert.deepStrictEqual(
        [by("Other"), by("RpcHandler"), by("Maintenance"), by("Other", 5000), by("Maintenance", 300)].map((one) =>
          limitOf(one)
        ),
        [1000, 100, undefined, undefined, 300]
      )
      assert.strictEqual(limitOf(by("Other", 5000), 5000), 5000)
      assert.strictEqual(limitOf({ ...by("x"), task: null }), 1000)
      // The shortest limit of all decides when it is worth asking.
      const suspects = (now: number) =>
        Verdict.suspects(Verdict.look(Verdict.begin(0), now, policy), [blocked.loop], policy)
      assert.deepStrictEqual([suspects(99).length, suspects(100).length], [0, 1])
    })
  )

  it.effect("stays who it is for one block, also when the last look comes between its end and the next turn [D7]", () =>
    Effect.gen(function* () {
      const policy = yield* policyOf({ blocked: { "*": "1 second", Import: "5 seconds" } })
      const silentSince = (heartbeatMillis: number, name = "main") => ({
        loop: row({ name, kind: "EventLoop", heartbeatMillis }),
        forMillis: 3000
      })
      const nobody = { ...by("x"), task: null }
      let told = Verdict.toldNothing
      let holders: ReadonlyArray<Verdict.Holder> = []
      const look = (suspect: Verdict.Suspect, found: Verdict.Culprit | undefined) => {
        const holder = Verdict.holderOf(holders, suspect, found)
        holders = [holder]
        const verdict = Verdict.judgeLoop(suspect, holder.culprit, policy)
        const telling = Verdict.tell(told, verdict === undefined ? [] : [verdict], 0, policy)
        told = telling.told
        return [telling.dump, ...telling.lines.map((line) => line.split(" by ")[1])]
      }
      assert.deepStrictEqual(look(silentSince(0), by("Other")), [true, 'task "crunch" (Other #7)'])
      // Code of no task, and code that cannot be asked.
      assert.deepStrictEqual(look(silentSince(0), nobody), [false])
      assert.deepStrictEqual(look(silentSince(0), undefined), [false])
      assert.deepStrictEqual(look(silentSince(0), nobody), [false])
      // Another task, another block, another loop.
      const other = { ...by("Other"), task: { id: 8, name: "munch", kind: "Other" } }
      assert.deepStrictEqual(look(silentSince(0), other), [true, 'task "munch" (Other #8)'])
      assert.deepStrictEqual(look(silentSince(5000), nobody), [true, "code that belongs to no task"])
      look(silentSince(9000), by("Import"))
      // Who may hold it for longer is excused to the end of its block.
      assert.deepStrictEqual(look(silentSince(9000), nobody), [false])
      assert.deepStrictEqual(look(silentSince(9000, "other"), nobody), [true, "code that belongs to no task"])
    })
  )

  it.effect("is named in one line, whatever it is called [D7]", () =>
    Effect.gen(function* () {
      const policy = yield* policyOf({})
      const verdict = Verdict.judgeLoop(
        blocked,
        { ...by("a\nb"), task: { id: 1, name: "x\ny", kind: "a\nb" } },
        policy
      )!
      assert.strictEqual(
        Verdict.describe(verdict),
        'event loop "main" blocked for 1.5s (limit 1.0s) by task "x\\ny" ("a\\nb" #1)'
      )
    })
  )

  it.effect(
    "is dumped once; then told when it comes back, every so often while it stays, and when it is over [D7]",
    () =>
      Effect.gen(function* () {
        const policy = yield* policyOf({ repeat: "10 seconds" })
        const verdictOf = (name: string, id = 7) =>
          Verdict.judgeLoop(blocked, { ...by("Other"), task: { id, name, kind: "Other" } }, policy)!
        let told = Verdict.toldNothing
        const tell = (now: number, ...verdicts: ReadonlyArray<Verdict.Verdict>) => {
          const telling = Verdict.tell(told, verdicts, now, policy)
          told = telling.told
          return [telling.dump, ...telling.lines.map((line) => line.split(" ")[0])]
        }
        assert.deepStrictEqual(tell(0), [false])
        assert.deepStrictEqual(tell(100, verdictOf("a")), [true, "event"])
        assert.deepStrictEqual(tell(200, verdictOf("a")), [false])
        assert.deepStrictEqual(tell(10_100, verdictOf("a")), [false, "still:"])
        assert.deepStrictEqual(tell(10_200, verdictOf("a")), [false])
        assert.deepStrictEqual(tell(10_300), [false, "event"])
        assert.deepStrictEqual(tell(10_400), [false])
        // Another task of the same name is the same culprit: it is the code that blocks.
        assert.deepStrictEqual(tell(10_500, verdictOf("a", 8)), [false, "again:"])
        assert.deepStrictEqual(tell(10_600, verdictOf("b")), [true, "event"])
        assert.deepStrictEqual(tell(10_700, verdictOf("a")), [true, "event"])
      })
  )
})

describe("work that is announced", () => {
  it.effect("says for how long, only inside, and marks the loop meanwhile [D7]", () =>
    Effect.gen(function* () {
      let busy = 0
      const heart = { busyUnsafe: () => (busy++, () => void busy--) }
      const seen = Effect.gen(function* () {
        return [yield* Watchdog.LongWork, busy]
      })
      const inner = Effect.provideService(
        Effect.all([
          seen,
          Watchdog.expectLong(Effect.all([seen, Watchdog.expectLong(seen, "1 second")]), "5 seconds"),
          seen
        ]),
        Watchdog.LoopHeart,
        heart
      )
      assert.deepStrictEqual(yield* inner, [
        [undefined, 0],
        [
          [5000, 1],
          [1000, 2]
        ],
        [undefined, 0]
      ])
      const hanging = yield* Effect.provideService(
        Watchdog.expectLong(Effect.never, "1 second"),
        Watchdog.LoopHeart,
        heart
      ).pipe(Effect.forkChild({ startImmediately: true }))
      assert.strictEqual(busy, 1)
      yield* Fiber.interrupt(hanging)
      assert.strictEqual(busy, 0)
    })
  )
})

describe("settings of the watchdog", () => {
  it.effect("come from the environment, for all kinds or one by one [D7] [Q7]", () =>
    Effect.gen(function* () {
      const policy = yield* Watchdog.resolve({ old: { Maintenance: "1 hour" } }).pipe(
        environment({
          SELVEDGE_WATCHDOG: "exit",
          SELVEDGE_WATCHDOG_BLOCKED: "200ms",
          SELVEDGE_WATCHDOG_OLD: "*=1m, RpcHandler = 5s"
        })
      )
      assert.deepStrictEqual(policy, {
        action: "exit",
        blocked: { "*": 200 },
        old: { "*": 60_000, RpcHandler: 5000 },
        noHeartbeat: {},
        longestBusyMillis: 60_000,
        repeatMillis: 30_000,
        lookMillis: 20
      })
    })
  )

  it.effect("that cannot be are refused, naming variable, value and what is allowed [D7] [Q7]", () =>
    Effect.gen(function* () {
      const bad: ReadonlyArray<readonly [string, string]> = [
        ["SELVEDGE_WATCHDOG", "kill"],
        ["SELVEDGE_WATCHDOG_BLOCKED", "1ms"],
        ["SELVEDGE_WATCHDOG_BLOCKED", "*=1s,*=2s"],
        ["SELVEDGE_WATCHDOG_OLD", "RpcHandler="],
        ["SELVEDGE_WATCHDOG_OLD", "=5s"],
        ["SELVEDGE_WATCHDOG_NO_HEARTBEAT", "soon"],
        ["SELVEDGE_WATCHDOG_LONGEST_BUSY", "-1s"],
        ["SELVEDGE_WATCHDOG_REPEAT", "0"]
      ]
      for (const [variable, value] of bad) {
        const error = yield* Effect.flip(Watchdog.resolve({}).pipe(environment({ [variable]: value })))
        assert.deepStrictEqual([error.variable, error.value], [variable, JSON.stringify(value)])
        assert.include(error.message, "wanted")
      }
      for (const blocked of [[], { "*": "x" }, { "": "1 second" }, -1, Number.NaN]) {
        const error = yield* Effect.flip(policyOf({ blocked: blocked as Watchdog.ByKind }))
        assert.strictEqual(error.option, "watchdog.blocked")
      }
    })
  )
})
