import { assert, describe, it } from "@effect/vitest"
import * as WorkerLife from "@selvedge/core/service/WorkerLife"
import * as WorkerProgram from "@selvedge/core/service/WorkerProgram"
import * as ShutdownReason from "@selvedge/core/shutdown/ShutdownReason"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import { RequestFailed } from "@selvedge/core/workers/ContainerError"
import type { Facts } from "@selvedge/core/workers/WorkerContext"
import * as WorkerMessage from "@selvedge/core/workers/WorkerMessage"
import * as WorkerRegions from "@selvedge/core/workers/WorkerRegions"
import * as WorkerRequest from "@selvedge/core/workers/WorkerRequest"
import { WorkerStatus } from "@selvedge/core/workers/WorkerStatus"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import { quietly } from "../service/stage.ts"
import { pass, settle } from "./stage.ts"

const facts: Facts = {
  kind: "thread",
  ordinal: 2,
  generation: 3,
  name: "parser",
  key: null,
  serviceOrdinal: 0,
  frames: [{ kind: "thread", ordinal: 2, generation: 3, name: "parser" }],
  attempt: 1,
  startedAt: 0
}

const Echo = WorkerRequest.make("Echo", { payload: Schema.String, success: Schema.String })
const Hang = WorkerRequest.make("Hang", { payload: Schema.Null, success: Schema.Null })

/** A life over a link that only notes what it carries. */
const lifeOf = (exported: unknown) => {
  const program = WorkerProgram.fromExport(exported)
  assert.isTrue(program._tag === "Some")
  const told: Array<WorkerMessage.FromWorker> = []
  const life = WorkerLife.make(program._tag === "Some" ? program.value : WorkerProgram.make({}), {
    context: facts,
    regions: { counts: new SharedArrayBuffer(8) },
    send: (wire) => void told.push(WorkerMessage.readFromWorker(wire) as WorkerMessage.FromWorker)
  })
  const tell = (message: WorkerMessage.ToWorker): void => life.receive(WorkerMessage.encodeToWorker(message))
  const words = (): ReadonlyArray<string> => told.map((message) => message._tag)
  const run = Effect.forkChild(life.run).pipe(quietly([]))
  return { life, told, tell, words, run }
}

const stop = (budgetMillis: number): WorkerMessage.ToWorker => ({ _tag: "Stop", budgetMillis, reason: "test" })

const answering = WorkerProgram.make({
  handlers: [WorkerRequest.handler(Echo, Effect.succeed), WorkerRequest.handler(Hang, () => Effect.never)]
})

describe("the life of a program in a worker", () => {
  it.effect("says that it is ready, that it stops and how long that may take, and last how it ended [W13] [W10]", () =>
    Effect.gen(function* () {
      const { run, tell, told } = lifeOf(answering)
      const running = yield* run
      yield* settle
      tell(stop(4000))
      yield* settle
      const exit = yield* Fiber.join(running)
      assert.deepStrictEqual(exit, { _tag: "Stopped", exitCode: 0, leftBehind: [] })
      assert.deepStrictEqual(told, [
        { _tag: "Ready" },
        { _tag: "Stopping", budgetMillis: 4000 },
        { _tag: "Ended", exit }
      ])
    })
  )

  it.effect("keeps what came before its program had begun: requests, a stop, a force [W5] [W10]", () =>
    Effect.gen(function* () {
      const early = lifeOf(answering)
      early.tell({ _tag: "Request", id: 1, tag: "Echo", payload: "early" })
      const running = yield* early.run
      yield* settle
      assert.deepStrictEqual(early.told[0], { _tag: "Reply", id: 1, result: { _tag: "Success", value: "early" } })
      early.tell(stop(1000))
      yield* settle
      yield* Fiber.join(running)

      const stopped = lifeOf(Layer.effectDiscard(Effect.never))
      stopped.tell(stop(1000))
      const stopping = yield* stopped.run
      yield* pass(1000)
      assert.strictEqual((yield* Fiber.join(stopping))._tag, "Stopped")

      const forced = lifeOf(Effect.never)
      forced.tell({ _tag: "Force" })
      const forcing = yield* forced.run
      yield* pass(0)
      assert.strictEqual((yield* Fiber.join(forcing))._tag, "Stopped")
    })
  )

  it.effect("gives its program the budget of the stop, cut to it, and only the first one [W10]", () =>
    Effect.gen(function* () {
      const { run, tell } = lifeOf(Effect.never)
      const running = yield* run
      yield* settle
      tell(stop(2000))
      tell(stop(60_000))
      yield* pass(1999)
      // Half of it went to the program, which heard nothing; it was interrupted then.
      assert.strictEqual((yield* Fiber.join(running))._tag, "Stopped")
    })
  )

  it.effect("is told of less time while it stops: goes on for half of it, then lets go [W10]", () =>
    Effect.gen(function* () {
      const { run, tell, told } = lifeOf(answering)
      const running = yield* run
      yield* settle
      tell({ _tag: "Request", id: 1, tag: "Hang", payload: null })
      tell(stop(20_000))
      yield* pass(1000)
      tell(stop(30_000))
      tell(stop(2000))
      yield* pass(999)
      assert.isUndefined(running.pollUnsafe())
      yield* pass(1)
      assert.strictEqual((yield* Fiber.join(running))._tag, "Stopped")
      assert.deepInclude(told, { _tag: "Reply", id: 1, result: { _tag: "Defect", message: "interrupted" } })
    })
  )

  it.effect("answers what it was asked before the stop, also when reading the payload takes a while [W5] [W10]", () =>
    Effect.gen(function* () {
      const Late = Schema.String.pipe(
        Schema.decode({
          decode: SchemaGetter.transformEffect((text: string) => Effect.as(Effect.sleep(100), text)),
          encode: SchemaGetter.passthrough()
        })
      )
      const request = WorkerRequest.make("Late", { payload: Late, success: Schema.String })
      const { run, tell, told } = lifeOf(
        WorkerProgram.make({ handlers: [WorkerRequest.handler(request, Effect.succeed)] })
      )
      const running = yield* run
      yield* settle
      tell({ _tag: "Request", id: 1, tag: "Late", payload: "asked in time" })
      tell(stop(5000))
      yield* pass(100)
      yield* Fiber.join(running)
      assert.deepInclude(told, { _tag: "Reply", id: 1, result: { _tag: "Success", value: "asked in time" } })
    })
  )

  it.effect("asks itself to stop when the link is lost, with the reason ParentGone and its own budget [W12]", () =>
    Effect.gen(function* () {
      const reasons: Array<string> = []
      const program = Effect.map(
        ShutdownToken.awaitDraining,
        (reason) => void reasons.push(ShutdownReason.describe(reason))
      )
      const { life, run, told } = lifeOf(program)
      const running = yield* run
      yield* settle
      life.linkLost()
      yield* settle
      yield* Fiber.join(running)
      assert.deepStrictEqual(reasons, ["ParentGone"])
      assert.deepStrictEqual(told[1], { _tag: "Stopping", budgetMillis: 25_000 })
    })
  )

  it.effect("says why a request failed that it handed on, and of another handler only that it died [W5]", () =>
    Effect.gen(function* () {
      const gone = new RequestFailed({ request: "Far", reason: "WorkerGone", worker: "far 3", detail: "it ended" })
      const far = (tag: string) =>
        WorkerRequest.handler(WorkerRequest.make(tag, { payload: Schema.Null, success: Schema.Null }), () =>
          Effect.die(gone)
        )
      const program = WorkerProgram.make({ handlers: [{ ...far("Passed"), passesOn: true }, far("Own")] })
      const { run, tell, told } = lifeOf(program)
      yield* run
      yield* settle
      tell({ _tag: "Request", id: 1, tag: "Passed", payload: null })
      tell({ _tag: "Request", id: 2, tag: "Own", payload: null })
      yield* settle
      const results = told.flatMap((message) => (message._tag === "Reply" ? [message.result] : []))
      assert.deepStrictEqual(results[0], { _tag: "Failed", reason: "WorkerGone", worker: "far 3", detail: "it ended" })
      assert.strictEqual(results[1]?._tag, "Defect")
    })
  )

  it.effect("answers every request once: with its value, why not, or that it was interrupted [W5]", () =>
    Effect.gen(function* () {
      const { life, run, tell, told } = lifeOf(answering)
      const running = yield* run
      yield* settle
      tell({ _tag: "Request", id: 1, tag: "Echo", payload: 5 })
      tell({ _tag: "Request", id: 2, tag: "Other", payload: null })
      tell({ _tag: "Request", id: 3, tag: "Hang", payload: null })
      tell({ _tag: "Cancel", id: 3 })
      tell({ _tag: "Cancel", id: 99 })
      yield* settle
      const replies = told.flatMap((message) => (message._tag === "Reply" ? [message] : []))
      assert.deepStrictEqual(
        replies.map(({ id, result }) => [id, result._tag === "Refused" ? result.reason : result._tag]).toSorted(),
        [
          [1, "invalid payload"],
          [2, "unknown request"],
          [3, "Defect"]
        ]
      )
      life.receive({ _tag: "Request", id: "four" })
      const problem = told.at(-1)
      assert.isTrue(problem?._tag === "Problem" && problem.message.includes(`["id"]`), JSON.stringify(problem))
      tell(stop(1000))
      yield* settle
      yield* Fiber.join(running)
    })
  )

  it.effect("is ready when its program says so, once, and tells what else it says [W13]", () =>
    Effect.gen(function* () {
      const program = WorkerProgram.make({
        ready: "manual",
        main: Effect.gen(function* () {
          const status = yield* WorkerStatus
          yield* status.text("loading")
          yield* status.reloading
          yield* status.ready
          yield* status.ready
          yield* status.problem("a disk is full")
        })
      })
      const { run, words } = lifeOf(program)
      const running = yield* run
      yield* settle
      const exit = yield* Fiber.join(running)
      assert.deepStrictEqual(exit, { _tag: "Completed" })
      assert.deepStrictEqual(words(), ["StatusText", "Reloading", "Ready", "Problem", "Stopping", "Ended"])
    })
  )

  it.effect("gives its program the regions it was handed, and names those it was not [W5]", () =>
    Effect.gen(function* () {
      const seen: Array<unknown> = []
      const program = Effect.gen(function* () {
        seen.push((yield* WorkerRegions.get("counts")).byteLength)
        return yield* WorkerRegions.get("other")
      })
      const { run } = lifeOf(program)
      const running = yield* run
      yield* settle
      const exit = yield* Fiber.join(running)
      assert.deepStrictEqual(seen, [8])
      const message = exit._tag === "Failed" ? exit.errors[0]?.message : undefined
      assert.strictEqual(message, 'wanted a shared region called "other", found "counts"')
    })
  )
})
