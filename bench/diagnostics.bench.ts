/**
 * What it costs to be seen: strands, counters, snapshots. A table is filled to nine tenths first; then, again and again, a random strand
 * gives its slot back and another one registers.
 */
import { atLeastRatio, atMostRatio, type Baseline, type Case } from "./harness.ts"

const ours = () => import("./diagnostics/ours.ts")
const gateway = () => import("./diagnostics/gateway.ts")
const fibers = () => import("./diagnostics/fibers.ts")
const baselines = () => import("./diagnostics/baselines.ts")

const claim = (capacity: number, times: number, rounds: number): Case => ({
  name: `claim+release ${capacity}, 90 % full`,
  unit: "pairs/s",
  ours: () => ours().then((m) => m.claimAndRelease(capacity)),
  against: [
    {
      name: "linear scan",
      aim: atLeastRatio(times),
      run: () => baselines().then((m) => m.linearScan(capacity))
    }
  ],
  rounds,
  note: "ours writes whole rows with name, kind, parent, thread and times; the scan writes id and time"
})

const add = (aim?: number): Baseline => ({
  name: "Atomics.add on 32 bits",
  run: () => baselines().then((m) => m.atomicAdd()),
  ...(aim === undefined ? {} : { aim: atMostRatio(aim) })
})

export const cases: ReadonlyArray<Case> = [
  claim(1024, 130, 5),
  claim(65_536, 8000, 3),
  {
    name: "claim+release, full table",
    unit: "ns/op",
    ours: () => ours().then((m) => m.claimWhenFull(1024)),
    against: [{ name: "linear scan", run: () => baselines().then((m) => m.scanWhenFull(1024)) }],
    note: "an overflow: nothing is written, it is counted"
  },
  {
    name: "snapshot of 900 in 1024",
    unit: "us",
    ours: () => ours().then((m) => m.snapshot(1024)),
    against: [{ name: "Map of objects, copied", run: () => baselines().then((m) => m.mapSnapshot(1024)) }],
    note: "rows with decoded names; the map is one thread's own and cannot be read while it is blocked"
  },
  { name: "counter add", unit: "ns/op", ours: () => ours().then((m) => m.counterAdd(1)), against: [add()] },
  { name: "counter add, batched", unit: "ns/op", ours: () => ours().then((m) => m.batchAdd()), against: [add(0.5)] },
  {
    name: "gateway, processor time of a request",
    unit: "us",
    ours: () => gateway().then((m) => m.micros(true)),
    against: [
      { name: "everything switched off", run: () => gateway().then((m) => m.micros(false)), aim: atMostRatio(1.01) }
    ],
    note: "watchdog, strands, counters and recorder; every request is a task"
  },
  {
    name: "fiber of no task, census on",
    unit: "ns/fiber",
    ours: () => fibers().then((m) => m.lifeOfFiber(true)),
    against: [{ name: "census off", run: () => fibers().then((m) => m.lifeOfFiber(false)) }],
    note: "processor time of the whole life of a detached fiber that ends in its first step"
  },
  { name: "event recorded", unit: "ns/op", ours: () => ours().then((m) => m.record()), against: [] }
]
