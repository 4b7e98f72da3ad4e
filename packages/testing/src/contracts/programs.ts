/**
 * The programs that workers of the contract suite run: one module, so that fibers, threads and processes run the very same.
 *
 * @since 0.1.0
 */
import * as EventChannel from "@selvedge/core/notifier/EventChannel"
import * as Events from "@selvedge/core/notifier/Events"
import * as Notifier from "@selvedge/core/notifier/Notifier"
import * as Poller from "@selvedge/core/notifier/Poller"
import * as Consumer from "@selvedge/core/ring/Consumer"
import * as Producer from "@selvedge/core/ring/Producer"
import * as Ring from "@selvedge/core/ring/Ring"
import * as WorkerProgram from "@selvedge/core/service/WorkerProgram"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as WorkerContext from "@selvedge/core/workers/WorkerContext"
import * as WorkerRegions from "@selvedge/core/workers/WorkerRegions"
import { WorkerStatus } from "@selvedge/core/workers/WorkerStatus"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Ask from "./requests.ts"

/** A failure somebody foresaw. */
class Planned extends Schema.TaggedError<Planned>()("Planned", { detail: Schema.String }) {
  override get message(): string {
    return this.detail
  }
}

/** Lives until it is told to stop. */
export const patient = ShutdownToken.awaitDraining

/** A layer, and nothing to run. */
export const layered = Layer.effectDiscard(Effect.void)

/** Has nothing to do. */
export const returning = Effect.void

/** Fails before it is ready. */
export const broken = Layer.effectDiscard(Effect.fail(new Planned({ detail: "cannot be built" })))

/** Fails as soon as it runs. */
export const failing = Effect.fail(new Planned({ detail: "as planned" }))

/** A mistake in a program. */
export const dying = Effect.die(new TypeError("a mistake"))

/** Never becomes ready, and talks all the time. */
export const chatty = WorkerProgram.make({
  ready: "manual",
  main: WorkerStatus.pipe(
    Effect.flatMap((status) => Effect.forever(Effect.andThen(status.text("still starting"), Effect.sleep(20)))),
    ShutdownToken.runUntilDraining
  )
})

/** Says itself when it is ready, and lives on. */
export const manual = WorkerProgram.make({
  ready: "manual",
  main: Effect.gen(function* () {
    const status = yield* WorkerStatus
    yield* status.text("starting")
    yield* status.ready
    yield* ShutdownToken.awaitDraining
  })
})

/** Does not hear that it is told to stop, nor that it is interrupted. */
export const stubborn = Effect.uninterruptible(Effect.never)

/** Blocks its thread a moment after it became ready, also if it is told to stop before; only for workers that have one of their own. */
export const busy = Effect.uninterruptible(
  Effect.andThen(
    Effect.sleep(50),
    Effect.sync(() => {
      for (;;);
    })
  )
)

/** No program at all. */
export const number = 42

/** What handlers do to the program they belong to. */
class Fate extends Context.Service<Fate, Deferred.Deferred<never, Planned>>()("contracts/Fate") {}

const ringIn = (region: string) =>
  Effect.flatMap(Effect.orDie(WorkerRegions.handle(region)), (handle) =>
    Effect.orDie(Ring.attach(handle, { record: Ask.Numbered }))
  )

const consume = Effect.fnUntraced(function* (region: string, count: number) {
  const consumer = yield* Consumer.make(yield* ringIn(region), { id: "worker" })
  let sum = 0
  for (let taken = 0; taken < count;) {
    const batch = yield* Consumer.takeBatch(consumer, 256)
    for (const { value } of batch) sum = Ask.add(sum, value)
    taken += batch.length
  }
  return sum
})

const produce = Effect.fnUntraced(function* (region: string, count: number) {
  const producer = yield* Producer.make(yield* ringIn(region))
  for (let first = 1; first <= count; first += 64) {
    yield* Producer.publishWith(producer, Math.min(64, count + 1 - first), (slot, i) => void (slot.value = first + i))
  }
  return null
})

const poll = Effect.fnUntraced(function* (region: string, count: number) {
  const notifier = yield* Notifier.attach({ _tag: "Notifier", memory: yield* WorkerRegions.get(region) })
  const channel = EventChannel.fromPoller(yield* Poller.attach(notifier))
  const events = yield* Events.make(notifier.maxTokens)
  const seen = new Set<number>()
  while (seen.size < count) {
    yield* EventChannel.receive(channel, events)
    for (const token of events) seen.add(token)
  }
  return seen.size
})

/** Answers every request of `requests.ts`. */
export const asking = WorkerProgram.make({
  layer: Layer.effect(Fate, Deferred.make<never, Planned>()),
  main: Effect.flatMap(Fate, (fate) => Effect.raceFirst(Deferred.await(fate), ShutdownToken.awaitDraining)),
  handlers: [
    Ask.handlers.whoAmI(() =>
      Effect.map(WorkerContext.WorkerContext, ({ parent, ...facts }) => ({ facts, parent: parent ?? null }))
    ),
    Ask.handlers.echo(Effect.succeed),
    Ask.handlers.refuse((text) => Effect.fail(new Ask.Refused({ text }))),
    Ask.handlers.explode(() => Effect.die(new TypeError("in a handler"))),
    Ask.handlers.hang(() => Effect.never),
    Ask.handlers.crash(() =>
      Effect.flatMap(Fate, (fate) => Effect.asVoid(Deferred.fail(fate, new Planned({ detail: "on demand" }))))
    ),
    Ask.handlers.leave(() => Effect.sync(() => process.exit(7))),
    Ask.handlers.add((region) =>
      Effect.map(WorkerRegions.get(region), (memory) => Atomics.add(new Int32Array(memory), 0, 1) + 1).pipe(
        Effect.orDie
      )
    ),
    Ask.handlers.consume(({ count, region }) => Effect.orDie(Effect.scoped(consume(region, count)))),
    Ask.handlers.produce(({ count, region }) => Effect.orDie(Effect.scoped(produce(region, count)))),
    Ask.handlers.poll(({ count, region }) => Effect.orDie(Effect.scoped(poll(region, count))))
  ]
})
