/**
 * What is seen of real processes without a message: their lines in a table that they inherit.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Backend from "@selvedge/core/workers/Backend"
import * as Container from "@selvedge/core/workers/Container"
import type { WorkerExit } from "@selvedge/core/workers/WorkerExit"
import * as MappedMemory from "@selvedge/node/memory/MappedMemory"
import { LINES } from "@selvedge/node/memory/PulseTable"
import * as ForkedBackend from "@selvedge/node/workers/ForkedBackend"
import * as HybridBackend from "@selvedge/node/workers/HybridBackend"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import * as fs from "node:fs"
import { Do, Who } from "./fixtures/echo.ts"
import { mapped, mappedWith } from "./mapped.ts"
import { fixture, quiet } from "./support.ts"

/** Long enough for a worker on a machine that has other things to do. */
const HEALTH_MILLIS = 2000

const forked = ForkedBackend.layer()
const hybrid = Layer.orDie(HybridBackend.layer({ threads: 1 }))

/** What workers say, by tag, over all their lives. */
const hearing = (layer: Layer.Layer<Backend.Backend>, heard: Array<unknown>): Layer.Layer<Backend.Backend> =>
  Layer.effect(
    Backend.Backend,
    Effect.map(Backend.Backend, (backend) => ({
      ...backend,
      start: (request, listener) =>
        backend.start(request, {
          ...listener,
          message: (wire) => {
            heard.push((wire as { readonly _tag: unknown })._tag)
            listener.message(wire)
          }
        })
    }))
  ).pipe(Layer.provide(layer))

/** How the lives of each service ended. */
type Ends = Record<string, ReadonlyArray<WorkerExit>>

const containerOf = (ends: Ends = {}) =>
  Container.make({
    grace: "1 second",
    intensity: { max: 1000, period: "1 minute" },
    policy: {
      exited: ({ child: { name }, exit }) => Effect.sync(() => void (ends[name] = [...(ends[name] ?? []), exit]))
    }
  })

const judged = (module: string, restart: "permanent" | "temporary" = "permanent"): Container.ServiceSpec => ({
  name: module,
  program: Backend.module(fixture(module)),
  restart,
  count: 1,
  healthTimeout: HEALTH_MILLIS
})

const eventually = <E, R>(what: Effect.Effect<boolean, E, R>): Effect.Effect<void, E, R> =>
  Effect.flatMap(what, (is) => (is ? Effect.void : Effect.andThen(Effect.sleep(20), eventually(what))))

/** Until so many beats of the first worker were seen. */
const beats = (container: Container.Container, count: number, last = 0): Effect.Effect<void> =>
  Effect.flatMap(container.status, ([row]) => {
    const age = row?.beatAgeMillis ?? Infinity
    if (count === 0) return Effect.void
    return Effect.andThen(Effect.sleep(20), beats(container, age < last ? count - 1 : count, age))
  })

/** The process of the worker `echo`, once it answers. */
const pidOf = (container: Container.Container): Effect.Effect<number> =>
  Effect.catch(
    Effect.map(container.request(Who, ""), (answer) => (answer as { readonly pid: number }).pid),
    () => Effect.andThen(Effect.sleep(20), pidOf(container))
  )

const TABLE = "memfd:selvedge-pulses"
const hasMapped = (pid: number): boolean => fs.readFileSync(`/proc/${pid}/maps`, "utf8").includes(TABLE)
const descriptors = (pid: number | "self"): ReadonlyArray<string> =>
  fs.readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [fs.readlinkSync(`/proc/${pid}/fd/${fd}`)].filter((link) => link.includes(TABLE))
    } catch {
      return []
    }
  })

const health: WorkerExit = { _tag: "Killed", reason: "health timeout" }

describe("a supervisor of processes with mapped memory", () => {
  it.live("sees those that spin, sleep or are stopped, names and replaces them, without a message [W7] [P1]", () => {
    const heard: Array<unknown> = []
    const lines: Array<string> = []
    const told = Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))])
    return Effect.gen(function* () {
      const ends: Ends = {}
      const container = yield* containerOf(ends)
      yield* container.run(judged("blocking", "temporary"))
      yield* container.run(judged("asleep", "temporary"))
      yield* container.run(judged("echo"))
      const pid = yield* pidOf(container)
      process.kill(pid, "SIGSTOP")
      yield* eventually(Effect.sync(() => Object.keys(ends).length === 3))
      assert.deepStrictEqual([ends["blocking"]?.[0], ends["asleep"]?.[0], ends["echo"]?.[0]], [health, health, health])
      assert.notStrictEqual(yield* pidOf(container), pid)
      // An ordinal that is free again by now may have been given to the next.
      const silent = lines.flatMap(
        (line) => /^(\w+) 0 \[process \d\] life \d+ gave no sign of life for 2s$/.exec(line)?.[1] ?? []
      )
      assert.deepStrictEqual(new Set(silent), new Set(["blocking", "asleep", "echo"]))
      assert.include(heard, "Ready")
      assert.notInclude(heard, "Healthy")
      yield* container.stop(0)
    }).pipe(Effect.scoped, Effect.provide([hearing(forked, heard), told]), Effect.provide(mapped))
  })

  it.live("sees that the process of a hybrid is stopped, and starts another, without a message [W7] [P1]", () => {
    const heard: Array<unknown> = []
    return Effect.gen(function* () {
      const ends: Ends = {}
      const container = yield* containerOf(ends)
      yield* container.run(judged("echo"))
      const pid = yield* pidOf(container)
      process.kill(pid, "SIGSTOP")
      yield* eventually(Effect.sync(() => ends["echo"] !== undefined))
      assert.deepStrictEqual(ends["echo"], [health])
      assert.notStrictEqual(yield* pidOf(container), pid)
      assert.notInclude(heard, "Healthy")
      yield* container.stop(0)
    }).pipe(Effect.scoped, Effect.provide([hearing(hybrid, heard), quiet]), Effect.provide(mapped))
  })

  it.live("judges them by their progress, and knows what they hold, by the same line [W7] [W14]", () => {
    const heard: Array<unknown> = []
    return Effect.gen(function* () {
      const ends: Ends = {}
      const container = yield* containerOf(ends)
      const program = Backend.module(fixture("asleep"), "idle")
      const spec = { restart: "temporary", healthTimeout: HEALTH_MILLIS, progressTimeout: HEALTH_MILLIS } as const
      const child = yield* container.spawn({ name: "idle", program, ...spec })
      yield* eventually(Effect.map(container.status, ([row]) => row?.memoryBytes !== undefined))
      const [row] = yield* container.status
      assert.isAbove(row!.memoryBytes!, 16 * 1_048_576)
      yield* child.awaitEnded
      assert.deepStrictEqual(ends["idle"], [{ _tag: "Killed", reason: "progress timeout" }])
      assert.notInclude(heard, "Healthy")
    }).pipe(Effect.scoped, Effect.provide([hearing(forked, heard), quiet]), Effect.provide(mapped))
  })
})

describe("a process with a line", () => {
  it.live("is not killed when its supervisor was held up for longer than its timeout, again and again [W7]", () => {
    const heard: Array<unknown> = []
    return Effect.gen(function* () {
      const gaps = yield* MappedMemory.allocate("gaps", 8)
      const container = yield* containerOf()
      const program = Backend.module(fixture("asleep"), "noting")
      yield* container.run({ name: "turning", program, count: 1, healthTimeout: HEALTH_MILLIS, regions: { gaps } })
      yield* container.awaitReady
      const still = new Int32Array(new SharedArrayBuffer(4))
      for (let i = 0; i < 2; i++) {
        Atomics.wait(still, 0, 0, 1.25 * HEALTH_MILLIS)
        yield* Effect.sleep(i * 100)
      }
      yield* beats(container, 1)
      const { restarts } = yield* container.statistics
      const waited = new Float64Array(gaps)[0]!
      // On a machine that lets a process wait for so long, it was right to be judged.
      if (waited < 0.75 * HEALTH_MILLIS) assert.strictEqual(restarts, 0)
      assert.isAbove(waited, 0)
      assert.notInclude(heard, "Healthy")
      yield* container.stop(0)
    }).pipe(Effect.scoped, Effect.provide([hearing(forked, heard), quiet]), Effect.provide(mapped))
  })

  it.live("has the table mapped, holds no descriptor of it, and takes no place in a space that is full [W7] [P1]", () =>
    Effect.gen(function* () {
      const container = yield* containerOf()
      yield* container.run(judged("echo"))
      const pid = yield* pidOf(container)
      assert.isTrue(hasMapped(pid))
      assert.deepStrictEqual(descriptors(pid), [])
      assert.strictEqual((yield* MappedMemory.participants).length, 1)
      yield* container.stop(0)
    }).pipe(Effect.scoped, Effect.provide([forked, quiet]), Effect.provide(mappedWith({ maxParticipants: 1 })))
  )

  it.live(
    "goes on with it when the space is closed around it; the next one sends messages; nothing is left [W7]",
    () => {
      const heard: Array<unknown> = []
      return Effect.gen(function* () {
        const space = yield* Scope.make()
        const around = yield* Layer.buildWithScope(mapped, space)
        const container = yield* Effect.provideContext(containerOf(), around)
        yield* container.run({ ...judged("echo"), healthTimeout: 2 * HEALTH_MILLIS })
        const pid = yield* pidOf(container)
        yield* Scope.close(space, Exit.void)
        yield* beats(container, 2)
        assert.strictEqual(yield* pidOf(container), pid)
        assert.notInclude(heard, "Healthy")
        assert.strictEqual(descriptors("self").length, 1)
        yield* Effect.exit(container.request(Do, "kill"))
        yield* eventually(Effect.sync(() => heard.includes("Healthy")))
        assert.isFalse(hasMapped(yield* pidOf(container)))
        assert.deepStrictEqual(descriptors("self"), [])
        yield* container.stop(0)
      }).pipe(Effect.scoped, Effect.provide([hearing(forked, heard), quiet]))
    }
  )
})

describe("a process without a line", () => {
  it.live("sends messages where all lines are given, which is said once [W7]", () => {
    const heard: Array<unknown> = []
    const lines: Array<string> = []
    const told = Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))])
    return Effect.gen(function* () {
      const { core } = yield* MappedMemory.MappedMemory
      for (let i = 0; i < LINES; i++) yield* core.pulses.lease
      const container = yield* containerOf()
      yield* container.run({ ...judged("echo"), count: 2 })
      yield* container.awaitReady
      yield* eventually(Effect.sync(() => heard.includes("Healthy")))
      const wanted = `there is no shared memory for the signs of life of a process, which sends them as messages: none of its ${LINES} lines is free`
      assert.deepStrictEqual(
        lines.filter((line) => line.includes("signs of life")),
        [wanted]
      )
      yield* container.stop(0)
    }).pipe(Effect.scoped, Effect.provide([hearing(forked, heard), told]), Effect.provide(mapped))
  })

  it.live("sends messages where it may not load what maps the table [W7] [P5]", () => {
    const heard: Array<unknown> = []
    const execArgv = ["--conditions=@selvedge/source", "--permission", "--allow-fs-read=*", "--allow-worker"]
    const layer = hearing(ForkedBackend.layer({ execArgv: [...execArgv, "--no-warnings"] }), heard)
    return Effect.gen(function* () {
      const container = yield* containerOf()
      yield* container.run(judged("echo"))
      yield* eventually(Effect.sync(() => heard.includes("Healthy")))
      const pid = yield* pidOf(container)
      assert.isFalse(hasMapped(pid))
      assert.deepStrictEqual(descriptors(pid), [])
      yield* container.stop(0)
    }).pipe(Effect.scoped, Effect.provide([layer, quiet]), Effect.provide(mapped))
  })
})
