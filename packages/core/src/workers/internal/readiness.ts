/**
 * Whether a container serves: what its workers' states say about its services.
 *
 * **Invariants**
 *
 * 1. Where a service has nobody left because its last worker failed, it is still wanted: it is neither ready nor alive until
 *    somebody starts it again. A service that has done its work, or was dismissed, is wanted no longer.
 * 2. A container that is stopping, has stopped or has given up is not ready.
 * 3. Who is on trial or retired says nothing about its service: only who serves counts.
 * 4. Nothing is alive that owes a sign of life, or that was killed and is still there.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import type { Fleet } from "./fleet.ts"
import type { Place } from "./place.ts"
import type { Sign } from "./signs.ts"

/** Every service has somebody who passes. */
const everyService = (fleet: Fleet, passes: (place: Place) => boolean): boolean => {
  const served = new Map<string, boolean>()
  for (const place of fleet.serving) served.set(place.spec.name, served.get(place.spec.name) === true || passes(place))
  return fleet.lost.size === 0 && !Array.from(served.values()).includes(false)
}

/** Every service has a ready worker. */
export const isReady = (fleet: Fleet): boolean =>
  fleet.phase === "Open" && everyService(fleet, (place) => place.isReady)

/**
 * Every service has a worker that makes progress as far as anybody can tell: a ready one that owes no sign of life, or one on
 * its way there, which the startup timeout and the back-off bound.
 */
export const isAlive = (fleet: Fleet): boolean =>
  fleet.failure === undefined && (fleet.phase !== "Open" || everyService(fleet, (place) => isTurning(fleet, place)))

const isTurning = (fleet: Fleet, place: Place): boolean => {
  const { life, spec, state } = place
  if (state._tag !== "Ready") return state._tag !== "Killing"
  if (life === undefined) return true
  const { healthTimeout, progressTimeout } = spec
  const now = fleet.nowMillis()
  const isNew = (sign: Sign, timeout: Duration.Duration | undefined): boolean =>
    timeout === undefined || now - sign.at <= Duration.toMillis(timeout)
  life.signs.look(now)
  return isNew(life.signs.beats, healthTimeout) && isNew(life.signs.progress, progressTimeout)
}
