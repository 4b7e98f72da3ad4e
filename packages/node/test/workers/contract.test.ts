/**
 * Threads, processes, and processes of threads keep what docs/workers.md says, as fibers do.
 */
import { describe, it } from "@effect/vitest"
import * as ForkedBackend from "@selvedge/node/workers/ForkedBackend"
import * as HybridBackend from "@selvedge/node/workers/HybridBackend"
import * as ThreadedBackend from "@selvedge/node/workers/ThreadedBackend"
import * as BackendContract from "@selvedge/testing/contracts/BackendContract"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { quiet } from "./support.ts"

const subjects: ReadonlyArray<BackendContract.Subject> = [
  { name: "threads", layer: ThreadedBackend.layer(), isolated: true, sharesMemory: true },
  { name: "processes", layer: ForkedBackend.layer(), isolated: true, sharesMemory: false },
  {
    name: "processes of threads",
    layer: Layer.orDie(HybridBackend.layer({ threads: 1, intensity: { max: 0, period: "1 second" } })),
    isolated: true,
    sharesMemory: false
  }
]

/**
 * In a hybrid the worker is a process, and the program runs in its threads, with a supervisor in between. What these say of a program's
 * own identity and end is shown of its threads in hybrid.test.ts.
 */
const ofOneProgram = [
  "keeps the ordinal over a restart",
  "tells a worker who it is",
  "says of a program that returned",
  "keeps the typed failure",
  "keeps the defect",
  "restarts a permanent worker",
  "leaves a worker alone",
  "is ready when its program says so",
  "sees from outside",
  "says with the path",
  "fails what is in flight",
  "sends to the worker that is meant",
  "kills a worker that blocks"
]

describe.each(subjects)("a container of $name", (subject) => {
  const surroundings = Layer.merge(subject.layer, quiet)
  const left = subject.name === "processes of threads" ? ofOneProgram : []
  for (const { run, title } of BackendContract.casesFor(subject)) {
    if (left.some((start) => title.startsWith(start))) continue
    it.live(`${title} [M9]`, () => run.pipe(Effect.scoped, Effect.provide(surroundings)))
  }
})
