/**
 * `npm run model`: explores every model of the repository and prints a table.
 *
 * A model file is `*.model.ts` under a package's `test/model/`. Every export of it that
 * is a model (an object with `setup` and `threads`, see `defineModel`), or a list
 * of models, is explored with the model's own `options`. Its name is `model.name`,
 * else the name of the export. A file is run in a child process of its own, on the
 * sources.
 *
 * Options: `--only text` (part of the file's or the model's name), `--json` (one
 * line per model), `--replay schedule` (with `--only`), `--root`. Exit code 1 when
 * a model fails, a file cannot be run, or there is none.
 *
 * The last line is `models: 7 of 7 held (6 Exhausted, 1 Sampled), 12345 executions, 3.2 s`.
 */
import { spawn } from "node:child_process"
import * as path from "node:path"
import { parseArgs } from "node:util"
import { folder, readOrExit } from "./internal/arguments.ts"
import { filesOf, workspaceRoot } from "./internal/files.ts"

export interface ModelLine {
  readonly file: string
  readonly model: string
  readonly threads: number
  /** Steps of the longest execution. */
  readonly operations: number
  readonly result: "Exhausted" | "Sampled" | "Failed"
  readonly strategy: string
  readonly executions: number
  readonly seconds: number
  readonly story?: string
}

const runFile = (root: string, file: string, only: string, replay: string): Promise<ReadonlyArray<ModelLine>> =>
  new Promise((resolve) => {
    const entry = path.join(import.meta.dirname, "internal", "modelChild.ts")
    const { NODE_OPTIONS: _, ...env } = process.env
    const args = ["--conditions=@selvedge/source", "--no-warnings", entry, path.join(root, file), only, replay]
    const child = spawn(process.execPath, args, { cwd: root, env, stdio: ["ignore", "pipe", "inherit"] })
    let stdout = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text
    })
    child.on("close", (code, signal) => {
      // The schedule to replay cannot be one, and the child has said so.
      if (code === 2) process.exit(2)
      const lines = stdout.split("\n").flatMap((line): ReadonlyArray<ModelLine> => {
        if (!line.startsWith("{")) return []
        return [{ ...(JSON.parse(line) as ModelLine), file }]
      })
      if (code === 0) return resolve(lines)
      const story = `${file}: ended with ${signal ?? `exit code ${code}`}`
      const empty = { threads: 0, operations: 0, strategy: "", executions: 0, seconds: 0 }
      resolve([...lines, { file, model: path.basename(file), result: "Failed", story, ...empty }])
    })
  })

const table = (lines: ReadonlyArray<ModelLine>): string => {
  const head = ["model", "threads", "operations", "result", "executions", "seconds"]
  const rows = lines.map((line) => [
    line.model,
    String(line.threads),
    String(line.operations),
    line.result === "Sampled" ? `Sampled (${line.strategy})` : line.result,
    String(line.executions),
    line.seconds.toFixed(2)
  ])
  const all = [head, ...rows]
  const widths = head.map((_, i) => Math.max(...all.map((row) => row[i]?.length ?? 0)))
  const numeric = new Set([1, 2, 4, 5])
  const print = (row: ReadonlyArray<string>): string =>
    row
      .map((cell, i) => (numeric.has(i) ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
      .join("  ")
      .trimEnd()
  return [print(head), widths.map((n) => "-".repeat(n)).join("  "), ...rows.map(print)].join("\n")
}

const values = readOrExit("model", () => {
  const read = parseArgs({
    options: {
      only: { type: "string", default: "" },
      json: { type: "boolean", default: false },
      replay: { type: "string", default: "" },
      root: { type: "string", default: workspaceRoot }
    }
  }).values
  return { ...read, root: folder("root", read.root) }
})
const files = filesOf(values.root, ["packages/*/test/model/**/*.model.ts"])
const lines: Array<ModelLine> = []
// One at a time, so that their seconds mean something.
for (const file of files) {
  const found = await runFile(values.root, file, file.includes(values.only) ? "" : values.only, values.replay)
  lines.push(...found)
  // Models can take minutes: say where we are, beside the table.
  const took = found.reduce((sum, line) => sum + line.seconds, 0)
  if (found.length > 0) console.error(`${file}: ${found.length} models, ${took.toFixed(1)} s`)
}
if (lines.length === 0 && files.length > 0) {
  // Only the files themselves know the names of their models.
  console.error(`model: --only wants a part of a model's name or file, found "${values.only}"`)
  process.exit(2)
}
if (values.json) for (const line of lines) console.log(JSON.stringify(line))
else if (lines.length > 0) console.log(table(lines))
for (const line of lines) if (line.story !== undefined) console.log(`\n${line.story}`)
const count = (result: ModelLine["result"]): number => lines.filter((line) => line.result === result).length
const held = lines.length - count("Failed")
const executions = lines.reduce((sum, line) => sum + line.executions, 0)
const seconds = lines.reduce((sum, line) => sum + line.seconds, 0)
const summary = `models: ${held} of ${lines.length} held (${count("Exhausted")} Exhausted, ${count("Sampled")} Sampled), ${executions} executions, ${seconds.toFixed(1)} s`
if (values.json) console.error(summary)
else console.log(`\n${summary}`)
process.exitCode = lines.length === 0 || held < lines.length ? 1 : 0
