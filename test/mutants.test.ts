/**
 * The mutant runner, seen to fail: a workspace of one function and one test,
 * with mutants that are caught, survive, and are broken in several ways.
 */
import { readFileSync, symlinkSync } from "node:fs"
import * as path from "node:path"
import { assert, describe, it, vi } from "vitest"
import { runTests } from "../scripts/internal/vitestRun.ts"
import { runScript, temporaryFolder, workspaceRoot, writeFiles } from "./internal/fixture.ts"

const TEST = "packages/core/test/add.test.ts"

const source = "export const add = (a: number, b: number): number => a + b\n"

const test = `
import { expect, it } from "vitest"
import { add } from "@selvedge/core/add"
it("adds two numbers", () => expect(add(2, 3)).toBe(5))
it("adds nothing", () => expect(add(0, 0)).toBe(0))
`

const patch = (header: { readonly title?: string; readonly shows?: string }, body: string, before = source): string =>
  [
    `# shows: ${header.shows ?? "flaw T8"}`,
    `# test: ${TEST}`,
    `# title: ${header.title ?? "adds two numbers"}`,
    "# because: a flaw",
    "--- a/packages/core/src/add.ts",
    "+++ b/packages/core/src/add.ts",
    "@@ -1 +1 @@",
    `-${before.trimEnd()}`,
    `+${body}`,
    ""
  ].join("\n")

const subtracts = "export const add = (a: number, b: number): number => a - b"

const workspace = (patches: Readonly<Record<string, string>>): string => {
  const root = temporaryFolder()
  writeFiles(root, {
    "docs/requirements.md": "- **flaw T8** (now) Adds wrongly.\n",
    "packages/core/package.json": JSON.stringify({
      name: "@selvedge/core",
      type: "module",
      exports: { "./*": { "@selvedge/source": "./src/*.ts" } }
    }),
    "packages/core/src/add.ts": source,
    [TEST]: test,
    "vitest.config.ts": readFileSync(path.join(workspaceRoot, "vitest.config.ts"), "utf8"),
    ...Object.fromEntries(Object.entries(patches).map(([name, text]) => [`test/mutants/${name}.patch`, text]))
  })
  symlinkSync(path.join(workspaceRoot, "node_modules"), path.join(root, "node_modules"))
  return root
}

const rowOf = (stdout: string, name: string): string =>
  stdout.split("\n").find((row) => row.includes(` ${name} `)) ?? ""

describe("mutants", () => {
  it("catches a mutant whose test goes red, in the copy's own packages, and leaves the work tree alone [Q2]", () => {
    const root = workspace({ subtracts: patch({}, subtracts) })
    const ran = runScript("mutants.ts", ["--root", root])
    assert.match(rowOf(ran.stdout, "subtracts"), /^caught .*expected -1 to be 5/)
    assert.include(ran.stdout, "1 of 1 caught")
    assert.strictEqual(ran.code, 0)
    assert.strictEqual(readFileSync(path.join(root, "packages/core/src/add.ts"), "utf8"), source)
  })

  it("fails when a mutant survives or is broken, and says which and why [Q2]", () => {
    const root = workspace({
      caught: patch({}, subtracts),
      survives: patch({ title: "adds nothing" }, subtracts),
      unloadable: patch({}, "export const add = ("),
      stale: patch({}, subtracts, "export const add = 1"),
      untitled: patch({ title: "multiplies" }, subtracts)
    })
    const ran = runScript("mutants.ts", ["--root", root])
    assert.match(rowOf(ran.stdout, "caught"), /^caught/)
    assert.match(rowOf(ran.stdout, "survives"), /^SURVIVED .*stays green/)
    assert.match(rowOf(ran.stdout, "unloadable"), /^BROKEN/)
    assert.match(rowOf(ran.stdout, "stale"), /^BROKEN .*does not apply/)
    assert.match(rowOf(ran.stdout, "untitled"), /^BROKEN .*0 tests are titled/)
    assert.include(ran.stdout, "1 of 5 caught, 1 survived, 3 broken")
    assert.strictEqual(ran.code, 1)
  })

  it("leaves nobody behind when the code under test loops without end, also not what it has started [Q2]", async () => {
    const root = workspace({})
    const loops = `
import { spawn } from "node:child_process"
import { writeFileSync } from "node:fs"
import { it } from "vitest"
it("loops", () => {
  const other = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" })
  writeFileSync("pids", JSON.stringify([process.pid, other.pid]))
  for (;;);
})`
    writeFiles(root, { [TEST]: loops })
    const ran = await runTests({ root, file: TEST, titles: ["loops"], runSeconds: 8, testSeconds: 1 })
    assert.deepStrictEqual(ran, { results: [], problem: "no end within 8 s" })
    for (const pid of JSON.parse(readFileSync(path.join(root, "pids"), "utf8")) as ReadonlyArray<number>) {
      // Killed processes are there until somebody has taken note of it.
      await vi.waitFor(() => assert.throws(() => process.kill(pid, 0), /ESRCH/), 5000)
    }
  })

  it("fails when a flaw has no mutant, or a mutant shows what is not listed [Q2]", () => {
    const ran = runScript("mutants.ts", ["--root", workspace({ other: patch({ shows: "flaw T9" }, subtracts) })])
    assert.include(ran.stderr, "flaw T8 has no mutant")
    assert.include(ran.stderr, 'other: shows "flaw T9"')
    assert.strictEqual(ran.code, 1)
  })
})
