/**
 * Explores the models of one file and prints a JSON line for each; started by
 * `scripts/model.ts` with the file, the text to filter by, and a schedule to
 * replay (both may be empty).
 */
import { pathToFileURL } from "node:url"
import { explore, type Model, ModelError, printReport, type Report, type Threads } from "@selvedge/testing/model"

type AnyModel = Model<unknown, Threads<unknown>>

const isModel = (value: unknown): value is AnyModel =>
  typeof value === "object" && value !== null && "setup" in value && "threads" in value

const [file = "", only = "", replay = ""] = process.argv.slice(2)
const exported = (await import(pathToFileURL(file).href)) as Record<string, unknown>
const models = Object.entries(exported).flatMap(([name, value]): ReadonlyArray<readonly [string, AnyModel]> => {
  if (isModel(value)) return [[value.name ?? name, value]]
  if (!Array.isArray(value)) return []
  return value.filter(isModel).map((model, i) => [model.name ?? `${name}[${i}]`, model] as const)
})
if (models.length === 0) {
  console.error(`${file} exports no model`)
  process.exitCode = 1
}
/** A schedule, or options, that cannot be used are told in a line, not by a stack; exit code 2 means the schedule. */
const exploreOrSay = (name: string, model: AnyModel): Report | undefined => {
  try {
    return explore(model, replay === "" ? {} : { replay })
  } catch (error) {
    if (!(error instanceof ModelError)) throw error
    console.error(`${name}: ${error.message}`)
    process.exitCode = replay !== "" && error.reason === "options" ? 2 : 1
    return undefined
  }
}
for (const [name, model] of models) {
  if (!name.includes(only)) continue
  const report = exploreOrSay(name, model)
  if (report === undefined) break
  const { executions, longest, seconds, strategy, threads } = report
  const line = { model: name, threads, operations: longest, result: report._tag, strategy, executions, seconds }
  console.log(JSON.stringify(report._tag === "Failed" ? { ...line, story: printReport(name, report) } : line))
}
