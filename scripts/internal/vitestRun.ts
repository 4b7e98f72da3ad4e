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

/** Which tests to run, and how long a single one and the whole run may take. */
export interface RunOptions {
  /** The workspace. */
  readonly root: string
  readonly file: string
  /** Parts of titles. */
  readonly titles: ReadonlyArray<string>
  readonly runSeconds: number
  /** Instead of the workspace's own limit for one test. */
  readonly testSeconds?: number | undefined
}

/** Ends a process and all it has started that is still of its group; harmless when none is left. */
const killGroup = (pid: number | undefined): void => {
  if (pid === undefined) return
  try {
    process.kill(-pid, "SIGKILL")
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error
  }
}

/**
 * Runs the tests of one file whose titles contain one of the given.
 *
 * The run is a process group of its own, ended as a whole: a test that loops for ever outlives its runner, which can end
 * neither by the test's time limit nor by itself.
 */
export const runTests = ({ file, root, runSeconds, testSeconds, titles }: RunOptions): Promise<FileResult> =>
  new Promise((resolve) => {
    const report = path.join(root, "vitest-report.json")
    rmSync(report, { force: true })
    const { NODE_OPTIONS: _, VITEST: __, ...env } = process.env
    const args = ["run", file, "-t", titles.map(escaped).join("|"), "--reporter=json", `--outputFile=${report}`]
    if (testSeconds !== undefined)
      args.push(`--testTimeout=${testSeconds * 1000}`, `--hookTimeout=${testSeconds * 1000}`)
    const vitest = path.join(root, "node_modules", "vitest", "vitest.mjs")
    const child = spawn(process.execPath, [vitest, ...args], {
      cwd: root,
      env,
      stdio: ["ignore", "ignore", "pipe"],
      detached: true
    })
    // A group of its own does not hear the terminal's Ctrl-C.
    const interrupted = (signal: NodeJS.Signals): void => {
      killGroup(child.pid)
      process.exit(signal === "SIGINT" ? 130 : 143)
    }
    process.once("SIGINT", interrupted).once("SIGTERM", interrupted)
    let stderr = ""
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text
    })
    let timedOut = false
    const timer = setTimeout(() => {
      timedOut = true
      killGroup(child.pid)
    }, runSeconds * 1000)
    // Before `close`: who was left behind holds the pipe open.
    child.on("exit", () => killGroup(child.pid))
    child.on("close", (code) => {
      clearTimeout(timer)
      process.off("SIGINT", interrupted).off("SIGTERM", interrupted)
      if (timedOut) resolve({ results: [], problem: `no end within ${runSeconds} s` })
      else if (!existsSync(report)) resolve({ results: [], problem: `exit code ${code}: ${stderr.trim().slice(-400)}` })
      else resolve(readReport(report))
    })
  })
