/**
 * Compares the numbered requirements with the titles of tests.
 *
 * `docs/requirements.md` holds one line per requirement and per flaw:
 * `- **T8** (now) …` and `- **flaw T8: pending count** (now) …`. A test shows
 * them by tags in its title: `[T8]`, `[T7, T8]`, `[flaw T8: pending count]`.
 * `scripts/requirements.gaps.json` names the gaps that are known, with reasons.
 *
 * **Invariants** (each broken one is a problem)
 *
 * 1. A line marked `(now)` has a test or a known gap, never both.
 * 2. A known gap names a line that is marked `(now)`, and gives a reason.
 * 3. A tag names a line of the list; a flaw with several lines is named in full.
 * 4. Only titles count: the first argument of a call, in code, of a test that
 *    is not skipped. Skipped tests are a problem of their own.
 *
 * @internal
 */
import { existsSync, readFileSync } from "node:fs"
import * as path from "node:path"
import { filesOf } from "./files.ts"
import { lineAt, read } from "./source.ts"

/** One line of `docs/requirements.md`. */
export interface Requirement {
  readonly id: string
  readonly status: "now" | "planned"
  readonly text: string
  readonly line: number
}

/** A tag found in a title. */
export interface Tag {
  readonly id: string
  readonly file: string
  readonly line: number
}

export interface Report {
  readonly requirements: ReadonlyArray<Requirement>
  readonly covered: ReadonlyMap<string, number>
  readonly knownGaps: ReadonlyArray<string>
  readonly problems: ReadonlyArray<string>
}

export const LIST = "docs/requirements.md"
export const GAPS = "scripts/requirements.gaps.json"
const TESTS = ["packages/*/test/**/*.ts", "examples/**/*.ts", "test/**/*.ts"]

const requirementLine = /^- \*\*((?:flaw )?[A-Z]\d+(?:: [^*]+)?)\*\* (?:\((\w+)\) )?(.*)$/

/** The list, and what is wrong with its form. */
export const parseList = (
  text: string
): { readonly requirements: ReadonlyArray<Requirement>; readonly problems: ReadonlyArray<string> } => {
  const requirements: Array<Requirement> = []
  const problems: Array<string> = []
  for (const [index, row] of text.split("\n").entries()) {
    const [, id, status, said] = requirementLine.exec(row) ?? []
    if (id === undefined) continue
    const at = `${LIST}:${index + 1}`
    if (status !== "now" && status !== "planned") {
      problems.push(`${at} ${id}: wanted (now) or (planned), found ${status === undefined ? "neither" : `(${status})`}`)
    } else if (requirements.some((other) => other.id === id)) {
      problems.push(`${at} ${id} is listed twice`)
    } else {
      requirements.push({ id, status, text: said ?? "", line: index + 1 })
    }
  }
  return { requirements, problems }
}

const tagPattern = /\[((?:flaw )?[A-Z]\d+(?:(?:: [^\]]+)|(?:, ?(?:flaw )?[A-Z]\d+)*))\]/g
/** `it("…`, `it.effect("…`, `it.each(rows)("…`, `suite("…`: a call whose first argument is the literal. */
const callBefore = /([\w$.]+|\))\s*\(\s*$/
const skippedCall = /\.(?:skip|todo)$/

/** The tags in the titles of one file, and its skipped tests. */
export const tagsOf = (
  file: string,
  text: string
): { readonly tags: ReadonlyArray<Tag>; readonly skipped: ReadonlyArray<Tag> } => {
  const source = read(text)
  const tags: Array<Tag> = []
  const skipped: Array<Tag> = []
  for (const literal of source.literals) {
    const callee = callBefore.exec(source.code.slice(Math.max(0, literal.start - 200), literal.start))?.[1]
    if (callee === undefined) continue
    const line = lineAt(text, literal.start)
    if (skippedCall.test(callee)) {
      skipped.push({ id: literal.value, file, line })
      continue
    }
    for (const [, inside] of literal.value.matchAll(tagPattern)) {
      const ids = inside?.includes(": ") === true ? [inside] : (inside?.split(/, ?/) ?? [])
      tags.push(...ids.map((id) => ({ id, file, line })))
    }
  }
  return { tags, skipped }
}

const unknownTag = (tag: Tag, requirements: ReadonlyArray<Requirement>): string => {
  const similar = requirements
    .filter((one) => one.id.startsWith(tag.id.split(":")[0] ?? ""))
    .map((one) => `[${one.id}]`)
  const hint = similar.length === 0 ? `${LIST} has nothing like it` : `${LIST} has ${similar.join(", ")}`
  return `${tag.file}:${tag.line} the title cites [${tag.id}]; ${hint}`
}

const readGaps = (root: string): Readonly<Record<string, string>> => {
  const file = path.join(root, GAPS)
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Record<string, string>) : {}
}

/** Reads list, gaps and titles of the workspace at `root`. */
export const checkRequirements = (root: string): Report => {
  const { problems: listProblems, requirements } = parseList(readFileSync(path.join(root, LIST), "utf8"))
  const gaps = readGaps(root)
  const found = filesOf(root, TESTS).map((file) => tagsOf(file, readFileSync(path.join(root, file), "utf8")))
  const tags = found.flatMap((one) => one.tags)
  const covered = new Map<string, number>()
  for (const tag of tags) covered.set(tag.id, (covered.get(tag.id) ?? 0) + 1)
  const known = new Map(requirements.map((one) => [one.id, one]))
  const now = requirements.filter((one) => one.status === "now")
  const problems = [
    ...listProblems,
    ...tags.filter((tag) => !known.has(tag.id)).map((tag) => unknownTag(tag, requirements)),
    ...found.flatMap((one) => one.skipped.map((test) => `${test.file}:${test.line} a skipped test: "${test.id}"`)),
    ...now
      .filter((one) => !covered.has(one.id) && gaps[one.id] === undefined)
      .map((one) => `${LIST}:${one.line} ${one.id} has no test: ${one.text}`),
    ...Object.entries(gaps).flatMap(([id, reason]) => {
      if (known.get(id)?.status !== "now") return [`${GAPS}: ${id} is not a line marked (now) in ${LIST}`]
      if (covered.has(id)) return [`${GAPS}: ${id} has ${covered.get(id)} test(s) now: take the gap out`]
      return reason.trim() === "" ? [`${GAPS}: ${id} wants a reason`] : []
    })
  ]
  return { requirements, covered, knownGaps: Object.keys(gaps), problems }
}
