/**
 * What a worker costs that has a name, a supervisor and a plan: its start, its restart, a request, a record through the ring.
 */
import { atMostRatio, type Case } from "./harness.ts"
import type { Kind } from "./workers/ours.ts"

const baselines = () => import("./workers/baselines.ts")
const ours = () => import("./workers/ours.ts")

const STARTS = 8
const bare: Readonly<Record<Kind, string>> = { threads: "new Worker", processes: "fork" }

const starting = (kind: Kind): ReadonlyArray<Case> => [
  {
    name: `start to ready, ${kind}`,
    unit: "ms",
    ours: () => ours().then((m) => m.startToReady(kind, STARTS)),
    against: [
      {
        name: `bare ${bare[kind]} with the same program`,
        aim: atMostRatio(1.3),
        run: () => baselines().then((m) => m.startToReady(kind, STARTS))
      }
    ],
    rounds: 3,
    note: "the check of the module, once for a module, is not in it"
  },
  {
    name: `crash to ready, ${kind}`,
    unit: "ms",
    ours: () => ours().then((m) => m.crashToReady(kind, STARTS)),
    against: [
      {
        name: `bare ${bare[kind]}, started again by its exit event`,
        run: () => baselines().then((m) => m.crashToReady(kind, STARTS))
      }
    ],
    rounds: 3,
    note: "from the exit of one life to the next one's being ready"
  }
]

const REQUESTS = 3_000
const ITEMS = 1_280_000
const TASKS = 25_600

export const cases: ReadonlyArray<Case> = [
  ...starting("threads"),
  ...starting("processes"),
  {
    name: "request round trip",
    unit: "us",
    ours: () => ours().then((m) => m.roundTrip(REQUESTS)),
    against: (["piscina", "tinypool"] as const).map((pool) => ({
      name: pool,
      aim: atMostRatio(0.5),
      run: () => baselines().then((m) => m.roundTrip(pool, REQUESTS))
    })),
    note: "one after the other; ours is checked by a schema on both sides and runs as a named task"
  },
  {
    name: "through the ring",
    unit: "ns/item",
    ours: () => ours().then((m) => m.throughTheRing(ITEMS)),
    against: (["piscina", "tinypool"] as const).map((pool) => ({
      name: `${pool}, 256 tasks at a time`,
      aim: atMostRatio(0.01),
      run: () => baselines().then((m) => m.tasks(pool, TASKS, 256))
    })),
    note: "the worker adds up what it takes; batches of 64"
  }
]
