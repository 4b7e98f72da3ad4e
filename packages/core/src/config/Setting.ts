/**
 * One setting of selvedge: its environment variable, type, default and range in one place.
 *
 * Every `SELVEDGE_*` variable is declared with one of these constructors, so that its value is checked before anything starts, the error
 * says what was found and what is allowed, and `docs/configuration.md` can be compared with the code. Values are read
 * through Effect's `ConfigProvider`, never from the environment directly.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { show as shown } from "../internal/show.ts"

/**
 * A setting whose value cannot be used.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidSetting extends Schema.TaggedError<InvalidSetting>()("InvalidSetting", {
  /** The option in code, such as `reserves.lastWords`. */
  option: Schema.String,
  /** The environment variable that sets the same, if there is one. */
  variable: Schema.UndefinedOr(Schema.String),
  /** What was found. */
  value: Schema.String,
  /** What would be accepted. */
  allowed: Schema.String
}) {
  override get message(): string {
    const name = this.variable === undefined ? this.option : `${this.variable} (option ${this.option})`
    return `${name}: wanted ${this.allowed}, found ${this.value}`
  }
}

/**
 * Refuses an option nobody declared: a misspelt one would otherwise be silently without effect.
 *
 * `known` is a record, so that the compiler sees when an option is missing from it.
 *
 * **Errors**
 *
 * - `InvalidSetting`: names the first such option, and all there are; or says that there are no options in it.
 *
 * @category guards
 * @since 0.1.0
 */
export const refuseUnknown = (
  given: object,
  known: Readonly<Record<string, true>>,
  within = ""
): Effect.Effect<void, InvalidSetting> => {
  const names = Object.keys(known).join(", ")
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    const option = within === "" ? "options" : within.slice(0, -1)
    return Effect.fail(
      new InvalidSetting({ option, variable: undefined, value: show(given), allowed: `an object with ${names}` })
    )
  }
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(known, name))
  if (unknown === undefined) return Effect.void
  const allowed = `one of the options ${names}`
  return Effect.fail(
    new InvalidSetting({ option: `${within}${unknown}`, variable: undefined, value: show(unknown), allowed })
  )
}

/**
 * @category guards
 * @since 0.1.0
 */
export const isInvalidSetting = (error: unknown): error is InvalidSetting => error instanceof InvalidSetting

/**
 * @category models
 * @since 0.1.0
 */
export interface Setting<A> {
  readonly variable: string
  readonly option: string
  /** For the documentation: `duration`, `integer`, … */
  readonly type: string
  /** For the documentation. */
  readonly fallback: string
  /** For the documentation, short. */
  readonly range: string
  /** For the error, in words. */
  readonly allowed: string
  /** Checks a value given in code. */
  readonly check: (value: unknown) => Effect.Effect<A, InvalidSetting>
  /** The variable if it is set, else the value given in code, else the default. */
  readonly resolve: (value: unknown) => Effect.Effect<A, InvalidSetting>
  /** The variable if it is set, else the value given in code, else nothing: where the default depends on more. */
  readonly chosen: (value: unknown) => Effect.Effect<Option.Option<A>, InvalidSetting>
}

interface Parser<A> {
  readonly type: string
  readonly fallback: string
  readonly range: string
  readonly allowed: string
  /** `None` is refused. */
  readonly parse: (value: unknown) => Option.Option<A>
  readonly default: A
}

const declare = <A>(variable: string, option: string, parser: Parser<A>): Setting<A> => {
  const { allowed, fallback, range, type } = parser
  const refuse = (value: unknown): InvalidSetting =>
    new InvalidSetting({ option, variable, value: show(value), allowed })
  const check = (value: unknown): Effect.Effect<A, InvalidSetting> =>
    Option.match(parser.parse(value), { onNone: () => Effect.fail(refuse(value)), onSome: (a) => Effect.succeed(a) })
  const chosen = (value: unknown): Effect.Effect<Option.Option<A>, InvalidSetting> =>
    Effect.flatMap(
      Effect.mapError(Config.option(Config.String(variable)), () => refuse("(unreadable)")),
      Option.match({
        onSome: (found) => Effect.asSome(check(found.trim())),
        onNone: () => (value === undefined ? Effect.succeedNone : Effect.asSome(check(value)))
      })
    )
  const resolve = (value: unknown): Effect.Effect<A, InvalidSetting> =>
    Effect.map(
      chosen(value),
      Option.getOrElse(() => parser.default)
    )
  return { variable, option, type, fallback, range, allowed, check, resolve, chosen }
}

const show = (value: unknown): string => {
  if (Duration.isDuration(value)) return Duration.format(value)
  if (typeof value !== "object" || value === null) return shown(value)
  try {
    const text = JSON.stringify(value) as string | undefined
    return text !== undefined && text.length <= LONGEST_OBJECT ? text : shown(value)
  } catch {
    return shown(value)
  }
}

/** A message says what was found, and is read by people. */
const LONGEST_OBJECT = 80

/**
 * A length of time between two bounds, both included; a plain number counts milliseconds.
 *
 * @category constructors
 * @since 0.1.0
 */
export const duration = (
  variable: string,
  option: string,
  range: { readonly default: Duration.Input; readonly min: Duration.Input; readonly max: Duration.Input }
): Setting<Duration.Duration> => {
  const [fallback, min, max] = [range.default, range.min, range.max].map((input) =>
    Duration.fromInputUnsafe(input)
  ) as [Duration.Duration, Duration.Duration, Duration.Duration]
  return declare(variable, option, {
    type: "duration",
    fallback: Duration.format(fallback),
    range: `${Duration.format(min)} to ${Duration.format(max)}`,
    allowed: `a duration from ${Duration.format(min)} to ${Duration.format(max)}, such as "1500ms", "20s" or "20 seconds" (a plain number is milliseconds)`,
    default: fallback,
    parse: (value) =>
      Option.filter(
        toDuration(value),
        (found) => Duration.isGreaterThanOrEqualTo(found, min) && Duration.isLessThanOrEqualTo(found, max)
      )
  })
}

/** The short forms people write in deployment files. */
const unitMillis: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** Effect takes any object for a duration, and what it knows no part of for none: `{ secs: 5 }` would be 0. */
const isDurationObject = (value: object): boolean => {
  if (Duration.isDuration(value)) return true
  const parts = Object.entries(value).filter(([, amount]) => amount !== undefined)
  const isPart = (part: string): boolean => Array.isArray(value) || durationParts.has(part)
  return parts.length > 0 && parts.every(([part, amount]) => isPart(part) && Number.isFinite(amount))
}

const durationParts = new Set("weeks days hours minutes seconds milliseconds microseconds nanoseconds".split(" "))

/**
 * A length of time as anybody may write it, if it is one.
 *
 * @internal
 */
export const toDuration = (value: unknown): Option.Option<Duration.Duration> => {
  if (typeof value === "number") {
    return Number.isFinite(value) && value >= 0 ? Option.some(Duration.millis(value)) : Option.none()
  }
  const short = typeof value === "string" ? /^(\d+(?:\.\d+)?) ?(ms|s|m|h)?$/.exec(value) : null
  if (short !== null) return Option.some(Duration.millis(Number(short[1]) * unitMillis[short[2] ?? "ms"]!))
  try {
    if (typeof value === "object" && (value === null || !isDurationObject(value))) return Option.none()
    const found = Duration.fromInputUnsafe(value as Duration.Input)
    return Duration.toMillis(found) >= 0 ? Option.some(found) : Option.none()
  } catch {
    return Option.none()
  }
}

/**
 * A whole number between two bounds, both included.
 *
 * @category constructors
 * @since 0.1.0
 */
export const integer = (
  variable: string,
  option: string,
  range: { readonly default: number; readonly min: number; readonly max: number }
): Setting<number> =>
  declare(variable, option, {
    type: "integer",
    fallback: String(range.default),
    range: `${range.min} to ${range.max}`,
    allowed: `a whole number from ${range.min} to ${range.max}`,
    default: range.default,
    parse: (value) => {
      const found = typeof value === "string" && /^[+-]?\d+$/.test(value) ? Number(value) : value
      return typeof found === "number" && Number.isInteger(found) && found >= range.min && found <= range.max
        ? Option.some(found)
        : Option.none()
    }
  })

/**
 * `true` or `false` (`1`, `0`, `yes`, `no`, `on`, `off` in the environment).
 *
 * @category constructors
 * @since 0.1.0
 */
export const boolean = (variable: string, option: string, fallback: boolean): Setting<boolean> =>
  declare(variable, option, {
    type: "boolean",
    fallback: String(fallback),
    range: "true, false",
    allowed: "true or false",
    default: fallback,
    parse: (value) => {
      if (typeof value === "boolean") return Option.some(value)
      if (typeof value !== "string") return Option.none()
      const word = value.toLowerCase()
      if (["true", "1", "yes", "on"].includes(word)) return Option.some(true)
      return ["false", "0", "no", "off"].includes(word) ? Option.some(false) : Option.none()
    }
  })

/**
 * One of some words.
 *
 * @category constructors
 * @since 0.1.0
 */
export const word = <const W extends ReadonlyArray<string>>(
  variable: string,
  option: string,
  words: W,
  fallback: W[number]
): Setting<W[number]> =>
  declare<W[number]>(variable, option, {
    type: "word",
    fallback,
    range: words.join(", "),
    allowed: words.map((one) => JSON.stringify(one)).join(" or "),
    default: fallback,
    parse: (value) => (typeof value === "string" && words.includes(value) ? Option.some(value) : Option.none())
  })

/**
 * A path, or nothing.
 *
 * @category constructors
 * @since 0.1.0
 */
export const path = (variable: string, option: string): Setting<string | undefined> =>
  declare<string | undefined>(variable, option, {
    type: "path",
    fallback: "none",
    range: "any path",
    allowed: "a path that is not empty and has no NUL byte",
    default: undefined,
    parse: (value) =>
      typeof value === "string" && value.length > 0 && !value.includes("\0") ? Option.some(value) : Option.none()
  })

/**
 * Lengths of time by the kind of a task or strand, `*` standing for all others: `*=1m,RpcHandler=5s`, or `1m` for all. In
 * code a duration, or an object of them. A kind without one has no limit.
 *
 * @category constructors
 * @since 0.1.0
 */
export const durationsByKind = (
  variable: string,
  option: string,
  range: {
    readonly default: Readonly<Record<string, Duration.Input>>
    readonly min: Duration.Input
    readonly max: Duration.Input
  }
): Setting<Readonly<Record<string, Duration.Duration>>> => {
  const [min, max] = [Duration.fromInputUnsafe(range.min), Duration.fromInputUnsafe(range.max)]
  const one = (value: unknown): Option.Option<Duration.Duration> =>
    Option.filter(
      toDuration(value),
      (found) => Duration.isGreaterThanOrEqualTo(found, min) && Duration.isLessThanOrEqualTo(found, max)
    )
  const all = (pairs: ReadonlyArray<readonly [string, unknown]>) => {
    const found = pairs.map(([kind, value]) => [kind, one(value)] as const)
    const usable = found.flatMap(([kind, value]) =>
      kind.length >= 1 && kind.length <= 64 && Option.isSome(value) ? [[kind, value.value] as const] : []
    )
    return usable.length === pairs.length && new Set(usable.map(([kind]) => kind)).size === pairs.length
      ? Option.some(Object.fromEntries(usable))
      : Option.none()
  }
  const fallback = Object.fromEntries(
    Object.entries(range.default).map(([kind, value]) => [kind, Duration.fromInputUnsafe(value)])
  )
  const shown = Object.entries(fallback).map(([kind, value]) => `${kind}=${Duration.format(value)}`)
  const limits = `${Duration.format(min)} to ${Duration.format(max)}`
  return declare<Readonly<Record<string, Duration.Duration>>>(variable, option, {
    type: "durations by kind",
    fallback: shown.length === 0 ? "none" : shown.join(","),
    range: limits,
    allowed: `a duration from ${limits} for all kinds, such as "1m", or one for each kind, such as "*=1m,RpcHandler=5s" (* is every other kind)`,
    default: fallback,
    parse: (value) => {
      if (typeof value === "string" && value.includes("=")) {
        return all(value.split(",").map((part) => splitOnce(part.trim(), "=")))
      }
      const single = one(value)
      if (Option.isSome(single)) return Option.some({ "*": single.value })
      return typeof value === "object" && value !== null && !Duration.isDuration(value) && !Array.isArray(value)
        ? all(Object.entries(value).filter(([, found]) => found !== undefined))
        : Option.none()
    }
  })
}

const splitOnce = (text: string, separator: string): readonly [string, string] => {
  const at = text.lastIndexOf(separator)
  return at < 0 ? [text, ""] : [text.slice(0, at).trim(), text.slice(at + separator.length).trim()]
}

/**
 * Checks an option that exists only in code.
 *
 * @category constructors
 * @since 0.1.0
 */
export const option =
  (name: string, allowed: string, isAllowed: (value: unknown) => boolean) =>
  (value: unknown): Effect.Effect<void, InvalidSetting> =>
    isAllowed(value)
      ? Effect.void
      : Effect.fail(new InvalidSetting({ option: name, variable: undefined, value: show(value), allowed }))

/**
 * Checks a length of time that exists only in code; both bounds are included.
 *
 * @category constructors
 * @since 0.1.0
 */
export const durationOption =
  (name: string, range: { readonly min: Duration.Input; readonly max: Duration.Input }) =>
  (value: unknown): Effect.Effect<Duration.Duration, InvalidSetting> => {
    const min = Duration.fromInputUnsafe(range.min)
    const max = Duration.fromInputUnsafe(range.max)
    const found = toDuration(value)
    return Option.isSome(found) &&
      Duration.isGreaterThanOrEqualTo(found.value, min) &&
      Duration.isLessThanOrEqualTo(found.value, max)
      ? Effect.succeed(found.value)
      : Effect.fail(
          new InvalidSetting({
            option: name,
            variable: undefined,
            value: show(value),
            allowed: `a duration from ${Duration.format(min)} to ${Duration.format(max)}`
          })
        )
  }
