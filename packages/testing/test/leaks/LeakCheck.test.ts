import * as net from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as TaskRegistry from "@selvedge/core/tasks/TaskRegistry"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { LeakCheck } from "@selvedge/testing"

const hour = (): NodeJS.Timeout => setTimeout(() => {}, 3_600_000)

const leaksOf = <A, E, R>(test: Effect.Effect<A, E, R>, options: LeakCheck.Options = { patience: 20 }) =>
  Effect.flip(LeakCheck.noLeaks(test, options))

describe("tasks", () => {
  const spawn = (name: string) => TaskRegistry.spawn(Effect.never, { name, kind: "BackgroundLoop" })

  it.effect("a test that ends with live tasks fails, naming them [M1]", () =>
    Effect.gen(function* () {
      const error = yield* leaksOf(Effect.andThen(spawn("poll"), spawn("flush")))
      assert.strictEqual(
        error.message,
        'the test left behind live tasks: "poll" (BackgroundLoop #1), "flush" (BackgroundLoop #2)'
      )
    }).pipe(Effect.provide(TaskRegistry.layerRoot()))
  )

  it.effect("also those of a registry that the test itself provides and keeps open [M1]", () =>
    Effect.gen(function* () {
      const test = Effect.gen(function* () {
        const context = yield* Layer.buildWithScope(TaskRegistry.layerRoot(), yield* Effect.scope)
        yield* Effect.provideContext(spawn("poll"), context)
      })
      // The scope is the outer one: it is still open when the test has ended.
      const outer = yield* Effect.scope
      const error = yield* leaksOf(test.pipe(Effect.provideService(Scope.Scope, outer)))
      assert.deepInclude(error, { tasks: ['"poll" (BackgroundLoop #1)'] })
    })
  )

  it.effect("also those somebody else spawned for it, but not those from before [M1]", () =>
    Effect.gen(function* () {
      yield* spawn("there before")
      const wanted = yield* Deferred.make<void>()
      const done = yield* Deferred.make<void>()
      const somebody = Effect.andThen(
        Deferred.await(wanted),
        Effect.andThen(spawn("for the test"), Deferred.succeed(done, undefined))
      )
      yield* Effect.forkChild(somebody)
      const error = yield* leaksOf(Effect.andThen(Deferred.succeed(wanted, undefined), Deferred.await(done)))
      assert.deepInclude(error, { tasks: ['"for the test" (BackgroundLoop #2)'] })
    }).pipe(Effect.provide(TaskRegistry.layerRoot()))
  )

  it.effect("a registry that was joined leaves nothing [M1]", () =>
    LeakCheck.noLeaks(
      Effect.gen(function* () {
        yield* TaskRegistry.spawn(Effect.void, { name: "short", kind: "BackgroundLoop" })
        yield* TaskRegistry.joinAll("1 second")
      })
    ).pipe(Effect.provide(TaskRegistry.layerRoot()))
  )
})

describe("fibers", () => {
  it.effect("a test that ends with live fibers fails, naming them [M1]", () =>
    Effect.gen(function* () {
      const poll = Effect.withSpan(Effect.never, "poll")
      const error = yield* leaksOf(Effect.andThen(Effect.forkDetach(poll), Effect.forkDetach(poll)))
      assert.strictEqual(error.message, 'the test left behind live fibers: "poll" × 2')
    })
  )

  it.effect("fibers of the test's own scope are no leak: it is closed first [M1]", () =>
    LeakCheck.noLeaks(Effect.andThen(Effect.forkScoped(Effect.never), Effect.forkChild(Effect.never)))
  )

  it.effect("a fiber on its way out is given a moment [M1]", () =>
    LeakCheck.noLeaks(Effect.forkDetach(Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 20)))))
  )

  it.effect("fibers from before the test are not held against it [M1]", () =>
    Effect.gen(function* () {
      yield* Effect.forkChild(Effect.never, { startImmediately: true })
      assert.strictEqual(yield* LeakCheck.noLeaks(Effect.succeed("fine")), "fine")
    })
  )
})

describe("handles", () => {
  const listen = Effect.callback<net.Server>((resume) => {
    const server = net.createServer().listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
  })
  const close = (server: net.Server) => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))

  it.live("a test that leaves a server open fails, naming its kind [M1]", () =>
    Effect.gen(function* () {
      let left: net.Server | undefined
      const error = yield* leaksOf(Effect.map(listen, (server) => (left = server)))
      if (left !== undefined) yield* close(left)
      assert.match(error.message, /^the test left behind open handles: TCPSERVERWRAP[^,]*$/)
    })
  )

  it.live("a timer nobody cleared is one [M1]", () =>
    Effect.gen(function* () {
      const timers: Array<NodeJS.Timeout> = []
      const error = yield* leaksOf(Effect.sync(() => timers.push(hour(), hour())))
      timers.forEach(clearTimeout)
      assert.match(error.message, /^the test left behind open handles: Timeout \(LeakCheck\.test\.ts:\d+\) × 2$/)
    })
  )

  it.live("one that is closed with the scope, or is ignored, is not [M1]", () =>
    Effect.gen(function* () {
      yield* LeakCheck.noLeaks(Effect.acquireRelease(listen, close))
      const server = yield* LeakCheck.noLeaks(listen, { patience: 20, ignore: ["TCPSERVERWRAP"] })
      yield* LeakCheck.noLeaks(Effect.void)
      yield* close(server)
    })
  )
})

describe("handles of others", () => {
  it.live("are not held against the test: opened before, meanwhile, or unreferenced [M1]", () =>
    Effect.gen(function* () {
      const before = hour()
      const opened: Array<NodeJS.Timeout> = []
      // The immediate is set outside the test, so its timer is not the test's.
      const meanwhile = setImmediate(() => opened.push(hour()))
      yield* LeakCheck.noLeaks(
        Effect.gen(function* () {
          hour().unref()
          while (opened.length === 0) yield* Effect.yieldNow
        })
      )
      clearImmediate(meanwhile)
      clearTimeout(before)
      opened.forEach(clearTimeout)
    })
  )

  it.live("are the test's when they are opened in a later callback of the test [M1]", () =>
    Effect.gen(function* () {
      const timers: Array<NodeJS.Timeout> = []
      const late = Effect.promise(async () => {
        await Promise.resolve()
        await new Promise<void>((resolve) => setImmediate(resolve))
        timers.push(hour())
      })
      const error = yield* leaksOf(Effect.andThen(Effect.yieldNow, late))
      timers.forEach(clearTimeout)
      assert.include(error.message, "open handles: Timeout")
    })
  )
})

describe("what the check leaves alone", () => {
  it.effect("a test that fails, fails as it did [M1]", () =>
    Effect.gen(function* () {
      const test = Effect.andThen(Effect.forkDetach(Effect.never), Effect.fail("as it did" as const))
      assert.strictEqual(yield* leaksOf(test), "as it did")
    })
  )

  it.effect("a bad patience is a typed error, and the test is not run [M1]", () =>
    Effect.gen(function* () {
      let ran = false
      for (const patience of [-1, Number.NaN, Infinity]) {
        const error = yield* leaksOf(
          Effect.sync(() => (ran = true)),
          { patience }
        )
        assert.strictEqual(error._tag, "InvalidOption")
      }
      assert.isFalse(ran)
    })
  )
})
