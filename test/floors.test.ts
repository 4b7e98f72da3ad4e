/**
 * The check of the floors, seen to fail: every rule on a small workspace that
 * breaks it, beside the nearest thing that is allowed.
 */
import { readFileSync } from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "vitest"
import { checkClosingLines } from "../scripts/internal/closingLines.ts"
import { checkFloors } from "../scripts/internal/floorRules.ts"
import { runScript, temporaryFolder, workspaceRoot, writeFiles } from "./internal/fixture.ts"

/** Puts the line into the file and answers with what is reported, as `rule@line`. */
const reported = (file: string, line: string): ReadonlyArray<string> => {
  const root = temporaryFolder()
  writeFiles(root, { [file]: `export {}\n${line}\n` })
  return checkFloors(root).violations.map((violation) => `${violation.rule}@${violation.line}`)
}

interface Row {
  readonly rule: string
  readonly file: string
  readonly broken: string
  readonly allowed: string
}

const rows: ReadonlyArray<Row> = [
  {
    rule: "climb",
    file: "packages/core/src/shutdown/Token.ts",
    broken: `import * as Task from "../tasks/Task.ts"`,
    allowed: `import * as Ring from "../ring/Ring.ts"`
  },
  {
    rule: "climb",
    file: "packages/core/src/tasks/Task.ts",
    broken: `import * as NodeMain from "@selvedge/node/main/NodeMain"`,
    allowed: `import * as Effect from "effect/Effect"`
  },
  {
    rule: "climb",
    file: "packages/core/src/tasks/Task.ts",
    broken: `export * from "../../src/service/Main.ts"`,
    allowed: `export * from "../../src/shutdown/ShutdownToken.ts"`
  },
  {
    rule: "climb",
    file: "packages/core/src/tasks/Task.ts",
    broken: `import * as Thing from "../newfamily/Thing.ts"`,
    allowed: `import * as Cell from "../internal/cell.ts"`
  },
  {
    rule: "internal",
    file: "packages/core/src/tasks/Task.ts",
    broken: `const x = await import("../shutdown/internal/tree.ts")`,
    allowed: `const x = await import("../shutdown/ShutdownToken.ts")`
  },
  {
    rule: "internal",
    file: "packages/node/src/main/NodeMain.ts",
    broken: `import { claim } from "@selvedge/core/ring/internal/claim"`,
    allowed: `import * as Ring from "@selvedge/core/ring/Ring"`
  },
  {
    rule: "internal",
    file: "packages/core/src/ring/internal/claim.ts",
    broken: `import { LINE } from "../../notifier/internal/layout.ts"`,
    allowed: `import { LINE } from "../../memory/internal/line.ts"`
  },
  {
    rule: "internal",
    file: "packages/core/src/ring/Ring.ts",
    broken: `import { LINE } from "../memory/internal/line.ts"`,
    allowed: `import { LINE } from "./internal/line.ts"`
  },
  {
    rule: "platform",
    file: "packages/core/src/tasks/Task.ts",
    broken: `import * as fs from "node:fs"`,
    allowed: `// import * as fs from "node:fs"`
  },
  {
    rule: "platform",
    file: "packages/core/src/tasks/Task.ts",
    broken: `import * as fs from "fs"`,
    allowed: `const text = 'import * as fs from "node:fs"'`
  },
  {
    rule: "plain",
    file: "packages/core/src/ring/internal/claim.ts",
    broken: `import * as Effect from "effect/Effect"`,
    allowed: `import { slot } from "./layout.ts"`
  },
  {
    rule: "plain",
    file: "packages/testing/src/model/explore.ts",
    broken: `import * as Effect from "effect/Effect"`,
    allowed: `import { Worker } from "node:worker_threads"`
  },
  {
    rule: "testing",
    file: "packages/node/src/main/NodeMain.ts",
    broken: `import * as Faults from "@selvedge/testing/faults/Faults"`,
    allowed: `import * as Task from "@selvedge/core/tasks/Task"`
  },
  {
    rule: "leaves",
    file: "packages/node/src/main/NodeMain.ts",
    broken: `import * as Task from "../../../core/src/tasks/Task.ts"`,
    allowed: `import * as Code from "./ExitCode.ts"`
  },
  {
    rule: "leaves",
    file: "packages/node/test/main.test.ts",
    broken: `import * as Task from "../../core/src/tasks/Task.ts"`,
    allowed: `import * as Code from "../src/main/ExitCode.ts"`
  },
  {
    rule: "form",
    file: "packages/core/src/tasks/Task.ts",
    broken: `import * as Kind from "./TaskKind"`,
    allowed: `import * as Kind from "./TaskKind.ts"`
  },
  {
    rule: "form",
    file: "packages/core/src/tasks/Task.ts",
    broken: `import { Effect } from "effect"`,
    allowed: `import * as Effect from "effect/Effect"`
  },
  {
    rule: "time",
    file: "packages/core/src/tasks/Task.ts",
    broken: "const at = `${Date.now()}`",
    allowed: "const at = `Date.now()` // Date.now()"
  },
  {
    rule: "time",
    file: "packages/node/src/main/NodeMain.ts",
    broken: `setTimeout(() => {}, 1)`,
    allowed: `const pattern = /setTimeout(/`
  }
]

describe("floors", () => {
  for (const { allowed, broken, file, rule } of rows) {
    it(`${rule}: refuses ${broken} in ${file} and allows ${allowed} [X1]`, () => {
      assert.deepStrictEqual(reported(file, broken), [`${rule}@2`])
      assert.deepStrictEqual(reported(file, allowed), [])
    })
  }

  it("refuses a benchmark that reaches into a package by path [Q5]", () => {
    const file = "bench/tasks/ours.ts"
    assert.deepStrictEqual(reported(file, `import * as T from "../../packages/core/src/tasks/Task.ts"`), ["leaves@2"])
    assert.deepStrictEqual(reported(file, `import * as T from "@selvedge/core/tasks/internal/task"`), ["internal@2"])
    assert.deepStrictEqual(reported(file, `import * as T from "@selvedge/core/tasks/Task"`), [])
  })

  it("refuses a model of core that explores anything but shipped internals [Q3]", () => {
    const file = "packages/core/test/model/ring.model.ts"
    assert.deepStrictEqual(reported(file, `import { claim } from "./copyOfClaim.ts"`), ["model@1"])
    assert.deepStrictEqual(reported(file, `import { claim } from "../../src/ring/internal/claim.ts"`), [])
    const root = temporaryFolder()
    writeFiles(root, { [file]: `import "./support.ts"`, "packages/core/test/model/support.ts": `import "./more.ts"` })
    assert.strictEqual(checkFloors(root).violations.length, 1)
    writeFiles(root, { "packages/core/test/model/more.ts": `import "../../src/ring/internal/claim.ts"` })
    assert.deepStrictEqual(checkFloors(root).violations, [])
  })

  it("names a circle of imports, of types too, by its shortest way round, and lets a file be loaded by its URL [X1]", () => {
    const root = temporaryFolder()
    writeFiles(root, {
      "packages/core/src/tasks/A.ts": `\nimport { b } from "./internal/b.ts"\n`,
      "packages/core/src/tasks/internal/b.ts": `export type { C } from "@selvedge/core/tasks/C"\n`,
      "packages/core/src/tasks/C.ts": `const later = await import("./A.ts")\n`
    })
    const found = checkFloors(root).violations.map(
      ({ file, line, message, rule }) => `${file}:${line} ${rule} ${message}`
    )
    assert.deepStrictEqual(found, [
      "packages/core/src/tasks/A.ts:2 circle imports come back to where they began: A.ts → internal/b.ts → C.ts → A.ts"
    ])
    writeFiles(root, { "packages/core/src/tasks/C.ts": `const later = new URL("./A.ts", import.meta.url)\n` })
    assert.deepStrictEqual(checkFloors(root).violations, [])
  })

  it("names a public module that the page of the architecture does not, and no internal one [X1]", () => {
    const root = temporaryFolder()
    writeFiles(root, {
      "docs/architecture.md": "tasks/ Task · TaskKind\n",
      "packages/core/src/index.ts": "export {}\n",
      "packages/core/src/tasks/Task.ts": "export {}\n",
      "packages/core/src/tasks/Tas.ts": "export {}\n",
      "packages/core/src/tasks/internal/Entry.ts": "export {}\n"
    })
    const found = checkFloors(root).violations.map(({ file, rule }) => `${file} ${rule}`)
    assert.deepStrictEqual(found, ["packages/core/src/tasks/Tas.ts named"])
  })

  it("lets a test look into its own package's internals [X1]", () => {
    const line = `import { tree } from "../../src/shutdown/internal/tree.ts"`
    assert.deepStrictEqual(reported("packages/core/test/shutdown/tree.test.ts", line), [])
  })

  it("names the open internal folders, nested ones too, and closes them when told to [X1]", () => {
    const root = temporaryFolder()
    const manifest = path.join(root, "packages/core/package.json")
    writeFiles(root, {
      "packages/core/package.json": JSON.stringify({
        name: "x",
        exports: { ".": "./dist/index.js", "./old/internal/*": null, "./*": "./dist/*.js" }
      }),
      "packages/core/src/tasks/internal/tree.ts": "export {}\n",
      "packages/core/src/a/b/internal/deep/c.ts": "export {}\n"
    })
    const messages = checkClosingLines(root, false).map((violation) => violation.message)
    const keys = messages.map((message) => /"([^"]+)"/.exec(message)?.[1])
    assert.deepStrictEqual(keys, ["./a/b/internal/*", "./internal/*", "./tasks/internal/*"])
    checkClosingLines(root, true)
    assert.deepStrictEqual(checkClosingLines(root, false), [])
    const { exports } = JSON.parse(readFileSync(manifest, "utf8")) as { exports: Record<string, unknown> }
    assert.deepStrictEqual(Object.keys(exports), [".", "./a/b/internal/*", "./internal/*", "./tasks/internal/*", "./*"])
  })

  it("exits 1 with file, line and rule on a violation, and 1 where there is nothing to look at [X1]", () => {
    const root = temporaryFolder()
    const empty = runScript("floors.ts", ["--root", root])
    assert.strictEqual(empty.code, 1)
    writeFiles(root, { "packages/core/src/tasks/Task.ts": `\nimport "node:fs"\n` })
    const ran = runScript("floors.ts", ["--root", root])
    assert.strictEqual(ran.code, 1)
    assert.include(ran.stderr, "packages/core/src/tasks/Task.ts:2 platform:")
    writeFiles(root, { "packages/core/src/tasks/Task.ts": `export {}\n` })
    assert.strictEqual(runScript("floors.ts", ["--root", root]).code, 0)
  })

  it("finds no violation in this workspace [X1]", () => {
    const { files, violations } = checkFloors(workspaceRoot)
    assert.deepStrictEqual(violations, [])
    assert.isAbove(files, 10)
  })
})
