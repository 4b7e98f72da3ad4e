/**
 * Rings on real threads: every record is checked by every consumer, and threads are terminated at random moments.
 *
 * Rounds take turns until the time is over: 1→1, 1→3 and 2→2, each with checksums; a ring whose consumer is terminated again and
 * again while an heir takes its seat over; and one of whose two producers is terminated.
 *
 * **Invariants** (a broken one is a violation)
 *
 * 1. Every consumer sees each producer's records once and in order, none torn.
 * 2. An heir begins at the cursor of its seat, and its records have the numbers of their positions.
 * 3. No round takes longer than 20 seconds: nothing is stuck.
 *
 * @internal
 */
import * as Ring from "@selvedge/core/ring/Ring"
import * as RingSnapshot from "@selvedge/core/ring/RingSnapshot"
import { layerThread } from "@selvedge/core/memory/SharedMemory"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { Worker } from "node:worker_threads"
import { Checked, type Job, type Seen, START } from "./stressWorker.ts"

/** Source: mulberry32, a well-known 32-bit generator in the public domain. */
const generator = (seed: number): ((below: number) => number) => {
  let state = seed | 0
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296) * below)
  }
}

const ROUND_MILLIS = 20_000

interface Thread {
  readonly worker: Worker
  readonly owner: number
  readonly ready: Promise<void>
  /** What it has seen; `undefined` if it was terminated before. */
  readonly seen: Promise<Seen | undefined>
}

const start = async (ring: Ring.Ring<Checked>, job: Partial<Job>): Promise<Thread> => {
  const handle = await Effect.runPromise(Ring.handle(ring))
  const all = {
    role: "consumer",
    handle,
    producer: 0,
    records: 0,
    batch: 1,
    id: "a",
    producers: 1,
    numbered: false,
    ...job
  }
  const worker = new Worker(new URL("./stressWorker.ts", import.meta.url), { workerData: all })
  let isReady = (): void => undefined
  const ready = new Promise<void>((resolve) => {
    isReady = resolve
  })
  const seen = new Promise<Seen | undefined>((resolve, reject) => {
    worker.on("message", (message: "ready" | Seen) => (message === "ready" ? isReady() : resolve(message)))
    worker.on("error", reject)
    worker.on("exit", () => {
      isReady()
      resolve(undefined)
    })
  })
  return { worker, owner: handle.owner, ready, seen }
}

interface World {
  readonly ring: Ring.Ring<Checked>
  readonly next: (below: number) => number
  readonly violations: Array<string>
  readonly counts: Record<string, number>
}

const add = (world: World, name: string, n: number): void => {
  world.counts[name] = (world.counts[name] ?? 0) + n
}

const flow = async (world: World, producers: number, consumers: number, records: number): Promise<void> => {
  const takers: Array<Thread> = []
  for (let i = 0; i < consumers; i++) takers.push(await start(world.ring, { id: `c${i}`, producers }))
  await Promise.all(takers.map(({ ready }) => ready))
  const givers: Array<Thread> = []
  for (let i = 0; i < producers; i++) {
    givers.push(await start(world.ring, { role: "producer", producer: i, records, batch: 1 + world.next(64) }))
  }
  for (const giver of givers) world.violations.push(...((await giver.seen)?.violations ?? ["a producer ended"]))
  await Effect.runPromise(Ring.close(world.ring))
  for (const taker of takers) {
    const seen = await taker.seen
    world.violations.push(...(seen?.violations ?? ["a consumer ended"]))
    if (seen !== undefined && seen.count !== producers * records) {
      world.violations.push(`${producers}→${consumers}: wanted ${producers * records} records, found ${seen.count}`)
    }
  }
  add(world, `records ${producers}→${consumers}`, producers * records)
}

const pause = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis))

/** One consumer after another is terminated; each heir begins at its seat's cursor, and the last one drains. */
const killConsumers = async (world: World, kills: number): Promise<void> => {
  const consumer = { id: "heir", numbered: true }
  let taker = await start(world.ring, consumer)
  await taker.ready
  const giver = await start(world.ring, { role: "producer", records: 300_000, batch: 1 + world.next(32) })
  for (let i = 0; i < kills; i++) {
    await pause(world.next(12))
    await taker.worker.terminate()
    const done = await Effect.runPromise(Ring.recover(world.ring, taker.owner))
    if (done.vacated.length !== 1) world.violations.push(`vacated ${done.vacated.length} seats of a dead consumer`)
    taker = await start(world.ring, consumer)
    await taker.ready
  }
  world.violations.push(...((await giver.seen)?.violations ?? ["the producer ended"]))
  await Effect.runPromise(Ring.close(world.ring))
  const seen = await taker.seen
  world.violations.push(...(seen?.violations ?? ["the last heir ended"]))
  add(world, "consumers killed", kills)
}

const killProducer = async (world: World): Promise<void> => {
  const taker = await start(world.ring, { producers: 2 })
  await taker.ready
  const giver = await start(world.ring, { role: "producer", producer: 0, records: 100_000, batch: 1 + world.next(32) })
  const dies = await start(world.ring, { role: "producer", producer: 1, records: 1e9, batch: 1 + world.next(32) })
  await dies.ready
  await pause(world.next(15))
  await dies.worker.terminate()
  const done = await Effect.runPromise(Ring.recover(world.ring, dies.owner))
  if (done.pending > 0) world.violations.push("a hole is left after a recovery of ten turns")
  world.violations.push(...((await giver.seen)?.violations ?? ["the living producer ended"]))
  await Effect.runPromise(Ring.close(world.ring))
  const seen = await taker.seen
  world.violations.push(...(seen?.violations ?? ["the consumer ended"]))
  const { tombstones } = await Effect.runPromise(RingSnapshot.snapshot(world.ring))
  add(world, "producers killed", 1)
  add(world, "tombstones", tombstones)
}

interface Round {
  readonly name: string
  readonly producers: "single" | "multi"
  readonly capacity: number
  readonly run: (world: World) => Promise<void>
}

const ROUNDS: ReadonlyArray<Round> = [
  { name: "1→1", producers: "single", capacity: 1024, run: (world) => flow(world, 1, 1, 2_000_000) },
  { name: "kill consumers", producers: "single", capacity: 64, run: (world) => killConsumers(world, 5) },
  { name: "2→2", producers: "multi", capacity: 512, run: (world) => flow(world, 2, 2, 300_000) },
  { name: "kill a producer", producers: "multi", capacity: 64, run: (world) => killProducer(world) },
  { name: "1→3", producers: "single", capacity: 512, run: (world) => flow(world, 1, 3, 500_000) }
]

/** One round in a ring of its own; a round that hangs is a violation. */
const round = async (one: Round, world: Omit<World, "ring">): Promise<boolean> => {
  const scope = Scope.makeUnsafe()
  const options = { record: Checked, capacity: one.capacity, producers: one.producers, startPosition: START }
  const ring = await Effect.runPromise(
    Ring.make(options).pipe(Effect.provideService(Scope.Scope, scope), Effect.provide(layerThread))
  )
  const timer = pause(ROUND_MILLIS).then(() => "late" as const)
  const outcome = await Promise.race([one.run({ ...world, ring }).then(() => "done" as const), timer])
  if (outcome === "late") world.violations.push(`${one.name}: no end within ${ROUND_MILLIS} ms`)
  await Effect.runPromise(Scope.close(scope, Exit.void))
  return outcome === "done"
}

export const run = async (options: { readonly seed: number; readonly seconds: number }) => {
  const world = { next: generator(options.seed), violations: [] as Array<string>, counts: {} as Record<string, number> }
  const end = performance.now() + options.seconds * 1000
  for (let i = 0; performance.now() < end && world.violations.length === 0; i++) {
    const one = ROUNDS[i % ROUNDS.length] as Round
    if (!(await round(one, world))) break
    add(world as World, "rounds", 1)
  }
  return { counts: world.counts, violations: world.violations.slice(0, 20) }
}
