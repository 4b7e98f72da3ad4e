/**
 * The state of one container: its places, its counts, and what happens when a life begins, says something or ends.
 *
 * Plain state, moved in one turn by plain calls; what takes time runs in fibers that look again before they act. Decisions
 * about restarts are in `supervision.ts`, the way out is in `stopping.ts`.
 *
 * **Phases**
 *
 * ```text
 *   Open ──▶ Stopping ──▶ Stopped
 * ```
 *
 * **Invariants**
 *
 * 1. Nothing is begun, and nothing begun again, outside `Open`.
 * 2. `places` are in start order and hold no place that has ended.
 * 3. A hook runs in a fiber of its own; what it throws is logged and changes nothing.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Failure from "../../internal/failure.ts"
import type * as RestartIntensity from "../../tasks/RestartIntensity.ts"
import type * as Backend from "../Backend.ts"
import type { Child } from "../Child.ts"
import type { Resolved } from "../ChildSpec.ts"
import type { RestartIntensityExceeded } from "../ContainerError.ts"
import type { Frame } from "../Frame.ts"
import type { OrdinalPool } from "../OrdinalPool.ts"
import type { Event, Policy } from "../Policy.ts"
import { Counts } from "../Statistics.ts"
import * as WorkerContext from "../WorkerContext.ts"
import * as WorkerExit from "../WorkerExit.ts"
import type { InvalidMessage } from "../WorkerMessage.ts"
import type { Host, Life, Word } from "./life.ts"
import * as Patience from "./patience.ts"
import { Place } from "./place.ts"
import { PATIENCE_MILLIS } from "./stopping.ts"
import * as Supervision from "./supervision.ts"
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
  readonly policy: Policy
  readonly recover: ((dead: WorkerContext.Facts) => Effect.Effect<unknown, unknown>) | undefined
  readonly context: Context.Context<never>
  /** A supervisor that gives up tells the surrounding service. */
  readonly gaveUp: (error: RestartIntensityExceeded) => void
  readonly childOf: (fleet: Fleet, place: Place) => Child
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
  readonly clock: Clock.Clock
  phase: "Open" | "Stopping" | "Stopped" = "Open"
  failure: RestartIntensityExceeded | undefined = undefined
  /** The restarts that still count. */
  window: RestartIntensity.Window = []
  readonly group: GroupRestart = { epoch: 0, running: false, from: undefined, cause: undefined }
  /** The stop of the whole container, once there is one. */
  stopRun: { done: boolean; leftBehind: ReadonlyArray<string> } | undefined = undefined
  places: Array<Place> = []
  private readonly children = new Map<Place, Child>()
  private readonly timers = new Map<Life, Fiber.Fiber<void>>()
  /** Hooks that run. */
  private readonly hooks = new Set<Fiber.Fiber<unknown>>()
  private readonly serviceOrdinals = new Map<string, Set<number>>()
  private order = 0
  private turn = 0

  constructor(setup: Setup) {
    this.setup = setup
    this.clock = Context.get(setup.context, Clock.Clock)
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

  /** Takes places, all or none; nothing if there are not enough ordinals. */
  take(specs: ReadonlyArray<Resolved>): ReadonlyArray<Place> | undefined {
    const claims = specs.map(() => this.setup.pool.acquireUnsafe())
    if (claims.includes(undefined)) {
      for (const claim of claims) claim?.releaseUnsafe()
      return undefined
    }
    const places = specs.map(
      (spec, at) =>
        new Place({
          spec,
          serviceOrdinal: this.takeServiceOrdinal(spec.name),
          claim: claims[at]!,
          frames: this.setup.frames,
          kind: this.setup.backend.kind,
          order: this.order++
        })
    )
    this.places.push(...places)
    return places
  }

  private takeServiceOrdinal(service: string): number {
    const taken = this.serviceOrdinals.get(service) ?? new Set<number>()
    this.serviceOrdinals.set(service, taken)
    let lowest = 0
    while (taken.has(lowest)) lowest++
    taken.add(lowest)
    return lowest
  }

  /** A place has had its last life. */
  finish(place: Place, exit: WorkerExit.WorkerExit): void {
    place.finish(exit)
    this.places = this.places.filter((one) => one !== place)
    this.children.delete(place)
    const { name } = place.spec
    const taken = this.serviceOrdinals.get(name)
    taken?.delete(place.serviceOrdinal)
    if (taken?.size === 0) this.serviceOrdinals.delete(name)
  }

  /** After all of a change: nothing waits on what it knows no better. */
  changed(): void {
    if (this.phase === "Stopping" && this.places.length === 0) this.phase = "Stopped"
    this.watchers.changed()
  }

  /** The next ready worker in turn, of those that match. */
  pick(matches: (place: Place) => boolean): Place | undefined {
    const ready = this.places.filter((place) => place.isReady && matches(place))
    return ready[this.turn++ % Math.max(1, ready.length)]
  }

  // ---------------------------------------------------------------------------
  // Lives
  // ---------------------------------------------------------------------------

  begin(place: Place): void {
    if (this.phase !== "Open" || place.isEnded) return
    this.counts.add(place.facts === undefined ? "spawns" : "restarts", this.nowMillis())
    const { policy, backend } = this.setup
    place.begin(backend, this.host(place), this.clock.currentTimeMillisUnsafe())
    const event = this.eventOf(place)
    if (policy.spawned !== undefined) this.hook("spawned", () => policy.spawned!(event))
    const { life } = place
    if (life !== undefined && !life.isReady) this.armStartup(place, life)
    const { healthTimeout } = place.spec
    if (healthTimeout !== undefined) life?.beat(Duration.toMillis(healthTimeout) / 4)
    this.changed()
  }

  private eventOf(place: Place): Event {
    return { child: this.childOf(place), facts: place.facts! }
  }

  private host(place: Place): Host {
    return {
      run: this.run,
      ready: (life) => {
        this.disarm(life)
        place.becomeReady()
        life.beatAt = this.nowMillis()
        this.armHealth(place, life)
        this.changed()
      },
      word: (life, word) => this.word(place, life, word),
      invalid: (life, error) => this.invalid(place, life, error),
      exited: (life, exit) => this.exited(place, life, exit)
    }
  }

  private word(place: Place, life: Life, word: Word): void {
    if (word._tag === "Healthy") {
      life.beatAt = this.nowMillis()
      return
    }
    if (word._tag === "Problem") return this.log(Effect.logWarning(`${this.nameOf(place)}: ${word.message}`))
    if (word._tag !== "Stopping" || !place.stopsItself()) return
    const overdue = Effect.sync(() => {
      if (place.life === life) this.kill(place, "grace over")
    })
    this.arm(life, Effect.andThen(Effect.sleep(word.budgetMillis + PATIENCE_MILLIS), overdue))
    this.changed()
  }

  /** One timer for each life: first for its start, then for a stop of its own. */
  private arm(life: Life, timer: Effect.Effect<void>): void {
    this.disarm(life)
    this.timers.set(life, this.run(timer))
  }

  private exited(place: Place, life: Life, exit: WorkerExit.WorkerExit): void {
    const event = this.eventOf(place)
    const { recover } = this.setup
    this.disarm(life)
    place.left(exit)
    // Before any hook: one that stops the container must find the ordinal still held.
    if (recover !== undefined) place.recover(exit)
    const isFailure = !WorkerExit.isSuccess(exit)
    if (isFailure) this.counts.add("failures", this.nowMillis())
    const line = `${this.nameOf(place)} ${WorkerExit.describe(exit)}`
    this.log(isFailure ? Effect.logWarning(line) : Effect.logDebug(line))
    const { exited } = this.setup.policy
    if (exited !== undefined) this.hook("exited", () => exited({ ...event, exit }))
    if (recover !== undefined) {
      const recovery = Effect.suspend(() => recover(event.facts))
      return this.recover(place, exit, recovery)
    }
    Supervision.decide(this, place, exit)
    this.changed()
  }

  /** Nobody gets the ordinal, not even its own next life, before what the last one held is put right. */
  private recover(place: Place, exit: WorkerExit.WorkerExit, recovery: Effect.Effect<unknown, unknown>): void {
    this.changed()
    const late = Effect.fail(`not done within ${PATIENCE_MILLIS} ms`)
    const told = Patience.within(recovery, PATIENCE_MILLIS).pipe(
      Effect.flatMap(Option.match({ onNone: () => late, onSome: () => Effect.void })),
      Effect.catchCause((cause) => Failure.log(`recovery from ${this.nameOf(place)} failed`, cause))
    )
    this.run(
      Effect.map(told, () => {
        place.isRecovering = false
        Supervision.decide(this, place, exit)
        this.changed()
      })
    )
  }

  nameOf(place: Place): string {
    return place.facts === undefined
      ? `${place.spec.name} ${place.serviceOrdinal}`
      : WorkerContext.describe(place.facts)
  }

  // ---------------------------------------------------------------------------
  // Policy
  // ---------------------------------------------------------------------------

  private hook(name: string, call: () => Effect.Effect<unknown, unknown>): void {
    const told = Effect.tapCause(Effect.suspend(call), (cause) => Failure.log(`policy hook ${name} failed`, cause))
    const fiber = this.run(Effect.ignoreCause(told))
    this.hooks.add(fiber)
    fiber.addObserver(() => void this.hooks.delete(fiber))
  }

  /** Waits for the hooks that still run, but not for ever: the container's scope is gone after this. */
  readonly endHooks: Effect.Effect<void> = Effect.suspend(() => {
    const late = Array.from(this.hooks)
    const waiting = this.run(Effect.timeoutOption(Fiber.awaitAll(late), PATIENCE_MILLIS))
    return Effect.map(Fiber.await(waiting), () => {
      for (const fiber of late) fiber.interruptUnsafe()
    })
  })

  /** What a hook says within its time; the default if it says nothing, or fails. */
  private decision<A extends string>(
    name: string,
    call: (() => Effect.Effect<A, unknown>) | undefined,
    fallback: A,
    act: (decided: A) => void
  ): void {
    if (call === undefined) return act(fallback)
    const asked = Patience.within(Effect.suspend(call), PATIENCE_MILLIS).pipe(
      Effect.catchCause((cause) => Effect.as(Failure.log(`policy hook ${name} failed`, cause), Option.none<A>()))
    )
    this.run(Effect.map(asked, (said) => act(Option.getOrElse(said, () => fallback))))
  }

  private armStartup(place: Place, life: Life): void {
    const { startupTimeout } = place.spec
    const { startupFailed } = this.setup.policy
    const isLate = (): boolean => place.life === life && !life.isReady && place.state._tag === "Starting"
    const late = Effect.sync(() => {
      this.timers.delete(life)
      if (!isLate()) return
      this.log(Effect.logWarning(`${this.nameOf(place)} was not ready within ${Duration.format(startupTimeout)}`))
      const call = startupFailed && (() => startupFailed(this.eventOf(place)))
      this.decision("startupFailed", call, "kill", (decided) => {
        if (!isLate()) return
        if (decided === "kill") this.kill(place, "startup timeout")
        else this.armStartup(place, life)
      })
    })
    this.arm(life, Effect.andThen(Effect.sleep(startupTimeout), late))
  }

  /** Looks when the last sign of life is as old as it may be. */
  private armHealth(place: Place, life: Life): void {
    const { healthTimeout } = place.spec
    if (healthTimeout === undefined) return
    const millis = Duration.toMillis(healthTimeout)
    const look = Effect.sync(() => {
      this.timers.delete(life)
      if (place.life !== life || place.state._tag !== "Ready") return
      const late = this.nowMillis() - life.beatAt - millis
      if (late < 0) return this.armHealth(place, life)
      // Our own loop was held up: what the worker said meanwhile is still on its way.
      if (late > millis / 2) life.beatAt = this.nowMillis() - millis / 2
      else this.unhealthy(place, life, healthTimeout)
      this.armHealth(place, life)
    })
    const left = Math.max(1, life.beatAt + millis - this.nowMillis())
    this.arm(life, Effect.andThen(Effect.sleep(left), look))
  }

  private unhealthy(place: Place, life: Life, healthTimeout: Duration.Duration): void {
    life.beatAt = this.nowMillis()
    this.log(Effect.logWarning(`${this.nameOf(place)} gave no sign of life for ${Duration.format(healthTimeout)}`))
    const { healthFailed } = this.setup.policy
    const call = healthFailed && (() => healthFailed(this.eventOf(place)))
    this.decision("healthFailed", call, "kill", (decided) => {
      if (decided === "kill" && place.life === life) this.kill(place, "health timeout")
    })
  }

  private disarm(life: Life): void {
    const timer = this.timers.get(life)
    this.timers.delete(life)
    timer?.interruptUnsafe()
  }

  invalid(place: Place, life: Life, error: InvalidMessage): void {
    this.counts.invalid += 1
    this.log(Effect.logError(`${this.nameOf(place)}: ${error.message}`))
    const { invalidMessage } = this.setup.policy
    const call = invalidMessage && (() => invalidMessage({ ...this.eventOf(place), error }))
    this.decision("invalidMessage", call, "kill", (decided) => {
      if (decided === "kill" && place.life === life) this.kill(place, "invalid message")
    })
  }

  kill(place: Place, reason: WorkerExit.KillReason): void {
    place.kill(reason)
    this.changed()
  }
}
