/**
 * The table of docs/diagnostics.md that says what shows each invariant: complete, and of models that are there.
 */
import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import * as Counters from "./counter.model.ts"
import * as Recorders from "./recorder.model.ts"
import * as Strands from "./strand.model.ts"

const page = readFileSync(new URL("../../../../docs/diagnostics.md", import.meta.url), "utf8")
const rows = page.split("\n").filter((line) => /^\| (?:[STWKF]\d,? ?)+ \|/.test(line))

describe("the invariants of diagnostics", () => {
  it("are each named with what shows them [D2] [D5] [D9]", () => {
    const stated = Array.from(page.matchAll(/^- \*\*([A-Z]\d)\*\*/gm), ([, name]) => name)
    const shown = rows.flatMap((line) => line.split("|")[1]!.match(/[A-Z]\d/g) ?? [])
    assert.isAbove(stated.length, 15)
    assert.deepStrictEqual(shown.toSorted(), stated.toSorted())
  })

  it("are shown by models that are there [D2] [D5] [D9]", () => {
    const names = [Counters, Recorders, Strands].flatMap((models) =>
      Object.values(models).flatMap((model: unknown) =>
        typeof model === "object" && model !== null && "name" in model ? [String(model.name)] : []
      )
    )
    const cited = rows.flatMap((line) =>
      Array.from(line.matchAll(/`((?:strand|counter|recorder): [^`]+)`/g), ([, name]) => name!)
    )
    assert.isAbove(cited.length, 15)
    assert.deepStrictEqual(
      cited.filter((prefix) => !names.some((name) => name.startsWith(prefix))),
      []
    )
  })
})
