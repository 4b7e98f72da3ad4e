/**
 * What every way to wait does alike: one suite for threads that block and for fibers that sleep.
 *
 * A _subject_ takes everything from a ring and waits its way while there is nothing. Each case publishes into that ring and looks at what
 * the subject has seen; it runs on the live clock, because threads do. A wake-up that is lost shows as a case that does not end in time.
 *
 * @since 0.1.0
 */
import { layerThread } from "@selvedge/core/memory/SharedMemory"
import type * as WaitStrategy from "@selvedge/core/memory/WaitStrategy"
import * as Producer from "@selvedge/core/ring/Producer"
import * as Ring from "@selvedge/core/ring/Ring"
import * as RingSnapshot from "@selvedge/core/ring/RingSnapshot"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Worker } from "node:worker_threads"
import { claim, ContractBroken, holds, within } from "./internal/claims.ts"
import { type How, Numbered, type Seen, taking, type Told } from "./internal/taking.ts"

/**
 * A way to wait under test.
 *
 * @category models
 * @since 0.1.0
 */
export interface Subject {
  readonly name: string
  /** It uses next to no processor while there is nothing to do. */
  readonly sleeps: boolean
  /** How a fiber of this thread sleeps and is woken. */
  readonly waking: Layer.Layer<never>
  /** Begins to take; succeeds when it is about to wait, with what ends when the ring is closed. */
  readonly start: (ring: Ring.Ring<Numbered>) => Effect.Effect<Effect.Effect<Seen, unknown>, unknown, Scope.Scope>
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Case {
  /** A sentence about behaviour. */
  readonly title: string
  readonly needs?: "sleep" | undefined
  readonly run: (subject: Subject) => Effect.Effect<void, unknown, Scope.Scope>
}

// -----------------------------------------------------------------------------
// Subjects
// -----------------------------------------------------------------------------

const ended = (what: string): ContractBroken =>
  new ContractBroken({ claim: what, wanted: "to take", found: "it ended" })

const inThread = (name: string, sleeps: boolean, how: How): Subject => ({
  name,
  sleeps,
  waking: Layer.empty,
  start: Effect.fnUntraced(function* (ring) {
    const handle = yield* Ring.handle(ring)
    const extension = import.meta.url.endsWith(".ts") ? "ts" : "js"
    const file = new URL(`./internal/takerThread.${extension}`, import.meta.url)
    const worker = yield* Effect.acquireRelease(
      Effect.sync(() => new Worker(file, { workerData: { handle, how } })),
      (running) => Effect.promise(() => running.terminate())
    )
    const ready = yield* Deferred.make<void, unknown>()
    const seen = yield* Deferred.make<Seen, unknown>()
    worker.on("message", (told: Told) => {
      if (told._tag === "Ready") Deferred.doneUnsafe(ready, Effect.void)
      else Deferred.doneUnsafe(seen, Effect.succeed(told))
    })
    const fail = (error: unknown): void => {
      Deferred.doneUnsafe(ready, Effect.fail(error))
      Deferred.doneUnsafe(seen, Effect.fail(error))
    }
    worker.on("error", fail)
    worker.on("exit", () => fail(ended(`the thread of ${name}`)))
    yield* within("it is ready", Deferred.await(ready))
    return Deferred.await(seen)
  })
})

/**
 * A thread of its own that waits by a strategy. `spin` is not asked to be idle.
 *
 * @category constructors
 * @since 0.1.0
 */
export const thread = (strategy: WaitStrategy.WaitStrategy): Subject =>
  inThread(strategy._tag, strategy._tag !== "Spin", strategy)

/**
 * Another thread, whose fibers sleep with `Atomics.waitAsync`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fibersOfThread: Subject = inThread("fibers of another thread", true, { _tag: "Fibers" })

/**
 * A fiber of this thread, woken as the layer says.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fiberHere = (name: string, waking: Layer.Layer<never>): Subject => ({
  name,
  sleeps: true,
  waking,
  start: Effect.fnUntraced(function* (ring) {
    const ready = yield* Deferred.make<void>()
    const run = taking(ring, { _tag: "Fibers" }, () => Deferred.doneUnsafe(ready, Effect.void))
    const fiber = yield* Effect.forkScoped(Effect.scoped(run))
    yield* Deferred.await(ready)
    return Fiber.join(fiber)
  })
})

// -----------------------------------------------------------------------------
// Cases
// -----------------------------------------------------------------------------

/** How long a case is idle: until a thread that does nothing but spin has had so much of a processor, however busy the machine is. */
const SPUN_MILLIS = 300
/** Of that: one that wakes each millisecond is far below, another spinner near 1. */
const MOST_IDLE_SHARE = 0.5

const SPINNING = `
  const used = () => { const { system, user } = process.threadCpuUsage(); return (system + user) / 1000 }
  while (used() < ${SPUN_MILLIS}) {}
`

const spunBeside: Effect.Effect<void> = Effect.callback((resume) => {
  const worker = new Worker(SPINNING, { eval: true })
  worker.on("exit", () => resume(Effect.void))
  return Effect.promise(() => worker.terminate())
})

const stage = (subject: Subject, capacity: number) =>
  Effect.gen(function* () {
    const ring = yield* Ring.make({ record: Numbered, capacity })
    const producer = yield* Producer.make(ring)
    const seen = yield* subject.start(ring)
    const end = Effect.gen(function* () {
      yield* Ring.close(ring)
      return yield* within("it ends at the close", seen)
    })
    return { ring, producer, end }
  })

const on = (subject: Subject) => Effect.provide(Layer.merge(layerThread, subject.waking))

/**
 * The cases a way to wait has to pass; one that `needs` to sleep is not for a subject that does not.
 *
 * **Example** (With vitest)
 *
 * ```ts
 * import { it } from "@effect/vitest"
 * import { WaitStrategy } from "@selvedge/core"
 * import * as WaitStrategyContract from "@selvedge/testing/contracts/WaitStrategyContract"
 * import { Effect } from "effect"
 *
 * const subject = WaitStrategyContract.thread(WaitStrategy.park)
 * for (const { run, title } of WaitStrategyContract.cases) {
 *   it.live(title, () => Effect.scoped(run(subject)))
 * }
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const cases: ReadonlyArray<Case> = [
  {
    title: "takes each record of a ring of one slot: neither side loses a wake-up",
    run: (subject) =>
      Effect.gen(function* () {
        const { end, producer } = yield* stage(subject, 1)
        const all = Effect.forEach(Array.from({ length: 500 }), (_, n) => Producer.publish(producer, { n }), {
          discard: true
        })
        yield* within("there is room for each", all)
        const { count, wrongAt } = yield* end
        yield* claim("records and the first wrong one", [count, wrongAt].join(), "500,-1")
      }).pipe(on(subject))
  },
  {
    title: "is woken by each record that comes after a while of nothing",
    run: (subject) =>
      Effect.gen(function* () {
        const { end, producer, ring } = yield* stage(subject, 8)
        const isTaken = Effect.map(RingSnapshot.snapshot(ring), ({ seats }) => seats.every(({ lag }) => lag === 0))
        const taken = Effect.repeat(Effect.andThen(Effect.sleep(1), isTaken), { until: (is) => is })
        for (let n = 0; n < 20; n++) {
          // Longer and shorter than what any of them does before it sleeps.
          yield* Effect.sleep(n % 5)
          yield* Producer.publish(producer, { n })
          yield* within(`record ${n} is taken, without another one`, taken)
        }
        const { count, wrongAt } = yield* end
        yield* claim("records and the first wrong one", [count, wrongAt].join(), "20,-1")
      }).pipe(on(subject))
  },
  {
    title: "ends at a close while it waits for its first record",
    run: (subject) =>
      Effect.gen(function* () {
        const { end } = yield* stage(subject, 8)
        yield* Effect.sleep(20)
        const { count } = yield* end
        yield* claim("records", count, 0)
      }).pipe(on(subject))
  },
  {
    title: "takes what was published before a close, and then ends",
    run: (subject) =>
      Effect.gen(function* () {
        const { end, producer } = yield* stage(subject, 64)
        for (let n = 0; n < 64; n++) yield* Producer.tryPublish(producer, Array.of({ n }))
        const { count, wrongAt } = yield* end
        yield* claim("records and the first wrong one", [count, wrongAt].join(), "64,-1")
      }).pipe(on(subject))
  },
  {
    title: "costs next to nothing while there is nothing",
    needs: "sleep",
    run: (subject) =>
      Effect.gen(function* () {
        const { end } = yield* stage(subject, 8)
        yield* within(`a thread spins for ${SPUN_MILLIS} ms`, spunBeside)
        const { cpuMillis } = yield* end
        const found = `${cpuMillis} ms, while one that spins used ${SPUN_MILLIS} ms`
        yield* holds("it was idle", cpuMillis < SPUN_MILLIS * MOST_IDLE_SHARE, found)
      }).pipe(on(subject))
  }
]
