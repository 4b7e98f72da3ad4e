/**
 * What the kill loop works on: a ring, a notifier, a table of strands, counters and a board, made or adopted by the owner of the space, and
 * opened by everybody else.
 *
 * @internal
 */
import * as Counters from "@selvedge/core/diagnostics/Counters"
import * as StrandRegistry from "@selvedge/core/diagnostics/StrandRegistry"
import * as EventChannel from "@selvedge/core/notifier/EventChannel"
import * as Events from "@selvedge/core/notifier/Events"
import * as Notifier from "@selvedge/core/notifier/Notifier"
import * as Poller from "@selvedge/core/notifier/Poller"
import * as Ring from "@selvedge/core/ring/Ring"
import * as MappedMemory from "@selvedge/node/memory/MappedMemory"
import * as Effect from "effect/Effect"
import { BOARD_BYTES, CAPACITY, handedOutOf, heardOf, MEMBERS, Numbered, regions, saidOf, TOKENS } from "./shape.ts"

const GRACE = { vacantGrace: "60 seconds" } as const

/** Everything made anew. */
export const make = Effect.gen(function* () {
  const options = { record: Numbered, capacity: CAPACITY, maxProducers: 16, producers: "multi", ...GRACE } as const
  const ring = yield* Ring.make(options).pipe(MappedMemory.named(regions.ring))
  const notifier = yield* Notifier.allocate({ maxTokens: TOKENS }).pipe(
    Effect.provide(Notifier.layer),
    MappedMemory.named(regions.notifier)
  )
  const strands = yield* StrandRegistry.make({ capacity: 64 }).pipe(MappedMemory.named(regions.strands))
  const counters = yield* Counters.make({ counters: 64 }).pipe(MappedMemory.named(regions.counters))
  const board = yield* MappedMemory.allocate(regions.board, BOARD_BYTES)
  return { ring, notifier, strands, counters, board }
})

export type Prepared = Effect.Success<typeof make>

/** Everything as it is; `observer` is an ordinal that no member has. */
export const open = Effect.fnUntraced(function* (observer: number) {
  const { life } = yield* MappedMemory.MappedMemory
  const opened = (name: string) => MappedMemory.open(name, { timeout: "4 minutes" })
  const ring = yield* Ring.attach(yield* MappedMemory.handle(yield* opened(regions.ring)), {
    record: Numbered,
    ...GRACE
  })
  const notifier = yield* Notifier.attach({ _tag: "Notifier", memory: yield* opened(regions.notifier) })
  const identity = { ordinal: observer, generation: life }
  const strands = yield* StrandRegistry.attach(
    { _tag: "StrandRegistry", memory: yield* opened(regions.strands) },
    identity
  )
  const counters = yield* Counters.attach({ _tag: "Counters", memory: yield* opened(regions.counters) }, identity)
  const board = yield* opened(regions.board)
  return { ring, notifier, strands, counters, board } satisfies Prepared
})

/** Whether there is something to open. */
export const isThere = Effect.scoped(
  Effect.match(MappedMemory.open(regions.board, { timeout: 1 }), { onSuccess: () => true, onFailure: () => false })
)

/** What the owner recovers from deaths. */
export const recover = Effect.fnUntraced(function* ({ board, counters, notifier, ring, strands }: Prepared) {
  yield* MappedMemory.recoverRing(ring)
  yield* MappedMemory.recoverNotifier(notifier)
  const reclaimed = (reclaim: (ordinal: number, generation: number) => void) => (death: MappedMemory.Death) =>
    Effect.sync(() => {
      for (let ordinal = 0; ordinal < MEMBERS; ordinal++) reclaim(ordinal, death.life)
      return true
    })
  yield* MappedMemory.recover(
    strands.handle!.memory,
    reclaimed((ordinal, generation) => strands.reclaimUnsafe({ ordinal, generation }))
  )
  yield* MappedMemory.recover(
    counters.handle.memory,
    reclaimed((ordinal, generation) => counters.reclaimUnsafe({ ordinal, generation }))
  )
  yield* MappedMemory.recover(board, () => Effect.succeed(true))
})

/** Takes tokens for ever, and writes on the board what it has heard; after the death of the one that did so before, too. */
export const listen = Effect.fnUntraced(function* ({ board, notifier }: Prepared) {
  // Whoever owns the space knows that the owner before it is dead.
  const poller = yield* Effect.catchTag(Poller.attach(notifier), "PollerTaken", ({ seat }) =>
    Poller.attach(notifier, { afterDeathOf: seat })
  )
  const channel = EventChannel.fromPoller(poller)
  const events = yield* Events.make(TOKENS)
  const [said, heard, handedOut] = [saidOf(board), heardOf(board), handedOutOf(board)]
  const receiving = Effect.map(EventChannel.receive(channel, events), () => {
    for (const token of events) {
      Atomics.store(heard, token, Atomics.load(said, token))
      Atomics.add(handedOut, token, 1)
    }
  })
  return yield* Effect.forever(receiving)
})
