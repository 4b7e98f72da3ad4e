/**
 * Failures as lines for people.
 *
 * A typed failure is something somebody foresaw (a port in use, a file that is missing): it is told in one line, with the
 * messages of what caused it, and no stack. A defect is a mistake in a program and keeps its stack.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { quote } from "./quote.ts"

/** Causes of causes beyond this are not told: a chain may be a circle. */
const DEPTH = 5

/** Whether everything in the cause was foreseen. */
export const isTyped = (cause: Cause.Cause<unknown>): boolean =>
  cause.reasons.length > 0 && cause.reasons.every(Cause.isFailReason)

/** A line is for people: of an error that is longer than this only the beginning is told. */
const LONGEST = 4000

/** All errors of a cause in one line. */
export const oneLine = (cause: Cause.Cause<unknown>): string => {
  const told = cause.reasons.flatMap((reason) =>
    reason._tag === "Fail" ? [short(reason.error)] : reason._tag === "Die" ? [short(reason.defect)] : []
  )
  return told.length > 0 ? Array.from(new Set(told)).join("; ") : "interrupted"
}

/** A failure in one line; whatever holds a defect, with its stack. */
export const log = (what: string, cause: Cause.Cause<unknown>): Effect.Effect<void> =>
  isTyped(cause) ? Effect.logError(`${what}: ${oneLine(cause)}`) : Effect.logError(what, cause)

/** Why something that was thrown at us could not be done: its message, unfolded into one line. */
export const unfolded = (error: unknown): string =>
  (error instanceof Error ? error.message : describe(error)).replaceAll(/\s*\n\s*/g, " ")

const short = (error: unknown): string => {
  const text = describe(error)
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}… (${text.length} characters)`
}

/** `Tag: message: message of its cause`, on one line; also of one that throws when it is looked at. */
const describe = (error: unknown): string => {
  try {
    return chainOf(error)
  } catch {
    return "an error that throws when it is read"
  }
}

const chainOf = (error: unknown): string => {
  const parts: Array<string> = []
  let one = error
  for (let depth = 0; depth < DEPTH && one !== undefined && one !== null; depth++) {
    const part = depth === 0 ? headOf(one) : messageOf(one)
    if (part !== "" && !parts.some((before) => before.includes(part))) parts.push(part)
    one = typeof one === "object" && "cause" in one ? one.cause : undefined
  }
  return parts.length > 0 ? parts.join(": ") : String(error)
}

const headOf = (error: unknown): string => {
  const [name, message] = [nameOf(error), messageOf(error)]
  if (name === "" || message.startsWith(name)) return message
  return message === "" ? name : `${name}: ${message}`
}

const nameOf = (error: unknown): string => {
  if (typeof error !== "object" || error === null) return ""
  if ("_tag" in error && typeof error._tag === "string") return error._tag
  return error instanceof Error ? error.name : ""
}

const messageOf = (error: unknown): string => {
  if (typeof error === "string") return flat(error)
  if (typeof error !== "object" || error === null) return String(error)
  if ("message" in error && typeof error.message === "string") return flat(error.message)
  // Effect's platform errors keep the facts in a reason of their own.
  if (error instanceof Error) return ""
  try {
    return flat(JSON.stringify(error) ?? "")
  } catch {
    return Object.prototype.toString.call(error)
  }
}

/** A message with a line break is quoted, so that it stays one line. */
const flat = (text: string): string => (/\p{Cc}|\p{Zl}|\p{Zp}/u.test(text) ? quote(text) : text)
