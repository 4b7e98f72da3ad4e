/**
 * `npm run requirements`: lists requirements and flaws without a test.
 *
 * Exit code 1 when a line marked `(now)` in `docs/requirements.md` has neither
 * a test nor a known gap, when a known gap has closed, when a title cites what
 * the list does not have, or when a test is skipped. `--root` looks at another
 * workspace; `--all` prints every line with its number of tests.
 */
import { parseArgs } from "node:util"
import { folder, readOrExit } from "./internal/arguments.ts"
import { workspaceRoot } from "./internal/files.ts"
import { checkRequirements } from "./internal/requirementRules.ts"

const { all, root } = readOrExit("requirements", () => {
  const { values } = parseArgs({
    options: { all: { type: "boolean", default: false }, root: { type: "string", default: workspaceRoot } }
  })
  return { all: values.all, root: folder("root", values.root) }
})

const { covered, knownGaps, problems, requirements } = checkRequirements(root)
if (all) {
  for (const { id, status, text } of requirements) {
    console.log(`${id.padEnd(28)} ${status.padEnd(7)} ${String(covered.get(id) ?? 0).padStart(4)}  ${text}`)
  }
}
for (const problem of problems) console.error(problem)
const now = requirements.filter((one) => one.status === "now")
const shown = now.filter((one) => covered.has(one.id)).length
console.log(
  `requirements: ${shown} of ${now.length} shown by tests, ${knownGaps.length} known gaps, ` +
    `${requirements.length - now.length} planned, ${problems.length} problems`
)
if (requirements.length === 0) console.error("requirements: the list is empty")
process.exitCode = problems.length > 0 || requirements.length === 0 ? 1 : 0
