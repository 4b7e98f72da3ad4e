/**
 * Somebody who takes everything from a ring, and waits in between: a thread that blocks, a thread of fibers, or a fiber of this thread.
 *
 * @internal
 */
import * as Record from "@selvedge/core/memory/Record"
import * as WaitStrategy from "@selvedge/core/memory/WaitStrategy"
import * as Consumer from "@selvedge/core/ring/Consumer"
import * as Ring from "@selvedge/core/ring/Ring"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

export const Numbered = Record.struct({ n: Record.f64 })
export type Numbered = Record.Type<typeof Numbered>

/** What somebody saw until the ring was closed. */
export interface Seen {
  readonly count: number
  /** The first number that was not the one after the last; -1: none. */
  readonly wrongAt: number
  /** How much of a processor its thread has used, in milliseconds. */
  readonly cpuMillis: number
}

/** How a thread of its own waits. */
export type How = WaitStrategy.WaitStrategy | { readonly _tag: "Fibers" }

export interface TakerData {
  readonly handle: Ring.Handle
  readonly how: How
}

export type Told = { readonly _tag: "Ready" } | ({ readonly _tag: "Seen" } & Seen)

const LIMIT = 64

const cpuMillis = (): number => {
  const { system, user } = process.threadCpuUsage()
  return (system + user) / 1000
}

/** Whose thread waits, and how; `ready` is called when it is about to. */
export const taking = (
  ring: Ring.Ring<Numbered>,
  how: How,
  ready: () => void
): Effect.Effect<Seen, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const consumer = yield* Consumer.make(ring, { id: "taker" })
    let count = 0
    let wrongAt = -1
    const see = ({ n }: Numbered): void => {
      if (n !== count && wrongAt < 0) wrongAt = count
      count++
    }
    ready()
    const before = cpuMillis()
    if (how._tag === "Fibers") {
      const step = Effect.map(Consumer.takeBatch(consumer, LIMIT), (batch) => batch.forEach(see))
      yield* Effect.ignore(Effect.forever(step))
    } else {
      const wait = Consumer.waitWith(how)
      while (Consumer.awaitBlockingUnsafe(consumer, wait)) consumer.processUnsafe(see, LIMIT)
    }
    return { count, wrongAt, cpuMillis: cpuMillis() - before }
  })
