/**
 * Names and attributes of metrics as ids, names and labels of counters, and back.
 *
 * A counter has an id, a name of lower case words, and a label. A metric of Effect has any name and any attributes. Its id is
 * made of its name, so that every thread finds the same one; the attributes are written into the label as `k=v`, sorted,
 * with `%` in the place of what would not come back.
 *
 * @internal
 */

/** Ids of forwarded metrics lie in the upper half, far from those that people choose. */
export const FIRST_FORWARDED = 0x40000000

/** How many ids are tried for names that have the same hash. */
export const TRIES = 8

/** FNV-1a, in 30 bits. */
export const idOf = (name: string, attempt: number): number => {
  let hash = 0x811c9dc5
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193)
  return FIRST_FORWARDED + (((hash >>> 2) + attempt) & 0x3fffffff)
}

export const nameOf = (id: string): string =>
  id
    .replaceAll(/([a-z0-9])([A-Z])/g, "$1_$2")
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "_")
    .replaceAll(/^[_0-9]+|_+$/g, "")

export const labelOf = (attributes: Readonly<Record<string, string>> | undefined): string =>
  Object.entries(attributes ?? {})
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${escape(key)}=${escape(value)}`)
    .join(",")

const escape = (text: string): string => text.replaceAll(/[%,=]/g, encodeURIComponent)

/** Attributes of a row: those of the metric it was, or its label, and whose it is. */
export const attributesOf = (
  { id, label }: { readonly id: number; readonly label: string },
  worker: string
): Record<string, string> => {
  if (label === "") return { worker }
  if (id < FIRST_FORWARDED) return { label, worker }
  const pairs = label.split(",").map((part) => part.split("=").map(unescape))
  return { ...Object.fromEntries(pairs.map(([key = "", value = ""]) => [key, value])), worker }
}

/** A label that somebody else wrote may hold anything. */
const unescape = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
