/**
 * Starts a thread of the watchdog: without the flags and the environment of the program, and no reason to stay alive.
 *
 * @internal
 */
import { Worker } from "node:worker_threads"

/** Imports of `@selvedge/core` lead to sources where the program runs from sources. */
const CONDITION = "--conditions=@selvedge/source"

/** Throws what `new Worker` throws. */
export const startThread = (entry: "watchThread" | "voiceThread", data: unknown): Worker => {
  const isSource = import.meta.url.endsWith(".ts")
  const thread = new Worker(new URL(`./${entry}.${isSource ? "ts" : "js"}`, import.meta.url), {
    // The kernel shows 15 characters, and the two are to be told apart.
    name: entry === "watchThread" ? "selvedge-watchdog" : "watchdog-voice",
    workerData: data,
    env: {},
    stdout: true,
    stderr: true,
    execArgv: ["--no-warnings", ...(isSource ? [CONDITION] : [])],
    resourceLimits: { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 4 }
  })
  thread.unref()
  return thread
}
