/**
 * What a service's workers are: a name, a program, how they are restarted and stopped.
 *
 * Everything in it is checked before the first worker starts.
 *
 * Source: OTP's child specification and its restart types.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Setting from "../config/Setting.ts"
import type { ProgramRef } from "./Backend.ts"
import { InvalidSpec } from "./ContainerError.ts"
import * as Recycle from "./Recycle.ts"
import type { Regions } from "./WorkerRegions.ts"

/**
 * When a worker that has ended is started again: always, unless it succeeded, never.
 *
 * @category models
 * @since 0.1.0
 */
export type RestartType = "permanent" | "transient" | "temporary"

/**
 * @category models
 * @since 0.1.0
 */
export interface ChildSpec {
  /** The service, from 1 to 256 characters. */
  readonly name: string
  readonly program: ProgramRef
  /** Default `permanent`. */
  readonly restart?: RestartType | undefined
  /** What the container finds the worker by; unique among its workers, and only for one worker. */
  readonly key?: string | undefined
  /** Shared memory by name. */
  readonly regions?: Regions | undefined
  /** How long a life may take to become ready. Default `SELVEDGE_WORKER_STARTUP_TIMEOUT`, 30 seconds. */
  readonly startupTimeout?: Duration.Input | undefined
  /**
   * How long a ready life may give no sign that its event loop turns. It is asked for one four times as often. Default: it is
   * not asked.
   */
  readonly healthTimeout?: Duration.Input | undefined
  /**
   * How long a ready life may make no progress: its program does not say `WorkerStatus.healthy`. For programs that can turn their loop
   * and get nowhere. Default: it is not judged by that.
   */
  readonly progressTimeout?: Duration.Input | undefined
  /** Delays before restarts; anew after a life that was ready. Default: no delay. When it ends, the supervisor gives up. */
  readonly backoff?: Schedule.Schedule<unknown, unknown> | undefined
  /** When a worker is replaced though nothing is wrong with it. Default: never. */
  readonly recycle?: Recycle.Recycle | undefined
}

/**
 * One service: a specification and how many of it. The default count is `Parallelism.count`.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServiceSpec extends ChildSpec {
  readonly count?: number | undefined
}

/**
 * A checked specification.
 *
 * @category models
 * @since 0.1.0
 */
export interface Resolved {
  readonly name: string
  readonly program: ProgramRef
  readonly restart: RestartType
  readonly key: string | undefined
  readonly regions: Regions
  readonly startupTimeout: Duration.Duration
  readonly healthTimeout: Duration.Duration | undefined
  readonly progressTimeout: Duration.Duration | undefined
  /** How often a life beats, whoever wants to know; `undefined`: nobody does. */
  readonly beatEveryMillis: number | undefined
  readonly backoff: Schedule.Schedule<unknown, unknown> | undefined
  readonly recycle: Recycle.Resolved | undefined
}

/**
 * @category settings
 * @since 0.1.0
 */
export const settings = {
  startupTimeout: Setting.duration("SELVEDGE_WORKER_STARTUP_TIMEOUT", "startupTimeout", {
    default: "30 seconds",
    min: "10 millis",
    max: "1 hour"
  })
} as const

const checkHealth = Setting.durationOption("healthTimeout", { min: "40 millis", max: "1 hour" })
const checkProgress = Setting.durationOption("progressTimeout", { min: "40 millis", max: "1 hour" })

/** How often a sign is given, and looked for, within its timeout. */
export const LOOKS = 4

/** How often a life tells how much memory it uses, where that is limited. */
const MEMORY_BEAT_MILLIS = 1000

const restartTypes: ReadonlyArray<unknown> = ["permanent", "transient", "temporary"]

const isWord = (value: unknown): value is string =>
  typeof value === "string" && value.length >= 1 && value.length <= 256

const show = (value: unknown): string =>
  typeof value === "string"
    ? JSON.stringify(value.slice(0, 64))
    : typeof value === "object" && value !== null
      ? "an object"
      : String(value)

const known: Readonly<Record<keyof ChildSpec, true>> = {
  name: true,
  program: true,
  restart: true,
  key: true,
  regions: true,
  startupTimeout: true,
  healthTimeout: true,
  progressTimeout: true,
  backoff: true,
  recycle: true
}

/**
 * Checks a specification on its own; what the backend says about its program is asked afterwards.
 *
 * **Errors**
 *
 * - `InvalidSpec`: a field is not what it may be, or there is one that nobody knows.
 * - `InvalidSetting`: the startup timeout is out of its range.
 *
 * @category constructors
 * @since 0.1.0
 */
export const resolve = Effect.fnUntraced(function* (
  spec: ChildSpec
): Effect.fn.Return<Resolved, InvalidSpec | Setting.InvalidSetting> {
  if (typeof spec !== "object" || spec === null) {
    return yield* refuse("?", "specification", "an object with a name and a program", spec)
  }
  const { backoff, key, name, program, restart } = spec
  if (!isWord(name)) return yield* refuse(show(name), "name", "a string of 1 to 256 characters", name)
  const unknown = Object.keys(spec).find((field) => !Object.hasOwn(known, field))
  if (unknown !== undefined) return yield* refuse(name, "fields", Object.keys(known).join(", "), unknown)
  if (!isProgram(program)) {
    return yield* refuse(name, "program", "what Backend.module or Backend.direct gives", program)
  }
  if (restart !== undefined && !restartTypes.includes(restart)) {
    return yield* refuse(name, "restart", restartTypes.map(show).join(", "), restart)
  }
  if (key !== undefined && !isWord(key)) return yield* refuse(name, "key", "a string of 1 to 256 characters", key)
  if (backoff !== undefined && !Schedule.isSchedule(backoff)) {
    return yield* refuse(name, "backoff", "a Schedule", backoff)
  }
  const regions = spec.regions === undefined ? {} : spec.regions
  if (typeof regions !== "object" || regions === null) return yield* refuse(name, "regions", "an object", regions)
  for (const [region, memory] of Object.entries(regions)) {
    if (!(memory instanceof SharedArrayBuffer)) {
      return yield* refuse(name, `regions.${region}`, "a SharedArrayBuffer", memory)
    }
  }
  const startupTimeout = yield* settings.startupTimeout.resolve(spec.startupTimeout)
  const healthTimeout = spec.healthTimeout === undefined ? undefined : yield* checkHealth(spec.healthTimeout)
  const progressTimeout = spec.progressTimeout === undefined ? undefined : yield* checkProgress(spec.progressTimeout)
  const beside = { service: name, restart: restart ?? "permanent", healthTimeout, progressTimeout }
  const recycle = spec.recycle === undefined ? undefined : yield* Recycle.resolve(spec.recycle, beside)
  const beatEveryMillis = beatOf(healthTimeout, recycle?.maxMemory)
  return {
    name,
    program,
    restart: restart ?? "permanent",
    key,
    regions,
    startupTimeout,
    healthTimeout,
    progressTimeout,
    beatEveryMillis,
    backoff,
    recycle
  }
})

/** Memory is measured with each beat. */
const beatOf = (healthTimeout: Duration.Duration | undefined, maxMemory: number | undefined): number | undefined => {
  const forHealth = healthTimeout && Duration.toMillis(healthTimeout) / LOOKS
  return maxMemory === undefined ? forHealth : Math.min(forHealth ?? Infinity, MEMORY_BEAT_MILLIS)
}

const isProgram = (value: unknown): value is ProgramRef =>
  typeof value === "object" &&
  value !== null &&
  "_tag" in value &&
  (value._tag === "Direct" ||
    (value._tag === "Module" && "url" in value && typeof value.url === "string" && value.url !== ""))

const refuse = (service: string, field: string, wanted: string, found: unknown): InvalidSpec =>
  new InvalidSpec({ service, field, wanted, found: show(found) })

/**
 * A key that two workers would share.
 *
 * @category operations
 * @since 0.1.0
 */
export const clashOf = (specs: ReadonlyArray<Resolved>, taken: (key: string) => boolean): InvalidSpec | undefined => {
  const seen = new Set<string>()
  for (const { key, name } of specs) {
    if (key === undefined) continue
    if (taken(key) || seen.has(key)) return refuse(name, "key", "a key that no other worker has", key)
    seen.add(key)
  }
  return undefined
}
