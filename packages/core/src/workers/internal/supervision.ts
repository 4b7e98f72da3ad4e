/**
 * What becomes of a place whose life has ended: nothing more, another life, another life for its whole group, or the end of
 * the container.
 *
 * ```text
 *   stopping, dismissed, or not wanted again ─▶ Ended
 *   one restart too many, or one that dies   ─▶ Ended, and the container gives up
 *   one-for-one                              ─▶ delay ─▶ begin
 *   one-for-all, rest-for-one                ─▶ stop the group, last first ─▶ delay ─▶ begin in order, each after the one before is ready
 * ```
 *
 * **Invariants**
 *
 * 1. Every restart is counted before it is prepared, a group's once.
 * 2. One group restart runs at a time. A failure meanwhile widens it and lets it begin anew. Who is about to be stopped with
 *    the group belongs to it from the turn of the failure on: its own end is no failure of its own.
 * 3. A restart that dies, of its back-off's schedule for one, is logged and gives up the container: a place that waits for it would wait
 *    for ever.
 * 4. After any wait the state is looked at again: a container that stops, and a place somebody dismissed, stay down.
 *
 * Source: OTP's supervisor.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Pull from "effect/Pull"
import * as Schedule from "effect/Schedule"
import * as Failure from "../../internal/failure.ts"
import * as RestartIntensity from "../../tasks/RestartIntensity.ts"
import type { RestartType } from "../ChildSpec.ts"
import { RestartIntensityExceeded } from "../ContainerError.ts"
import * as WorkerExit from "../WorkerExit.ts"
import type { Fleet } from "./fleet.ts"
import { begin } from "./lives.ts"
import type { Place } from "./place.ts"
import * as Stopping from "./stopping.ts"

/** Whether a worker of this type that ended so is wanted again. */
export const wantsRestart = (restart: RestartType, exit: WorkerExit.WorkerExit): boolean =>
  restart === "permanent" || (restart === "transient" && !WorkerExit.isSuccess(exit))

export const decide = (fleet: Fleet, place: Place, exit: WorkerExit.WorkerExit): void => {
  // A hook of the policy may have stopped it meanwhile.
  if (place.isEnded) return
  // Who is on trial has one life; who is retired has had its last.
  if (fleet.phase !== "Open" || !place.isServing) return fleet.finish(place, exit)
  if (place.inGroup) {
    if (place.spec.restart === "temporary") return fleet.finish(place, exit)
    return place.waitForNext(exit)
  }
  if (!wantsRestart(place.spec.restart, exit)) return fleet.finish(place, exit)
  const next = RestartIntensity.add(fleet.window, fleet.nowMillis(), fleet.setup.intensity)
  if (next === undefined) return giveUp(fleet, place, exit, "intensity")
  fleet.window = next
  place.waitForNext(exit)
  if (fleet.setup.strategy === "one-for-one") {
    fleet.run(orGiveUp(fleet, restartAlone(fleet, place, exit), () => ({ place, exit })))
  } else restartGroup(fleet, place, exit)
}

/** Invariant 3. */
const orGiveUp = (
  fleet: Fleet,
  restart: Effect.Effect<void>,
  causeOf: () => { readonly place: Place; readonly exit: WorkerExit.WorkerExit }
): Effect.Effect<void> =>
  Effect.catchCause(restart, (cause) =>
    Effect.sync(() => {
      const { exit, place } = causeOf()
      fleet.log(Failure.log(`the restart of ${fleet.nameOf(place)} died`, cause))
      if (fleet.phase === "Open") giveUp(fleet, place, exit, "defect")
      fleet.changed()
    })
  )

/** A place may still begin another life. */
const isWaiting = (fleet: Fleet, place: Place): boolean =>
  fleet.phase === "Open" && !place.isDismissed && !place.isRecovering && place.state._tag === "BackingOff"

const restartAlone = (fleet: Fleet, place: Place, exit: WorkerExit.WorkerExit): Effect.Effect<void> =>
  Effect.gen(function* () {
    // Never begun in the turn of its own end: a backend that fails at once must not fill the stack.
    yield* Effect.yieldNow
    if (!(yield* backOff(fleet, place, exit)) || !isWaiting(fleet, place)) return
    begin(fleet, place)
  })

/** Waits for the delay of the place's back-off; `false` when there is none any more, and the container has given up. */
const backOff = (fleet: Fleet, place: Place, exit: WorkerExit.WorkerExit): Effect.Effect<boolean> =>
  Effect.gen(function* () {
    const { backoff } = place.spec
    if (backoff === undefined) return true
    place.backoff ??= yield* Schedule.toStep(backoff)
    const now = fleet.clock.currentTimeMillisUnsafe()
    const stepped = yield* Effect.exit(place.backoff(now, exit))
    if (Exit.isFailure(stepped)) {
      // It has not ended, it has died (invariant 3).
      const isDead = !Pull.isDoneCause(stepped.cause)
      if (isDead) fleet.log(Failure.log(`the back-off of ${fleet.nameOf(place)} died`, stepped.cause))
      // Somebody stopped it for good meanwhile: the others of its group go on.
      if (!isWaiting(fleet, place)) return true
      giveUp(fleet, place, exit, isDead ? "defect" : "back-off")
      return false
    }
    const [, delay] = stepped.value
    if (Duration.toMillis(delay) > 0) {
      const over = fleet.watchers.until(() => !isWaiting(fleet, place))
      yield* Effect.raceFirst(Effect.sleep(delay), over)
    }
    return true
  })

// -----------------------------------------------------------------------------
// Groups
// -----------------------------------------------------------------------------

const restartGroup = (fleet: Fleet, place: Place, exit: WorkerExit.WorkerExit): void => {
  const { group } = fleet
  const at = fleet.setup.strategy === "one-for-all" ? 0 : place.order
  group.from = Math.min(group.from ?? at, at)
  group.cause = { place, exit }
  group.epoch += 1
  for (const member of fleet.serving) if (member.order >= at) member.inGroup = true
  if (group.running) return
  group.running = true
  fleet.run(
    Effect.ensuring(
      orGiveUp(fleet, runGroup(fleet), () => fleet.group.cause!),
      Effect.sync(() => {
        group.running = false
        group.from = undefined
        // A recycling may wait for it.
        fleet.changed()
      })
    )
  )
}

const runGroup = (fleet: Fleet): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { group } = fleet
    yield* Effect.yieldNow
    while (group.from !== undefined && fleet.phase === "Open") {
      const from = group.from
      // Who came to serve after the failure, in the place of one that was replaced, was not there to fail with it.
      const members = fleet.serving.filter((one) => one.inGroup && one.order >= from)
      const { exit, place } = group.cause!
      group.from = undefined
      yield* Stopping.stopPlaces(fleet, members, Stopping.limits(fleet, fleet.setup.graceMillis, "group restart"), true)
      // One that not even a kill has ended is on its own; its exit is decided on when it comes.
      for (const member of members) if (member.isLive) member.inGroup = false
      if (!(yield* backOff(fleet, place, exit))) return
      yield* beginInOrder(fleet, members)
      // A failure further down has ended that before all were begun: they are part of what follows.
      const left = members.filter((one) => one.inGroup && one.isServing && !one.isEnded && !one.isLive)
      if (group.from !== undefined) group.from = Math.min(group.from, ...left.map((one) => one.order))
    }
  })

/** Each after the one before is ready; a group restart that is decided on meanwhile ends it, and takes over. */
export const beginInOrder = (
  fleet: Fleet,
  members: ReadonlyArray<Place>,
  isLost: (member: Place) => boolean = () => false
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { epoch } = fleet.group
    const isOver = (): boolean =>
      fleet.phase !== "Open" || fleet.group.from !== undefined || fleet.group.epoch !== epoch
    for (const member of members) {
      if (isOver()) return
      if (member.isEnded || member.isDismissed || member.isLive) continue
      begin(fleet, member)
      yield* fleet.watchers.until(() => member.isReady || member.isEnded || isOver())
      if (isLost(member)) return
    }
  })

// -----------------------------------------------------------------------------
// Giving up
// -----------------------------------------------------------------------------

const giveUp = (
  fleet: Fleet,
  place: Place,
  exit: WorkerExit.WorkerExit,
  why: RestartIntensityExceeded["why"]
): void => {
  const { intensity } = fleet.setup
  const error = new RestartIntensityExceeded({
    service: place.spec.name,
    serviceOrdinal: place.serviceOrdinal,
    why,
    max: intensity.max,
    periodMillis: intensity.periodMillis,
    exit
  })
  fleet.note(place, "gave up", error.message)
  // A group restart may have died when its first place lived again, or was stopped for good.
  if (!place.isEnded && !place.isLive) fleet.finish(place, exit)
  fleet.failure = error
  fleet.log(Effect.logError(`${fleet.setup.name} gives up: ${error.message}`))
  fleet.run(Stopping.stop(fleet, Stopping.limits(fleet, fleet.setup.graceMillis, "too many restarts"), true))
  fleet.setup.gaveUp(error)
}
