/**
 * What the README promises about running things: its commands exist, CI runs
 * the same test command from nothing, and its links lead somewhere.
 */
import { existsSync, readFileSync } from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "vitest"
import { filesOf } from "../scripts/internal/files.ts"
import { workspaceRoot } from "./internal/fixture.ts"

const text = (file: string): string => readFileSync(path.join(workspaceRoot, file), "utf8")
const manifest = (file: string): { readonly scripts?: Readonly<Record<string, string>> } => JSON.parse(text(file))

/** Every line of a shell block, without its comment. */
const commands = Array.from(text("README.md").matchAll(/^```sh\n([\s\S]*?)^```/gm), (block) => block[1] ?? "")
  .flatMap((block) => block.split("\n"))
  .map((line) => line.replace(/#.*/, "").trim())
  .filter((line) => line !== "")

describe("README", () => {
  it("has one command that runs the main job and one that passes the tests, each complete from nothing [X2]", () => {
    assert.include(commands, "npm ci && npm start")
    assert.include(commands, "npm ci && npm test")
  })

  it("names only commands that exist, down to the files they start [X2]", () => {
    const { scripts = {} } = manifest("package.json")
    const named = [...text("README.md").matchAll(/npm (?:run ([\w:-]+)( -w examples)?|(start|test))/g)]
    assert.isAtLeast(named.length, 4)
    for (const [, script, ofExamples, word] of named) {
      const name = script ?? word ?? ""
      if (ofExamples === undefined) assert.isDefined(scripts[name], `package.json has no script "${name}"`)
      const passedOn = /^npm run --silent ([\w:-]+) -w examples/.exec(scripts[name] ?? "")?.[1]
      const inExamples = ofExamples === undefined ? passedOn : name
      if (inExamples === undefined) continue
      const file = /(\S+\.ts)/.exec(manifest("examples/package.json").scripts?.[inExamples] ?? "")?.[1]
      assert.isDefined(file, `examples/package.json has no script "${inExamples}"`)
      assert.isTrue(existsSync(path.join(workspaceRoot, "examples", file)), `examples/${file} does not exist`)
    }
  })

  it("gives CI the same test command, from nothing [X2]", () => {
    const lines = text(".ci/run").split("\n")
    const install = lines.findIndex((line) => line.startsWith("npm ci"))
    const test = lines.findIndex((line) => line.startsWith("npm test"))
    assert.isAbove(install, -1)
    assert.isAbove(test, install)
  })

  it("links, as the other documents do, to files that exist [X2]", () => {
    const documents = filesOf(workspaceRoot, ["*.md", "docs/**/*.md", "bench/*.md"])
    const dead = documents.flatMap((document) =>
      Array.from(text(document).matchAll(/\]\((?!https?:|#)([^)#\s]+)/g), (found) => found[1] ?? "")
        .filter((link) => !existsSync(path.join(workspaceRoot, path.dirname(document), link)))
        .map((link) => `${document}: ${link}`)
    )
    assert.deepStrictEqual(dead, [])
    assert.include(documents, "README.md")
  })
})
