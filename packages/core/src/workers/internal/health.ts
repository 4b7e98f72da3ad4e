/**
 * What is done about a life that is not ready in time, gives no sign of life, or says what no schema allows.
 *
 * **Invariants**
 *
 * 1. A life has one timer at a time: for its start, then for its signs of life, then for a stop of its own.
 * 2. A life is judged from the turn in which it is ready to the one in which it stops; a service without timeouts has no
 *    timers. One that lacks its beats is not judged by its progress as well.
 * 3. After the wait for a decision the state is looked at again: a life that has ended, or came ready meanwhile, is let be.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { LOOKS } from "../ChildSpec.ts"
import type { InvalidMessage } from "../WorkerMessage.ts"
import type { Fleet } from "./fleet.ts"
import type { Life } from "./life.ts"
import type { Place } from "./place.ts"

/** What a decision comes to, for people. */
const done = { kill: "killed", wait: "given as long again", keep: "kept" } as const

export const armStartup = (fleet: Fleet, place: Place, life: Life): void => {
  const { startupTimeout } = place.spec
  const { startupFailed } = fleet.setup.policy
  const isLate = (): boolean => place.life === life && !life.isReady && place.state._tag === "Starting"
  const late = (): void => {
    if (!isLate()) return
    fleet.log(Effect.logWarning(`${fleet.nameOf(place)} was not ready within ${Duration.format(startupTimeout)}`))
    const call = startupFailed && (() => startupFailed(fleet.eventOf(place)))
    fleet.hooks.ask("startupFailed", call, ["kill", "wait"], (decided) => {
      if (!isLate()) return
      fleet.note(place, "startup timeout", `not ready within ${Duration.format(startupTimeout)}: ${done[decided]}`)
      if (decided === "kill") fleet.kill(place, "startup timeout")
      else armStartup(fleet, place, life)
    })
  }
  fleet.arm(life, startupTimeout, late)
}

/** Looks at the signs of a ready life, four times within the shorter of its timeouts. */
export const watch = (fleet: Fleet, place: Place, life: Life): void => {
  const { healthTimeout, progressTimeout } = place.spec
  const timeouts = [healthTimeout, progressTimeout].flatMap((time) => (time ? [Duration.toMillis(time)] : []))
  if (timeouts.length === 0) return
  const everyMillis = Math.min(...timeouts) / LOOKS
  const due = fleet.nowMillis() + everyMillis
  fleet.arm(life, everyMillis, () => {
    if (place.life !== life || !place.isReady) return
    const now = fleet.nowMillis()
    const isLate = now - due > everyMillis
    const { signs } = life
    signs.look(now)
    if (healthTimeout && signs.beats.isMissing(now, Duration.toMillis(healthTimeout), isLate)) {
      missing(fleet, place, life, "beats", healthTimeout)
    } else if (progressTimeout && signs.progress.isMissing(now, Duration.toMillis(progressTimeout), isLate)) {
      missing(fleet, place, life, "progress", progressTimeout)
    }
    watch(fleet, place, life)
  })
}

const reasons = { beats: "health timeout", progress: "progress timeout" } as const

const missing = (
  fleet: Fleet,
  place: Place,
  life: Life,
  what: "beats" | "progress",
  timeout: Duration.Duration
): void => {
  // Whoever lets it live gives it as long again.
  life.signs[what].begin(fleet.nowMillis())
  const found = what === "beats" ? "gave no sign of life" : "made no progress"
  fleet.log(Effect.logWarning(`${fleet.nameOf(place)} ${found} for ${Duration.format(timeout)}`))
  const { healthFailed } = fleet.setup.policy
  const call = healthFailed && (() => healthFailed({ ...fleet.eventOf(place), missing: what }))
  fleet.hooks.ask("healthFailed", call, ["kill", "wait"], (decided) => {
    // What it does on its way out has limits of its own; and it may have been asked about twice.
    if (place.life !== life || !place.isReady) return
    fleet.note(place, reasons[what], `${found} for ${Duration.format(timeout)}: ${done[decided]}`)
    if (decided === "kill") fleet.kill(place, reasons[what])
  })
}

export const invalid = (fleet: Fleet, place: Place, life: Life, error: InvalidMessage): void => {
  fleet.counts.invalid += 1
  // One who sends many is judged once.
  if (life.isDoubted) return
  life.isDoubted = true
  fleet.log(Effect.logError(`${fleet.nameOf(place)}: ${error.message}`))
  const { invalidMessage } = fleet.setup.policy
  const call = invalidMessage && (() => invalidMessage({ ...fleet.eventOf(place), error }))
  fleet.hooks.ask("invalidMessage", call, ["kill", "keep"], (decided) => {
    if (place.life !== life) return
    fleet.note(place, "invalid message", `${error.detail}: ${done[decided]}`)
    if (decided === "kill") return fleet.kill(place, "invalid message")
    life.isDoubted = false
  })
}
