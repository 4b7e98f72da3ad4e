/**
 * From requests to the table: a bounded buffer and the background loop that empties it.
 *
 * An event is acknowledged once it is in the buffer, and what is in the buffer reaches the table whatever happens: the
 * loop is drained after the requests (their kind comes first), and `settle` takes what an interrupted loop left.
 */
import { ShutdownToken, TaskRegistry } from "@selvedge/core"
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import { Aggregates } from "./Aggregates.ts"
import type { Event } from "./Event.ts"
import { Settings } from "./Settings.ts"

export class Intake extends Context.Service<
  Intake,
  {
    /** Waits for a place in the buffer. `false`: it is too late, the event was not taken. */
    readonly offer: (event: Event) => Effect.Effect<boolean>
    /** Takes nothing more and brings everything taken into the table. */
    readonly settle: Effect.Effect<void>
  }
>()("gateway/Intake") {
  static readonly layer = Layer.effect(
    Intake,
    Effect.gen(function* () {
      const { bufferedEvents } = yield* Settings
      const table = yield* Aggregates
      const buffer = yield* Queue.bounded<Event, Cause.Done>(bufferedEvents)
      // Taking and counting is one step that cannot be interrupted; only the waiting for a first event can.
      const countBuffered = Effect.uninterruptible(
        Effect.map(Queue.clear(buffer), (events) => {
          for (const event of events) table.add(event)
          return events.length
        })
      )
      const settle = Effect.andThen(
        Queue.end(buffer),
        Effect.repeat(countBuffered, { while: (counted) => counted > 0 })
      )
      yield* Queue.peek(buffer).pipe(
        Effect.andThen(countBuffered),
        Effect.forever,
        ShutdownToken.runUntilDraining,
        Effect.andThen(settle),
        Effect.ignore,
        TaskRegistry.spawn({ name: "aggregate", kind: "BackgroundLoop", critical: true })
      )
      return Intake.of({ offer: (event) => Queue.offer(buffer, event), settle: Effect.asVoid(settle) })
    })
  )
}
