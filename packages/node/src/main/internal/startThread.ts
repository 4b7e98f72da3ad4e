/**
 * Starts one of the guard's two threads: small, alone, and unknown to the rest of the process.
 *
 * It inherits neither flags nor environment, because a `--import` of somebody's instrumentation has no business in a
 * thread that must not fail; and it is not counted as a reason to keep the process alive.
 *
 * @internal
 */
import { Worker } from "node:worker_threads"
import type { ThreadData } from "./guardMemory.ts"

/** Throws what `new Worker` throws; a thread that fails later says so by its `error` and `exit` events. */
export const startThread = (entry: "guardThread" | "guardVoice", data: ThreadData): Worker => {
  // The entry is a source beside this source, or a built file beside this built file; imports are rewritten by the
  // compiler, URLs are not.
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js"
  const worker = new Worker(new URL(`./${entry}.${extension}`, import.meta.url), {
    name: entry === "guardThread" ? "selvedge-guard" : "selvedge-voice",
    workerData: data,
    env: {},
    // Else the main thread's stdout and stderr are opened as streams here, which changes how writing to them behaves.
    stdout: true,
    stderr: true,
    execArgv: ["--no-warnings"],
    resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 }
  })
  worker.unref()
  return worker
}
