/**
 * The public face of a place.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type { Child } from "../Child.ts"
import { graceOf } from "./prepare.ts"
import type { WorkerExit } from "../WorkerExit.ts"
import type { Fleet } from "./fleet.ts"
import type { Place } from "./place.ts"
import * as Stopping from "./stopping.ts"

export const childOf = (fleet: Fleet, place: Place): Child => ({
  name: place.spec.name,
  key: place.spec.key,
  ordinal: place.claim.ordinal,
  serviceOrdinal: place.serviceOrdinal,
  status: Effect.sync(() => place.rowAt(fleet.nowMillis())),
  statusUnsafe: () => place.rowAt(fleet.nowMillis()),
  facts: Effect.sync(() => place.facts!),
  awaitReady: Effect.flatMap(
    fleet.watchers.until(() => place.isReady || place.isEnded),
    () => (place.end === undefined || place.wasReadyLast ? Effect.void : Effect.fail(place.notReady(place.end)))
  ),
  awaitEnded: Effect.map(
    fleet.watchers.until(() => place.isEnded),
    () => place.end!
  ),
  stop: (grace) =>
    Effect.flatMap(grace === undefined ? Effect.succeed(fleet.setup.graceMillis) : graceOf(grace), (millis) =>
      dismiss(fleet, place, millis)
    )
})

/** Stops one worker for good. */
const dismiss = (fleet: Fleet, place: Place, graceMillis: number): Effect.Effect<WorkerExit> =>
  Effect.suspend(() => {
    place.retire()
    Stopping.giveBack(fleet, place)
    fleet.changed()
    if (place.end !== undefined) return Effect.succeed(place.end)
    const limits = Stopping.limits(fleet, graceMillis, "stop of this worker")
    // In a fiber of its own: who gives up waiting does not undo the stop.
    fleet.run(Stopping.stopPlaces(fleet, [place], limits, false))
    const ended = fleet.watchers.until(() => place.isEnded)
    return Effect.map(
      Effect.raceFirst(ended, Effect.andThen(limits.graceOver, limits.waitOver)),
      (): WorkerExit => place.end ?? { _tag: "Killed", reason: "grace over" }
    )
  })
