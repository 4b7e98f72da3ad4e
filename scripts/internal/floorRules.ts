/**
 * The rules of the building: who may import whom, file by file.
 *
 * Every family of `packages/core/src` stands on a floor, `packages/node` above
 * them and `packages/testing` on top; the picture is in `docs/architecture.md`.
 *
 * **Invariants** (one rule each; the word is what a violation is reported under)
 *
 * 1. `climb`: an import points to its own floor or down.
 * 2. `internal`: what lies in `x/internal/` is imported only from inside `x/`;
 *    the internals of floor 2 may also use those of `memory`.
 * 3. `platform`: core names no Node module.
 * 4. `plain`: the internals of floors 1 and 2, and the model checker, stand on
 *    nothing but themselves (the checker may use Node's own modules).
 * 5. `testing`: no `src` imports the testing package.
 * 6. `leaves`: a relative import stays in its package; a benchmark reaches
 *    packages by name only.
 * 7. `form`: relative imports end in `.ts`, and Effect's modules are imported
 *    from their own path, not from a barrel.
 * 8. `time`: time and chance come from Clock and Random; only internals of
 *    `node` and `testing`, and the checker's instrumentation, ask the machine.
 * 9. `model`: a model of core or node imports the shipped internals it explores,
 *    itself or by way of what it shares with other models.
 * 10. `circle`: no file imports itself by way of others; imports of types count.
 * 11. `named`: every public module, a file with a capital, stands in `docs/architecture.md`.
 *
 * @internal
 */
import { existsSync, readFileSync } from "node:fs"
import { isBuiltin } from "node:module"
import * as path from "node:path"
import { circleProblems } from "./circles.ts"
import { filesOf } from "./files.ts"
import { importsOf, lineAt, read, type Source } from "./source.ts"
import type { Violation } from "./violation.ts"

/** Families of core and their floors; floor 0 is the cellar everybody may use. */
export const coreFloors: Readonly<Record<string, number>> = {
  internal: 0,
  config: 0,
  memory: 1,
  ring: 2,
  notifier: 2,
  diagnostics: 2,
  shutdown: 3,
  tasks: 4,
  workers: 5,
  inspection: 6,
  service: 7
}

const TOP_OF_CORE = 7
const packageFloors: Readonly<Record<string, number>> = { node: 8, testing: 9 }

/** The place of a file or of a module named by a specifier. */
interface Place {
  readonly package: string
  /** Path inside the package's `src`, or `undefined` for anything else. */
  readonly inSrc: string | undefined
}

const placeOfFile = (file: string): Place => {
  const [, name, inSrc] = /^packages\/([^/]+)\/(?:src\/(.*))?/.exec(file) ?? []
  return { package: name ?? file.split("/")[0] ?? "", inSrc }
}

const placeOfSpecifier = (specifier: string, file: string): Place | undefined => {
  if (specifier.startsWith(".")) return placeOfFile(path.posix.join(path.posix.dirname(file), specifier))
  const [, name, inside] = /^@selvedge\/([^/]+)(?:\/(.*))?$/.exec(specifier) ?? []
  return name === undefined ? undefined : { package: name, inSrc: inside ?? "index" }
}

const floorOf = (place: Place): number | undefined => {
  if (place.inSrc === undefined) return undefined
  if (place.package !== "core") return packageFloors[place.package]
  const slash = place.inSrc.indexOf("/")
  return slash === -1 ? TOP_OF_CORE : coreFloors[place.inSrc.slice(0, slash)]
}

const describe = (place: Place): string => {
  const family = place.inSrc?.includes("/") === true ? place.inSrc.slice(0, place.inSrc.indexOf("/")) : "index"
  return `floor ${floorOf(place) ?? "?"} (${place.package}/${family})`
}

/** Is `to` an internal that `from` may not see? */
const isForeignInternal = (from: Place, to: Place): boolean => {
  const owner = /^(.*?)(?:^|\/)internal\//.exec(to.inSrc ?? "")?.[1]
  if (owner === undefined) return false
  if (from.package === to.package && (owner === "" || from.inSrc?.startsWith(`${owner}/`) === true)) return false
  const floor2Internal = /^[^/]+\/internal\//.test(from.inSrc ?? "") && floorOf(from) === 2
  return !(floor2Internal && from.package === "core" && to.package === "core" && owner === "memory")
}

const isPlainOnly = (place: Place): "core" | "model" | undefined => {
  if (place.package === "core" && /^(?:memory|ring|notifier|diagnostics)\/internal\//.test(place.inSrc ?? ""))
    return "core"
  if (place.package === "testing" && place.inSrc?.startsWith("model/") === true) return "model"
  return undefined
}

const barrels = new Set(["effect", "@effect/platform-node"])

/** Rules 1 to 7 for one import of a file in some package's `src`. */
const problemOfSrcImport = (from: Place, specifier: string, file: string): readonly [string, string] | undefined => {
  const to = placeOfSpecifier(specifier, file)
  const relative = specifier.startsWith(".")
  if (from.package === "core" && (specifier.startsWith("node:") || isBuiltin(specifier))) {
    return ["platform", `core runs anywhere: no Node modules, found "${specifier}"`]
  }
  const plain = isPlainOnly(from)
  if (plain !== undefined && !relative && !(plain === "model" && specifier.startsWith("node:"))) {
    return ["plain", `this is plain synchronous code that imports only its own kind, found "${specifier}"`]
  }
  if (barrels.has(specifier)) return ["form", `import modules from their own path, found the barrel "${specifier}"`]
  if (to === undefined) return undefined
  if (relative && (to.package !== from.package || to.inSrc === undefined)) {
    return ["leaves", `a relative import stays in its package's src, found "${specifier}"`]
  }
  if (to.package === "testing" && from.package !== "testing") {
    return ["testing", `src never imports the testing package, found "${specifier}"`]
  }
  if (isForeignInternal(from, to)) return ["internal", `another family's internal: "${specifier}"`]
  const [here, there] = [floorOf(from), floorOf(to)]
  if (here !== undefined && there === undefined) {
    return ["climb", `"${specifier}" leads to a family without a floor: give it one in scripts/internal/floorRules.ts`]
  }
  if (here !== undefined && there !== undefined && there > here) {
    return ["climb", `${describe(from)} imports from ${describe(to)}: "${specifier}"`]
  }
  return undefined
}

/** Rule 6 outside of `src`: tests may look inside their own package, nobody looks inside another's. */
const problemOfOuterImport = (from: Place, specifier: string, file: string): readonly [string, string] | undefined => {
  const to = placeOfSpecifier(specifier, file)
  if (to === undefined) return undefined
  if (specifier.startsWith(".")) {
    const target = path.posix.join(path.posix.dirname(file), specifier)
    if (to.package === from.package || !target.startsWith("packages/")) return undefined
    return ["leaves", `packages are imported by name, found "${specifier}"`]
  }
  return isForeignInternal(from, to) ? ["internal", `internals are closed to others, found "${specifier}"`] : undefined
}

const machineTime = /(?<![.\w])(?:globalThis\.)?(Date\.now|Math\.random|setTimeout|setInterval|new Date\(\))(?![\w])/g

const mayAskTheMachine = (place: Place): boolean =>
  (place.package === "testing" && place.inSrc?.startsWith("model/") === true) ||
  (place.package !== "core" && /(?:^|\/)internal\//.test(place.inSrc ?? ""))

const timeProblems = (file: string, place: Place, source: Source): ReadonlyArray<Violation> =>
  mayAskTheMachine(place)
    ? []
    : Array.from(source.code.matchAll(machineTime), (found) => ({
        file,
        line: lineAt(source.text, found.index),
        rule: "time",
        message: `time and chance come from Clock and Random, found ${found[1]}`
      }))

const checkFile = (file: string, source: Source): ReadonlyArray<Violation> => {
  const place = placeOfFile(file)
  const violations: Array<Violation> = []
  if (place.inSrc !== undefined && floorOf(place) === undefined) {
    const message = `a family without a floor: give it one in scripts/internal/floorRules.ts`
    violations.push({ file, line: 1, rule: "climb", message })
  }
  const imports = importsOf(source)
  for (const { specifier, line } of imports) {
    const problem =
      place.inSrc === undefined
        ? problemOfOuterImport(place, specifier, file)
        : problemOfSrcImport(place, specifier, file)
    if (problem !== undefined) violations.push({ file, line, rule: problem[0], message: problem[1] })
    // A template with a hole in it is a file chosen at run time, not an import.
    if (
      /^\.\.?\/[^$]*$/.test(specifier) &&
      place.inSrc !== undefined &&
      !/\.(?:ts|js|json|html)$|\/$/.test(specifier)
    ) {
      const message = `a relative import ends in .ts, found "${specifier}"`
      violations.push({ file, line, rule: "form", message })
    }
  }
  if (place.inSrc !== undefined) violations.push(...timeProblems(file, place, source))
  return violations
}

/** Rule 9, for one file; `sources` holds every file looked at. */
const modelProblems = (file: string, sources: ReadonlyMap<string, Source>): ReadonlyArray<Violation> => {
  if (!/^packages\/(?:core|node)\/test\/.*\.model\.ts$/.test(file)) return []
  const reached = new Set([file])
  for (const one of reached) {
    const source = sources.get(one)
    if (/\/src\/(?:.*\/)?internal\//.test(one)) return []
    if (source === undefined || !one.includes("/test/")) continue
    for (const { specifier } of importsOf(source)) {
      if (specifier.startsWith(".")) reached.add(path.posix.join(path.posix.dirname(one), specifier))
    }
  }
  const message = "a model explores shipped code: wanted an import of ../src/**/internal/, found none"
  return [{ file, line: 1, rule: "model", message }]
}

/** Rule 11; a workspace without the page has nothing to keep up to date. */
const namedProblems = (root: string, files: Iterable<string>): ReadonlyArray<Violation> => {
  const page = path.join(root, "docs/architecture.md")
  if (!existsSync(page)) return []
  const named = new Set(readFileSync(page, "utf8").match(/\w+/g))
  return Array.from(files).flatMap((file) => {
    const name = /^packages\/[^/]+\/src\/(?!(?:.*\/)?internal\/)(?:.*\/)?([A-Z]\w*)\.ts$/.exec(file)?.[1]
    const message = `docs/architecture.md does not name ${name}: put it where its family is drawn`
    return name === undefined || named.has(name) ? [] : [{ file, line: 1, rule: "named", message }]
  })
}

/** Every violation of rules 1 to 11 in the workspace at `root`, and how many files were looked at. */
export const checkFloors = (
  root: string
): { readonly files: number; readonly violations: ReadonlyArray<Violation> } => {
  const files = filesOf(root, [
    "packages/*/src/**/*.ts",
    "packages/*/test/**/*.ts",
    "examples/**/*.ts",
    "bench/**/*.ts",
    "scripts/**/*.ts",
    "test/**/*.ts"
  ])
  const sources = new Map(files.map((file) => [file, read(readFileSync(path.join(root, file), "utf8"))]))
  const violations = [
    ...[...sources].flatMap(([file, source]) => [...checkFile(file, source), ...modelProblems(file, sources)]),
    ...circleProblems(sources),
    ...namedProblems(root, sources.keys())
  ]
  return { files: files.length, violations }
}
