/**
 * Every `SELVEDGE_*` variable stands in docs/configuration.md as it is declared.
 */
import { assert, it } from "@effect/vitest"
import type * as Setting from "@selvedge/core/config/Setting"
import * as Counters from "@selvedge/core/diagnostics/Counters"
import * as FlightRecorder from "@selvedge/core/diagnostics/FlightRecorder"
import * as StrandRegistry from "@selvedge/core/diagnostics/StrandRegistry"
import * as Main from "@selvedge/core/service/Main"
import * as ShutdownPlan from "@selvedge/core/shutdown/ShutdownPlan"
import * as TaskRegistry from "@selvedge/core/tasks/TaskRegistry"
import * as Selvedge from "@selvedge/node/main/Selvedge"
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"

const root = join(import.meta.dirname, "..")

const declared: ReadonlyArray<Setting.Setting<unknown>> = [
  ShutdownPlan.settings,
  TaskRegistry.settings,
  StrandRegistry.settings,
  Counters.settings,
  FlightRecorder.settings,
  Main.settings,
  Selvedge.settings
].flatMap((settings) => Object.values<Setting.Setting<unknown>>(settings))

/** The rows of all tables in the document, by variable. */
const documented = new Map(
  readFileSync(join(root, "docs/configuration.md"), "utf8")
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim().replaceAll("`", ""))
    )
    .map(([variable, option, type, fallback, range]) => [variable!, { option, type, fallback, range }] as const)
)

it("every declared setting is documented with its option, type, default and range [Q7]", () => {
  for (const { fallback, option, range, type, variable } of declared) {
    assert.deepStrictEqual(documented.get(variable), { option, type, fallback, range }, variable)
  }
})

it("the sources read no variable that is not documented, and no documented one is unread [Q7]", () => {
  const read = new Set(
    globSync("packages/*/src/**/*.ts", { cwd: root }).flatMap((file) =>
      Array.from(
        readFileSync(join(root, file), "utf8").matchAll(/"((?:SELVEDGE|MODEL)_[A-Z_]+)"/g),
        (match) => match[1]!
      )
    )
  )
  assert.deepStrictEqual(Array.from(documented.keys()).toSorted(), Array.from(read).toSorted())
})
