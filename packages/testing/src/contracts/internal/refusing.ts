/**
 * What cannot be is refused before any worker starts.
 *
 * @internal
 */
import * as Backend from "@selvedge/core/workers/Backend"
import * as Container from "@selvedge/core/workers/Container"
import * as Supervisor from "@selvedge/core/workers/Supervisor"
import * as Effect from "effect/Effect"
import type { Case } from "./backendCase.ts"
import { claim, failure, holds, type Program, program } from "./claims.ts"

const patient = { name: "patient", program: program("patient") }

/** The error of a start, after which nothing runs. */
const refused = (spec: Container.ServiceSpec, options?: Container.Options) =>
  Effect.gen(function* () {
    const container = yield* Container.make(options)
    const error = yield* failure("it is refused", container.run(spec))
    yield* claim("started", [(yield* container.statistics).spawns, yield* container.size], [0, 0])
    return error
  })

export const cases: ReadonlyArray<Case> = [
  {
    title: "refuses a module that is not there, an export that is missing, and one that is no program [W5]",
    run: Effect.gen(function* () {
      const nowhere = Backend.module(new URL("./nowhere-to-be-found.ts", import.meta.url))
      for (const [ref, reason] of [
        [nowhere, "ModuleUnknown"],
        [program("missing" as Program), "ExportMissing"],
        [program("number"), "NotAProgram"]
      ] as const) {
        const error = yield* refused({ name: "wrong", program: ref, count: 1 })
        yield* claim("error", error._tag === "StartFailed" ? error.reason : error._tag, reason)
        yield* holds("it says what was wanted and found", /wanted .*found /s.test(error.message), error.message)
      }
    })
  },
  {
    title: "refuses counts below 1, keys that two would share, and more workers than there are places [W4] [W1]",
    run: Effect.gen(function* () {
      for (const count of [0, -1, 1.5, Number.NaN]) {
        const error = yield* refused({ ...patient, count })
        yield* claim("error", error._tag, "InvalidSetting")
      }
      const keyed = yield* refused({ ...patient, key: "one", count: 2 })
      yield* claim("one key for two", keyed._tag, "InvalidSpec")
      const full = yield* refused({ ...patient, count: 3 }, { capacity: 2 })
      yield* claim("too many", full._tag, "OrdinalsExhausted")
    })
  },
  {
    title: "checks a supervisor's whole specification before its first child starts [W6]",
    run: Effect.gen(function* () {
      const started: Array<string> = []
      const policy = { spawned: () => Effect.sync(() => void started.push("one")) }
      for (const wrong of [
        { name: "wrong", program: program("missing" as Program), count: 1 },
        { name: "wrong", program: program("patient"), key: "taken", count: 1 },
        { name: "", program: program("patient"), count: 1 }
      ]) {
        const children = [{ ...patient, key: "taken" }, wrong]
        const error = yield* failure("it is refused", Supervisor.make({ policy, children }))
        yield* holds("it is typed", ["StartFailed", "InvalidSpec"].includes(error._tag), error)
      }
      yield* claim("started", started, [])
    })
  },
  {
    title: "refuses to hand over memory that its workers could not share [W5]",
    needs: "separate memory",
    run: Effect.gen(function* () {
      const regions = { counts: new SharedArrayBuffer(8) }
      const error = yield* refused({ ...patient, regions, count: 1 })
      yield* claim("error", error._tag === "StartFailed" ? error.reason : error._tag, "MappingUnavailable")
    })
  }
]
