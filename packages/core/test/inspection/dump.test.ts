/**
 * What a dump holds, what it survives, and how it reads.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Dump from "@selvedge/core/inspection/Dump"
import * as DumpFacts from "@selvedge/core/inspection/DumpFacts"
import * as DumpSchema from "@selvedge/core/inspection/DumpSchema"
import * as DumpSources from "@selvedge/core/inspection/DumpSources"
import * as DumpText from "@selvedge/core/inspection/DumpText"
import { layerThread } from "@selvedge/core/memory/SharedMemory"
import * as Consumer from "@selvedge/core/ring/Consumer"
import * as Producer from "@selvedge/core/ring/Producer"
import * as Record from "@selvedge/core/memory/Record"
import * as Waking from "@selvedge/core/memory/Waking"
import * as Ring from "@selvedge/core/ring/Ring"
import * as Notifier from "@selvedge/core/notifier/Notifier"
import * as TaskRegistry from "@selvedge/core/tasks/TaskRegistry"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"

const around = Layer.mergeAll(
  TaskRegistry.layerRoot({ kinds: { Maintenance: { stuckAfter: "1 second" } } }),
  Layer.succeed(DumpSources.DumpSources, DumpSources.makeUnsafe()),
  Notifier.layer.pipe(Layer.provideMerge(Layer.merge(layerThread, Waking.layerLocal)))
)

const here = <A, E, R>(body: Effect.Effect<A, E, R>) => Effect.provide(body, around, { local: true })

/** A dump that waits for nobody but the clock. */
const dumpAfter = (millis: number, options?: Dump.Options) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(Dump.capture(options), { startImmediately: true })
    yield* TestClock.adjust(millis)
    return fiber.pollUnsafe() === undefined ? "still waiting" : yield* Fiber.join(fiber)
  })

const taken = Effect.flatMap(dumpAfter(400), (dump) =>
  typeof dump === "string" ? Effect.die(dump) : Effect.succeed(dump)
)

describe("what a dump says of tasks", () => {
  it.effect("where each stands: its spans and functions, the place in the source, and for how long [D6]", () =>
    here(
      Effect.gen(function* () {
        const query = Effect.fn("Orders.load")(function* () {
          return yield* Effect.never.pipe(Effect.withSpan("sql.select"))
        })
        yield* TaskRegistry.spawn(query(), { name: "report", kind: "RpcHandler" })
        yield* TestClock.adjust(1500)
        const row = (yield* taken).tasks.rows[0]
        assert.deepStrictEqual(
          row?.inside.map((level) => level.name),
          ["sql.select", "Orders.load"]
        )
        for (const { at } of row?.inside ?? []) assert.match(at ?? "", /^\/.*dump\.test\.ts:\d+:\d+$/)
        assert.strictEqual(row?.insideMillis, 1500)
      })
    )
  )

  it.effect("what it waits for, in the words of the task, of its state, or of nobody [D6]", () =>
    here(
      Effect.gen(function* () {
        const gate = yield* Deferred.make<void>()
        const child = TaskRegistry.spawn(Effect.never, { name: "child", kind: "RpcHandler" })
        yield* TaskRegistry.spawn(Dump.waitingFor(Deferred.await(gate), "the gate"), {
          name: "said",
          kind: "BackgroundLoop"
        })
        yield* TaskRegistry.spawn(child, { name: "parent", kind: "RpcHandler" })
        yield* TaskRegistry.spawn(Effect.never, { name: "silent", kind: "Maintenance" })
        const stubborn = yield* TaskRegistry.spawn(
          Effect.onInterrupt(Effect.never, () => Deferred.await(gate)),
          { name: "stubborn", kind: "Maintenance" }
        )
        yield* TestClock.adjust(2000)
        stubborn.abortUnsafe()
        const { rows } = (yield* taken).tasks
        const of = (name: string) => rows.find((row) => row.name === name)
        assert.strictEqual(of("said")?.waitingFor, "the gate")
        assert.strictEqual(of("parent")?.waitingFor, "its child to end")
        assert.strictEqual(of("child")?.parentId, of("parent")?.id)
        assert.isNull(of("silent")?.waitingFor)
        assert.deepStrictEqual([of("silent")?.stuck, of("said")?.stuck], [true, false])
        assert.strictEqual(of("stubborn")?.waitingFor, "its finalizers, after an interruption")
        assert.strictEqual(of("stubborn")?.state, "interrupting")
        yield* Deferred.succeed(gate, undefined)
      })
    )
  )

  it.effect("which one holds the thread, when it is taken in the middle of it [D6]", () =>
    here(
      Effect.gen(function* () {
        const context = yield* Effect.context<never>()
        let dump: DumpSchema.Dump | undefined
        const holding = Effect.sync(() => {
          dump = Dump.captureUnsafe(context)
        }).pipe(Effect.withSpan("crunching"))
        yield* TaskRegistry.spawn(Effect.never, { name: "waiter", kind: "RpcHandler" })
        // The fiber that runs is one the task forked.
        yield* TaskRegistry.spawn(Effect.flatMap(Effect.forkChild(holding), Fiber.join), {
          name: "holder",
          kind: "RpcHandler"
        })
        yield* TestClock.adjust(1)
        const rows = dump?.tasks.rows ?? []
        assert.deepStrictEqual(
          rows.map((row) => [row.name, row.onCpu]),
          [
            ["waiter", false],
            ["holder", true]
          ]
        )
        assert.strictEqual(rows[1]?.inside[0]?.name, "crunching")
      })
    )
  )

  it.effect("how many there were, and at most as many rows as asked for [D4] [D6]", () =>
    here(
      Effect.gen(function* () {
        for (let i = 0; i < 30; i++) {
          yield* TaskRegistry.spawn(i < 5 ? Effect.void : Effect.never, { name: `t${i}`, kind: "RpcHandler" })
        }
        yield* TestClock.adjust(1)
        const dump = yield* Dump.capture({ maxTasks: 4 })
        assert.deepStrictEqual(
          [dump.tasks.live, dump.tasks.more, dump.tasks.rows.map((row) => row.name)],
          [25, 21, ["t5", "t6", "t7", "t8"]]
        )
        assert.deepStrictEqual(dump.totals, {
          of: "tasks",
          active: 25,
          spawned: 30,
          completed: 5,
          peak: 30,
          lost: 0,
          overflow: 0
        })
        assert.include(DumpText.render(dump), "… and 21 more")
      })
    )
  )
})

describe("sources of a dump", () => {
  it.effect("one that fails, dies or never ends is named in its place, and the dump is there in time [D6]", () =>
    here(
      Effect.gen(function* () {
        yield* DumpSources.add("good", Effect.succeed({ size: 3 }))
        yield* DumpSources.add("slow", Effect.as(Effect.sleep("100 millis"), "at last"))
        yield* DumpSources.add("failing", Effect.fail("no connection"))
        yield* DumpSources.add(
          "dying",
          Effect.sync(() => JSON.parse("{"))
        )
        yield* DumpSources.add("endless", Effect.never)
        yield* DumpSources.add("clinging", Effect.uninterruptible(Effect.never))
        assert.strictEqual(yield* dumpAfter(399), "still waiting")
        const { sections, warnings } = yield* taken
        assert.deepStrictEqual(
          sections.map(({ name, state, value }) => [name, state, value]),
          [
            ["good", "told", { size: 3 }],
            ["slow", "told", "at last"],
            ["failing", "failed", null],
            ["dying", "failed", null],
            ["endless", "late", null],
            ["clinging", "late", null]
          ]
        )
        assert.strictEqual(sections[2]?.problem, "no connection")
        assert.include(sections[3]?.problem ?? "", "JSON")
        assert.strictEqual(sections[4]?.problem, "no answer within 400ms")
        assert.deepStrictEqual(warnings, [])
      })
    )
  )

  it.effect("a dump that waits for nobody has what needs no waiting [D6]", () =>
    here(
      Effect.gen(function* () {
        yield* DumpSources.add("good", Effect.succeed(1))
        yield* DumpSources.add("slow", Effect.as(Effect.sleep("100 millis"), 1))
        const { sections } = Dump.captureUnsafe(yield* Effect.context<never>())
        assert.deepStrictEqual(
          sections.map((section) => section.state),
          ["told", "late"]
        )
      })
    )
  )

  it.effect("are asked until their scope closes, and nobody keeps them where there is no list [D6]", () =>
    here(
      Effect.gen(function* () {
        yield* Effect.scoped(DumpSources.add("gone", Effect.succeed(1)))
        yield* DumpSources.add("here", Effect.succeed(1))
        assert.deepStrictEqual(
          (yield* taken).sections.map((section) => section.name),
          ["here"]
        )
      })
    ).pipe(
      Effect.andThen(Effect.andThen(DumpSources.add("unheard", Effect.succeed(1)), Dump.capture())),
      Effect.map((dump) => assert.deepStrictEqual([dump.sections, dump.totals, dump.tasks.live], [[], null, 0]))
    )
  )

  it.effect("values of any shape become JSON of bounded size [D6]", () =>
    here(
      Effect.gen(function* () {
        const circle: Record<string, unknown> = { big: 10n, text: "x".repeat(5000), f: () => 1 }
        circle["self"] = circle
        Object.defineProperty(circle, "trap", {
          enumerable: true,
          get: () => {
            throw new Error("sprung")
          }
        })
        const round: Record<string, unknown> = { n: 1 }
        round["self"] = round
        let deep: unknown = 1
        for (let i = 0; i < 5000; i++) deep = [deep]
        yield* DumpSources.add("circle", Effect.succeed(circle))
        yield* DumpSources.add("deep", Effect.succeed(deep))
        yield* DumpSources.add("wide", Effect.succeed(Array.from({ length: 100_000 }, (_, i) => i)))
        yield* DumpSources.add("map", Effect.succeed(new Map([["a", new Set([1, Number.NaN])]])))
        yield* DumpSources.add("round", Effect.succeed(round))
        const dump = yield* taken
        assert.lengthOf(dump.sections, 5)
        assert.deepStrictEqual(dump.sections[4]?.value, { n: 1, self: "(a circle)" })
        assert.isBelow(JSON.stringify(dump).length, 20_000)
        assert.strictEqual(dump.sections[0]?.value, "(not readable: sprung)")
        assert.deepStrictEqual(dump.sections[3]?.value, { a: [1, "NaN"] })
      })
    )
  )

  it.effect("a part that cannot be read is a warning, and the rest is there [D6]", () =>
    here(
      Effect.gen(function* () {
        const broken = (): never => {
          throw new Error("proc is gone")
        }
        const dump = yield* Dump.capture().pipe(
          Effect.provideService(DumpFacts.Platform, broken),
          Effect.provideService(DumpFacts.Service, broken)
        )
        assert.deepStrictEqual(dump.warnings, [
          "the platform could not be read: proc is gone",
          "the service could not be read: proc is gone"
        ])
        assert.strictEqual(dump.totals?.of, "tasks")
      })
    )
  )
})

describe("shared memory in a dump", () => {
  it.effect("a ring with each consumer's cursor and lag, and a notifier [D6]", () =>
    here(
      Effect.gen(function* () {
        const ring = yield* Ring.make({ record: Record.struct({ n: Record.f64 }), capacity: 8 })
        yield* Consumer.make(ring, { id: "slow" })
        const producer = yield* Producer.make(ring)
        for (let n = 0; n < 5; n++) yield* Producer.publish(producer, { n })
        yield* DumpSources.addRing("events", ring)
        yield* DumpSources.addNotifier("wake", yield* Notifier.allocate({ maxTokens: 16 }))
        yield* DumpSources.addNotifier("polled", (yield* Notifier.make({ maxTokens: 1 })).notifier)
        yield* DumpSources.addRegion("events", 4096)
        const dump = yield* taken
        assert.deepStrictEqual(
          dump.rings.map(({ claimed, name, seats }) => [name, claimed, seats.map(({ id, lag }) => [id, lag])]),
          [["events", 5, [["slow", 5]]]]
        )
        assert.deepStrictEqual(dump.notifiers, [
          { name: "wake", maxTokens: 16, closed: false, polled: false },
          { name: "polled", maxTokens: 1, closed: false, polled: true }
        ])
        assert.deepStrictEqual(dump.memory?.regions, [{ name: "events", bytes: 4096 }])
        assert.include(DumpText.render(dump), '"slow" Attached, generation')
      })
    )
  )
})

describe("a dump as text and as JSON", () => {
  it.effect("comes back from JSON as it was, and another version is refused [D6]", () =>
    here(
      Effect.gen(function* () {
        yield* TaskRegistry.spawn(Effect.never, { name: "one", kind: "RpcHandler" })
        yield* DumpSources.add("pool", Effect.succeed({ waiting: ["a", 1, null, true] }))
        const dump = yield* taken
        const text = yield* Schema.encodeEffect(DumpSchema.DumpJson)(dump)
        assert.notInclude(text, "\n")
        assert.deepStrictEqual(yield* Schema.decodeEffect(DumpSchema.DumpJson)(text), dump)
        const newer = text.replace('"version":1', '"version":2')
        assert.strictEqual((yield* Effect.exit(Schema.decodeEffect(DumpSchema.DumpJson)(newer)))._tag, "Failure")
      })
    )
  )

  it.effect("a name with line breaks or control codes forges no line [D6]", () =>
    here(
      Effect.gen(function* () {
        yield* TaskRegistry.spawn(Dump.waitingFor(Effect.never, "x\n└─ forged"), {
          name: "a\n=== end of dump ===\u001b[31m",
          kind: "Rpc\nHandler"
        })
        yield* DumpSources.add("s\n1", Effect.succeed({ "k\n2": "v\n3" }))
        yield* TestClock.adjust(1)
        const lines = DumpText.render(yield* taken).split("\n")
        assert.strictEqual(lines.filter((line) => line.includes("=== end of dump ===")).length, 2)
        assert.strictEqual(lines.at(-2), "=== end of dump ===")
        for (const line of lines) assert.notMatch(line, /\p{Cc}|^└─ forged|^[23]/u)
      })
    )
  )

  it.effect("a page of it reads so [D6]", () =>
    here(
      Effect.gen(function* () {
        const loop = Dump.waitingFor(Effect.never, "the next tick")
        yield* TaskRegistry.spawn(loop, { name: "ticker", kind: "Maintenance" })
        yield* DumpSources.add("pool", Effect.succeed({ size: 2, idle: [{ id: 1, age: 5 }], waiting: [] }))
        yield* TestClock.adjust(1500)
        const dump = yield* taken
        assert.strictEqual(
          DumpText.render({ ...dump, takenAt: 0 }),
          [
            "=== selvedge dump, 1970-01-01T00:00:00.000Z, asked for by api ===",
            "1 live task(s)",
            "tasks: 1 active, 1 spawned, 0 completed, peak 1",
            "tasks, oldest first:",
            '└─ "ticker" (Maintenance #1, 1.5s, stuck)',
            "        waits for the next tick",
            '"pool":',
            "  size: 2",
            "  idle:",
            "    - id 1, age 5",
            "  waiting: (none)",
            "=== end of dump ===",
            ""
          ].join("\n")
        )
      })
    )
  )
})
