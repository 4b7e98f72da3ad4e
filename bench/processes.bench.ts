/**
 * Memory between processes against what carries records between processes otherwise.
 */
import { type Aim, atMost, atMostRatio, type Case } from "./harness.ts"

const ours = () => import("./processes/ours.ts")
const baselines = () => import("./processes/baselines.ts")

const RECORDS = 64 * 150_000
const TRIPS = 20_000

const asInProcess: Aim = {
  text: "ratio from 0.9 to 1.05",
  met: (mine, baseline) => mine >= baseline * 0.9 && mine <= baseline * 1.05
}

export const cases: ReadonlyArray<Case> = [
  {
    name: "throughput publish(64)",
    unit: "M records/s",
    ours: () => ours().then((m) => m.throughput(true, RECORDS)),
    against: [
      { name: "in process", run: () => ours().then((m) => m.throughput(false, RECORDS)), aim: asInProcess },
      { name: "child_process ipc batch 64", run: () => baselines().then((m) => m.ipcThroughput(64 * 2000)) }
    ],
    rounds: 3
  },
  {
    name: "round trip, spinning",
    unit: "us",
    ours: () => ours().then((m) => m.roundTrip(true, "spin", TRIPS)),
    against: [
      { name: "in process", run: () => ours().then((m) => m.roundTrip(false, "spin", TRIPS)) },
      { name: "child_process ipc", run: () => baselines().then((m) => m.ipcRoundTrip(4000)), aim: atMostRatio(1 / 30) },
      { name: "Unix socket", run: () => baselines().then((m) => m.socketRoundTrip(4000)) }
    ],
    rounds: 3,
    note: "Both sides spin on a core of their own; the others sleep. The next cases sleep too."
  },
  {
    name: "round trip, parked threads",
    unit: "us",
    ours: () => ours().then((m) => m.roundTrip(true, "park", 4000)),
    against: [
      { name: "in process", run: () => ours().then((m) => m.roundTrip(false, "park", 4000)) },
      { name: "child_process ipc", run: () => baselines().then((m) => m.ipcRoundTrip(4000)) }
    ],
    rounds: 3
  },
  {
    name: "round trip, fibers",
    unit: "us",
    ours: () => ours().then((m) => m.fibers(true, 4000)),
    against: [
      { name: "in process", run: () => ours().then((m) => m.fibers(false, 4000)) },
      { name: "child_process ipc", run: () => baselines().then((m) => m.ipcRoundTrip(4000)) },
      { name: "Unix socket", run: () => baselines().then((m) => m.socketRoundTrip(4000)) }
    ],
    rounds: 3
  },
  {
    name: "doorbell, publication to a sleeping fiber",
    unit: "us",
    ours: () => ours().then((m) => m.doorbell("fibers", 600)),
    against: [],
    rounds: 3,
    note: "One way, one record every 3 ms, both processes asleep in between."
  },
  {
    name: "doorbell, publication to a parked thread",
    unit: "us",
    ours: () => ours().then((m) => m.doorbell("park", 600)),
    against: [],
    rounds: 3,
    note: "One way, one record every 3 ms, both processes asleep in between."
  },
  {
    name: "idle cpu",
    unit: "ms/s",
    ours: () => ours().then((m) => m.idle()),
    against: [],
    aim: atMost(10),
    rounds: 3,
    note: "A whole process that waits in 16 places."
  }
]
