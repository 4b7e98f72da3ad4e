/**
 * What happens in a container when a life begins, says something or ends.
 *
 * What becomes of the place of a life that has ended is decided in `supervision.ts`, once what the life held in shared memory
 * is put right.
 *
 * **Invariants**
 *
 * 1. Nothing is begun, and nothing begun again, outside `Open`.
 * 2. A recovery is over, or given up, before its ordinal has another life or another owner.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Failure from "../../internal/failure.ts"
import * as WorkerExit from "../WorkerExit.ts"
import type { Fleet } from "./fleet.ts"
import * as Health from "./health.ts"
import type { Host, Life, Word } from "./life.ts"
import * as Patience from "./patience.ts"
import type { Said } from "../Policy.ts"
import type { Place } from "./place.ts"

export const begin = (fleet: Fleet, place: Place): void => {
  if (fleet.phase !== "Open" || place.isEnded) return
  fleet.counts.add(place.facts === undefined ? "spawns" : "restarts", fleet.nowMillis())
  const { backend, policy } = fleet.setup
  place.begin(backend, hostOf(fleet, place), fleet.clock.currentTimeMillisUnsafe())
  const event = fleet.eventOf(place)
  if (policy.spawned !== undefined) fleet.hooks.tell("spawned", () => policy.spawned!(event))
  const { life } = place
  if (life !== undefined && !life.isReady) Health.armStartup(fleet, place, life)
  const { beatEveryMillis } = place.spec
  if (beatEveryMillis !== undefined) life?.beat(beatEveryMillis)
  fleet.changed()
}

const hostOf = (fleet: Fleet, place: Place): Host => ({
  run: fleet.run,
  ready: (life) => {
    fleet.disarm(life)
    place.becomeReady()
    life.signs.begin(fleet.nowMillis())
    life.age.readyAt = fleet.nowMillis()
    Health.watch(fleet, place, life)
    fleet.setup.aged(fleet, place)
    fleet.changed()
  },
  word: (life, word) => heard(fleet, place, life, word),
  invalid: (life, error) => Health.invalid(fleet, place, life, error),
  exited: (life, exit) => exited(fleet, place, life, exit)
})

const heard = (fleet: Fleet, place: Place, life: Life, word: Word): void => {
  if (word._tag === "Healthy") {
    return life.signs.heard(word.progress === true, word.memoryBytes, fleet.nowMillis())
  }
  if (word._tag !== "Stopping") return said(fleet, place, word)
  if (!place.stopsItself()) return
  life.stopBy = fleet.nowMillis() + word.budgetMillis
  fleet.arm(life, word.budgetMillis + Patience.PATIENCE_MILLIS, () => {
    if (place.life === life) fleet.kill(place, "grace over")
  })
  fleet.changed()
}

const said = (fleet: Fleet, place: Place, message: Said): void => {
  const { said: hook } = fleet.setup.policy
  if (message._tag === "Problem") fleet.log(Effect.logWarning(`${fleet.nameOf(place)}: ${message.message}`))
  if (hook === undefined) return
  const event = fleet.eventOf(place)
  // By place, not by life: one that crashes and begins again costs no more.
  fleet.hooks.hear("said", place, message._tag, () => hook({ ...event, message }))
}

const exited = (fleet: Fleet, place: Place, life: Life, exit: WorkerExit.WorkerExit): void => {
  const event = fleet.eventOf(place)
  const { policy, recover } = fleet.setup
  fleet.disarm(life)
  fleet.disarm(life.age)
  place.left(exit)
  // Before any hook: one that stops the container must find the ordinal still held.
  if (recover !== undefined) place.recover(exit)
  const isFailure = !WorkerExit.isSuccess(exit)
  if (isFailure) fleet.counts.add("failures", fleet.nowMillis())
  const line = `${fleet.nameOf(place)} ${WorkerExit.describe(exit)}`
  if (isFailure && exit._tag !== "Killed") fleet.note(place, "crashed", WorkerExit.describe(exit))
  if (exit._tag === "Killed" && exit.reason === "grace over") fleet.note(place, "grace over", "killed")
  fleet.log(isFailure ? Effect.logWarning(line) : Effect.logDebug(line))
  if (policy.exited !== undefined) fleet.hooks.tell("exited", () => policy.exited!({ ...event, exit }))
  if (recover !== undefined) {
    const recovery = Effect.suspend(() => recover(event.facts))
    return recoverFrom(fleet, place, exit, recovery)
  }
  fleet.setup.decide(fleet, place, exit)
  fleet.changed()
}

/** Nobody gets the ordinal, not even its own next life, before what the last one held is put right. */
const recoverFrom = (
  fleet: Fleet,
  place: Place,
  exit: WorkerExit.WorkerExit,
  recovery: Effect.Effect<unknown, unknown>
): void => {
  fleet.changed()
  const late = Effect.fail(`not done within ${Patience.PATIENCE_MILLIS} ms`)
  const told = Patience.within(recovery, Patience.PATIENCE_MILLIS).pipe(
    Effect.flatMap(Option.match({ onNone: () => late, onSome: () => Effect.void })),
    Effect.catchCause((cause) => Failure.log(`recovery from ${fleet.nameOf(place)} failed`, cause))
  )
  fleet.run(
    Effect.map(told, () => {
      place.isRecovering = false
      fleet.setup.decide(fleet, place, exit)
      fleet.changed()
    })
  )
}
