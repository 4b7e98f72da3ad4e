/**
 * A stage for containers under test: programs by what they do, a hand on every worker, the log as lines.
 */
import * as WorkerProgram from "@selvedge/core/service/WorkerProgram"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as Backend from "@selvedge/core/workers/Backend"
import type * as Container from "@selvedge/core/workers/Container"
import type { WorkerExit } from "@selvedge/core/workers/WorkerExit"
import * as WorkerRequest from "@selvedge/core/workers/WorkerRequest"
import * as TestTime from "@selvedge/testing/time/TestTime"
import * as TestContainer from "@selvedge/testing/workers/TestContainer"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { type Line, quietly } from "../service/stage.ts"

export const Echo = WorkerRequest.make("Echo", { payload: Schema.String, success: Schema.String })
export const Hang = WorkerRequest.make("Hang", { payload: Schema.Null, success: Schema.Null })

/** Lives until it is told to stop. */
export const patient = Backend.direct(ShutdownToken.awaitDraining)

/** Answers, or does not. */
export const asking = Backend.direct(
  WorkerProgram.make({
    handlers: [WorkerRequest.handler(Echo, Effect.succeed), WorkerRequest.handler(Hang, () => Effect.never)]
  })
)

/** Ends a while after it was told to stop. */
export const slow = (millis: number): Backend.ProgramRef =>
  Backend.direct(Effect.andThen(ShutdownToken.awaitDraining, Effect.sleep(millis)))

/** Is ready, and fails after a while. */
export const failingAfter = (millis: number): Backend.ProgramRef =>
  Backend.direct(Effect.andThen(Effect.sleep(millis), Effect.fail("planned")))

/** Never ready. */
export const starting = Backend.direct(WorkerProgram.make({ ready: "manual", main: ShutdownToken.awaitDraining }))

export const killed: WorkerExit = { _tag: "Signalled", signal: "SIGKILL" }

/** Lets everybody take the steps they can take, and no time pass. */
export const settle = Effect.orDie(TestTime.settle)

/** Lets time pass, and everybody take their steps before and after. */
export const pass = (millis: number): Effect.Effect<void> =>
  Effect.andThen(settle, Effect.andThen(TestClock.adjust(millis), settle))

/** Crashes the present life of an ordinal and lets everybody take their steps. */
export const crash = (ordinal: number, exit?: WorkerExit) =>
  TestContainer.TestContainer.use((workers) => Effect.andThen(workers.crash(ordinal, exit), settle))

/** What lives, as `name ordinal.generation`. */
export const lives = TestContainer.TestContainer.use((workers) =>
  Effect.map(workers.running, (running) =>
    running.map(({ facts }) => `${facts.name} ${facts.ordinal}.${facts.generation}`).toSorted()
  )
)

/** The states of a container's children, in start order. */
export const states = (container: Container.Container) =>
  Effect.map(container.status, (rows) => rows.map((row) => row.state))

/** Runs a test on the stage, and says at the end that nothing of it is left and that no two lives of one ordinal ever met. */
export const on =
  (lines: Array<Line> = []) =>
  <A, E, R>(test: Effect.Effect<A, E, R>) =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const exit = yield* Effect.exit(Scope.provide(test, scope))
      yield* Effect.orDie(TestTime.completeWithin("1 hour")(Scope.close(scope, Exit.void)))
      const value = yield* exit
      const workers = yield* TestContainer.TestContainer
      const running = (yield* workers.running).length
      const overlaps = (yield* workers.overlaps).length
      if (running + overlaps > 0) return yield* Effect.die(new Error(`${running} left over, ${overlaps} overlapped`))
      return value
    }).pipe(Effect.provide(TestContainer.layer), quietly(lines)) as Effect.Effect<
      A,
      E,
      Exclude<R, TestContainer.TestContainer | Backend.Backend | Scope.Scope>
    >

/** Lets time pass in small steps, so that everybody has their turns in between. */
export const walk = (millis: number, step = 50) =>
  Effect.repeat(pass(step), { times: Math.max(0, Math.ceil(millis / step) - 1) })
