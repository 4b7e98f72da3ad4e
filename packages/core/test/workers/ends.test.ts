/** What a container says about its workers' ends, and does about what they say. */
import { assert, describe, it } from "@effect/vitest"
import * as Container from "@selvedge/core/workers/Container"
import type { WorkerExit } from "@selvedge/core/workers/WorkerExit"
import * as TestContainer from "@selvedge/testing/workers/TestContainer"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Line } from "../service/stage.ts"
import { asking, crash, Echo, lives, on, patient, settle } from "./stage.ts"

const one = { name: "a", program: patient, count: 1 }

describe("a container", () => {
  it.effect("tells in one line each how a worker ended and that it gave up [W6] [W8]", () => {
    const lines: Array<Line> = []
    return Effect.gen(function* () {
      const container = yield* Container.make({ name: "parsers", intensity: { max: 1, period: "1 minute" } })
      yield* container.run(one)
      yield* settle
      yield* crash(0)
      yield* crash(0, { _tag: "OutOfMemory", detail: "heap of 64 MB" })
      yield* Effect.flip(container.awaitEnded)
      const warned = lines.filter(({ level }) => level === "Warn" || level === "Error").map(({ text }) => text)
      assert.deepStrictEqual(warned, [
        "a 0 [fiber 0] life 1 ended by SIGKILL",
        "a 0 [fiber 0] life 2 out of memory: heap of 64 MB",
        "parsers gives up: wanted at most 1 restart(s) within 60000 ms, found one more: a 0 out of memory: heap of 64 MB"
      ])
    }).pipe(on(lines))
  })

  it.effect("fails what is in flight in the turn of the crash, and the next life hears nothing of it [W5]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      const child = yield* container.spawn({ name: "a", program: asking })
      yield* child.awaitReady
      const workers = yield* TestContainer.TestContainer
      const asked = yield* Effect.forkChild(Effect.flip(container.request(Echo, "lost")), { startImmediately: true })
      yield* workers.crash(0)
      const error = yield* Fiber.join(asked)
      assert.deepStrictEqual([error.reason, error.worker], ["WorkerGone", "a 0 [fiber 0] life 1"])
      yield* child.awaitReady
      assert.strictEqual(yield* container.request(Echo, "new"), "new")
    }).pipe(on())
  )

  it.effect("kills a worker that says what no schema allows, and names the path of the mistake [W5]", () => {
    const lines: Array<Line> = []
    return Effect.gen(function* () {
      const exits: Array<WorkerExit> = []
      const container = yield* Container.make({
        policy: { exited: ({ exit }) => Effect.sync(() => void exits.push(exit)) }
      })
      yield* container.run(one)
      const workers = yield* TestContainer.TestContainer
      yield* settle
      yield* workers.say(0, { _tag: "Reply", id: 1, result: { _tag: "Refused", reason: "bored", detail: "x" } })
      yield* settle
      assert.deepStrictEqual(exits, [{ _tag: "Killed", reason: "invalid message" }])
      assert.strictEqual((yield* container.statistics).invalid, 1)
      assert.include(lines.find(({ level }) => level === "Error")?.text, `["result"]["reason"]`)
      assert.deepStrictEqual(yield* lives, ["a 0.2"])
    }).pipe(on(lines))
  })

  it.effect("keeps such a worker if its policy says so [W5] [W8]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make({ policy: { invalidMessage: () => Effect.succeed("keep") } })
      yield* container.run(one)
      const workers = yield* TestContainer.TestContainer
      yield* settle
      yield* workers.say(0, "nonsense")
      yield* settle
      assert.deepStrictEqual(yield* lives, ["a 0.1"])
    }).pipe(on())
  )
})
