/**
 * `npm run floors`: fails when an import climbs a floor or enters another
 * family's internals, and when a package leaves an internal folder open.
 *
 * With `--write` the closing lines of the exports maps are repaired first.
 * `--root` looks at another workspace (tests use it). One line per violation:
 * `file:line rule: message`. Exit code 1 when there is any, 2 for an
 * argument that cannot be.
 */
import { parseArgs } from "node:util"
import { folder, readOrExit } from "./internal/arguments.ts"
import { checkClosingLines } from "./internal/closingLines.ts"
import { workspaceRoot } from "./internal/files.ts"
import { checkFloors } from "./internal/floorRules.ts"

const { root, write } = readOrExit("floors", () => {
  const { values } = parseArgs({
    options: { write: { type: "boolean", default: false }, root: { type: "string", default: workspaceRoot } }
  })
  return { write: values.write, root: folder("root", values.root) }
})

const closing = checkClosingLines(root, write)
const { files, violations } = checkFloors(root)
const all = [...violations, ...closing]
for (const { file, line, message, rule } of all) console.error(`${file}:${line} ${rule}: ${message}`)
console.log(`floors: ${files} files, ${all.length} violations`)
if (files === 0) console.error(`floors: found no sources below ${root}`)
process.exitCode = all.length > 0 || files === 0 ? 1 : 0
