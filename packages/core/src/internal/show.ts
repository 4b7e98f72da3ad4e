/**
 * A value of any kind, short enough for a message that says what was found.
 *
 * @internal
 */
export const show = (value: unknown): string => {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)
    case "function":
      return "a function"
    case "object":
      return value === null ? "null" : Object.prototype.toString.call(value).slice(8, -1)
    default:
      return Object.is(value, -0) ? "-0" : String(value).slice(0, 60)
  }
}
