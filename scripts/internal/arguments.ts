/**
 * Arguments of the scripts: one that cannot be is told in a line, before any work begins, with exit code 2.
 *
 * @internal
 */
import { statSync } from "node:fs"

/** An argument that cannot be; its message says what was wanted and what was found. */
export class WrongArgument extends Error {}

/** What is wrong with an argument, in a line; nothing if the error is about something else. */
export const explain = (error: unknown): string | undefined => {
  if (error instanceof WrongArgument) return error.message
  // node:util reports an unknown option as a TypeError with this code family, some with advice about `--` after the fact.
  if (!(error instanceof TypeError) || !String(Reflect.get(error, "code")).startsWith("ERR_PARSE_ARGS"))
    return undefined
  return error.message.split(/\. To specify|\n/)[0]
}

/** Reads the arguments of a script, or ends it. */
export const readOrExit = <A>(script: string, read: () => A): A => {
  try {
    return read()
  } catch (error) {
    const why = explain(error)
    if (why === undefined) throw error
    console.error(`${script}: ${why}`)
    process.exit(2)
  }
}

/** A number above 0 and at most 2^31. */
export const positive = (name: string, text: string, kind: "whole" | "any"): number => {
  const value = Number(text)
  if (value > 0 && value <= 2 ** 31 && (kind === "any" || Number.isInteger(value))) return value
  const wanted = `${kind === "whole" ? "a whole number" : "a number"} above 0 and at most 2^31`
  throw new WrongArgument(`--${name} wants ${wanted}, found "${text}"`)
}

/** A folder that is there. */
export const folder = (name: string, path: string): string => {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return path
  throw new WrongArgument(`--${name} wants a folder, found "${path}"`)
}
