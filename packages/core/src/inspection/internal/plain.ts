/**
 * Anything as JSON of bounded size: what a stranger's source gave, made harmless.
 *
 * **Invariants**
 *
 * 1. Never throws: a getter that does is shown by what it threw.
 * 2. At most `ENTRIES` values are looked at, however wide or deep; strings are cut at `CHARACTERS`.
 *
 * @internal
 */
import type * as Schema from "effect/Schema"

export const ENTRIES = 500
const DEPTH = 8
const CHARACTERS = 2000

interface Budget {
  left: number
}

export const plain = (value: unknown): Schema.Json => convert(value, DEPTH, { left: ENTRIES }, [])

export const cut = (text: string, most = CHARACTERS): string =>
  text.length > most ? `${text.slice(0, most)}… (${text.length - most} more characters)` : text

const convert = (value: unknown, depth: number, budget: Budget, above: ReadonlyArray<unknown>): Schema.Json => {
  budget.left--
  switch (typeof value) {
    case "string":
      return cut(value)
    case "number":
      return Number.isFinite(value) ? value : String(value)
    case "boolean":
      return value
    case "bigint":
      return String(value)
    case "undefined":
      return null
    case "object":
      break
    default:
      return `(a ${typeof value})`
  }
  if (value === null) return null
  if (above.includes(value)) return "(a circle)"
  if (depth === 0) return "(deeper than is shown)"
  try {
    return structure(value, depth - 1, budget, [...above, value])
  } catch (error) {
    return `(not readable: ${messageOf(error)})`
  }
}

const structure = (value: object, depth: number, budget: Budget, above: ReadonlyArray<unknown>): Schema.Json => {
  if (value instanceof Error) return cut(`${value.name}: ${value.message}`)
  if ("toJSON" in value && typeof value.toJSON === "function") {
    const given: unknown = value.toJSON()
    return given === value ? "(a circle)" : convert(given, depth, budget, above)
  }
  if (ArrayBuffer.isView(value)) return `(${value.byteLength} bytes)`
  if (value instanceof Map) return entries(value, depth, budget, above)
  if (Array.isArray(value) || value instanceof Set) {
    const list: Array<Schema.Json> = []
    let seen = 0
    for (const one of value) {
      if (budget.left <= 0) {
        list.push(`(and ${(Array.isArray(value) ? value.length : value.size) - seen} more)`)
        break
      }
      seen++
      list.push(convert(one, depth, budget, above))
    }
    return list
  }
  return entries(Object.entries(value), depth, budget, above)
}

const entries = (
  pairs: Iterable<readonly [unknown, unknown]>,
  depth: number,
  budget: Budget,
  above: ReadonlyArray<unknown>
): Schema.Json => {
  const found: Record<string, Schema.Json> = Object.create(null)
  for (const [key, value] of pairs) {
    if (budget.left <= 0) {
      found["…"] = "(and more)"
      break
    }
    found[cut(String(key), 100)] = convert(value, depth, budget, above)
  }
  // An object of the usual kind, which equality of tests and structured clones expect.
  return { ...found }
}

export const messageOf = (error: unknown): string => {
  try {
    return cut(error instanceof Error ? error.message : String(error), 200)
  } catch {
    return "an error that cannot be shown"
  }
}
