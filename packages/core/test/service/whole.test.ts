/**
 * The whole life of a service in one test, in virtual time: start, three restarts of a failing loop, drain, deadline.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Lifecycle from "@selvedge/core/service/Lifecycle"
import * as Main from "@selvedge/core/service/Main"
import * as Signals from "@selvedge/core/service/Signals"
import * as ShutdownReport from "@selvedge/core/shutdown/ShutdownReport"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as TaskRegistry from "@selvedge/core/tasks/TaskRegistry"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { quietly } from "./stage.ts"

/** Of this thread: how busy the machine is does not count. */
const millisSince = (began: NodeJS.CpuUsage): number => {
  const { system, user } = process.threadCpuUsage(began)
  return (system + user) / 1000
}

class Store extends Context.Service<Store, { readonly put: (line: string) => void }>()("test/Store") {}

/** One life from the first hook to the outcome, and how many milliseconds of a processor it took. */
const live = Effect.gen(function* () {
  const began = process.threadCpuUsage()
  const told: Array<string> = []
  const say = (what: string) =>
    Effect.map(Clock.currentTimeMillis, (now) => void told.push(`${(now / 1000).toFixed(1)} ${what}`))
  const StoreLive = Layer.effect(
    Store,
    Effect.gen(function* () {
      yield* Effect.addFinalizer(() => say("store closes"))
      return Store.of({ put: () => {} })
    })
  )
  const untilDraining = (what: string, more: Duration.Input) =>
    Effect.gen(function* () {
      yield* ShutdownToken.awaitDraining
      yield* say(`${what} drains`)
      yield* Effect.sleep(more)
      yield* say(`${what} ends`)
    })
  let runs = 0
  const App = Layer.effectDiscard(
    Effect.gen(function* () {
      yield* Store
      yield* TaskRegistry.spawn(
        Effect.suspend(() => {
          runs++
          return Effect.andThen(
            say(`loop, run ${runs}`),
            runs <= 3 ? Effect.fail("planned") : untilDraining("loop", "1 second")
          )
        }),
        {
          name: "loop",
          kind: "BackgroundLoop",
          restart: { schedule: Schedule.spaced("1 second"), intensity: { max: 3, period: "1 minute" } }
        }
      )
      yield* TaskRegistry.spawn(untilDraining("peer", "2 seconds"), { name: "peer", kind: "PeerConnection" })
      yield* TaskRegistry.spawn(untilDraining("request", "1 second"), { name: "request", kind: "RpcHandler" })
      yield* TaskRegistry.spawn(untilDraining("custom", "1 second"), { name: "custom", kind: "Custom" })
      yield* TaskRegistry.spawn(Effect.never, { name: "planted", kind: "Maintenance" })
      yield* Lifecycle.onStopAccepting("listener", say("listener closes"))
      yield* Lifecycle.onFlush("buffer", say("buffer is flushed"))
    })
  ).pipe(Layer.provideMerge(StoreLive))

  const signals = yield* Signals.makeManual
  const main = yield* Main.run(App, {
    name: "gateway",
    drainDelay: "3 seconds",
    preStart: say("preStart"),
    onStart: say("onStart"),
    onStop: Effect.andThen(Store, say("onStop")),
    flush: say("flush"),
    postStop: say("postStop")
  }).pipe(Effect.provideService(Signals.Signals, signals), quietly([]), Effect.forkDetach({ startImmediately: true }))
  yield* TestClock.adjust("10 seconds")
  signals.signalUnsafe("SIGTERM")
  yield* TestClock.adjust("30 seconds")
  const outcome = yield* Fiber.join(main)
  return { told, outcome, took: millisSince(began) }
})

describe("the life of a service", () => {
  it.effect(
    "starts, restarts three times, drains by kind, misses its deadline and reports, in under 100 ms [S11] [T11] [S8] [S9]",
    () =>
      Effect.gen(function* () {
        const { outcome, told, took } = yield* live
        assert.deepStrictEqual(told, [
          "0.0 preStart",
          "0.0 onStart",
          "0.0 loop, run 1",
          "1.0 loop, run 2",
          "2.0 loop, run 3",
          "3.0 loop, run 4",
          // SIGTERM at 10 s: three seconds for load balancers, then kind after kind.
          "13.0 listener closes",
          "13.0 peer drains",
          "15.0 peer ends",
          "15.0 request drains",
          "16.0 request ends",
          "16.0 custom drains",
          "17.0 custom ends",
          "17.0 loop drains",
          "18.0 loop ends",
          // The planted task has until 10 + 20.5 s.
          "30.5 onStop",
          "30.5 buffer is flushed",
          "30.5 flush",
          "30.5 store closes",
          "30.5 postStop"
        ])
        assert.strictEqual(outcome.exitCode, 124)
        assert.strictEqual(outcome.reason?._tag, "Signal")
        const report = outcome.report!
        assert.deepStrictEqual(
          report.tasks.pending.map((row) => [row.name, row.state]),
          [["planted", "interrupted"]]
        )
        assert.strictEqual(report.tasks.ended, 4)
        assert.strictEqual(report.acceptedUntil, "stopAccepting")
        const json = Schema.fromJsonString(ShutdownReport.ShutdownReport)
        assert.deepStrictEqual(Schema.decodeUnknownSync(json)(Schema.encodeSync(json)(report)), report)
        // The first lives also compile what they run, and the machine has other things to do.
        const more = yield* Effect.replicateEffect(Effect.provide(live, TestClock.layer(), { local: true }), 5)
        const best = Math.min(took, ...more.map((life) => life.took))
        assert.isBelow(best, 100, "milliseconds of a processor")
      })
  )
})
