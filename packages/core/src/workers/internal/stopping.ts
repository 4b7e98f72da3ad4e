/**
 * How workers are stopped: interrupt, wait the grace, kill, wait. It ends by its limits whatever the workers do.
 *
 * **Invariants**
 *
 * 1. Everyone is told before anyone is killed, and all kills happen in one pass.
 * 2. One by one: the next is told when the one before has ended or its equal share of the grace is over; nobody is killed by
 *    a share.
 * 3. A second stop shares the run of the first; the shorter limits count, and the workers are told them.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type { WorkerExit } from "../WorkerExit.ts"
import type { Limits } from "../Workforce.ts"
import type { Fleet } from "./fleet.ts"
import { PATIENCE_MILLIS } from "./patience.ts"
import type { Place } from "./place.ts"

/** What a worker is told to end in, so that its report arrives before the kill. */
export const budgetOf = (graceMillis: number): number => graceMillis - Math.min(250, graceMillis / 10)

/** A grace from now, and the patience for those that are killed. */
export const limits = (fleet: Fleet, graceMillis: number, reason: string): Limits => {
  const end = fleet.nowMillis() + graceMillis
  const until = (millis: number): Effect.Effect<void> =>
    Effect.suspend(() => {
      const left = millis - fleet.nowMillis()
      return left > 0 ? Effect.sleep(left) : Effect.void
    })
  return {
    graceMillis: () => Math.max(0, end - fleet.nowMillis()),
    graceOver: until(end),
    waitOver: until(end + PATIENCE_MILLIS),
    forced: Effect.never,
    reason
  }
}

const isLive = (place: Place): boolean => place.isLive

/** Stops what runs in some places; gives those left behind. Whether their places end is not decided here. */
export const stopPlaces = (
  fleet: Fleet,
  places: ReadonlyArray<Place>,
  limits: Limits,
  lastFirst: boolean
): Effect.Effect<ReadonlyArray<Place>> =>
  Effect.gen(function* () {
    const gone = fleet.watchers.until(() => !places.some(isLive))
    const tell = (place: Place): void => {
      const budget = budgetOf(limits.graceMillis())
      place.interrupt(budget, limits.reason, fleet.nowMillis())
    }
    const force = Effect.map(limits.forced, () => {
      for (const place of places) place.life?.force()
    })
    const inGrace = Effect.gen(function* () {
      if (lastFirst) yield* Effect.raceFirst(oneByOne(fleet, places, limits, tell), limits.forced)
      for (const place of places.toReversed()) tell(place)
      fleet.changed()
      yield* gone
    })
    yield* Effect.raceFirst(Effect.raceFirst(inGrace, Effect.andThen(force, Effect.never)), limits.graceOver)
    const stubborn = places.filter(isLive)
    for (const place of stubborn) place.kill("grace over")
    if (stubborn.length > 0) {
      fleet.changed()
      yield* Effect.raceFirst(gone, limits.waitOver)
    }
    const left = places.filter(isLive)
    for (const place of left) fleet.note(place, "left behind", "it was killed and is still there")
    return left
  })

const oneByOne = (
  fleet: Fleet,
  places: ReadonlyArray<Place>,
  limits: Limits,
  tell: (place: Place) => void
): Effect.Effect<void> =>
  Effect.gen(function* () {
    for (const place of places.toReversed()) {
      if (!isLive(place)) continue
      const share = limits.graceMillis() / places.filter(isLive).length
      tell(place)
      fleet.changed()
      yield* Effect.raceFirst(
        fleet.watchers.until(() => !isLive(place)),
        Effect.sleep(share)
      )
    }
  })

/** Closes the container and stops all of its workers; gives the names of those left behind. */
export const stop = (
  fleet: Fleet,
  limits: Limits,
  lastFirst = fleet.setup.lastFirst
): Effect.Effect<ReadonlyArray<string>> =>
  Effect.suspend(() => {
    if (fleet.stopRun !== undefined) return share(fleet, limits)
    close(fleet)
    const places = fleet.places.slice()
    fleet.stopRun = { done: false, leftBehind: [] }
    const run = fleet.stopRun
    // In a fiber of its own: who gives up waiting does not undo the stop.
    fleet.run(
      Effect.map(stopPlaces(fleet, places, limits, lastFirst), (left) => {
        run.leftBehind = left.map((place) => fleet.nameOf(place))
        run.done = true
        fleet.phase = "Stopped"
        for (const name of run.leftBehind)
          fleet.log(Effect.logError(`${name} was killed and is still there: left behind`))
        fleet.changed()
      })
    )
    return Effect.map(
      fleet.watchers.until(() => run.done),
      () => run.leftBehind
    )
  })

/** Somebody else is stopping it: the shorter limits count. */
const share = (fleet: Fleet, limits: Limits): Effect.Effect<ReadonlyArray<string>> =>
  Effect.gen(function* () {
    const run = fleet.stopRun!
    if (run.done) return run.leftBehind
    const done = fleet.watchers.until(() => run.done)
    const force = Effect.map(limits.forced, () => {
      for (const place of fleet.places) place.life?.force()
    })
    for (const place of fleet.places) {
      place.interrupt(budgetOf(limits.graceMillis()), limits.reason, fleet.nowMillis())
    }
    yield* Effect.raceFirst(Effect.raceFirst(done, Effect.andThen(force, Effect.never)), limits.graceOver)
    if (run.done) return run.leftBehind
    for (const place of fleet.places) place.kill("grace over")
    fleet.changed()
    yield* Effect.raceFirst(done, limits.waitOver)
    return run.done ? run.leftBehind : fleet.places.filter(isLive).map((place) => fleet.nameOf(place))
  })

/** From here on nothing is begun; who only waits for its next life has had its last. */
export const close = (fleet: Fleet): void => {
  if (fleet.phase === "Open") fleet.phase = "Stopping"
  for (const place of fleet.places.slice()) giveBack(fleet, place)
  fleet.changed()
}

/** A place with nobody in it has had its last life. */
export const giveBack = (fleet: Fleet, place: Place): void => {
  if (!place.isLive && !place.isEnded) fleet.finish(place, place.lastExit ?? neverBegun)
}

const neverBegun: WorkerExit = { _tag: "Stopped", exitCode: 0, leftBehind: [] }

/** Tells everyone to stop, and leaves it at that. */
export const interrupt = (fleet: Fleet): void => {
  close(fleet)
  const budget = budgetOf(fleet.setup.graceMillis)
  for (const place of fleet.places.toReversed()) place.interrupt(budget, "interrupt", fleet.nowMillis())
  fleet.changed()
}
