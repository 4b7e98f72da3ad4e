/**
 * Workers end and are started again, or not; what is known about an end is kept.
 *
 * @internal
 */
import type { Child } from "@selvedge/core/workers/Child"
import * as Container from "@selvedge/core/workers/Container"
import type { WorkerExit } from "@selvedge/core/workers/WorkerExit"
import * as Effect from "effect/Effect"
import type { Case } from "./backendCase.ts"
import * as Ask from "../requests.ts"
import { claim, failure, holds, type Program, program, ready, within } from "./claims.ts"
import { nextLife } from "./knowing.ts"

/** The end of a worker that is not started again. */
const endOf = (name: Program) =>
  Effect.gen(function* () {
    const container = yield* Container.make()
    const child = yield* container.spawn({ name, program: program(name), restart: "temporary" })
    return yield* within(`${name} ends`, child.awaitEnded)
  })

/** Waits for the next: the last one is younger than it was. */
const signOfLife = (child: Child): Effect.Effect<void> =>
  Effect.gen(function* () {
    const age = Effect.map(child.status, ({ beatAgeMillis }) => beatAgeMillis ?? 0)
    let last = yield* age
    for (;;) {
      yield* Effect.sleep(50)
      const now = yield* age
      if (now < last) return
      last = now
    }
  })

export const cases: ReadonlyArray<Case> = [
  {
    title: "says of a program that returned that it completed [W8]",
    run: Effect.flatMap(endOf("returning"), (exit) => claim("exit", exit, { _tag: "Completed" }))
  },
  {
    title: "keeps the typed failure of a program, its tag and its message [W8]",
    run: Effect.gen(function* () {
      for (const [name, message] of [
        ["failing", "as planned"],
        ["broken", "cannot be built"]
      ] as const) {
        const exit = yield* endOf(name)
        const row = exit._tag === "Failed" ? exit.errors[0] : undefined
        yield* claim("error", [row?.type, row?.name, row?.message], ["Fail", "Planned", message])
      }
    })
  },
  {
    title: "keeps the defect of a program with its stack [W8]",
    run: Effect.gen(function* () {
      const exit = yield* endOf("dying")
      const row = exit._tag === "Failed" ? exit.errors[0] : undefined
      yield* claim("error", [row?.type, row?.name, row?.message], ["Die", "TypeError", "a mistake"])
      yield* holds("the stack names the place", row?.stack?.includes("programs") === true, row?.stack)
    })
  },
  {
    title: "restarts a permanent worker that returned and a transient one that failed, and no others [W6]",
    run: Effect.gen(function* () {
      const wanted = { permanent: [true, true], transient: [false, true], temporary: [false, false] } as const
      for (const restart of ["permanent", "transient", "temporary"] as const) {
        const found = []
        for (const name of ["returning", "failing"] as const) {
          const container = yield* Container.make({ intensity: { max: 1, period: "1 minute" } })
          yield* container.spawn({ name, program: program(name), restart })
          yield* within("it ends for good", Effect.exit(container.awaitEnded))
          found.push((yield* container.statistics).restarts > 0)
        }
        yield* claim(restart, found, wanted[restart])
      }
    })
  },
  {
    title: "gives up after too many restarts and stops the others, the last started first [W6]",
    run: Effect.gen(function* () {
      const ended: Array<string> = []
      const container = yield* Container.make({
        intensity: { max: 2, period: "1 minute" },
        policy: { exited: ({ child }) => Effect.sync(() => void ended.push(`${child.name} ${child.serviceOrdinal}`)) }
      })
      yield* container.run({ name: "patient", program: program("patient"), count: 2 })
      yield* within("they are ready", container.awaitReady)
      yield* container.spawn({ name: "failing", program: program("failing") })
      const error = yield* within("it gives up", failure("it gives up", container.awaitEnded))
      yield* claim("error", [error._tag, error.service, error.max], ["RestartIntensityExceeded", "failing", 2])
      const left = ["failing 0", "failing 0", "failing 0", "patient 1", "patient 0"]
      yield* claim("ends, in their order", ended, left)
      yield* claim("nobody is left", yield* container.size, 0)
    })
  },
  {
    title: "kills a worker that talks but does not become ready in time, and starts it again [W7]",
    run: Effect.gen(function* () {
      const exits: Array<WorkerExit> = []
      const container = yield* Container.make({
        policy: { exited: ({ exit }) => Effect.sync(() => void exits.push(exit)) }
      })
      const startupTimeout = "300 millis"
      yield* container.spawn({ name: "chatty", program: program("chatty"), startupTimeout })
      yield* within("it is started again", nextLife(container, 1))
      yield* claim("exit", exits[0], { _tag: "Killed", reason: "startup timeout" })
    })
  },
  {
    title: "sees from outside a worker that blocks its thread, kills it, and starts it again [W7]",
    needs: "isolation",
    run: Effect.gen(function* () {
      const exits: Array<WorkerExit> = []
      const container = yield* Container.make({
        policy: { exited: ({ exit }) => Effect.sync(() => void exits.push(exit)) }
      })
      yield* container.spawn({ name: "busy", program: program("busy"), healthTimeout: "1 second" })
      yield* within("it is started again", nextLife(container, 1))
      yield* claim("exit", exits[0], { _tag: "Killed", reason: "health timeout" })
    })
  },
  {
    title: "leaves a worker alone whose loop turns, while it is asked for signs of life [W7]",
    run: Effect.gen(function* () {
      const container = yield* Container.make()
      const child = yield* container.spawn({ name: "patient", program: program("patient"), healthTimeout: "8 seconds" })
      yield* within("it is ready", child.awaitReady)
      yield* within("two signs of life", Effect.andThen(signOfLife(child), signOfLife(child)))
      yield* claim("restarts", (yield* container.statistics).restarts, 0)
    })
  },
  {
    title: "is ready when its program says so, with the text it gave [W7] [W13]",
    run: Effect.gen(function* () {
      const container = yield* Container.make()
      const child = yield* container.spawn({ name: "manual", program: program("manual") })
      yield* within("it is ready", child.awaitReady)
      const { state, text } = yield* child.status
      yield* claim("status", [state, text], ["Ready", "starting"])
    })
  },
  {
    title: "tells a worker that failed before it was ready to who waits for it [W4]",
    run: Effect.gen(function* () {
      const container = yield* Container.make()
      const child = yield* container.spawn({ name: "broken", program: program("broken"), restart: "temporary" })
      const error = yield* within("it is told", failure("it is told", child.awaitReady))
      yield* claim("error", [error._tag, error.exit._tag], ["NotReady", "Failed"])
    })
  },
  {
    title: "tells its policy of every life's start and end; one that throws changes nothing [W8] [W9]",
    run: Effect.gen(function* () {
      const heard: Array<string> = []
      const { child, container } = yield* ready("asking", {
        policy: {
          spawned: ({ facts }) => {
            heard.push(`spawned ${facts.generation}`)
            throw new Error("a policy that throws")
          },
          exited: ({ exit, facts }) => {
            heard.push(`exited ${facts.generation} ${exit._tag}`)
            return Effect.die("a policy that dies")
          }
        }
      })
      yield* Effect.ignore(container.request(Ask.Crash, null))
      yield* within("the next life", Effect.andThen(nextLife(container, 1), child.awaitReady))
      yield* claim("events", heard, ["spawned 1", "exited 1 Failed", "spawned 2"])
      const { failures, invalid, perMinute, restarts, spawns } = yield* container.statistics
      yield* claim("statistics", [spawns, restarts, failures, invalid], [1, 1, 1, 0])
      yield* claim("rates", perMinute, { spawns: 1, restarts: 1, failures: 1, recycles: 0 })
    })
  }
]
