/**
 * Finding the files a check looks at.
 *
 * @internal
 */
import { globSync } from "node:fs"
import * as path from "node:path"

const skipped = new Set(["node_modules", "dist", ".git", ".tmp"])

/** Paths below `root` that match a pattern, with forward slashes, sorted; never into node_modules or dist. */
export const filesOf = (root: string, patterns: ReadonlyArray<string>): ReadonlyArray<string> =>
  globSync([...patterns], { cwd: root, exclude: (name) => skipped.has(path.basename(name)) })
    .map((file) => file.split(path.sep).join("/"))
    .toSorted()

/** The workspace this script belongs to. */
export const workspaceRoot: string = path.resolve(import.meta.dirname, "../..")
