import { assert, describe } from "@effect/vitest"
import * as ShutdownReason from "@selvedge/core/shutdown/ShutdownReason"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as TaskRegistry from "@selvedge/core/tasks/TaskRegistry"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/testing/TestClock"
import { collecting, gate, type Line, open, settle, task, test } from "./support.ts"

describe("a task's handle", () => {
  test("carries id, name, kind, parent, times, state and exit [T1]", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(5000)
      const before = yield* task("first", Effect.never)
      yield* TestClock.adjust("2 seconds")
      const wait = yield* gate
      const handle = yield* task("answer", Effect.as(Deferred.await(wait), 42))
      assert.deepStrictEqual([handle.name, handle.kind, handle.state], ["answer", "RpcHandler", "running"])
      assert.isTrue(handle.id > before.id)
      assert.deepStrictEqual(handle.parentId, Option.none())
      assert.strictEqual(handle.spawnedAt.wallMillis, 7000)
      assert.strictEqual(handle.spawnedAt.monotonicMillis - before.spawnedAt.monotonicMillis, 2000)
      yield* open(wait)
      assert.deepStrictEqual(yield* handle.await, Exit.succeed(42))
      assert.strictEqual(handle.state, "done")
      assert.deepStrictEqual(yield* handle.await, Exit.succeed(42))
    }))

  test("gives the exit of a failure and of a defect [T1]", () =>
    Effect.gen(function* () {
      const failed = yield* task("fails", Effect.fail("planned"))
      const died = yield* task("dies", Effect.die("bug"))
      assert.deepStrictEqual(yield* failed.await, Exit.fail("planned"))
      assert.deepStrictEqual(yield* died.await, Exit.die("bug"))
    }))

  test("aborts, waits for the finalizers, and may be aborted again [T1] [T10]", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const goodbye = Effect.andThen(
        Effect.sleep("1 second"),
        Effect.sync(() => events.push("cleaned"))
      )
      const handle = yield* task("slow goodbye", Effect.ensuring(Effect.never, goodbye))
      yield* settle
      const abort = yield* Effect.forkChild(handle.abort, { startImmediately: true })
      assert.strictEqual(handle.state, "interrupting")
      yield* settle
      assert.isUndefined(abort.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.isDefined(abort.pollUnsafe())
      assert.deepStrictEqual(events, ["cleaned"])
      assert.isTrue(Exit.hasInterrupts(yield* handle.await))
      yield* handle.abort
      handle.abortUnsafe()
      assert.strictEqual(handle.state, "done")
    }))

  test("hands out an abort that can be given to anything that calls back [T1]", () =>
    Effect.gen(function* () {
      const { abortUnsafe, await: ended } = yield* task("unbound", Effect.never)
      abortUnsafe()
      assert.isTrue(Exit.hasInterrupts(yield* ended))
    }))

  test("may be awaited by many, and who stops waiting disturbs nobody [T1]", () =>
    Effect.gen(function* () {
      const handle = yield* task("popular", Effect.never)
      const waiters = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(handle.await, { startImmediately: true }))
      yield* Fiber.interrupt(waiters[1]!)
      yield* handle.abort
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.join(waiters[0]!)))
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.join(waiters[2]!)))
    }))
})

class Tenant extends Context.Service<Tenant, string>()("test/Tenant") {}
const Colour = Context.Reference("test/Colour", { defaultValue: () => "none" })

describe("what a task inherits", () => {
  test("sees the services and references of the place of its spawn [T1]", () =>
    Effect.gen(function* () {
      const handle = yield* task("reader", Effect.all([Tenant, Colour])).pipe(
        Effect.provideService(Tenant, "acme"),
        Effect.provideService(Colour, "red")
      )
      assert.deepStrictEqual(yield* handle.await, Exit.succeed(["acme", "red"] as [string, string]))
    }))

  test("does not mix the surroundings of two callers of the same kind [T1]", () =>
    Effect.gen(function* () {
      const spawn = (colour: string) => task(colour, Colour).pipe(Effect.provideService(Colour, colour))
      const handles = yield* Effect.forEach(["red", "green", "red"], spawn)
      const exits = yield* Effect.forEach(handles, (handle) => handle.await)
      assert.deepStrictEqual(
        exits,
        ["red", "green", "red"].map((colour) => Exit.succeed(colour))
      )
    }))

  const lines: Array<Line> = []
  test(
    "writes its log lines with the caller's annotations, and belongs to the caller's span [T1]",
    () =>
      Effect.gen(function* () {
        const body = Effect.andThen(Effect.log("hello"), Effect.currentParentSpan)
        const handle = yield* task("speaker", body).pipe(
          Effect.annotateLogs({ request: "r-1" }),
          Effect.withSpan("ingest")
        )
        const span = yield* Effect.flatten(handle.await)
        assert.strictEqual(span._tag === "Span" ? span.name : "", "ingest")
        assert.strictEqual(lines.find((line) => line.text === "hello")?.annotations["request"], "r-1")
      }),
    undefined,
    collecting(lines)
  )

  test("is interruptible although it was spawned where its caller was not [T1]", () =>
    Effect.gen(function* () {
      const handle = yield* Effect.uninterruptible(task("free", Effect.never))
      yield* handle.abort
      assert.strictEqual(handle.state, "done")
    }))
})

describe("when a task starts", () => {
  test("starts in the next dispatch, or at once when asked [T1]", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const say = (word: string) => Effect.sync(() => void events.push(word))
      const later = yield* task("later", say("later"))
      yield* task("now", say("now"), { startImmediately: true })
      events.push("caller")
      yield* later.await
      assert.deepStrictEqual(events, ["now", "caller", "later"])
    }))

  test("never runs the body of a task that is aborted before it started [T1]", () =>
    Effect.gen(function* () {
      let ran = false
      const handle = yield* task(
        "unborn",
        Effect.sync(() => (ran = true))
      )
      yield* handle.abort
      yield* settle
      assert.isFalse(ran)
      assert.isTrue(Exit.hasInterrupts(yield* handle.await))
    }))

  test("is a fresh task each time one spawn effect runs [T1]", () =>
    Effect.gen(function* () {
      const spawn = task("again", Effect.never)
      const [one, two] = yield* Effect.all([spawn, spawn])
      assert.notStrictEqual(one.id, two.id)
      assert.strictEqual(yield* TaskRegistry.size, 2)
    }))

  test("can be spawned data-last [T1]", () =>
    Effect.gen(function* () {
      const handle = yield* Effect.succeed(1).pipe(TaskRegistry.spawn({ name: "piped", kind: "Maintenance" }))
      assert.deepStrictEqual(yield* handle.await, Exit.succeed(1))
    }))

  test("knows which task it runs in, and outside of any that there is none [T1]", () =>
    Effect.gen(function* () {
      assert.isTrue(Option.isNone(yield* TaskRegistry.currentTask))
      const handle = yield* task("self", TaskRegistry.currentTask)
      const own = yield* Effect.flatten(handle.await)
      assert.strictEqual(Option.getOrThrow(own).id, handle.id)
    }))
})

describe("the token a task reaches", () => {
  test("is one per kind, below the registry's [T3]", () =>
    Effect.gen(function* () {
      const token = (kind: string) =>
        Effect.flatMap(task("t", ShutdownToken.ShutdownToken, { kind }), (handle) => Effect.flatten(handle.await))
      const rpc = yield* token("RpcHandler")
      assert.strictEqual(yield* token("RpcHandler"), rpc)
      const loop = yield* token("BackgroundLoop")
      assert.notStrictEqual(loop, rpc)
      assert.notStrictEqual(yield* ShutdownToken.ShutdownToken, rpc)
    }))

  test("follows a subsystem's child token as well [T3]", () =>
    Effect.gen(function* () {
      const wait = yield* gate
      const started = yield* gate
      const heard: Array<string> = []
      const listener = (name: string) =>
        Effect.tap(ShutdownToken.awaitDraining, (reason) =>
          Effect.sync(() => heard.push(`${name}: ${ShutdownReason.describe(reason)}`))
        )
      yield* task("outside", listener("outside"))
      const subsystem = Effect.gen(function* () {
        yield* task("inside", listener("inside"))
        yield* task("detached", listener("detached"), { detached: true })
        yield* settle
        yield* open(started)
        yield* ShutdownToken.request(ShutdownReason.Requested({ by: "subsystem" }))
        yield* Deferred.await(wait)
      })
      const fiber = yield* Effect.forkChild(Effect.provide(subsystem, ShutdownToken.layerChild))
      yield* Deferred.await(started)
      yield* settle
      assert.deepStrictEqual(heard, ["inside: Requested by subsystem", "detached: Requested by subsystem"])
      yield* ShutdownToken.request(ShutdownReason.Requested({ by: "root" }))
      yield* settle
      assert.deepStrictEqual(heard.slice(2), ["outside: Requested by root"])
      yield* open(wait)
      yield* Fiber.join(fiber)
    }))

  test("is forced for tasks whose subsystem's scope has closed [T3] [S1]", () =>
    Effect.gen(function* () {
      const handle = yield* Effect.provide(
        task("orphan of a subsystem", ShutdownToken.awaitForced),
        ShutdownToken.layerChild
      )
      assert.deepStrictEqual(yield* Effect.flatten(handle.await), ShutdownReason.ScopeClosed())
    }))
})

describe("bad input", () => {
  test("refuses names, kinds and intensities that cannot be, and starts nothing [T1]", () =>
    Effect.gen(function* () {
      const wrong = [
        { name: "", kind: "k" },
        { name: "n".repeat(257), kind: "k" },
        { name: 7 as unknown as string, kind: "k" },
        { name: "n", kind: "" },
        { name: "n", kind: "k".repeat(65) },
        { name: "n", kind: null as unknown as string },
        { name: "n", kind: "k", restart: restartWith({ max: -1, period: "1 second" }) },
        { name: "n", kind: "k", restart: restartWith({ max: 1.5, period: "1 second" }) },
        { name: "n", kind: "k", restart: restartWith({ max: 1, period: 0 }) },
        { name: "n", kind: "k", restart: fromPlainJs({ schedule: Schedule.forever, intensity: null }) },
        { name: "n", kind: "k", restart: fromPlainJs(null) },
        { name: "n", kind: "k", restart: fromPlainJs({}) },
        { name: "n", kind: "k", restart: fromPlainJs({ schedule: "1 second" }) },
        fromPlainJs(null),
        fromPlainJs(7),
        fromPlainJs({ name: "n", kind: "k", critcal: true }),
        { name: "n", kind: "k", critical: fromPlainJs("false") },
        { name: "n", kind: "k", detached: fromPlainJs(1) },
        { name: "n", kind: "k", startImmediately: fromPlainJs(null) },
        { name: "n", kind: "k", restart: fromPlainJs({ schedule: Schedule.forever, intensty: 3 }) },
        { name: "n", kind: "k", restart: restartWith(fromPlainJs({ max: 1, period: 1, of: 2 })) },
        { name: "n", kind: "k", restart: restartWith({ max: fromPlainJs(Object.create(null)), period: 1 }) },
        { name: "n", kind: "k", restart: restartWith({ max: 1, period: fromPlainJs({ secs: 5 }) }) },
        { name: "n", kind: "k", restart: restartWith({ max: 1, period: Number.NaN }) }
      ]
      let ran = false
      const body = Effect.sync(() => (ran = true))
      const messages = yield* Effect.forEach(wrong, (options) => Effect.flip(TaskRegistry.spawn(body, options)))
      assert.deepStrictEqual(
        messages.map((error) => error.message),
        [
          'a task\'s name: wanted a string of 1 to 256 characters, found ""',
          "a task's name: wanted a string of 1 to 256 characters, found 257 characters",
          "a task's name: wanted a string of 1 to 256 characters, found 7",
          'a task\'s kind: wanted a string of 1 to 64 characters, found ""',
          `a task's kind: wanted a string of 1 to 64 characters, found "${"k".repeat(65)}"`,
          "a task's kind: wanted a string of 1 to 64 characters, found null",
          "a task's restart.intensity.max: wanted a whole number of at least 0, found -1",
          "a task's restart.intensity.max: wanted a whole number of at least 0, found 1.5",
          "a task's restart.intensity.period: wanted a duration above 0, found 0",
          "a task's restart.intensity: wanted an object with max and period, found null",
          "a task's restart.schedule: wanted a Schedule, found null",
          "a task's restart.schedule: wanted a Schedule, found Object",
          'a task\'s restart.schedule: wanted a Schedule, found "1 second"',
          "a task's options: wanted an object with a name and a kind, found null",
          "a task's options: wanted an object with a name and a kind, found 7",
          'a task\'s options: wanted one of name, kind, critical, detached, startImmediately, restart, found "critcal"',
          'a task\'s critical: wanted true or false, found "false"',
          "a task's detached: wanted true or false, found 1",
          "a task's startImmediately: wanted true or false, found null",
          'a task\'s restart: wanted one of schedule, intensity, found "intensty"',
          'a task\'s restart.intensity: wanted one of max, period, found "of"',
          "a task's restart.intensity.max: wanted a whole number of at least 0, found Object",
          "a task's restart.intensity.period: wanted a duration above 0, found Object",
          "a task's restart.intensity.period: wanted a duration above 0, found NaN"
        ]
      )
      yield* settle
      assert.isFalse(ran)
      assert.strictEqual((yield* TaskRegistry.stats).spawned, 0)
    }))

  test("refuses registry options out of range before anything starts, and names them [T2] [Q7]", () =>
    Effect.gen(function* () {
      const wrong: ReadonlyArray<readonly [TaskRegistry.Options, string]> = [
        [{ lastWords: -1 }, "lastWords: wanted a duration from 0 to 1h"],
        [{ progressInterval: 1 }, "SELVEDGE_PROGRESS_INTERVAL (option progressInterval): wanted a duration from 10ms"],
        [{ kinds: { "": {} } }, 'a name in kinds: wanted a string of 1 to 64 characters, found ""'],
        [{ kinds: { ["k".repeat(65)]: {} } }, "a name in kinds: wanted a string of 1 to 64 characters"],
        [{ kinds: { Peer: fromPlainJs(null) } }, "kinds.Peer: wanted an object with a policy, found null"],
        [{ kinds: fromPlainJs("Peer") }, 'kinds: wanted an object with a policy for each kind, found "Peer"'],
        [{ kinds: fromPlainJs(5) }, "kinds: wanted an object with a policy for each kind, found 5"],
        [{ kinds: fromPlainJs(null) }, "kinds: wanted an object with a policy for each kind, found null"],
        [{ kinds: { Peer: fromPlainJs({ limt: 3 }) } }, "kinds.Peer.limt: wanted one of the options order, grace"],
        [fromPlainJs({ lastWord: 1 }), "lastWord: wanted one of the options kinds, lastWords, progressInterval"],
        [{ lastWords: fromPlainJs({ secs: 5 }) }, "lastWords: wanted a duration from 0 to 1h"],
        [fromPlainJs(null), "options: wanted an object with kinds, lastWords, progressInterval, found null"],
        [{ kinds: { Peer: { limit: 0 } } }, "kinds.Peer.limit: wanted a whole number of at least 1, found 0"],
        [{ kinds: { Peer: { order: Number.NaN } } }, "kinds.Peer.order: wanted a finite number, found NaN"],
        [{ kinds: { Peer: { grace: "-1 second" } } }, "kinds.Peer.grace: wanted a duration from 0 to 7d"],
        [{ kinds: { Peer: { stuckAfter: 0 } } }, "kinds.Peer.stuckAfter: wanted a duration from 1ms"],
        [
          { kinds: { Peer: { whenFull: "drop" as unknown as "wait" } } },
          'kinds.Peer.whenFull: wanted "wait" or "refuse", found "drop"'
        ]
      ]
      for (const [options, message] of wrong) {
        const error = yield* Effect.flip(Effect.scoped(TaskRegistry.make(options)))
        assert.strictEqual(error._tag, "InvalidSetting")
        assert.include(error.message, message)
      }
    }))

  test("dies without a trace when the ambient token was made elsewhere [T3]", () =>
    Effect.gen(function* () {
      const token = yield* ShutdownToken.ShutdownToken
      const stranger = { ...token } as ShutdownToken.Token
      const exit = yield* Effect.exit(task("lost", Effect.never)).pipe(
        Effect.provideService(ShutdownToken.ShutdownToken, stranger)
      )
      assert.isTrue(Exit.hasDies(exit))
      assert.strictEqual(yield* TaskRegistry.size, 0)
    }))
})

/** What no type checker has seen. */
const fromPlainJs = (value: unknown): never => value as never

const restartWith = (intensity: { readonly max: number; readonly period: number | "1 second" }) => ({
  schedule: Schedule.forever,
  intensity
})
