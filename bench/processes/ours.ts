/**
 * Our side: the same jobs over a ring between two processes, and between two threads of one.
 */
import * as Record from "@selvedge/core/memory/Record"
import { layerThread, type SharedMemory } from "@selvedge/core/memory/SharedMemory"
import * as WaitStrategy from "@selvedge/core/memory/WaitStrategy"
import * as Consumer from "@selvedge/core/ring/Consumer"
import * as Producer from "@selvedge/core/ring/Producer"
import * as Ring from "@selvedge/core/ring/Ring"
import * as KeepAlive from "@selvedge/node/main/KeepAlive"
import * as MappedMemory from "@selvedge/node/memory/MappedMemory"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { Worker } from "node:worker_threads"
import { check, percentiles, type Sample } from "../harness.ts"
import * as Trips from "../internal/trips.ts"

export const Small = Record.struct({ n: Record.f64 })
export type Small = Record.Type<typeof Small>

export type Strategy = "spin" | "park" | "fibers"

/** What the other process, or thread, does. */
export interface Job {
  readonly role: "take" | "echo" | "time" | "idle"
  readonly strategy: Strategy
  readonly records: number
  /** Of a process. */
  readonly place: { readonly directory: string; readonly name: string } | undefined
  /** Of a thread. */
  readonly handles: readonly [Ring.Handle, Ring.Handle] | undefined
}

const scope = Scope.makeUnsafe()
type Services = SharedMemory | MappedMemory.MappedMemory | Scope.Scope

/** Microseconds on the clock that all processes of a machine share. */
export const nowMicros = (): number => Number(process.hrtime.bigint()) / 1000

/** Two rings and the other end, in a space of its own or in this process. */
class Bench {
  readonly folder = mkdtempSync(path.join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "selvedge-bench-"))
  readonly place = { directory: path.join(this.folder, "space"), name: "bench" }
  readonly mapped: boolean
  private services: Context.Context<Services> | undefined
  private other: ChildProcess | Worker | undefined

  constructor(mapped: boolean) {
    this.mapped = mapped
  }

  /** Runs with what the two forms have in common; rings of a benchmark live as long as its process. */
  async live<A, E>(self: Effect.Effect<A, E, Services>): Promise<A> {
    if (this.services === undefined) {
      const mapped = MappedMemory.layerMapped(this.place)
      // Without mapping nobody asks for the space.
      const layer = Layer.merge(this.mapped ? mapped : Layer.merge(mapped, layerThread), KeepAlive.layer)
      const context = await Effect.runPromise(Layer.buildWithScope(layer, scope))
      this.services = Context.add(context, Scope.Scope, scope)
    }
    return Effect.runPromise(Effect.provide(self, this.services))
  }

  ring(name: string, role: Ring.Role): Promise<Ring.Ring<Small>> {
    const made = Ring.make({ record: Small, capacity: 8192, role, maxConsumers: 20 })
    return this.live(this.mapped ? made.pipe(MappedMemory.named(name)) : made)
  }

  /** Starts the other end; resolves when it is ready. */
  async start(rings: readonly [Ring.Ring<Small>, Ring.Ring<Small>], job: Partial<Job>): Promise<ChildProcess | Worker> {
    const all = { role: "take", strategy: "park", records: 0, place: undefined, handles: undefined, ...job }
    const file = new URL("./other.ts", import.meta.url)
    if (this.mapped) {
      this.other = fork(file, [JSON.stringify({ ...all, place: this.place })])
    } else {
      const handles = [await this.live(Ring.handle(rings[0])), await this.live(Ring.handle(rings[1]))]
      this.other = new Worker(file, { workerData: { ...all, handles } })
    }
    await once(this.other, "message")
    return this.other
  }

  async end(): Promise<void> {
    if (this.other instanceof Worker) await this.other.terminate()
    else this.other?.kill("SIGKILL")
    await Effect.runPromise(Scope.close(scope, Effect.runSync(Effect.exit(Effect.void))))
    rmSync(this.folder, { recursive: true, force: true })
  }
}

const using = async <A>(mapped: boolean, use: (bench: Bench) => Promise<A>): Promise<A> => {
  const bench = new Bench(mapped)
  try {
    return await use(bench)
  } finally {
    await bench.end()
  }
}

/** Millions of records a second to one consumer that checks them all. */
export const throughput = (mapped: boolean, records: number): Promise<number> =>
  using(mapped, async (bench) => {
    const rings = [await bench.ring("there", "dedicated"), await bench.ring("back", "dedicated")] as const
    const other = await bench.start(rings, { role: "take", records })
    const producer = await bench.live(Producer.make(rings[0]))
    const answer = once(other, "message")
    const begin = performance.now()
    for (let next = 0; next < records; next += 64) {
      const first = next
      producer.publishBlockingUnsafe(64, (slot, i) => void (slot.n = first + i), WaitStrategy.park)
    }
    const [taken] = await answer
    const seconds = (performance.now() - begin) / 1000
    check(taken === records, `${records} are taken, found ${String(taken)}`)
    return records / seconds / 1e6
  })

/** Microseconds there and back, both ends blocking their threads. */
export const roundTrip = (mapped: boolean, strategy: "spin" | "park", trips: number): Promise<Sample> =>
  using(mapped, async (bench) => {
    const rings = [await bench.ring("there", "dedicated"), await bench.ring("back", "dedicated")] as const
    await bench.start(rings, { role: "echo", strategy })
    const producer = await bench.live(Producer.make(rings[0]))
    const consumer = await bench.live(Consumer.make(rings[1], { id: "back" }))
    return Trips.blocking(producer, consumer, WaitStrategy[strategy], trips)
  })

/** Microseconds there and back between fibers. */
export const fibers = (mapped: boolean, trips: number): Promise<Sample> =>
  using(mapped, async (bench) => {
    const rings = [await bench.ring("there", "fibers"), await bench.ring("back", "fibers")] as const
    await bench.start(rings, { role: "echo", strategy: "fibers" })
    const producer = await bench.live(Producer.make(rings[0]))
    const consumer = await bench.live(Consumer.make(rings[1], { id: "back" }))
    return bench.live(Trips.fibers(producer, consumer, trips))
  })

/** Microseconds from a publication here to a take there, by somebody who was asleep. */
export const doorbell = (strategy: "park" | "fibers", records: number): Promise<Sample> =>
  using(true, async (bench) => {
    const rings = [await bench.ring("there", "fibers"), await bench.ring("back", "fibers")] as const
    const other = await bench.start(rings, { role: "time", strategy, records })
    const producer = await bench.live(Producer.make(rings[0]))
    const answer = once(other, "message")
    for (let i = 0; i < records; i++) {
      await new Promise((resolve) => setTimeout(resolve, 3))
      producer.publishUnsafe(1, (slot) => void (slot.n = nowMicros()))
    }
    const [times] = (await answer) as [ReadonlyArray<number>]
    check(times.length === records, `${records} are taken, found ${times.length}`)
    return percentiles(times.slice(records / 4))
  })

/** Milliseconds of processor time in a second of a process that only waits. */
export const idle = (): Promise<number> =>
  using(true, async (bench) => {
    const rings = [await bench.ring("there", "fibers"), await bench.ring("back", "fibers")] as const
    const other = await bench.start(rings, { role: "idle", strategy: "fibers" })
    const [millis] = await once(other, "message")
    return Number(millis)
  })
