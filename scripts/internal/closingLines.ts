/**
 * The lines of a package's exports map that close its internals.
 *
 * A wildcard in the middle of a key closes nothing, so every `internal` folder
 * needs a line of its own: `"./tasks/internal/*": null`. They are derived from
 * the folders, written by `npm run floors -- --write`, and checked. A line too
 * many closes nothing that exists: writing takes it out, checking lets it be.
 *
 * @internal
 */
import { readFileSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { filesOf } from "./files.ts"
import type { Violation } from "./violation.ts"

interface Manifest {
  readonly exports?: Readonly<Record<string, unknown>>
}

/** Always closed, so that a first internal file at the top is never public for a moment. */
const ALWAYS = "./internal/*"

const isClosing = (key: string): boolean => key.endsWith("/internal/*")

const wantedFor = (root: string, folder: string): ReadonlyArray<string> => {
  const found = filesOf(root, [`${folder}/src/**/internal/**/*.ts`]).map((file) => {
    const inside = file.slice(`${folder}/src/`.length)
    return `./${inside.slice(0, inside.lastIndexOf("internal/"))}internal/*`
  })
  return [...new Set([ALWAYS, ...found])].toSorted()
}

/** The same map with exactly the wanted lines, before the wildcard that opens everything else. */
const corrected = (
  exports: Readonly<Record<string, unknown>>,
  wanted: ReadonlyArray<string>
): Record<string, unknown> => {
  const others = Object.entries(exports).filter(([key]) => !isClosing(key))
  const wildcard = others.findIndex(([key]) => key === "./*")
  const at = wildcard === -1 ? others.length : wildcard
  const closing = wanted.map((key): [string, unknown] => [key, null])
  return Object.fromEntries([...others.slice(0, at), ...closing, ...others.slice(at)])
}

/** Compares, or with `write` repairs, every package's closing lines. */
export const checkClosingLines = (root: string, write: boolean): ReadonlyArray<Violation> =>
  filesOf(root, ["packages/*/package.json"]).flatMap((file) => {
    const manifestPath = path.join(root, file)
    const manifest = JSON.parse(readFileSync(manifestPath, "utf8")) as Manifest
    const exports = manifest.exports ?? {}
    const wanted = wantedFor(root, path.posix.dirname(file))
    const missing = wanted.filter((key) => exports[key] !== null)
    const stale = Object.keys(exports).filter((key) => isClosing(key) && !wanted.includes(key))
    if (write && missing.length + stale.length > 0) {
      writeFileSync(manifestPath, `${JSON.stringify({ ...manifest, exports: corrected(exports, wanted) }, null, 2)}\n`)
      return []
    }
    return missing.map((key) => ({
      file,
      line: 1,
      rule: "closed",
      message: `exports lack "${key}": null (npm run floors -- --write adds it)`
    }))
  })
