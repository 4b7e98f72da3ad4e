/**
 * Writes the table of planted bugs into `docs/testing.md`:
 * `node --conditions=@selvedge/source packages/testing/test/model/plantedTable.ts`.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { explore } from "@selvedge/testing/model"
import { planted } from "./planted/index.ts"

const BEGIN = "<!-- planted bugs: begin (written by packages/testing/test/model/plantedTable.ts) -->"
const END = "<!-- planted bugs: end -->"

const rows = planted.map((pair) => {
  // Once for the compiler, so that the seconds are those of exploring.
  explore(pair.broken)
  explore(pair.fixed)
  const broken = explore(pair.broken)
  const fixed = explore(pair.fixed)
  const found = `${broken.failure?.kind ?? "nothing"} | ${broken.executions} | ${broken.seconds.toFixed(3)}`
  return `| ${pair.name} | ${found} | ${fixed._tag} | ${fixed.executions} | ${fixed.seconds.toFixed(3)} |`
})
const table = [
  "| planted bug | found as | executions | seconds | corrected twin | executions | seconds |",
  "| --- | --- | ---: | ---: | --- | ---: | ---: |",
  ...rows
].join("\n")
const file = new URL("../../../../docs/testing.md", import.meta.url)
const text = readFileSync(file, "utf8")
const from = text.indexOf(BEGIN)
const to = text.indexOf(END)
if (from < 0 || to < from) throw new Error(`docs/testing.md has no lines ${BEGIN} … ${END}`)
writeFileSync(file, `${text.slice(0, from + BEGIN.length)}\n\n${table}\n\n${text.slice(to)}`)
console.log(table)
