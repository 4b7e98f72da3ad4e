/**
 * A copy of the workspace that may be broken on purpose.
 *
 * Sources are copied; of `node_modules` only the workspace's own packages are
 * re-linked to the copy, everything else is linked to what is installed. The
 * work tree itself is only read.
 *
 * @internal
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { filesOf } from "./files.ts"

const left = new Set(["node_modules", "dist", ".git", ".tmp"])

const linkModules = (from: string, to: string): void => {
  const modules = path.join(from, "node_modules")
  mkdirSync(path.join(to, "node_modules"))
  for (const name of readdirSync(modules)) {
    if (name !== "@selvedge" && !name.startsWith(".vite")) {
      symlinkSync(path.join(modules, name), path.join(to, "node_modules", name))
    }
  }
}

const linkWorkspaces = (to: string): void => {
  for (const file of filesOf(to, ["packages/*/package.json", "examples/package.json", "bench/package.json"])) {
    const { name } = JSON.parse(readFileSync(path.join(to, file), "utf8")) as { readonly name: string }
    const link = path.join(to, "node_modules", name)
    mkdirSync(path.dirname(link), { recursive: true })
    if (!existsSync(link)) symlinkSync(path.join(to, path.dirname(file)), link)
  }
}

/** Makes a copy, lends its path, and removes it again. */
export const withCopy = async <A>(root: string, use: (copy: string) => Promise<A>): Promise<A> => {
  const copy = mkdtempSync(path.join(tmpdir(), "selvedge-copy-"))
  try {
    cpSync(root, copy, {
      recursive: true,
      filter: (source) => source === root || !left.has(path.basename(source))
    })
    linkModules(root, copy)
    linkWorkspaces(copy)
    return await use(copy)
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}
