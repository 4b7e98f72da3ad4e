/**
 * How a process ends that may still have native code running somewhere.
 *
 * `process.exit` is not the end yet: Node then joins its thread pool and every worker, for as long as what they run
 * takes (a read from a pipe that nobody writes to: for ever). An `exec` takes all threads with it at once, so a process
 * that may have something running ends by becoming a program that does nothing but exit with the code.
 *
 * Facts behind this were measured on Node 22.19 and 26.10: with a job of 2 s in the pool, or in a worker, `process.exit`
 * takes 2 s and stops the other workers first; `exec` from an `exit` handler takes as long as the program it starts.
 *
 * @internal
 */
import { accessSync, constants } from "node:fs"
import { type Times, times } from "./guardTimes.ts"
import * as LoopHold from "./loopHold.ts"

const SHELL = "/bin/sh"

/** A program that can exit with a code and do nothing else. */
type Program = "shell" | "node"

/** What this process can do to end itself. Asked in the main thread: a worker gets other answers. */
export interface Abilities {
  /** Whether one thread may reach another through the inspector. Where it may not, trying aborts the process. */
  readonly inspector: boolean
  /** What to become. Nothing where there is no `exec`, or where a profiler writes its file in Node's own exit. */
  readonly program: Program | undefined
  /** When a guard that is started with them does what. */
  readonly times: Times
}

export const abilities = (): Abilities => ({
  inspector: process.features.inspector && permitted("inspector"),
  program: !canExec() ? undefined : isExecutable(SHELL) ? "shell" : nodeIsNode() ? "node" : undefined,
  times
})

/** What to `exec` in order to exit with a code. */
export const command = (program: Program, exitCode: number): readonly [path: string, argv: ReadonlyArray<string>] =>
  program === "shell"
    ? [SHELL, ["sh", "-c", `exit ${exitCode}`]]
    : [process.execPath, [process.execPath, "-e", `process.exit(${exitCode})`]]

/** How long the event loop may take to run out by itself. */
const RUN_OUT_MILLIS = 20

/**
 * Ends the process with a code, `exit` handlers included, and waits for no native code. The last thing to call.
 *
 * A loop that has nothing left but a `KeepAlive` ends by itself, in the usual way: nothing can be running then, because
 * a request in the pool keeps the loop alive. A loop that does not within 20 ms has something left, and nobody asks what.
 */
export const leaveProcess = (exitCode: number): void => {
  process.exitCode = exitCode
  LoopHold.letGo()
  setTimeout(() => leaveProcessNow(exitCode), RUN_OUT_MILLIS).unref()
}

/** The same without the 20 ms. */
export const leaveProcessNow = (exitCode: number): never => {
  process.on("exit", () => becomeExit(exitCode))
  try {
    process.exit(exitCode)
  } catch (error) {
    // An exit handler threw. Node does not run them twice.
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
    becomeExit(exitCode)
    process.exit(exitCode)
  }
}

const becomeExit = (exitCode: number): void => {
  const { program } = abilities()
  if (program === undefined) return
  const [path, argv] = command(program, exitCode)
  process.execve?.(path, argv, {})
}

const canExec = (): boolean =>
  process.execve !== undefined &&
  process.platform !== "win32" &&
  permitted("child") &&
  process.env["NODE_V8_COVERAGE"] === undefined &&
  !process.execArgv.some((argument) => /^--[a-z]+-prof/.test(argument))

/** An application built into the executable would start anew, not exit. */
const nodeIsNode = (): boolean =>
  !process.getBuiltinModule("node:sea").isSea() && !("electron" in process.versions) && isExecutable(process.execPath)

const permitted = (scope: string): boolean => process.permission === undefined || process.permission.has(scope)

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
