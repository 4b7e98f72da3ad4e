/**
 * An option of a testing tool that is out of range.
 *
 * Every tool here checks its options before it starts anything, and answers
 * with this one error, so that a wrong seed in a CI variable reads the same
 * everywhere: which tool, which option, what was wanted, what was found.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * @category errors
 * @since 0.1.0
 */
export class InvalidOption extends Data.TaggedError("InvalidOption")<{
  readonly tool: string
  readonly option: string
  readonly wanted: string
  readonly found: unknown
}> {
  override get message(): string {
    return `${this.tool}: ${this.option} must be ${this.wanted}, found ${show(this.found)}`
  }
}

const show = (value: unknown): string => {
  if (typeof value === "string") return JSON.stringify(value)
  if (typeof value === "object" && value !== null) return Object.prototype.toString.call(value)
  return String(value)
}

/**
 * The error for a whole number outside `minimum … maximum`, or `undefined` when
 * the value is good.
 *
 * @category operations
 * @since 0.1.0
 */
export const checkInteger = (
  tool: string,
  option: string,
  value: unknown,
  range: { readonly minimum: number; readonly maximum: number }
): InvalidOption | undefined =>
  Number.isInteger(value) && (value as number) >= range.minimum && (value as number) <= range.maximum
    ? undefined
    : new InvalidOption({ tool, option, wanted: `a whole number in ${range.minimum} … ${range.maximum}`, found: value })

/**
 * The error for a probability outside `0 … 1`, or `undefined` when it is good.
 *
 * @category operations
 * @since 0.1.0
 */
export const checkProbability = (tool: string, option: string, value: unknown): InvalidOption | undefined =>
  typeof value === "number" && value >= 0 && value <= 1
    ? undefined
    : new InvalidOption({ tool, option, wanted: "a probability in 0 … 1", found: value })
