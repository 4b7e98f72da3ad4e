/**
 * `npm run floors`: fails when an import climbs a floor or enters another
 * family's internals, and when a package leaves an internal folder open.
 *
 * With `--write` the closing lines of the exports maps are repaired first.
 * `--root` looks at another workspace (tests use it). One line per violation:
 * `file:line rule: message`. Exit code 1 when there is any.
 */
import { parseArgs } from "node:util"
import { checkClosingLines } from "./internal/closingLines.ts"
import { workspaceRoot } from "./internal/files.ts"
import { checkFloors } from "./internal/floorRules.ts"

const { values } = parseArgs({
  options: { write: { type: "boolean", default: false }, root: { type: "string", default: workspaceRoot } }
})

const closing = checkClosingLines(values.root, values.write)
const { files, violations } = checkFloors(values.root)
const all = [...violations, ...closing]
for (const { file, line, message, rule } of all) console.error(`${file}:${line} ${rule}: ${message}`)
console.log(`floors: ${files} files, ${all.length} violations`)
if (files === 0) console.error(`floors: found no sources below ${values.root}`)
process.exitCode = all.length > 0 || files === 0 ? 1 : 0
