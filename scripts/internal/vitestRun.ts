/**
 * Runs chosen tests of one file and answers with what became of each.
 *
 * @internal
 */
import { spawn } from "node:child_process"
import { existsSync, readFileSync, rmSync } from "node:fs"
import * as path from "node:path"

export interface TestResult {
  readonly title: string
  readonly status: string
  readonly messages: ReadonlyArray<string>
}

/** `results` are the tests that ran; `problem` says why there are none. */
export interface FileResult {
  readonly results: ReadonlyArray<TestResult>
  readonly problem: string | undefined
}

interface JsonReport {
  readonly testResults: ReadonlyArray<{
    readonly message?: string
    readonly assertionResults: ReadonlyArray<{
      readonly title: string
      readonly status: string
      readonly failureMessages?: ReadonlyArray<string> | null
    }>
  }>
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&")

const readReport = (report: string): FileResult => {
  const { testResults } = JSON.parse(readFileSync(report, "utf8")) as JsonReport
  const results = testResults
    .flatMap((file) => file.assertionResults)
    .filter((test) => test.status === "passed" || test.status === "failed")
    .map((test) => ({ title: test.title, status: test.status, messages: test.failureMessages ?? [] }))
  const problem = testResults.map((file) => file.message ?? "").find((message) => message !== "")
  return { results, problem: results.length === 0 ? (problem ?? "no test of that title") : undefined }
}

/** Runs the tests of `file` (in the workspace `root`) whose titles contain one of `titles`. */
export const runTests = (
  root: string,
  file: string,
  titles: ReadonlyArray<string>,
  timeoutSeconds: number
): Promise<FileResult> =>
  new Promise((resolve) => {
    const report = path.join(root, "vitest-report.json")
    rmSync(report, { force: true })
    const { NODE_OPTIONS: _, VITEST: __, ...env } = process.env
    const args = ["run", file, "-t", titles.map(escaped).join("|"), "--reporter=json", `--outputFile=${report}`]
    const vitest = path.join(root, "node_modules", "vitest", "vitest.mjs")
    const child = spawn(process.execPath, [vitest, ...args], { cwd: root, env, stdio: ["ignore", "ignore", "pipe"] })
    let stderr = ""
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text
    })
    let timedOut = false
    const timer = setTimeout(() => {
      timedOut = true
      child.kill("SIGKILL")
    }, timeoutSeconds * 1000)
    child.on("close", (code) => {
      clearTimeout(timer)
      if (timedOut) resolve({ results: [], problem: `no end within ${timeoutSeconds} s` })
      else if (!existsSync(report)) resolve({ results: [], problem: `exit code ${code}: ${stderr.trim().slice(-400)}` })
      else resolve(readReport(report))
    })
  })
