/**
 * The ring against what carries records between threads otherwise.
 */
import { atLeastRatio, atMost, atMostRatio, type Baseline, type Case } from "./harness.ts"
import type { How } from "./ring/ours.ts"
import type { Form } from "./ring/prices.ts"

const ours = () => import("./ring/ours.ts")
const baselines = () => import("./ring/baselines.ts")
const alone = () => import("./ring/alone.ts")
const prices = () => import("./ring/prices.ts")

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
  run: () => baselines().then((m) => m.broadcastChannel(receivers, FEW / 30))
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

const roundTrip = (how: How, trips: number, aim?: number): Case => ({
  name: `round trip, ${how}`,
  unit: "µs",
  ours: () => ours().then((m) => m.roundTrip(how, trips)),
  against: [
    {
      name: "MessagePort",
      run: () => baselines().then((m) => m.roundTrip(10_000)),
      ...(aim === undefined ? {} : { aim: atMostRatio(aim) })
    }
  ],
  rounds: 3
})

const inOneThread = (batch: number): Case => ({
  name: `in one thread, publish(${batch}) and take`,
  unit: "ns/record",
  ours: () => alone().then((m) => m.ours(batch)),
  against: [
    { name: "MessagePort", run: () => alone().then((m) => m.messagePort(1)) },
    { name: "MessagePort batch 64", run: () => alone().then((m) => m.messagePort(64)) },
    { name: `ringbuf.js push ${batch}`, run: () => alone().then((m) => m.ringbuf(batch)) }
  ],
  rounds: 3,
  note: "the calls' own cost, both ends by turns; a port is emptied by receiveMessageOnPort"
})

const runsInOneThread = (batch: number): Case => ({
  name: `in one thread, publish(${batch}) and take as runs of numbers`,
  unit: "ns/record",
  ours: () => alone().then((m) => m.numbers(batch)),
  against: [{ name: `ringbuf.js push ${batch}`, run: () => alone().then((m) => m.ringbuf(batch)) }],
  rounds: 3
})

const price = (name: string, form: Form, without: Form, batch: number): Case => ({
  name: `price of ${name}, publish(${batch})`,
  unit: "ns/record",
  ours: () => prices().then((m) => m.price(form, batch)),
  against: [{ name: without, run: () => prices().then((m) => m.price(without, batch)) }],
  rounds: 3,
  note: "sketches in one thread, not rings"
})

export const cases: ReadonlyArray<Case> = [
  {
    name: "publish(1), 8 bytes",
    unit: UNIT,
    ours: () => ours().then((m) => m.throughput({ batch: 1, consumers: 1, records: 5_000_000 })),
    against: [port(1, 50), channel(1), ringbuf(1, 3_000_000)],
    rounds: 3
  },
  {
    name: "publish(1), 8 bytes, a consumer that gathers",
    unit: UNIT,
    ours: () => ours().then((m) => m.throughput({ batch: 1, consumers: 1, records: 5_000_000, gather: 256 })),
    against: [port(1, 50)],
    rounds: 3
  },
  {
    name: "publish(64), 8 bytes",
    unit: UNIT,
    ours: () => ours().then((m) => m.throughput({ batch: 64, consumers: 1, records: MANY * 2 })),
    against: [port(1, 300), portBatch(1), ringbuf(64, MANY * 2, 1.3)],
    rounds: 3
  },
  {
    name: "publish(64), 8 bytes, as runs of numbers",
    unit: UNIT,
    ours: () => ours().then((m) => m.numbers(64, MANY * 2)),
    against: [port(1, 300), ringbuf(64, MANY * 2, 1.3)],
    rounds: 3,
    note: "RingNumbers: both copy from a typed array and into one"
  },
  {
    name: "publish(64), 256 bytes",
    unit: UNIT,
    ours: () => ours().then((m) => m.wide(64, 64 * 100_000)),
    against: [
      { name: "MessagePort", run: () => baselines().then((m) => m.messagePortWide(1, FEW / 3)) },
      { name: "MessagePort batch 64", run: () => baselines().then((m) => m.messagePortWide(64, 64 * 10_000)) },
      { name: "ringbuf.js push 64", run: () => baselines().then((m) => m.ringbufWide(64, 64 * 40_000)) },
      { name: "thread-stream", run: () => baselines().then((m) => m.threadStream(256, FEW)) }
    ],
    rounds: 3,
    note: "two numbers of 32 are new in each record: written and read in place by ours, copied with the others by the rest"
  },
  {
    name: "broadcast 1→3 publish(64), 8 bytes",
    unit: UNIT,
    ours: () => ours().then((m) => m.throughput({ batch: 64, consumers: 3, records: MANY / 2 })),
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
    name: "one producer in a ring for many, publish(64), 8 bytes",
    unit: UNIT,
    ours: () => ours().then((m) => m.throughput({ batch: 64, consumers: 1, records: MANY, stamped: true })),
    against: [
      {
        name: "a ring for one",
        run: () => ours().then((m) => m.throughput({ batch: 64, consumers: 1, records: MANY }))
      }
    ],
    rounds: 3,
    note: "stamps and intents against a published cursor"
  },
  inOneThread(1),
  inOneThread(64),
  runsInOneThread(1),
  runsInOneThread(64),
  price("the claim word", "claim", "cursor", 1),
  price("the claim word", "claim", "cursor", 64),
  price("a stamp for each record", "stamp per record", "stamp per batch", 64),
  roundTrip("spin", 40_000, 1 / 15),
  roundTrip("backoff", 40_000),
  roundTrip("sleep", 20_000),
  roundTrip("park", 20_000),
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
