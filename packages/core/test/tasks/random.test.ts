/**
 * Random programs against a model that knows, after every step, exactly who lives, in which state and below whom.
 *
 * A program is a list of steps drawn from a seed: spawn (from outside or in a task), end, fail, abort, close, reopen,
 * join, force, let time pass. After each step everything comes to rest and the registry is compared with the model.
 *
 * The model is a second writing of the rules, without fibers: a task _listens_ (ends when interrupted), is _deaf_ (ends
 * only when told), or _heeds_ (ends when its token drains). All tasks are of one kind, so a join drains all at once.
 */
import { assert, describe, it } from "@effect/vitest"
import * as ShutdownReason from "@selvedge/core/shutdown/ShutdownReason"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as TaskRegistry from "@selvedge/core/tasks/TaskRegistry"
import * as Seed from "@selvedge/testing/faults/Seed"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Queue from "effect/Queue"
import * as TestClock from "effect/testing/TestClock"
import { Model, type ModelTask, type Temper } from "./randomModel.ts"
import { joining, left } from "./support.ts"

/** Enough for a chain of mail, spawn, end and wake. */
const settle = Effect.repeat(Effect.yieldNow, { times: 12 })

const STEPS = 40
const SEEDS = 100

type Mail = Queue.Queue<Effect.Effect<boolean, string, TaskRegistry.TaskRegistry>>

const program = (seed: number) =>
  Effect.gen(function* () {
    const next = Seed.integers(seed)
    const model = new Model()
    const mails = new Map<string, Mail>()
    const joins: Array<Fiber.Fiber<unknown, unknown>> = []
    const done: Array<string> = []
    let named = 0
    const pick = (): ModelTask | undefined => {
      const live = model.tasks.filter((task) => task.fiber === "live")
      return live.length === 0 ? undefined : live[next(live.length)]
    }

    const spawning = (name: string, temper: Temper, mail: Mail, detached: boolean) => {
      const work = Effect.flatMap(Queue.take(mail), (order) => order)
      const loop = Effect.repeat(work, { until: (over) => over })
      const body =
        temper === "deaf"
          ? Effect.uninterruptible(loop)
          : temper === "heeds"
            ? Effect.raceFirst(loop, ShutdownToken.awaitDraining)
            : loop
      return TaskRegistry.spawn(body, { name, kind: "RpcHandler", detached, startImmediately: next(2) === 0 })
    }

    const spawn = Effect.gen(function* () {
      const name = `t${named++}`
      const temper = (["listens", "listens", "deaf", "heeds"] as const)[next(4)]!
      const caller = next(3) === 0 ? undefined : pick()
      const detached = next(5) === 0
      const mail: Mail = yield* Queue.unbounded<Effect.Effect<boolean, string, TaskRegistry.TaskRegistry>>()
      mails.set(name, mail)
      const answers: Array<string> = []
      const order = Effect.match(spawning(name, temper, mail, detached), {
        onSuccess: () => answers.push("ok"),
        onFailure: (error) => answers.push(error._tag === "RegistryClosed" ? error.state : error._tag)
      })
      done.push(`spawn ${name} ${temper} in ${caller?.name ?? "-"}${detached ? " detached" : ""}`)
      const expected = model.spawn(name, temper, caller, detached)
      if (caller === undefined) yield* order
      else yield* Queue.offer(mails.get(caller.name)!, Effect.as(order, false))
      yield* settle
      assert.deepStrictEqual(answers, [expected])
    })

    const tell = (word: "end" | "fail") =>
      Effect.suspend(() => {
        const task = pick()
        if (task === undefined) return Effect.void
        done.push(`${word} ${task.name}`)
        model.fiberEnds(task, word === "end")
        return Effect.asVoid(
          Queue.offer(mails.get(task.name)!, word === "end" ? Effect.succeed(true) : Effect.fail("planned"))
        )
      })

    const abort = Effect.suspend(() => {
      const task = model.tasks[next(Math.max(1, model.tasks.length))]
      if (task === undefined) return Effect.void
      done.push(`abort ${task.name}`)
      model.abort(task)
      return Effect.asVoid(Effect.forkDetach(TaskRegistry.abort(task.name)))
    })

    const join = Effect.gen(function* () {
      const millis = next(4) * 700
      done.push(`join ${millis}`)
      const running = model.join !== undefined
      model.joinAll(millis)
      const fiber = yield* joining(millis)
      if (!running || next(2) === 0) joins.push(fiber)
      else yield* Fiber.interrupt(fiber)
    })

    const reopen = Effect.gen(function* () {
      done.push("reopen")
      if (model.join !== undefined && model.join.phase === "over") joins.length = 0
      const expected = model.reopen()
      const exit = yield* Effect.exit(TaskRegistry.reopen)
      assert.strictEqual(Exit.isSuccess(exit) ? "ok" : "joining", expected)
    })

    const advance = Effect.suspend(() => {
      const millis = (next(4) + 1) * 350
      done.push(`advance ${millis}`)
      model.advance(millis)
      return TestClock.adjust(millis)
    })

    const steps = [spawn, spawn, spawn, spawn, tell("end"), tell("fail"), abort, advance, advance]
    const rare = [
      join,
      reopen,
      join,
      reopen,
      Effect.suspend(() => (done.push("close"), (model.closed = true), TaskRegistry.close))
    ]
    const force = Effect.suspend(() => {
      done.push("force")
      model.force()
      return ShutdownToken.force(ShutdownReason.Reload())
    })

    for (let i = 0; i < STEPS; i++) {
      if (next(6) === 0) yield* rare[next(rare.length)]!
      else if (next(60) === 0) yield* force
      else yield* steps[next(steps.length)]!
      yield* settle
      const rows = yield* TaskRegistry.snapshot
      const nameOf = (id: number | undefined): string => rows.find((row) => row.id === id)?.name ?? "-"
      const found = rows.map((row) => `${row.name} ${row.state} < ${nameOf(row.parentId)}`)
      assert.deepStrictEqual(found, model.rows(), `seed ${seed}: ${done.join("; ")}`)
      for (const fiber of joins) {
        const exit = fiber.pollUnsafe()
        const outcome =
          exit === undefined
            ? undefined
            : Exit.isSuccess(exit)
              ? "joined"
              : left((yield* Effect.flip(exit)) as Parameters<typeof left>[0]).join(" ")
        assert.strictEqual(outcome, model.join?.outcome, `seed ${seed}: ${done.join("; ")}`)
      }
    }

    // Everybody is told to end, and then nobody lives.
    yield* Effect.forEach(mails.values(), (mail) => Queue.offer(mail, Effect.succeed(true)))
    yield* settle
    yield* TestClock.adjust("1 minute")
    assert.strictEqual(yield* TaskRegistry.size, 0)
    const stats = yield* TaskRegistry.stats
    assert.strictEqual(stats.spawned, stats.succeeded + stats.failed + stats.interrupted)
    return model.join?.outcome
  }).pipe(
    Effect.scoped,
    Effect.provide(TaskRegistry.layerRoot({ progressInterval: "1 hour" })),
    Effect.provide(Logger.layer([]))
  )

describe("random programs", () => {
  it.effect(
    "agree with the model after each of forty steps, for a hundred seeds [T5] [T6] [T7] [T8] [T10]",
    () =>
      Effect.gen(function* () {
        yield* TestClock.adjust(1)
        const outcomes = new Set<string>()
        for (let seed = 1; seed <= SEEDS; seed++) outcomes.add((yield* program(seed)) ?? "none")
        // The programs do reach joins in time, joins too late, and none.
        assert.isTrue(outcomes.has("joined") && outcomes.has("none") && outcomes.size > 5)
      }),
    60_000
  )
})
