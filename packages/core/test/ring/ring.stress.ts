/**
 * Rings on real threads: every record is checked by every consumer, and threads are terminated at random moments.
 *
 * Rounds take turns: records from one producer to one consumer, to three, and to one that drops the oldest; from two producers to
 * two consumers; a ring whose consumer is terminated again and again while an heir takes its seat over; and one of whose producers are.
 * There is at least one of each, however short the time. With `records` and `kills` rounds go on until each flow has
 * moved so many, and so many consumers and producers have been terminated, or the time is over.
 *
 * **Invariants** (a broken one is a violation)
 *
 * 1. Every consumer sees each producer's records once and in order, none torn.
 * 2. An heir begins at the cursor of its seat, and its records have the numbers of their positions.
 * 3. Every position of a ring whose producers died is accounted for: a record that was seen, or a tombstone that was counted.
 * 4. Who drops the oldest has counted what it did not see.
 * 5. No round takes longer than 20 seconds and what its records need: nothing is stuck.
 *
 * @internal
 */
import * as Ring from "@selvedge/core/ring/Ring"
import * as RingSnapshot from "@selvedge/core/ring/RingSnapshot"
import { layerThread } from "@selvedge/core/memory/SharedMemory"
import * as Seed from "@selvedge/testing/faults/Seed"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { setTimeout as setTimeoutPromise } from "node:timers/promises"
import { Worker } from "node:worker_threads"
import { Checked, type Job, jobOf, type Seen, START } from "./stressWorker.ts"

const ROUND_MILLIS = 200_000

interface Thread {
  readonly worker: Worker
  readonly owner: number
  readonly ready: Promise<void>
  /** What it has seen; `undefined` if it was terminated before. */
  readonly seen: Promise<Seen | undefined>
}

const start = async (ring: Ring.Ring<Checked>, job: Partial<Job>): Promise<Thread> => {
  const handle = await Effect.runPromise(Ring.handle(ring))
  const worker = new Worker(new URL("./stressWorker.ts", import.meta.url), { workerData: jobOf(handle, job) })
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

/** Starts them all before it waits for the first: a thread takes a while to begin. */
const startAll = (world: World, jobs: ReadonlyArray<Partial<Job>>): Promise<ReadonlyArray<Thread>> =>
  Promise.all(
    jobs.map(async (job) => {
      const thread = await start(world.ring, job)
      await thread.ready
      return thread
    })
  )

const flow = async (world: World, producers: number, consumers: number, records: number): Promise<void> => {
  const takers = await startAll(
    world,
    Array.from({ length: consumers }, (_, i) => ({ id: `c${i}`, producers }))
  )
  const givers = await startAll(
    world,
    Array.from({ length: producers }, (_, i) => ({
      role: "producer" as const,
      producer: i,
      records,
      batch: 1 + world.next(64)
    }))
  )
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

const dropOldest = async (world: World, records: number): Promise<void> => {
  const [taker] = await startAll(world, [{ whenSlow: "dropOldest" }])
  const [giver] = await startAll(world, [{ role: "producer", records, batch: 1 + world.next(64) }])
  world.violations.push(...((await giver?.seen)?.violations ?? ["a producer ended"]))
  await Effect.runPromise(Ring.close(world.ring))
  const seen = await taker?.seen
  world.violations.push(...(seen?.violations ?? ["a consumer ended"]))
  if (seen !== undefined && seen.count + seen.gaps !== records) {
    world.violations.push(`drop oldest: ${seen.count} seen and ${seen.gaps} missed of ${records}`)
  }
  add(world, "records dropping the oldest", records)
  add(world, "dropped", seen?.gaps ?? 0)
}

const pause = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis))

/** One consumer after another is terminated; each heir begins at its seat's cursor, and the last one drains. */
const killConsumers = async (world: World, kills: number): Promise<void> => {
  const consumer = { id: "heir", numbered: true }
  let [taker] = await startAll(world, [consumer])
  // Terminated in its turn by the close: it publishes for as long as the kills take.
  const giver = await start(world.ring, { role: "producer", records: 1e12, batch: 1 + world.next(32) })
  for (let i = 0; i < kills; i++) {
    await pause(world.next(12))
    await taker!.worker.terminate()
    const done = await Effect.runPromise(Ring.recover(world.ring, taker!.owner))
    if (done.vacated.length !== 1) world.violations.push(`vacated ${done.vacated.length} seats of a dead consumer`)
    ;[taker] = await startAll(world, [consumer])
  }
  await Effect.runPromise(Ring.close(world.ring))
  const given = await giver.seen
  const seen = await taker!.seen
  world.violations.push(...(seen?.violations ?? ["the last heir ended"]))
  if (given === undefined || (seen !== undefined && seen.last !== -1 && seen.last !== given.last)) {
    world.violations.push(`the last heir ends with ${seen?.last}, the producer with ${given?.last}`)
  }
  add(world, "consumers killed", kills)
  add(world, "records to heirs", given?.count ?? 0)
}

/** Turns in which a living producer may own the place of a dead one's hole. */
const PATIENCE = 200

const bury = async (world: World, dead: number): Promise<void> => {
  for (let turn = 0; turn < PATIENCE; turn++) {
    const { pending } = await Effect.runPromise(Ring.recover(world.ring, dead))
    if (pending === 0) return
    await pause(5)
  }
  world.violations.push("a hole is left after all recoveries")
}

/** Producers are terminated one after the other, beside one that lives. */
const killProducers = async (world: World, kills: number): Promise<void> => {
  const [taker] = await startAll(world, [{ producers: kills + 1 }])
  const batch = (): number => 1 + world.next(32)
  const giver = await start(world.ring, { role: "producer", producer: 0, records: 1e12, batch: batch() })
  for (let i = 1; i <= kills; i++) {
    const [dies] = await startAll(world, [{ role: "producer", producer: i, records: 1e12, batch: batch() }])
    await pause(world.next(15))
    await dies!.worker.terminate()
    await bury(world, dies!.owner)
  }
  await Effect.runPromise(Ring.close(world.ring))
  if ((await giver.seen) === undefined) world.violations.push("the living producer ended")
  const seen = await taker!.seen
  world.violations.push(...(seen?.violations ?? ["the consumer ended"]))
  const { claimed, tombstones } = await Effect.runPromise(RingSnapshot.snapshot(world.ring))
  if (seen !== undefined && seen.count + tombstones !== claimed - START) {
    world.violations.push(`${claimed - START} places, but ${seen.count} records and ${tombstones} tombstones`)
  }
  add(world, "producers killed", kills)
  add(world, "tombstones", tombstones)
}

interface Round {
  readonly name: string
  readonly producers: "single" | "multi"
  readonly capacity: number
  /** What it counts of its goal, and of how many it makes a round. */
  readonly counts: string
  readonly each: number
  readonly run: (world: World, n: number) => Promise<void>
}

const flowOf = (producers: number, consumers: number, each: number): Round => ({
  name: `${producers}→${consumers}`,
  producers: producers > 1 ? "multi" : "single",
  capacity: producers > 1 ? 512 : 1024,
  counts: `records ${producers}→${consumers}`,
  each,
  run: (world, n) => flow(world, producers, consumers, Math.ceil(n / producers))
})

const ROUNDS: ReadonlyArray<Round> = [
  flowOf(1, 1, 1_000_000),
  flowOf(1, 3, 200_000),
  {
    name: "kill consumers",
    producers: "single",
    capacity: 64,
    counts: "consumers killed",
    each: 2,
    run: killConsumers
  },
  flowOf(2, 2, 200_000),
  { name: "kill producers", producers: "multi", capacity: 64, counts: "producers killed", each: 2, run: killProducers },
  {
    name: "drop oldest",
    producers: "single",
    capacity: 8192,
    counts: "records dropping the oldest",
    each: 500_000,
    run: dropOldest
  }
]

/** Of a thread that is checked by another on a busy machine. */
const RECORDS_PER_MILLI = 50

/** One round in a ring of its own; a round that hangs is a violation. */
const round = async (one: Round, n: number, world: Omit<World, "ring">): Promise<boolean> => {
  const scope = Scope.makeUnsafe()
  const options = { record: Checked, capacity: one.capacity, producers: one.producers, startPosition: START }
  const ring = await Effect.runPromise(
    Ring.make(options).pipe(Effect.provideService(Scope.Scope, scope), Effect.provide(layerThread))
  )
  const isKill = one.counts.endsWith("killed")
  const millis = ROUND_MILLIS + (isKill ? n * 2000 : n / RECORDS_PER_MILLI)
  const late = new AbortController()
  const timer = setTimeoutPromise(millis, "late" as const, { signal: late.signal }).catch(() => "done" as const)
  const outcome = await Promise.race([one.run({ ...world, ring }, n).then(() => "done" as const), timer])
  late.abort()
  if (outcome === "late") world.violations.push(`${one.name}: no end within ${millis} ms`)
  await Effect.runPromise(Scope.close(scope, Exit.void))
  return outcome === "done"
}

interface StressOptions {
  readonly seed: number
  readonly seconds: number
  readonly records?: number
  readonly kills?: number
}

export const run = async ({ kills, records, seconds, seed }: StressOptions) => {
  const world = { next: Seed.integers(seed), violations: [] as Array<string>, counts: {} as Record<string, number> }
  const end = performance.now() + seconds * 1000
  const goalOf = (one: Round): number | undefined => (one.counts.endsWith("killed") ? kills : records)
  const left = (one: Round): number => {
    const goal = goalOf(one)
    return goal === undefined ? Infinity : goal - (world.counts[one.counts] ?? 0)
  }
  const hasGoal = records !== undefined || kills !== undefined
  for (let i = 0; world.violations.length === 0; i++) {
    const one = ROUNDS[i % ROUNDS.length] as Round
    const isOver =
      performance.now() > end || (hasGoal && ROUNDS.every((each) => left(each) <= 0 || left(each) === Infinity))
    if (i >= ROUNDS.length && isOver) break
    if (left(one) <= 0) continue
    // A long run makes longer rounds: threads take a while to begin.
    const n = Math.min(one.each * (goalOf(one) === undefined ? 1 : 20), left(one))
    if (!(await round(one, n, world))) break
    add(world as World, "rounds", 1)
  }
  return { counts: world.counts, violations: world.violations.slice(0, 20) }
}
