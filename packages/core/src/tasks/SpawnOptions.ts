/**
 * What a spawn says about its task, and what of it cannot be.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Setting from "../config/Setting.ts"
import { show } from "../internal/show.ts"
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
    return refuse("options", "an object with a name and a kind", options)
  }
  const { kind, name } = options
  if (typeof name !== "string" || name.length < 1 || name.length > 256) {
    return refuse("name", "a string of 1 to 256 characters", name)
  }
  if (typeof kind !== "string" || kind.length < 1 || kind.length > 64) {
    return refuse("kind", "a string of 1 to 64 characters", kind)
  }
  for (const field in options) {
    const problem = checkField(field, options)
    if (problem !== undefined) return problem
  }
  return options.restart === undefined ? undefined : checkRestart(options.restart)
}

/** By comparisons, not by a table: it is asked for every field of every spawn. */
const checkField = (field: string, options: SpawnOptions<never>): InvalidTask | undefined => {
  switch (field) {
    case "name":
    case "kind":
    case "restart":
      return undefined
    case "critical":
    case "detached":
    case "startImmediately": {
      const word: unknown = options[field]
      return word === undefined || typeof word === "boolean" ? undefined : refuse(field, "true or false", word)
    }
    default:
      return unknown("options", field, known)
  }
}

type Fields = Readonly<Record<string, true>>

// All of them, seen to by the compiler.
const known: Fields = {
  name: true,
  kind: true,
  critical: true,
  detached: true,
  startImmediately: true,
  restart: true
} satisfies Record<keyof SpawnOptions, true>
const knownOfRestart: Fields = { schedule: true, intensity: true } satisfies Record<keyof RestartOptions, true>
const knownOfIntensity: Fields = { max: true, period: true }

const refuse = (field: string, allowed: string, found: unknown): InvalidTask =>
  new InvalidTask({ field, value: showName(found), allowed })

/** A misspelt one would be without effect, and nobody would see. */
const unknown = (within: string, found: string, fields: Fields): InvalidTask =>
  refuse(within, `one of ${Object.keys(fields).join(", ")}`, found)

const checkRestart = (restart: RestartOptions<never>): InvalidTask | undefined => {
  if (typeof restart !== "object" || restart === null || !Schedule.isSchedule(restart.schedule)) {
    return refuse("restart.schedule", "a Schedule", restart?.schedule ?? restart)
  }
  for (const field in restart) if (knownOfRestart[field] !== true) return unknown("restart", field, knownOfRestart)
  return checkIntensity(restart.intensity)
}

const showName = (value: unknown): string => {
  if (typeof value !== "string") return show(value)
  return value.length > 256 ? `${value.length} characters` : JSON.stringify(value)
}

const checkIntensity = (intensity: RestartOptions["intensity"]): InvalidTask | undefined => {
  if (intensity === undefined) return undefined
  if (typeof intensity !== "object" || intensity === null) {
    return refuse("restart.intensity", "an object with max and period", intensity)
  }
  const { max, period } = intensity
  for (const field in intensity) {
    if (knownOfIntensity[field] !== true) return unknown("restart.intensity", field, knownOfIntensity)
  }
  if (!Number.isSafeInteger(max) || max < 0) return refuse("restart.intensity.max", "a whole number of at least 0", max)
  const found = Setting.toDuration(period)
  return Option.isSome(found) && Duration.toMillis(found.value) > 0
    ? undefined
    : refuse("restart.intensity.period", "a duration above 0", period)
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
      periodMillis: Duration.toMillis(Option.getOrThrow(Setting.toDuration(options.intensity.period)))
    }
  }
