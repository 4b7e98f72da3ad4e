/**
 * The check of the requirements, seen to fail: a small list with small tests.
 */
import { assert, describe, it } from "vitest"
import { checkRequirements, tagsOf } from "../scripts/internal/requirementRules.ts"
import { runScript, temporaryFolder, writeFiles } from "./internal/fixture.ts"

const list = `
- **T8** (now) Joins with one deadline.
- **T9** (planned) Says what it waits for.
- **flaw T8: pending count** (now) Counts wrongly.
- **flaw T8: second join** (planned) Forgets.
`

/** Titles are assembled so that this file's own text cites nothing. */
const tag = (id: string): string => `${"["}${id}${"]"}`

const problemsOf = (test: string, gaps: Record<string, string> = {}): ReadonlyArray<string> => {
  const root = temporaryFolder()
  writeFiles(root, {
    "docs/requirements.md": list,
    "scripts/requirements.gaps.json": JSON.stringify(gaps),
    "packages/core/test/a.test.ts": test
  })
  return checkRequirements(root).problems
}

const both = `it.effect("joins ${tag("T8")} ${tag("flaw T8: pending count")}", () => x)`

describe("requirements", () => {
  it("is content when every line marked now has a test [Q1]", () => {
    assert.deepStrictEqual(problemsOf(both), [])
  })

  it("names the requirement and the flaw that have no test [Q1]", () => {
    assert.deepStrictEqual(problemsOf(""), [
      "docs/requirements.md:2 T8 has no test: Joins with one deadline.",
      "docs/requirements.md:4 flaw T8: pending count has no test: Counts wrongly."
    ])
  })

  it("accepts a known gap with a reason, and nothing else [Q1]", () => {
    const flawOnly = `it("joins ${tag("flaw T8: pending count")}", () => x)`
    assert.deepStrictEqual(problemsOf(flawOnly, { T8: "not built yet" }), [])
    assert.match(problemsOf(flawOnly, { T8: " " }).join(), /T8 wants a reason/)
    assert.match(problemsOf(both, { T9: "later" }).join(), /T9 is not a line marked \(now\)/)
  })

  it("asks for a closed gap to be taken out [Q1]", () => {
    assert.match(problemsOf(both, { T8: "not built yet" }).join(), /T8 has 1 test\(s\) now: take the gap out/)
  })

  it("refuses a tag that the list does not have, and shows what it has [Q1]", () => {
    const [problem] = problemsOf(`${both}\nit("${tag("flaw T8: penning count")}", f)`)
    assert.match(
      problem ?? "",
      /a\.test\.ts:2 .*penning count.* has \[flaw T8: pending count\], \[flaw T8: second join\]/
    )
  })

  it("counts no comment, no string outside a call, and no skipped test [Q1]", () => {
    const title = `"joins ${tag("T8")}"`
    const { skipped, tags } = tagsOf("a.test.ts", `// it(${title})\nconst x = ${title}\nit.skip(${title}, f)\n`)
    assert.deepStrictEqual(tags, [])
    assert.deepStrictEqual(
      skipped.map((test) => test.line),
      [3]
    )
    assert.match(problemsOf(`${both}\nit.skip(${title}, f)`).join(), /a\.test\.ts:2 a skipped test/)
  })

  it("reads several numbers in one tag, templates, and titles of table tests [Q1]", () => {
    const text = `it.each(rows)(\n  "a ${tag("T7, T8")}", f)\nit(\`b \${row.name} ${tag("S7")}\`, f)`
    const { tags } = tagsOf("a.test.ts", text)
    assert.deepStrictEqual(
      tags.map(({ id, line }) => `${id}@${line}`),
      ["T7@2", "T8@2", "S7@3"]
    )
  })

  it("exits 1 on a gap and 0 without [Q1]", () => {
    const root = temporaryFolder()
    writeFiles(root, { "docs/requirements.md": list, "test/a.test.ts": "" })
    assert.strictEqual(runScript("requirements.ts", ["--root", root]).code, 1)
    writeFiles(root, { "test/a.test.ts": both })
    const ran = runScript("requirements.ts", ["--root", root])
    assert.strictEqual(ran.code, 0)
    assert.include(ran.stdout, "2 of 2 shown by tests")
  })
})
