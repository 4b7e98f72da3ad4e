/**
 * A market feed: a million ticks a second come in, and thirty pictures a second go out.
 *
 * The exchange, a thread of its own, writes every tick into the slot of its symbol and notifies the symbol. Between two
 * pictures most of that is conflated: the consumer is handed each symbol that has changed once, and reads its latest value.
 */
import * as SharedMemory from "@selvedge/core/memory/SharedMemory"
import * as EventChannel from "@selvedge/core/notifier/EventChannel"
import * as Events from "@selvedge/core/notifier/Events"
import * as Notifier from "@selvedge/core/notifier/Notifier"
import type * as NotifierError from "@selvedge/core/notifier/NotifierError"
import type * as Poller from "@selvedge/core/notifier/Poller"
import * as SharedSlot from "@selvedge/core/notifier/SharedSlot"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Worker } from "node:worker_threads"
import type { Done, Job } from "./exchange.ts"
import { nowMillis, Quote } from "./Quote.ts"

export interface Options {
  readonly symbols: number
  readonly ticksPerSecond: number
  readonly seconds: number
  /** Called for each picture with what is known of every symbol. */
  readonly draw: (quotes: ReadonlyArray<Readonly<Quote> | undefined>, changed: number) => void
}

export interface Result {
  readonly ticksIn: number
  readonly conflated: number
  readonly updatesOut: number
  readonly pictures: number
  /** Longest time from the writing of a value to its being read. */
  readonly worstStalenessMillis: number
  /** Symbols whose last tick was never seen; has to be 0. */
  readonly lost: number
}

type Failure =
  | Error
  | SharedMemory.AllocationFailed
  | NotifierError.InvalidCapacity
  | NotifierError.LocalOnly
  | EventChannel.ReceiveError

const PICTURE = "33 millis"

/** Starts the exchange; it is stopped with the scope. */
const exchange = (job: Job): Effect.Effect<Effect.Effect<Done, Error>, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(
        () =>
          new Worker(new URL("./exchange.ts", import.meta.url), {
            workerData: job,
            execArgv: ["--conditions=@selvedge/source", "--no-warnings"]
          })
      ),
      (worker) => Effect.promise(() => worker.terminate())
    ),
    (worker) =>
      Effect.callback<Done, Error>((resume) => {
        worker.once("message", (done: Done) => resume(Effect.succeed(done)))
        worker.once("error", (error) => resume(Effect.fail(error as Error)))
      })
  )

export const run = (options: Options): Effect.Effect<Result, Failure> =>
  Effect.gen(function* () {
    const { seconds, symbols, ticksPerSecond } = options
    const { channel, notifier } = yield* EventChannel.make({ maxTokens: symbols })
    const slots = yield* SharedSlot.make({ record: Quote, slots: symbols })
    const events = yield* Events.make(symbols)
    const quotes: Array<Readonly<Quote> | undefined> = Array.from({ length: symbols })
    let updatesOut = 0
    let pictures = 0
    let worstStalenessMillis = 0

    const picture = Effect.map(EventChannel.receive(channel, events), (changed) => {
      for (const symbol of events) {
        const { price, tick, writtenAt } = SharedSlot.readUnsafe(slots, symbol)!
        quotes[symbol] = { price, tick, writtenAt }
        worstStalenessMillis = Math.max(worstStalenessMillis, nowMillis() - writtenAt)
      }
      updatesOut += changed
      pictures++
      options.draw(quotes, changed)
    })
    const drawing: Effect.Effect<never, EventChannel.ReceiveError> = Effect.forever(
      Effect.andThen(picture, Effect.sleep(PICTURE))
    )

    const job = {
      quotes: SharedSlot.handle(slots),
      notifier: yield* Notifier.handle(notifier),
      ticksPerSecond,
      seconds
    }
    const trading = yield* exchange(job)
    const drawn: Effect.Effect<void, Poller.PollError> = Effect.catchTag(drawing, "NotifierClosed", () => Effect.void)
    const traded: Effect.Effect<Done, Error> = Effect.tap(trading, () => Notifier.close(notifier))
    // When the exchange has ended, what is still queued is drawn; then the drawing ends with `NotifierClosed`.
    const [done] = yield* Effect.all([traded, drawn], { concurrency: 2 })
    const lost = done.last.filter((tick, symbol) => tick !== (quotes[symbol]?.tick ?? -1)).length
    return {
      ticksIn: done.ticks,
      conflated: done.conflated,
      updatesOut,
      pictures,
      worstStalenessMillis,
      lost
    } satisfies Result
  }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(Notifier.layer, SharedMemory.layerThread)))
