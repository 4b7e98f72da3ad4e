/**
 * The state of one container: its places, its counts, its timers.
 *
 * Plain state, moved in one turn by plain calls; what takes time runs in fibers that look again before they act. What happens
 * when a life begins, says something or ends is in `lives.ts`, decisions about restarts are in `supervision.ts`, the way out
 * is in `stopping.ts`.
 *
 * **Phases**
 *
 * ```text
 *   Open ──▶ Stopping ──▶ Stopped
 * ```
 *
 * **Invariants**
 *
 * 1. `places` are in start order and hold no place that has ended.
 * 2. A life has at most one timer, and its age one; they end with the life.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import { label } from "../../internal/quote.ts"
import type * as RestartIntensity from "../../tasks/RestartIntensity.ts"
import type * as Backend from "../Backend.ts"
import type { Child, Role } from "../Child.ts"
import type { Resolved } from "../ChildSpec.ts"
import type { RestartIntensityExceeded } from "../ContainerError.ts"
import type { Frame } from "../Frame.ts"
import type { What } from "../Incidents.ts"
import type { OrdinalPool } from "../OrdinalPool.ts"
import type { Event, Policy } from "../Policy.ts"
import { Counts } from "../Statistics.ts"
import * as WorkerContext from "../WorkerContext.ts"
import * as WorkerExit from "../WorkerExit.ts"
import type { Age } from "./age.ts"
import { Hooks } from "./hooks.ts"
import { IncidentLog } from "./incidentLog.ts"
import type { Life } from "./life.ts"
import { Place } from "./place.ts"
import { Watchers } from "./watchers.ts"

export type Strategy = "one-for-one" | "one-for-all" | "rest-for-one"

export interface Setup {
  readonly name: string
  readonly backend: Backend.Shape
  readonly pool: OrdinalPool
  readonly frames: ReadonlyArray<Frame>
  readonly strategy: Strategy
  readonly intensity: RestartIntensity.Intensity
  readonly graceMillis: number
  readonly lastFirst: boolean
  /** A worker is started when the one before it is ready. */
  readonly inOrder: boolean
  readonly policy: Policy
  readonly recover: ((dead: WorkerContext.Facts) => Effect.Effect<unknown, unknown>) | undefined
  readonly context: Context.Context<never>
  /** The surrounding service was asked to stop: no operation begins, and none is promoted. */
  readonly isAskedToStop: () => boolean
  /** A supervisor that gives up tells the surrounding service. */
  readonly gaveUp: (error: RestartIntensityExceeded) => void
  /** The surrounding service is told after every change. */
  readonly changed: () => void
  readonly childOf: (fleet: Fleet, place: Place) => Child
  /** Its life may have reached a limit: `recycle.ts`. */
  readonly aged: (fleet: Fleet, place: Place) => void
  /** What becomes of a place whose life has ended: `supervision.ts`. */
  readonly decide: (fleet: Fleet, place: Place, exit: WorkerExit.WorkerExit) => void
}

/** Incidents are kept; what a worker says about its end may be of any length. */
const MOST_DETAIL = 2000

/** A place to be taken. */
export interface Want {
  readonly spec: Resolved
  /** Default: the lowest that is free in the service. */
  readonly serviceOrdinal?: number | undefined
}

/** An operation that waits for its turn, or has it: `operations.ts`. */
export interface Ticket {
  /** It waits behind everything that somebody asked for. */
  readonly isRecycling: boolean
  /** Nobody waits for it any more; what is not promoted is taken back. */
  isCancelled: boolean
}

/** A group restart that runs, and from which place on there has to be one (again). */
interface GroupRestart {
  /** How often one was decided on. */
  epoch: number
  running: boolean
  from: number | undefined
  cause: { readonly place: Place; readonly exit: WorkerExit.WorkerExit } | undefined
}

export class Fleet {
  readonly setup: Setup
  readonly watchers = new Watchers()
  readonly counts = new Counts()
  readonly incidents = new IncidentLog()
  readonly hooks: Hooks
  readonly clock: Clock.Clock
  phase: "Open" | "Stopping" | "Stopped" = "Open"
  failure: RestartIntensityExceeded | undefined = undefined
  /** The restarts that still count. */
  window: RestartIntensity.Window = []
  readonly group: GroupRestart = { epoch: 0, running: false, from: undefined, cause: undefined }
  /** The stop of the whole container, once there is one. */
  stopRun: { done: boolean; leftBehind: ReadonlyArray<string> } | undefined = undefined
  places: Array<Place> = []
  /** Services whose last worker failed and is not started again. */
  readonly lost = new Set<string>()
  private readonly children = new Map<Place, Child>()
  private readonly timers = new Map<Life | Age, Fiber.Fiber<void>>()
  /** Operations, the first has its turn. */
  readonly tickets: Array<Ticket> = []
  /** Services that were scaled to nothing, and what one of their workers is. */
  readonly dormant = new Map<string, Resolved>()
  private order = 0
  private turn = 0

  constructor(setup: Setup) {
    this.setup = setup
    this.clock = Context.get(setup.context, Clock.Clock)
    this.hooks = new Hooks(this.run)
  }

  readonly run = <A, E>(effect: Effect.Effect<A, E>): Fiber.Fiber<A, E> =>
    Effect.runForkWith(this.setup.context)(effect)
  log(line: Effect.Effect<void>): void {
    this.run(Effect.ignoreCause(line))
  }
  nowMillis(): number {
    return Number(this.clock.monotonicTimeNanosUnsafe()) / 1e6
  }
  childOf(place: Place): Child {
    const known = this.children.get(place)
    if (known !== undefined) return known
    const child = this.setup.childOf(this, place)
    this.children.set(place, child)
    return child
  }

  // ---------------------------------------------------------------------------
  // Places
  // ---------------------------------------------------------------------------

  /** The container's workers. */
  get serving(): ReadonlyArray<Place> {
    return this.places.filter((place) => place.isServing)
  }

  /**
   * Takes places, all or none; nothing if there are not enough ordinals. The service ordinals of places that are `leaving` are
   * free already.
   */
  take(
    wants: ReadonlyArray<Want>,
    role: Role = "Serving",
    leaving: ReadonlySet<Place> = new Set()
  ): ReadonlyArray<Place> | undefined {
    const claims = wants.map(() => this.setup.pool.acquireUnsafe())
    if (claims.includes(undefined)) {
      for (const claim of claims) claim?.releaseUnsafe()
      return undefined
    }
    const numbers = this.serviceOrdinals(wants, leaving)
    const { frames } = this.setup
    const places = wants.map(
      ({ spec }, at) =>
        new Place({
          spec,
          role,
          serviceOrdinal: numbers[at]!,
          claim: claims[at]!,
          frames,
          kind: this.setup.backend.kind,
          order: this.order++
        })
    )
    this.places.push(...places)
    return places
  }

  /** Somebody works for a service again. */
  found(service: string): void {
    this.lost.delete(service)
    this.dormant.delete(service)
  }

  private serviceOrdinals(wants: ReadonlyArray<Want>, leaving: ReadonlySet<Place>): ReadonlyArray<number> {
    const taken = new Map<string, Set<number>>()
    const of = (service: string): Set<number> => {
      const known = taken.get(service) ?? new Set()
      taken.set(service, known)
      return known
    }
    for (const place of this.places) if (!leaving.has(place)) of(place.spec.name).add(place.serviceOrdinal)
    for (const { serviceOrdinal, spec } of wants) {
      if (serviceOrdinal !== undefined) of(spec.name).add(serviceOrdinal)
    }
    return wants.map(({ serviceOrdinal, spec }) => serviceOrdinal ?? takeLowest(of(spec.name)))
  }

  /** A place has had its last life. */
  finish(place: Place, exit: WorkerExit.WorkerExit): void {
    place.finish(exit)
    this.places = this.places.filter((one) => one !== place)
    this.children.delete(place)
    const { name } = place.spec
    const isLast = !this.serving.some((one) => one.spec.name === name)
    if (isLast && place.isServing && !WorkerExit.isSuccess(exit)) this.lost.add(name)
  }

  /** After all of a change: nothing waits on what it knows no better. */
  changed(): void {
    if (this.phase === "Stopping" && this.places.length === 0) this.phase = "Stopped"
    this.watchers.changed()
    this.setup.changed()
  }

  /**
   * Of the ready workers that match, the one whose turn is longest ago: in turn among themselves, whoever else is asked in
   * between.
   */
  pick(matches: (place: Place) => boolean): Place | undefined {
    let next: Place | undefined
    for (const place of this.places) {
      if (place.takesRequests && (next === undefined || place.turn < next.turn) && matches(place)) next = place
    }
    if (next !== undefined) next.turn = ++this.turn
    return next
  }

  // ---------------------------------------------------------------------------
  // Lives
  // ---------------------------------------------------------------------------

  eventOf(place: Place): Event {
    return { child: this.childOf(place), facts: place.facts! }
  }

  nameOf(place: Place): string {
    return place.facts === undefined
      ? `${place.spec.name} ${place.serviceOrdinal}`
      : WorkerContext.describe(place.facts)
  }

  /** Keeps what happened to a worker; that it is logged is another's affair. */
  note(place: Place, what: What, detail: string): void {
    const { facts, serviceOrdinal, spec } = place
    const worker = facts === undefined ? `${label(spec.name)} ${serviceOrdinal}` : WorkerContext.describePlace(facts)
    const at = this.clock.currentTimeMillisUnsafe()
    const text = detail.slice(0, MOST_DETAIL).replaceAll(/\s*\n\s*/g, " ")
    this.incidents.add({ at, worker, life: facts?.generation ?? 0, what, detail: text })
  }

  kill(place: Place, reason: WorkerExit.KillReason): void {
    place.kill(reason)
    this.changed()
  }

  /** Sets the timer of a life, or of its age, in place of the one it had. */
  arm(life: Life | Age, after: Duration.Input, then: () => void): void {
    this.disarm(life)
    const over = Effect.sync(() => {
      this.timers.delete(life)
      then()
    })
    this.timers.set(life, this.run(Effect.andThen(Effect.sleep(after), over)))
  }

  disarm(life: Life | Age): void {
    const timer = this.timers.get(life)
    this.timers.delete(life)
    timer?.interruptUnsafe()
  }
}

const takeLowest = (taken: Set<number>): number => {
  let lowest = 0
  while (taken.has(lowest)) lowest++
  taken.add(lowest)
  return lowest
}
