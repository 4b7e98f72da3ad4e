/**
 * The examples in docstrings and in docs/ compile as they are printed, against the sources.
 */
import { spawnSync } from "node:child_process"
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { assert, it, onTestFinished } from "vitest"
import { workspaceRoot } from "./internal/fixture.ts"

interface Example {
  readonly file: string
  readonly line: number
  readonly code: string
}

/** Fenced blocks marked `ts`. Inside a docstring every line begins with a star. */
const examplesOf = (file: string): ReadonlyArray<Example> => {
  const found: Array<Example> = []
  let open: { line: number; code: Array<string> } | undefined
  readFileSync(path.join(workspaceRoot, file), "utf8")
    .split("\n")
    .forEach((text, index) => {
      const inside = file.endsWith(".md") ? text : /^\s*\* ?(.*)$/.exec(text)?.[1]
      if (open === undefined) {
        if (inside === "```ts") open = { line: index + 1, code: [] }
      } else if (inside === "```" || inside === undefined) {
        found.push({ file, line: open.line, code: open.code.join("\n") })
        open = undefined
      } else {
        open.code.push(inside)
      }
    })
  return found
}

it("every example in a docstring or a page of docs/ compiles as it is printed", () => {
  const examples = globSync(["packages/*/src/**/*.ts", "docs/*.md"], { cwd: workspaceRoot })
    .toSorted()
    .flatMap(examplesOf)
  assert.isAbove(examples.length, 30)
  // Inside the workspace, so that packages are found by name.
  mkdirSync(path.join(workspaceRoot, ".tmp"), { recursive: true })
  const folder = mkdtempSync(path.join(workspaceRoot, ".tmp", "examples-"))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const names = new Map<string, Example>()
  for (const example of examples) {
    const name = `${example.file.replaceAll(/[^a-zA-Z]/g, "_")}_${example.line}.ts`
    names.set(name, example)
    writeFileSync(path.join(folder, name), `${example.code}\nexport {}\n`)
  }
  const config = {
    extends: "../../tsconfig.check.json",
    include: ["*.ts"],
    exclude: [],
    compilerOptions: { noUnusedLocals: false, noUnusedParameters: false, plugins: [] }
  }
  writeFileSync(path.join(folder, "tsconfig.json"), JSON.stringify(config))
  const tsc = path.join(workspaceRoot, "node_modules", "typescript", "bin", "tsc")
  const ran = spawnSync(process.execPath, [tsc, "-p", folder, "--pretty", "false"], { encoding: "utf8" })
  const told = ran.stdout
    .split("\n")
    .filter((line) => line.includes("error"))
    .map((line) => {
      const name = [...names.keys()].find((one) => line.includes(one))
      const example = name === undefined ? undefined : names.get(name)
      return example === undefined ? line : `${example.file}:${example.line}: ${line.slice(line.indexOf("(") - 1)}`
    })
  assert.deepStrictEqual(told, [])
  assert.strictEqual(ran.status, 0)
}, 60_000)
