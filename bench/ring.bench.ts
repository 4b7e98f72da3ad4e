/**
 * The ring against what carries records between threads otherwise.
 */
import { atLeastRatio, atMost, atMostRatio, type Baseline, type Case } from "./harness.ts"

const ours = () => import("./ring/ours.ts")
const baselines = () => import("./ring/baselines.ts")

const UNIT = "M records/s"
const FEW = 300_000
const MANY = 64 * 300_000

const port = (receivers: number, aim?: number): Baseline => ({
  name: "MessagePort",
  run: () => baselines().then((m) => m.messagePort(1, receivers, FEW)),
  ...(aim === undefined ? {} : { aim: atLeastRatio(aim) })
})

const portBatch = (receivers: number): Baseline => ({
  name: "MessagePort batch 64",
  run: () => baselines().then((m) => m.messagePort(64, receivers, 64 * 40_000))
})

const channel = (receivers: number): Baseline => ({
  name: "BroadcastChannel",
  run: () => baselines().then((m) => m.broadcastChannel(receivers, FEW))
})

const ringbuf = (batch: number, records: number, aim?: number): Baseline => ({
  name: `ringbuf.js push ${batch}`,
  run: () => baselines().then((m) => m.ringbuf(batch, records)),
  ...(aim === undefined ? {} : { aim: atLeastRatio(aim) })
})

const effects = (how: "takeBatch" | "stream", batch: number): Case => ({
  name: `Effect ${how}(${batch})`,
  unit: UNIT,
  ours: () => ours().then((m) => m.effects(batch, how, 1024 * 1000)),
  against: [
    { name: "Effect Queue", run: () => baselines().then((m) => m.effectQueue(batch, 1024 * 1000)) },
    { name: "Effect PubSub", run: () => baselines().then((m) => m.effectPubSub(batch, 1024 * 1000)) }
  ],
  rounds: 3
})

export const cases: ReadonlyArray<Case> = [
  {
    name: "publish(1), 8 bytes",
    unit: UNIT,
    ours: () => ours().then((m) => m.throughput(1, 1, 10_000_000)),
    against: [port(1, 50), channel(1), ringbuf(1, 5_000_000)],
    rounds: 3
  },
  {
    name: "publish(64), 8 bytes",
    unit: UNIT,
    ours: () => ours().then((m) => m.throughput(64, 1, MANY * 2)),
    against: [port(1, 300), portBatch(1), ringbuf(64, MANY * 2, 1.3)],
    rounds: 3
  },
  {
    name: "broadcast 1→3 publish(64), 8 bytes",
    unit: UNIT,
    ours: () => ours().then((m) => m.throughput(64, 3, MANY)),
    against: [port(3), portBatch(3), channel(3)],
    rounds: 3
  },
  {
    name: "two producers publish(64), 8 bytes",
    unit: UNIT,
    ours: () => ours().then((m) => m.twoProducers(64, 64 * 60_000)),
    against: [port(1)],
    rounds: 3,
    note: "a stamp for each record; MessagePort has one sender"
  },
  {
    name: "round trip, spin",
    unit: "µs",
    ours: () => ours().then((m) => m.roundTrip("spin", 40_000)),
    against: [
      { name: "MessagePort", aim: atMostRatio(1 / 15), run: () => baselines().then((m) => m.roundTrip(10_000)) }
    ],
    rounds: 3
  },
  {
    name: "round trip, park",
    unit: "µs",
    ours: () => ours().then((m) => m.roundTrip("park", 20_000)),
    against: [{ name: "MessagePort", run: () => baselines().then((m) => m.roundTrip(10_000)) }],
    rounds: 3
  },
  {
    name: "main-thread wake",
    unit: "µs",
    ours: () => ours().then((m) => m.wake(10_000)),
    against: [{ name: "MessagePort", aim: atMostRatio(0.7), run: () => baselines().then((m) => m.roundTrip(10_000)) }],
    rounds: 3,
    note: "both figures are there and back; our far side spins"
  },
  {
    name: "idle cpu",
    unit: "% of a core",
    ours: () => ours().then((m) => m.idle()),
    against: [],
    aim: atMost(0.5),
    rounds: 3
  },
  effects("takeBatch", 64),
  effects("takeBatch", 1024),
  effects("stream", 64),
  effects("stream", 1024)
]
