/** Processes of threads keep what docs/workers.md says, as fibers do. */
import * as HybridBackend from "@selvedge/node/workers/HybridBackend"
import * as Layer from "effect/Layer"
import { contract } from "./contract.ts"
import { mapped } from "./mapped.ts"

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

contract(
  {
    name: "processes of threads",
    layer: Layer.orDie(HybridBackend.layer({ threads: 1, intensity: { max: 0, period: "1 second" } })),
    isolated: true,
    sharesMemory: false,
    memory: mapped
  },
  ofOneProgram
)
