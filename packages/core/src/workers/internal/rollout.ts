/**
 * A rollout: new places on trial, then in one turn promoted, and those they replace retired.
 *
 * ```text
 *   taken, all or none ──▶ begun ──▶ all ready, nobody bare ──▶ promoted; the old told to stop ──▶ the old gone
 *                            │ one ended, nobody waits, the container stops
 *                            └──▶ taken back: told to stop, gone; the old were not touched
 * ```
 *
 * **Invariants** (numbers of docs/operations.md)
 *
 * - 2: `promote` is called only in the turn in which all on trial were seen ready.
 * - 4: nothing of the old is touched before that turn.
 * - 5: promotion and retirement are one turn: no request finds neither. A service that keeps workers of which none is ready is
 *   _bare_ without those that are retired: these are kept until one is, for as long as a start may take, and then for good.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Child } from "../Child.ts"
import type { Resolved } from "../ChildSpec.ts"
import { RolloutFailed, type SpawnError } from "../ContainerError.ts"
import type { OperationError, Outcome } from "../Operations.ts"
import * as WorkerExit from "../WorkerExit.ts"
import type { Fleet, Ticket } from "./fleet.ts"
import { begin } from "./lives.ts"
import { giveUp, isOver } from "./operations.ts"
import type { Place } from "./place.ts"
import { take } from "./prepare.ts"
import * as Stopping from "./stopping.ts"
import { wantsRestart } from "./supervision.ts"

/** A new place, and whose place it takes. */
export interface Fresh {
  readonly spec: Resolved
  readonly replaces?: Place | undefined
}

export interface Plan {
  /** In start order. */
  readonly fresh: ReadonlyArray<Fresh>
  /** Who stays, and what its specification is from now on. */
  readonly kept: ReadonlyArray<{ readonly place: Place; readonly spec: Resolved }>
  /** Who is replaced, or not wanted any more. */
  readonly retiring: ReadonlyArray<Place>
  /** In the turn of the promotion, with the new places. */
  readonly promoted?: ((fresh: ReadonlyArray<Place>) => void) | undefined
}

export interface Options {
  readonly operation: RolloutFailed["operation"]
  readonly ticket: Ticket
  readonly graceMillis: number
  /** Called in the turn in which the places are taken: what was planned before has changed meanwhile. */
  readonly plan: () => Plan | SpawnError
}

export const run = (fleet: Fleet, options: Options): Effect.Effect<Outcome, OperationError> =>
  Effect.gen(function* () {
    const { graceMillis, operation, plan: planned, ticket } = options
    const plan = planned()
    if (!("fresh" in plan)) return yield* Effect.fail(plan)
    const trial = takeOnTrial(fleet, plan)
    if (!Array.isArray(trial)) return yield* Effect.fail(trial as SpawnError)
    const started: ReadonlyArray<Child> = trial.map((place: Place) => fleet.childOf(place))
    const kept = plan.kept.map(({ place }) => fleet.childOf(place))
    // A defect on the way, of this family or of a backend, leaves nobody on trial either.
    const found = yield* Effect.onError(onTrial(fleet, ticket, plan, trial), () => takeBack(fleet, trial, graceMillis))
    if (found !== "ready") {
      yield* takeBack(fleet, trial, graceMillis)
      return yield* found === "over" ? giveUp(fleet) : Effect.fail(failed(operation, found))
    }
    promote(fleet, plan, trial, graceMillis)
    const left = yield* retire(fleet, plan.retiring, graceMillis)
    return { started, kept, retired: plan.retiring.length, leftBehind: left.map((place) => fleet.nameOf(place)) }
  })

// -----------------------------------------------------------------------------
// On trial
// -----------------------------------------------------------------------------

/** Begins all of them and waits until it is known what is to be done. */
const onTrial = (
  fleet: Fleet,
  ticket: Ticket,
  plan: Plan,
  trial: ReadonlyArray<Place>
): Effect.Effect<Exclude<Verdict, "wait">> =>
  Effect.gen(function* () {
    yield* beginTrial(fleet, ticket, trial)
    const patience: Patience = { until: undefined }
    const look = (): Verdict => verdictOnAll(fleet, ticket, plan, trial, patience)
    // Whoever waits is woken a moment after what it waits for: what was true then is looked at again.
    for (let found = look(); ; found = look()) {
      if (found !== "wait") return found
      yield* whileWaiting(fleet, look, patience)
    }
  })

const takeOnTrial = (fleet: Fleet, plan: Plan): ReadonlyArray<Place> | SpawnError => {
  const wants = plan.fresh.map(({ replaces, spec }) => ({
    spec,
    serviceOrdinal: replaces?.spec.name === spec.name ? replaces.serviceOrdinal : undefined
  }))
  return take(fleet, wants, "OnTrial", new Set(plan.retiring))
}

const beginTrial = (fleet: Fleet, ticket: Ticket, trial: ReadonlyArray<Place>): Effect.Effect<void> =>
  Effect.gen(function* () {
    for (const place of trial) {
      begin(fleet, place)
      if (!fleet.setup.inOrder) continue
      const isDone = (): boolean => place.isReady || verdict(fleet, ticket, [place]) !== "wait"
      yield* fleet.watchers.until(isDone)
      if (!place.isReady && verdict(fleet, ticket, [place]) !== "ready") return
    }
  })

/** What is to be done: wait, promote, give up, or take back because of one. */
type Verdict = "wait" | "ready" | "over" | Place

/** Until when those that are kept are waited for, once they are. */
interface Patience {
  until: number | undefined
}

const verdictOnAll = (
  fleet: Fleet,
  ticket: Ticket,
  plan: Plan,
  trial: ReadonlyArray<Place>,
  patience: Patience
): Verdict => {
  const found = verdict(fleet, ticket, trial)
  const late = found === "ready" ? bare(fleet, plan, trial) : undefined
  if (late === undefined) return found
  patience.until ??= fleet.nowMillis() + Duration.toMillis(late.spec.startupTimeout)
  return fleet.nowMillis() < patience.until ? "wait" : late
}

/** Who is not ready although its service would have no other ready worker after the promotion (invariant 5). */
const bare = (fleet: Fleet, plan: Plan, trial: ReadonlyArray<Place>): Place | undefined => {
  const retiring = new Set(plan.retiring)
  const others = [...fleet.serving.filter((place) => !retiring.has(place)), ...trial]
  for (const place of retiring) {
    if (!place.takesRequests) continue
    const staying = others.filter((one) => one.spec.name === place.spec.name && !one.isEnded)
    if (staying.length > 0 && !staying.some((one) => one.isReady)) return staying[0]
  }
  return undefined
}

const whileWaiting = (fleet: Fleet, look: () => Verdict, patience: Patience): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { until } = patience
    const news = fleet.watchers.until(() => look() !== "wait" || patience.until !== until)
    return until === undefined ? news : Effect.raceFirst(news, Effect.sleep(until - fleet.nowMillis()))
  })

/** As far as those on trial go. */
const verdict = (fleet: Fleet, ticket: Ticket, trial: ReadonlyArray<Place>): Verdict => {
  if (isOver(fleet, ticket)) return "over"
  const lost = trial.find(isLost)
  if (lost !== undefined) return lost
  return trial.every((place) => place.isReady || hasDoneItsPart(place)) ? "ready" : "wait"
}

/** Its only life was ready, succeeded and is not wanted again. */
const hasDoneItsPart = (place: Place): boolean =>
  place.end !== undefined &&
  place.wasReady &&
  WorkerExit.isSuccess(place.end) &&
  !wantsRestart(place.spec.restart, place.end)

/** One that was killed may never be gone; nobody waits for that. */
const isLost = (place: Place): boolean => place.state._tag === "Killing" || (place.isEnded && !hasDoneItsPart(place))

const failed = (operation: RolloutFailed["operation"], place: Place): RolloutFailed => {
  const { serviceOrdinal, spec } = place
  // Who is kept serves on, whatever becomes of its life.
  const end = place.end ?? (place.isServing ? undefined : place.life?.ending)
  const isLate = end === undefined || (end._tag === "Killed" && end.reason === "startup timeout")
  const reason = isLate ? "NotReadyInTime" : "Ended"
  return new RolloutFailed({ operation, service: spec.name, serviceOrdinal, reason, exit: end })
}

const takeBack = (fleet: Fleet, trial: ReadonlyArray<Place>, graceMillis: number): Effect.Effect<unknown> =>
  Effect.suspend(() => {
    for (const place of trial) dismiss(fleet, place)
    fleet.changed()
    return retire(fleet, trial, graceMillis)
  })

// -----------------------------------------------------------------------------
// Promotion and retirement
// -----------------------------------------------------------------------------

const dismiss = (fleet: Fleet, place: Place): void => {
  place.retire()
  Stopping.giveBack(fleet, place)
}

/** In one turn: who was on trial serves, and who is replaced gets no request any more and is told to stop. */
const promote = (fleet: Fleet, plan: Plan, trial: ReadonlyArray<Place>, graceMillis: number): void => {
  for (const [at, place] of trial.entries()) {
    const { replaces, spec } = plan.fresh[at]!
    fleet.found(spec.name)
    if (!place.isEnded) place.promote(replaces?.order ?? place.order)
  }
  for (const { place, spec } of plan.kept) place.spec = spec
  for (const place of plan.retiring) {
    dismiss(fleet, place)
    if (!fleet.setup.lastFirst) place.interrupt(Stopping.budgetOf(graceMillis), "replaced", fleet.nowMillis())
  }
  fleet.places.sort((a, b) => a.order - b.order)
  plan.promoted?.(trial)
  for (const place of fleet.serving) fleet.setup.aged(fleet, place)
  fleet.changed()
}

/** Stops places that were retired; names who is left. */
const retire = (fleet: Fleet, places: ReadonlyArray<Place>, graceMillis: number): Effect.Effect<ReadonlyArray<Place>> =>
  Effect.map(
    Stopping.stopPlaces(fleet, places, Stopping.limits(fleet, graceMillis, "replaced"), fleet.setup.lastFirst),
    (left) => {
      const names = left.map((place) => fleet.nameOf(place))
      for (const name of names) fleet.log(Effect.logError(`${name} was killed and is still there: left behind`))
      return left
    }
  )
