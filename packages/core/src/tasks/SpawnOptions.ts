/**
 * What a spawn says about its task, and what of it cannot be.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Restart from "./internal/restart.ts"
import type * as TaskKind from "./TaskKind.ts"
import { InvalidTask } from "./TaskRegistryError.ts"

/**
 * How a task that fails is started again. The children of the run that failed are interrupted first.
 *
 * @category models
 * @since 0.1.0
 */
export interface RestartOptions<in E = unknown> {
  /** Delays between restarts; its input is the error of the last run. When it ends, the task fails. */
  readonly schedule: Schedule.Schedule<unknown, E>
  /** More than `max` restarts within `period` are too many: the task fails. */
  readonly intensity?: { readonly max: number; readonly period: Duration.Input } | undefined
}

/**
 * What a spawn says about its task.
 *
 * @category models
 * @since 0.1.0
 */
export interface SpawnOptions<in E = unknown> {
  /** From 1 to 256 characters, for people; need not be unique. */
  readonly name: string
  /** From 1 to 64 characters; decides drain order and policy. */
  readonly kind: TaskKind.TaskKind
  /** A failure of this task asks the service to stop, with the reason `TaskFailed`. */
  readonly critical?: boolean | undefined
  /** A root even when spawned inside a task. */
  readonly detached?: boolean | undefined
  /**
   * Run up to the first asynchronous step before the spawn returns; inside 64 such starts, one in another, the next starts
   * like all others. Default: start in the next dispatch.
   */
  readonly startImmediately?: boolean | undefined
  readonly restart?: RestartOptions<E> | undefined
}

/**
 * What is wrong with the options of a spawn, if anything is.
 *
 * @category guards
 * @since 0.1.0
 */
export const check = (options: SpawnOptions<never>): InvalidTask | undefined => {
  if (typeof options !== "object" || options === null) {
    const allowed = "an object with a name and a kind"
    return new InvalidTask({ field: "options", value: showName(options), allowed })
  }
  const { kind, name } = options
  if (typeof name !== "string" || name.length < 1 || name.length > 256) {
    return new InvalidTask({ field: "name", value: showName(name), allowed: "a string of 1 to 256 characters" })
  }
  if (typeof kind !== "string" || kind.length < 1 || kind.length > 64) {
    return new InvalidTask({ field: "kind", value: showName(kind), allowed: "a string of 1 to 64 characters" })
  }
  return options.restart === undefined ? undefined : checkRestart(options.restart)
}

const checkRestart = (restart: RestartOptions<never>): InvalidTask | undefined => {
  if (typeof restart !== "object" || restart === null || !Schedule.isSchedule(restart.schedule)) {
    const found = showName(restart?.schedule ?? restart)
    return new InvalidTask({ field: "restart.schedule", value: found, allowed: "a Schedule" })
  }
  return checkIntensity(restart.intensity)
}

const showName = (value: unknown): string =>
  typeof value === "string"
    ? value.length > 256
      ? `${value.length} characters`
      : JSON.stringify(value)
    : value === null
      ? "null"
      : typeof value

const checkIntensity = (intensity: RestartOptions["intensity"]): InvalidTask | undefined => {
  if (intensity === undefined) return undefined
  if (typeof intensity !== "object" || intensity === null) {
    const allowed = "an object with max and period"
    return new InvalidTask({ field: "restart.intensity", value: showName(intensity), allowed })
  }
  if (!Number.isSafeInteger(intensity.max) || intensity.max < 0) {
    const allowed = "a whole number of at least 0"
    return new InvalidTask({ field: "restart.intensity.max", value: String(intensity.max), allowed })
  }
  const period = Duration.fromInput(intensity.period)
  if (Option.isNone(period) || !(Duration.toMillis(period.value) > 0)) {
    const allowed = "a duration above 0"
    return new InvalidTask({ field: "restart.intensity.period", value: String(intensity.period), allowed })
  }
  return undefined
}

/**
 * The options of a restart as the registry wants them; they have been checked.
 *
 * @internal
 */
export const restartPolicy = (options: RestartOptions<never> | undefined): Restart.Policy | undefined =>
  options && {
    schedule: options.schedule as Schedule.Schedule<unknown, unknown>,
    intensity: options.intensity && {
      max: options.intensity.max,
      periodMillis: Duration.toMillis(Duration.fromInputUnsafe(options.intensity.period))
    }
  }
