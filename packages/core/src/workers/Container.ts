/**
 * Workers as one thing: started together, found by key, asked, watched, stopped together.
 *
 * A container owns places, ordinals and statistics; its backend says what a worker is made of. The states of its children, who
 * stops whom on which budget, and the numbered invariants are in docs/workers.md.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Setting from "../config/Setting.ts"
import * as ShutdownReason from "../shutdown/ShutdownReason.ts"
import { ShutdownToken } from "../shutdown/ShutdownToken.ts"
import { Backend } from "./Backend.ts"
import type { Child, Row } from "./Child.ts"
import type * as ChildSpec from "./ChildSpec.ts"
import type {
  ContainerStopping,
  NotReady,
  RequestFailed,
  RestartIntensityExceeded,
  SpawnError
} from "./ContainerError.ts"
import type { Incidents } from "./Incidents.ts"
import { childOf } from "./internal/childHandle.ts"
import { Fleet, type Strategy } from "./internal/fleet.ts"
import type { Place } from "./internal/place.ts"
import { checkGrace, checkSingle, graceOf, start, whenClosed } from "./internal/prepare.ts"
import * as Readiness from "./internal/readiness.ts"
import { look as aged } from "./internal/recycle.ts"
import * as Requests from "./internal/requests.ts"
import * as Stopping from "./internal/stopping.ts"
import { decide } from "./internal/supervision.ts"
import * as Plans from "./internal/plans.ts"
import type { Operations } from "./Operations.ts"
import * as OrdinalPool from "./OrdinalPool.ts"
import type { Policy } from "./Policy.ts"
import type { Statistics } from "./Statistics.ts"
import { currentFrames, type Facts } from "./WorkerContext.ts"
import type { Address, WorkerRequest } from "./WorkerRequest.ts"
import { Workforce } from "./Workforce.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** For people and for the plan. Default `workers`. */
  readonly name?: string | undefined
  /** How many places there are at most. Default: no bound. */
  readonly capacity?: number | undefined
  /** Who is started again when one worker fails. Default `one-for-one`. */
  readonly strategy?: Strategy | undefined
  /** More than `max` restarts within `period` are too many. Default 3 within 5 seconds. */
  readonly intensity?: { readonly max: number; readonly period: Duration.Input } | undefined
  /** How long workers that were told to stop are waited for. Default 5 seconds. */
  readonly grace?: Duration.Input | undefined
  /** Stop one worker after the other, the last started first. Default: all at once. */
  readonly lastFirst?: boolean | undefined
  readonly policy?: Policy | undefined
  /**
   * Recovers shared memory from a life that has ended: reclaim its strands, make its seats vacant, put its tokens right. Runs
   * after every life, before its ordinal begins another one or is given to anybody else; within a second.
   */
  readonly recover?: ((dead: Facts) => Effect.Effect<unknown, unknown>) | undefined
  /** A container that gives up asks the surrounding service to stop, with the reason `Fatal`. Default false. */
  readonly critical?: boolean | undefined
}

export type { ServiceSpec } from "./ChildSpec.ts"
export type { SpawnError } from "./ContainerError.ts"
export type { Address } from "./WorkerRequest.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Container extends Operations {
  readonly name: string
  /** Starts one worker. */
  readonly spawn: (spec: ChildSpec.ChildSpec) => Effect.Effect<Child, SpawnError>
  /** Starts a service: all of its workers, or none. */
  readonly run: (spec: ChildSpec.ServiceSpec) => Effect.Effect<ReadonlyArray<Child>, SpawnError>
  /** Places that are taken. */
  readonly size: Effect.Effect<number>
  /** Lives that run. */
  readonly running: Effect.Effect<number>
  readonly stopping: Effect.Effect<boolean>
  /** Whether every service has a ready worker. */
  readonly isReady: Effect.Effect<boolean>
  readonly status: Effect.Effect<ReadonlyArray<Row>>
  readonly statusUnsafe: () => ReadonlyArray<Row>
  readonly statistics: Effect.Effect<Statistics>
  /** What it had to do about its workers: the latest of it, and how often there was each. */
  readonly incidents: Effect.Effect<Incidents>
  readonly children: Effect.Effect<ReadonlyArray<Child>>
  readonly find: (key: string) => Effect.Effect<Option.Option<Child>>
  /** Waits until every worker is ready; fails if the container stops or gives up before. */
  readonly awaitReady: Effect.Effect<void, NotReady | RestartIntensityExceeded | ContainerStopping>
  /** Waits until no worker is left; fails if that is because the container gave up. */
  readonly awaitEnded: Effect.Effect<void, RestartIntensityExceeded>
  /** Asks one worker, and only that one. */
  readonly request: <Payload, Success, Error>(
    request: WorkerRequest<string, Payload, Success, Error>,
    payload: Payload,
    to?: Address
  ) => Effect.Effect<Success, Error | RequestFailed>
  /** Tells every worker to stop and leaves it at that: nothing waits, nothing is killed. */
  readonly interrupt: Effect.Effect<void>
  /**
   * Stops everything: interrupt, wait the grace, kill, wait. Gives the names of workers left behind. A second call warns and
   * shares the first one's end, within its own limits.
   */
  readonly stop: (grace?: Duration.Input) => Effect.Effect<ReadonlyArray<string>>
}

// -----------------------------------------------------------------------------
// Constructors
// -----------------------------------------------------------------------------

/**
 * Makes an empty container over the surrounding backend and enrols it with the surrounding service. Closing the scope stops it.
 *
 * **Errors**
 *
 * - `InvalidSetting`: an option is not what it may be. Nothing has started.
 *
 * **Example** (Four workers of one program, as fibers)
 *
 * ```ts
 * import { Backend, Container, FiberBackend } from "@selvedge/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const container = yield* Container.make({ name: "parsers" })
 *   yield* container.run({ name: "parser", program: Backend.direct(Effect.never), count: 4 })
 *   yield* container.awaitReady
 *   return yield* container.stop("1 second") // nobody is left behind: []
 * }).pipe(Effect.scoped, Effect.provide(FiberBackend.layer))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options?: Options): Effect.Effect<Container, Setting.InvalidSetting, Backend | Scope.Scope> =>
  Effect.map(makeFleet(options), shapeOf)

/** @internal */
export const makeFleet = Effect.fnUntraced(function* (
  options?: Options,
  inOrder = false
): Effect.fn.Return<Fleet, Setting.InvalidSetting, Backend | Scope.Scope> {
  const checked = yield* checkOptions(options === undefined ? {} : options)
  const backend = yield* Backend
  const pool = yield* OrdinalPool.make({ capacity: options?.capacity })
  const frames = yield* currentFrames
  const token = yield* Effect.serviceOption(ShutdownToken)
  const context = yield* Effect.context<never>()
  const gaveUp = (error: RestartIntensityExceeded): void => {
    if (options?.critical !== true || Option.isNone(token)) return
    const origin = `workers ${checked.name}`
    token.value.requestUnsafe(ShutdownReason.Fatal({ origin, cause: Cause.fail(error) }))
  }
  const isAskedToStop = (): boolean => Option.isSome(token) && token.value.requestedUnsafe() !== undefined
  const policy = options?.policy ?? {}
  const recover = options?.recover
  const workforce = yield* Workforce
  const changed = workforce.changedUnsafe
  // A container whose scope closes is wanted no longer, although it is still there to be drained.
  let isWanted = true
  return yield* Effect.acquireRelease(
    Effect.sync(() => {
      const told = { policy, recover, gaveUp, changed, childOf, decide }
      const fleet = new Fleet({ ...checked, backend, pool, frames, context, ...told, isAskedToStop, inOrder, aged })
      const asked = Option.map(token, (one) => fleet.run(Effect.map(one.awaitRequested, () => fleet.changed())))
      const leave = workforce.enrolUnsafe({
        name: checked.name,
        rowsUnsafe: () => rowsOf(fleet),
        incidentsUnsafe: () => fleet.incidents.read(),
        isReadyUnsafe: () => !isWanted || Readiness.isReady(fleet),
        isAliveUnsafe: () => !isWanted || Readiness.isAlive(fleet),
        drain: (limits) => Stopping.stop(fleet, limits)
      })
      const end = (): void => {
        leave()
        if (Option.isSome(asked)) asked.value.interruptUnsafe()
      }
      return { fleet, end }
    }),
    ({ end, fleet }) =>
      Effect.suspend(() => {
        isWanted = false
        return Effect.andThen(
          Stopping.stop(fleet, Stopping.limits(fleet, checked.graceMillis, "scope closed")),
          Effect.andThen(Effect.sync(end), fleet.hooks.end)
        )
      })
  ).pipe(Effect.map(({ fleet }) => fleet))
})

const known: Readonly<Record<keyof Options, true>> = {
  name: true,
  capacity: true,
  strategy: true,
  intensity: true,
  grace: true,
  lastFirst: true,
  policy: true,
  recover: true,
  critical: true
}

const checkName = Setting.option(
  "name",
  "a string of 1 to 256 characters",
  (value) => typeof value === "string" && value.length >= 1 && value.length <= 256
)
const checkStrategy = Setting.option(
  "strategy",
  '"one-for-one", "one-for-all" or "rest-for-one"',
  (value) => value === "one-for-one" || value === "one-for-all" || value === "rest-for-one"
)
const checkMax = Setting.option(
  "intensity.max",
  "a whole number of at least 0",
  (value) => Number.isSafeInteger(value) && (value as number) >= 0
)
const checkPeriod = Setting.durationOption("intensity.period", { min: "1 millis", max: "365 days" })

const checkIntensity = Setting.option("intensity", "an object with max and period", (value) =>
  isOnly(value, ["max", "period"])
)
const hooks = ["spawned", "exited", "startupFailed", "healthFailed", "recycling", "invalidMessage", "said"]
const checkPolicy = Setting.option("policy", `an object of functions: ${hooks.join(", ")}`, (value) =>
  isOnly(value, hooks, (hook) => hook === undefined || typeof hook === "function")
)
const checkRecover = Setting.option("recover", "a function", (value) => typeof value === "function")
const isBoolean = (value: unknown): boolean => typeof value === "boolean"

/** An object of known fields. */
const isOnly = (
  value: unknown,
  fields: ReadonlyArray<string>,
  isField: (value: unknown) => boolean = () => true
): boolean =>
  typeof value === "object" &&
  value !== null &&
  Object.entries(value).every(([field, found]) => fields.includes(field) && isField(found))

const checkOptions = Effect.fnUntraced(function* (options: Options) {
  const fields = Object.keys(known).join(", ")
  yield* Setting.option("options", "an object", (value) => typeof value === "object" && value !== null)(options)
  yield* Effect.forEach(
    Object.keys(options),
    (field) => Setting.option("options", fields, () => Object.hasOwn(known, field))(field),
    { discard: true }
  )
  if (options.intensity !== undefined) yield* checkIntensity(options.intensity)
  if (options.policy !== undefined) yield* checkPolicy(options.policy)
  if (options.recover !== undefined) yield* checkRecover(options.recover)
  for (const field of ["lastFirst", "critical"] as const) {
    if (options[field] !== undefined) yield* Setting.option(field, "true or false", isBoolean)(options[field])
  }
  const name = options.name ?? "workers"
  yield* checkName(name)
  const strategy = options.strategy ?? "one-for-one"
  yield* checkStrategy(strategy)
  const max = options.intensity?.max ?? 3
  yield* checkMax(max)
  const period = yield* checkPeriod(options.intensity?.period ?? "5 seconds")
  const grace = yield* checkGrace(options.grace ?? "5 seconds")
  return {
    name,
    strategy,
    intensity: { max, periodMillis: Duration.toMillis(period) },
    graceMillis: Duration.toMillis(grace),
    lastFirst: options.lastFirst ?? false
  }
})

// -----------------------------------------------------------------------------
// The container
// -----------------------------------------------------------------------------

const rowsOf = (fleet: Fleet): ReadonlyArray<Row> => fleet.places.map((place) => place.rowAt(fleet.nowMillis()))

/** @internal */
export const shapeOf = (fleet: Fleet): Container => {
  const { graceMillis, name } = fleet.setup
  const statusUnsafe = (): ReadonlyArray<Row> => rowsOf(fleet)
  return {
    name,
    spawn: (spec) =>
      Effect.map(
        Effect.flatMap(checkSingle(spec), (one) => start(fleet, one)),
        (children) => children[0]!
      ),
    run: (spec) => start(fleet, spec),
    size: Effect.sync(() => fleet.places.length),
    running: Effect.sync(() => fleet.places.filter((place) => place.life !== undefined).length),
    stopping: Effect.sync(() => fleet.phase !== "Open"),
    isReady: Effect.sync(() => Readiness.isReady(fleet)),
    status: Effect.sync(statusUnsafe),
    statusUnsafe,
    statistics: Effect.sync(() => fleet.counts.read(fleet.nowMillis())),
    incidents: Effect.sync(() => fleet.incidents.read()),
    children: Effect.sync(() => fleet.serving.map((place) => fleet.childOf(place))),
    find: (key) =>
      Effect.sync(() => {
        const place = fleet.serving.find((one) => one.spec.key === key)
        return place === undefined ? Option.none() : Option.some(fleet.childOf(place))
      }),
    awaitReady: Effect.suspend(() => awaitReady(fleet, fleet.serving)),
    awaitEnded: Effect.flatMap(
      fleet.watchers.until(() => (fleet.places.length === 0 && fleet.dormant.size === 0) || fleet.phase === "Stopped"),
      () => (fleet.failure === undefined ? Effect.void : Effect.fail(fleet.failure))
    ),
    request: (request, payload, to) => Requests.send(fleet, request, payload, to === undefined ? "any" : to),
    restart: (options) => Plans.restart(fleet, options),
    reload: (setUp, options) => Plans.reload(fleet, setUp, options),
    scale: (service, count, options) => Plans.scale(fleet, service, count, options),
    interrupt: Effect.sync(() => Stopping.interrupt(fleet)),
    stop: (grace) =>
      Effect.gen(function* () {
        const millis = grace === undefined ? graceMillis : yield* graceOf(grace)
        if (fleet.stopRun !== undefined) yield* Effect.logWarning(`${name} was told to stop, and is stopping already`)
        return yield* Stopping.stop(fleet, Stopping.limits(fleet, millis, "stop"))
      })
  }
}

/** @internal */
export const awaitReady = (fleet: Fleet, waiting: ReadonlyArray<Place>): Container["awaitReady"] => {
  const lost = (): Place | undefined => waiting.find((place) => place.isLost && place.isServing)
  return Effect.flatMap(
    fleet.watchers.until(
      () =>
        fleet.phase !== "Open" ||
        lost() !== undefined ||
        waiting.every((place) => place.isReady || place.isEnded || !place.isServing)
    ),
    (): Effect.Effect<void, NotReady | RestartIntensityExceeded | ContainerStopping> => {
      if (fleet.failure !== undefined) return Effect.fail(fleet.failure)
      const closed = whenClosed(fleet, fleet.setup.name)
      if (closed !== undefined) return Effect.fail(closed)
      const place = lost()
      return place === undefined ? Effect.void : Effect.fail(place.notReady(place.end!))
    }
  )
}
