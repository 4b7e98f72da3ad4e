import { assert, describe, it } from "@effect/vitest"
import * as WorkerContext from "@selvedge/core/workers/WorkerContext"
import * as WorkerExit from "@selvedge/core/workers/WorkerExit"
import * as WorkerMessage from "@selvedge/core/workers/WorkerMessage"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

const main = WorkerContext.mainContext("main", 5)
const { parent: _, ...mainFacts } = main

const exits: ReadonlyArray<WorkerExit.WorkerExit> = [
  { _tag: "Completed" },
  { _tag: "Stopped", exitCode: 124, leftBehind: ["task x"] },
  { _tag: "Failed", exitCode: 1, errors: [{ type: "Fail", name: "E", message: "m", stack: null }] },
  {
    _tag: "Uncaught",
    origin: "uncaughtException",
    error: { type: "Die", name: "TypeError", message: "x", stack: "at y" }
  },
  { _tag: "Exited", exitCode: 7 },
  { _tag: "Signalled", signal: "SIGKILL" },
  { _tag: "OutOfMemory", detail: "heap" },
  { _tag: "Killed", reason: "health timeout" }
]

describe("a message", () => {
  it("comes out as it went in, through JSON as well [W3] [W5]", () => {
    const down: ReadonlyArray<WorkerMessage.ToWorker> = [
      { _tag: "Start", context: mainFacts, regions: ["a"] },
      { _tag: "Beat", everyMillis: 250 },
      { _tag: "Request", id: 1, tag: "Echo", payload: { deep: [1, "two", null] } },
      { _tag: "Cancel", id: 1 },
      { _tag: "Stop", budgetMillis: 12.5, reason: "test" },
      { _tag: "Force" }
    ]
    for (const message of down) {
      const wire: unknown = JSON.parse(JSON.stringify(WorkerMessage.encodeToWorker(message)))
      assert.deepStrictEqual(WorkerMessage.readToWorker(wire), message)
    }
    const up: ReadonlyArray<WorkerMessage.FromWorker> = [
      { _tag: "Ready" },
      { _tag: "Stopping", budgetMillis: 3 },
      { _tag: "Reply", id: 1, result: { _tag: "Refused", reason: "stopping", detail: "x" } },
      ...exits.map((exit) => ({ _tag: "Ended" as const, exit }))
    ]
    for (const message of up) {
      const wire: unknown = JSON.parse(JSON.stringify(WorkerMessage.encodeFromWorker(message)))
      assert.deepStrictEqual(WorkerMessage.readFromWorker(wire), message)
    }
  })

  it("that no schema allows is a value that names the path, on one line, whatever it is [W5]", () => {
    const strange: ReadonlyArray<readonly [unknown, string]> = [
      [undefined, "wanted an object, found a value of type undefined"],
      [null, "wanted an object, found null"],
      ["Ready", 'wanted an object, found "Ready"'],
      [Symbol("x"), "found a value of type symbol"],
      [[], `at ["_tag"], found a value of type undefined`],
      [{ _tag: "Redy" }, `wanted one of Ready, Healthy, `],
      [{ _tag: "Redy" }, `at ["_tag"], found "Redy"`],
      [{ _tag: "StatusText" }, `["text"]`],
      [{ _tag: "StatusText", text: 5 }, `["text"]`],
      [{ _tag: "Ended", exit: { _tag: "Stopped", exitCode: 1.5, leftBehind: [] } }, `["exit"]["exitCode"]`],
      [{ _tag: "Ended", exit: { _tag: "Failed", exitCode: 1, errors: [{ type: "Fail" }] } }, `["exit"]["errors"][0]`]
    ]
    for (const [wire, path] of strange) {
      const found = WorkerMessage.readFromWorker(wire)
      assert.isTrue(found instanceof WorkerMessage.InvalidMessage, String(path))
      const { message } = found as WorkerMessage.InvalidMessage
      assert.include(message, "a message from worker is not what the protocol allows")
      assert.include(message, path)
      assert.notInclude(message, "\n")
    }
  })
})

class Broken extends Data.TaggedError("Broken")<{ readonly cause: unknown }> {
  override get message(): string {
    return "it broke"
  }
}

describe("the errors of a life", () => {
  it("keep tag or class, message with those behind it, and stack [W8]", () => {
    const cause = Cause.combine(
      Cause.fail(new Broken({ cause: new Error("no disk", { cause: "a plug" }) })),
      Cause.combine(Cause.die(new RangeError("too far")), Cause.fail("only words"))
    )
    const rows = WorkerExit.errorRows(cause)
    assert.deepStrictEqual(
      rows.map(({ message, name, type }) => [type, name, message]),
      [
        ["Fail", "Broken", "it broke: no disk: a plug"],
        ["Die", "RangeError", "too far"],
        ["Fail", "string", "only words"]
      ]
    )
    assert.deepStrictEqual(
      rows.map(({ stack }) => typeof stack),
      ["string", "string", "object"]
    )
  })

  it("end where errors cause each other, and leave interruptions out [W8]", () => {
    const one: { message: string; cause?: unknown } = new Error("one")
    one.cause = one
    assert.strictEqual(WorkerExit.errorRow("Fail", one).message, "one")
    assert.deepStrictEqual(WorkerExit.errorRows(Cause.interrupt(1)), [])
  })

  it("are told in one line, whatever stands in them [W8]", () => {
    for (const exit of exits) assert.notInclude(WorkerExit.describe(exit), "\n")
    const forged = WorkerExit.errorRow("Fail", new Error("first\nERROR: second"))
    const line = WorkerExit.describe({ _tag: "Failed", exitCode: 1, errors: [forged] })
    assert.strictEqual(line, 'failed: Error: "first\\nERROR: second"')
  })

  it("are a success only where the work is done, or somebody asked for the end [W6]", () => {
    assert.deepStrictEqual(
      exits.filter(WorkerExit.isSuccess).map(({ _tag }) => _tag),
      ["Completed", "Stopped"]
    )
    assert.isTrue(WorkerExit.isSuccess({ _tag: "Exited", exitCode: 0 }))
  })
})

describe("the context of a main program", () => {
  it.effect("has no frames and no parent, and a container in it begins their stack [W3]", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual([main.frames, main.parent, main.generation], [[], undefined, 0])
      assert.deepStrictEqual(yield* WorkerContext.currentFrames, [])
      const around = WorkerContext.fromFacts({
        ...mainFacts,
        frames: [
          { kind: "process", ordinal: 3, generation: 1, name: "p" },
          { kind: "thread", ordinal: 0, generation: 2, name: "t" }
        ]
      })
      assert.strictEqual(around.parent?.ordinal, 3)
      const frames = yield* Effect.provideService(WorkerContext.currentFrames, WorkerContext.WorkerContext, around)
      assert.strictEqual(frames.length, 2)
      const named = yield* Effect.provide(
        Effect.serviceOption(WorkerContext.WorkerContext),
        WorkerContext.layerMain({ name: "shop" })
      )
      assert.strictEqual(Option.getOrThrow(named).name, "shop")
    })
  )
})
