/**
 * A member of the kill loop: joins when it is told to, and works until it is told to stop, or killed.
 *
 * @internal
 */
import * as Counters from "@selvedge/core/diagnostics/Counters"
import * as StrandRegistry from "@selvedge/core/diagnostics/StrandRegistry"
import * as Notifier from "@selvedge/core/notifier/Notifier"
import * as Consumer from "@selvedge/core/ring/Consumer"
import * as Producer from "@selvedge/core/ring/Producer"
import * as Ring from "@selvedge/core/ring/Ring"
import * as KeepAlive from "@selvedge/node/main/KeepAlive"
import * as MappedMemory from "@selvedge/node/memory/MappedMemory"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { createInterface } from "node:readline"
import {
  Continuity,
  MOST_BATCH,
  MOST_TAKEN,
  Numbered,
  type Order,
  progressOf,
  published,
  regions,
  type Said,
  saidOf,
  type Steps,
  tokenOf,
  waitsOf
} from "./shape.ts"

const say = (said: Said): void => void process.stdout.write(`${JSON.stringify(said)}\n`)
const stop = Deferred.makeUnsafe<void>()

/** A batch is being written for so long, so that many a kill finds a claim that is not published. */
const WRITING_MICROS = 60

const spin = (micros: number): void => {
  const end = performance.now() + micros / 1000
  while (performance.now() < end);
}

type Go = Extract<Order, { readonly _tag: "Go" }>

const join = Effect.fnUntraced(function* ({ member, recovery }: Go, since: () => number) {
  const takesPart = since()
  const { life } = yield* MappedMemory.MappedMemory
  const ring = yield* Ring.attach(yield* MappedMemory.handle(yield* MappedMemory.open(regions.ring)), {
    record: Numbered,
    vacantGrace: "60 seconds"
  })
  const memory = yield* MappedMemory.open(regions.notifier)
  const notifier = yield* Notifier.attach({ _tag: "Notifier", memory })
  const identity = { ordinal: member, generation: life }
  const strands = yield* StrandRegistry.attach(
    { _tag: "StrandRegistry", memory: yield* MappedMemory.open(regions.strands) },
    identity
  )
  const counters = yield* Counters.attach(
    { _tag: "Counters", memory: yield* MappedMemory.open(regions.counters) },
    identity
  )
  const board = yield* MappedMemory.open(regions.board)
  if (recovery) {
    yield* MappedMemory.recoverRing(ring)
    yield* MappedMemory.recoverNotifier(notifier)
  }
  const counter = counters.registerUnsafe(published)
  if (!("addUnsafe" in counter)) return yield* counter
  const hasRegions = since()
  // The seat of the life before is given back by whoever recovers from its death; until then it is taken.
  const consumer = yield* Consumer.make(ring, { id: `member ${member}`, commit: "manual" }).pipe(
    Effect.retry({ while: ({ reason }) => reason === "DuplicateId", schedule: Schedule.spaced(10) })
  )
  const hasSeat = since()
  const producer = yield* Producer.make(ring).pipe(Effect.retry({ schedule: Schedule.spaced(10) }))
  const steps: Steps = [takesPart, hasRegions, hasSeat, since()]
  return { life, notifier, strands, counter, board, consumer, producer, steps }
})

type Joined = Effect.Success<ReturnType<typeof join>>

const work = Effect.fnUntraced(function* (go: Go, since: () => number) {
  const joined = yield* join(go, since)
  const progress = Number(Atomics.load(progressOf(joined.board), go.member))
  const skipped = progress === 0 ? 0 : joined.consumer.position - progress
  say({ _tag: "Ready", life: joined.life, skipped, steps: joined.steps })
  const consuming = yield* Effect.forkChild(told("consuming", consume(joined, go.member)))
  // Its end comes before that of the regions.
  yield* Effect.forkScoped(told("registering", register(joined)))
  const produced = { count: 0, longestMillis: 0, stopped: false }
  const producing = yield* Effect.forkChild(told("producing", produce(joined, go.member, produced)))
  yield* Deferred.await(stop)
  produced.stopped = true
  yield* Fiber.join(producing)
  yield* Fiber.join(consuming)
  say({ _tag: "Done", published: produced.count, longestMillis: Math.round(produced.longestMillis) })
})

/** A fiber that fails would else be missed, and nobody would know why. */
const told = <A, E, R>(what: string, self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.onError(self, (cause) =>
    Effect.sync(() => {
      if (!Cause.hasInterruptsOnly(cause)) say({ _tag: "Violation", text: `${what} failed: ${Cause.pretty(cause)}` })
    })
  )

interface Produced {
  count: number
  longestMillis: number
  stopped: boolean
}

const produce = Effect.fnUntraced(function* (joined: Joined, member: number, produced: Produced) {
  const { board, counter, life, notifier, producer } = joined
  const said = saidOf(board)
  const waits = waitsOf(board)
  for (let turn = 0; !produced.stopped; turn++) {
    const size = 1 + (turn % MOST_BATCH)
    const start = performance.now()
    yield* Producer.publishWith(producer, size, (slot, i) => {
      slot.who = life
      slot.value = produced.count + 1 + i
      spin(WRITING_MICROS / size)
    })
    const millis = performance.now() - start
    produced.longestMillis = Math.max(produced.longestMillis, millis)
    // Of all lives of this place: nobody else writes it.
    waits[member] = Math.max(waits[member] ?? 0, Math.round(millis * 1000))
    produced.count += size
    counter.addUnsafe(size)
    const token = tokenOf(member, turn)
    Atomics.add(said, token, 1)
    yield* Notifier.notify(notifier, token)
    yield* Effect.sleep(1)
  }
})

const consume = Effect.fnUntraced(function* ({ board, consumer }: Joined, member: number) {
  const progress = progressOf(board)
  const continuity = new Continuity()
  const taking = Effect.flatMap(Consumer.takeBatch(consumer, MOST_TAKEN), (batch) => {
    for (const { value, who } of batch) {
      const text = continuity.see(who, value, true)
      if (text !== undefined) say({ _tag: "Violation", text: `member ${member}: ${text}` })
    }
    Atomics.store(progress, member, BigInt(consumer.position))
    // After its own transaction, so that its heir misses nothing.
    return Effect.orDie(Consumer.commit(consumer, consumer.position))
  })
  yield* Effect.forever(taking).pipe(Effect.catchTag("RingClosed", () => Effect.void))
})

/** Comes and goes in the table of strands. */
const register = ({ strands }: Joined): Effect.Effect<never> => {
  let id = 0
  const strand = Effect.acquireUseRelease(
    Effect.sync(() => strands.registerUnsafe(++id, "strand", "Member", undefined, 0)),
    () => Effect.sleep(1),
    (slot) =>
      Effect.sync(() => {
        if (!strands.unregisterUnsafe(slot)) say({ _tag: "Violation", text: "a strand was not there to unregister" })
      })
  )
  return Effect.forever(strand)
}

const run = (go: Go): void => {
  const { directory, name } = go
  const layer = MappedMemory.layerAttached({ directory, name, timeout: "4 minutes" })
  const start = performance.now()
  const since = (): number => Math.round(performance.now() - start)
  const program = Effect.scoped(work(go, since)).pipe(Effect.provide(Layer.merge(layer, KeepAlive.layer)))
  Effect.runPromise(program).then(
    () => process.exit(0),
    (error: unknown) => {
      say({ _tag: "Violation", text: String(error) })
      process.exit(1)
    }
  )
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const order = JSON.parse(line) as Order
  if (order._tag === "Go") run(order)
  else Deferred.doneUnsafe(stop, Effect.void)
})
say({ _tag: "Warm" })
