/**
 * What it costs that a fiber is tracked: spawning, memory, joining.
 */
import { atMostMore, atMostRatio, type Baseline, type Case } from "./harness.ts"

const baselines = () => import("./tasks/baselines.ts")
const ours = () => import("./tasks/ours.ts")

const spawned = (startImmediately: boolean): ReadonlyArray<Baseline> => [
  {
    name: "Effect.forkDetach",
    run: () => baselines().then((m) => m.forkDetach({ startImmediately })),
    ...(startImmediately ? {} : { aim: atMostRatio(1.2) })
  },
  {
    name: "FiberSet.run",
    run: () => baselines().then((m) => m.fiberSet({ startImmediately })),
    ...(startImmediately ? { aim: atMostRatio(1.3) } : {})
  },
  { name: "FiberMap.run", run: () => baselines().then((m) => m.fiberMap({ startImmediately })) }
]

const memory = (count: number): Case => ({
  name: `memory per live task at ${count}`,
  unit: "B/task",
  ours: () => ours().then((m) => m.memory(count)),
  against: [
    {
      name: "Effect.forkDetach, kept in an array",
      aim: atMostMore(400),
      run: () => baselines().then((m) => m.memory(count))
    }
  ],
  rounds: 3
})

const interruptAll: Baseline = {
  name: "Fiber.interruptAll + awaitAll",
  aim: atMostRatio(1.2),
  run: () => baselines().then((m) => m.interruptAll(100_000))
}

export const cases: ReadonlyArray<Case> = [
  {
    name: "spawn, deferred start",
    unit: "ns/task",
    ours: () => ours().then((m) => m.spawn({ startImmediately: false })),
    against: spawned(false),
    note: "main-thread CPU; whole life of a task that ends in its first step, a thousand at a time"
  },
  {
    name: "spawn, immediate start",
    unit: "ns/task",
    ours: () => ours().then((m) => m.spawn({ startImmediately: true })),
    against: spawned(true),
    note: "main-thread CPU; whole life of a task that ends in its first step, a thousand at a time"
  },
  memory(100_000),
  memory(1_000_000),
  {
    name: "joinAll of 100000, all interrupted",
    unit: "ms",
    ours: () => ours().then((m) => m.joinStragglers(100_000)),
    against: [interruptAll],
    note: "main-thread CPU; ours also names each of them in the error"
  },
  {
    name: "joinAll of 100000, all heed the token",
    unit: "ms",
    ours: () => ours().then((m) => m.joinHeeding(100_000)),
    against: [interruptAll],
    note: "main-thread CPU; nobody is interrupted here, the baseline interrupts all"
  }
]
