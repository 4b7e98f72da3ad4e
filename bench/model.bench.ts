/**
 * How fast the model checker explores, and how much it leaves out. Race detection
 * is on. The figure without reduction for the same notifier, 413 838 executions,
 * is that of a prototype's depth-first search.
 */
import { atMost, type Aim, type Case } from "./harness.ts"

const atLeast = (limit: number): Aim => ({ text: `ours >= ${limit}`, met: (ours) => ours >= limit })

export const cases: ReadonlyArray<Case> = [
  {
    name: "two-producer notifier, steps",
    unit: "steps/s",
    ours: () => import("./model/ours.ts").then((m) => m.notifierSteps()),
    against: [],
    aim: atLeast(1_000_000)
  },
  {
    name: "two-producer notifier, executions",
    unit: "executions/s",
    ours: () => import("./model/ours.ts").then((m) => m.notifierExecutions()),
    against: []
  },
  {
    name: "ring with plain slots, steps",
    unit: "steps/s",
    ours: () => import("./model/ours.ts").then((m) => m.ringSteps()),
    against: [],
    aim: atLeast(1_000_000)
  },
  {
    name: "ring with plain slots, executions",
    unit: "executions/s",
    ours: () => import("./model/ours.ts").then((m) => m.ringExecutions()),
    against: []
  },
  {
    name: "two-producer notifier, until exhausted",
    unit: "executions",
    ours: () => import("./model/ours.ts").then((m) => m.notifierExhausted()),
    against: [],
    aim: atMost(100),
    rounds: 1
  }
]
