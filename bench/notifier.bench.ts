/**
 * The notifier in multiples of one `Atomics.exchange`, and against what says "it is ready" to another thread otherwise.
 */
import { atMostRatio, type Baseline, type Case } from "./harness.ts"

const ours = () => import("./notifier/ours.ts")
const baselines = () => import("./notifier/baselines.ts")

const exchange = (aim?: number): Baseline => ({
  name: "Atomics.exchange",
  run: () => baselines().then((m) => m.exchange()),
  ...(aim === undefined ? {} : { aim: atMostRatio(aim) })
})

const poll = (ready: number): Case => ({
  name: `poll per token, ${ready} ready`,
  unit: "ns/op",
  ours: () => ours().then((m) => m.poll(ready, ready)),
  against: [exchange(2)]
})

export const cases: ReadonlyArray<Case> = [
  { name: "conflated", unit: "ns/op", ours: () => ours().then((m) => m.conflated()), against: [exchange(1.25)] },
  {
    name: "new",
    unit: "ns/op",
    ours: () => ours().then((m) => m.fresh()),
    against: [exchange(4), { name: "Atomics.add", run: () => baselines().then((m) => m.add()) }]
  },
  poll(8),
  poll(128),
  poll(4096),
  { name: "limit 32 of 4096", unit: "ns/op", ours: () => ours().then((m) => m.poll(4096, 32)), against: [exchange()] },
  { name: "empty poll", unit: "ns/op", ours: () => ours().then((m) => m.empty()), against: [exchange(0.4)] },
  {
    name: "round trip",
    unit: "us",
    ours: () => ours().then((m) => m.roundTrip(20_000)),
    against: [
      { name: "MessagePort", run: () => baselines().then((m) => m.messagePort(20_000)) },
      { name: "Set and postMessage", run: () => baselines().then((m) => m.setAndPost(20_000)) }
    ],
    note: "ours blocks two dedicated threads; a port needs the event loop of both"
  }
]
