/**
 * What is done about a life that is not ready in time, gives no sign of life, or says what no schema allows.
 *
 * **Invariants**
 *
 * 1. A life has one timer at a time: for its start, then for its signs of life, then for a stop of its own.
 * 2. After the wait for a decision the state is looked at again: a life that has ended, or came ready meanwhile, is let be.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { InvalidMessage } from "../WorkerMessage.ts"
import type { Fleet } from "./fleet.ts"
import type { Life } from "./life.ts"
import type { Place } from "./place.ts"

export const armStartup = (fleet: Fleet, place: Place, life: Life): void => {
  const { startupTimeout } = place.spec
  const { startupFailed } = fleet.setup.policy
  const isLate = (): boolean => place.life === life && !life.isReady && place.state._tag === "Starting"
  const late = (): void => {
    if (!isLate()) return
    fleet.log(Effect.logWarning(`${fleet.nameOf(place)} was not ready within ${Duration.format(startupTimeout)}`))
    const call = startupFailed && (() => startupFailed(fleet.eventOf(place)))
    fleet.hooks.ask("startupFailed", call, "kill", (decided) => {
      if (!isLate()) return
      if (decided === "kill") fleet.kill(place, "startup timeout")
      else armStartup(fleet, place, life)
    })
  }
  fleet.arm(life, startupTimeout, late)
}

/** Looks when the last sign of life is as old as it may be. */
export const armHealth = (fleet: Fleet, place: Place, life: Life): void => {
  const { healthTimeout } = place.spec
  if (healthTimeout === undefined) return
  const millis = Duration.toMillis(healthTimeout)
  const look = (): void => {
    if (place.life !== life || place.state._tag !== "Ready") return
    const late = fleet.nowMillis() - life.beatAt - millis
    if (late < 0) return armHealth(fleet, place, life)
    // Our own loop was held up: what the worker said meanwhile is still on its way.
    if (late > millis / 2) life.beatAt = fleet.nowMillis() - millis / 2
    else unhealthy(fleet, place, life, healthTimeout)
    armHealth(fleet, place, life)
  }
  fleet.arm(life, Math.max(1, life.beatAt + millis - fleet.nowMillis()), look)
}

const unhealthy = (fleet: Fleet, place: Place, life: Life, healthTimeout: Duration.Duration): void => {
  life.beatAt = fleet.nowMillis()
  fleet.log(Effect.logWarning(`${fleet.nameOf(place)} gave no sign of life for ${Duration.format(healthTimeout)}`))
  const { healthFailed } = fleet.setup.policy
  const call = healthFailed && (() => healthFailed(fleet.eventOf(place)))
  fleet.hooks.ask("healthFailed", call, "kill", (decided) => {
    if (decided === "kill" && place.life === life) fleet.kill(place, "health timeout")
  })
}

export const invalid = (fleet: Fleet, place: Place, life: Life, error: InvalidMessage): void => {
  fleet.counts.invalid += 1
  fleet.log(Effect.logError(`${fleet.nameOf(place)}: ${error.message}`))
  const { invalidMessage } = fleet.setup.policy
  const call = invalidMessage && (() => invalidMessage({ ...fleet.eventOf(place), error }))
  fleet.hooks.ask("invalidMessage", call, "kill", (decided) => {
    if (decided === "kill" && place.life === life) fleet.kill(place, "invalid message")
  })
}
