/**
 * A small workspace in a temporary folder, for tests of the checks.
 *
 * @internal
 */
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { onTestFinished } from "vitest"

/** The workspace under test. */
export const workspaceRoot: string = path.resolve(import.meta.dirname, "../..")

/** An empty folder that is gone when the test ends. */
export const temporaryFolder = (): string => {
  const root = mkdtempSync(path.join(tmpdir(), "selvedge-test-"))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  return root
}

/** Writes files (path → content) below `root`. */
export const writeFiles = (root: string, files: Readonly<Record<string, string>>): void => {
  for (const [file, content] of Object.entries(files)) {
    mkdirSync(path.join(root, path.dirname(file)), { recursive: true })
    writeFileSync(path.join(root, file), content)
  }
}

/** What a script printed and how it ended. */
export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs one of `scripts/` with this Node. */
export const runScript = (script: string, args: ReadonlyArray<string>): Ran => {
  const { NODE_OPTIONS: _, ...env } = process.env
  const ran = spawnSync(process.execPath, [path.join(workspaceRoot, "scripts", script), ...args], {
    cwd: workspaceRoot,
    encoding: "utf8",
    env
  })
  return { code: ran.status, stdout: ran.stdout, stderr: ran.stderr }
}
